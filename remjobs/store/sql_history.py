"""The history in the catalogue: an entry is written with its job, and outlives it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import Connection, Row, delete, insert, select, update

from remjobs.model.history import Asker, HistoryQuery, JobEntry
from remjobs.model.job import Job, JobType
from remjobs.model.state import JobState
from remjobs.model.wire import decode
from remjobs.store.base import NewJob
from remjobs.store.rows import moment, seconds
from remjobs.store.tables import history, jobs

__all__ = ["drop_entries", "enter", "entries", "freeze"]

_LONGEST: Final = 1000
"""Characters of a command: an entry is small, whatever the job was."""


def enter(connection: Connection, job: Mapping[str, Any], new: NewJob) -> None:
    """Write the entry of a job that is being stored; ``job`` is its row."""
    same = ("id", "instance_id", "name", "type", "location", "submit_time", "retry_of")
    asker = {name: getattr(new.caller, name) for name in Asker.__dataclass_fields__}
    row = {name: job[name] for name in (*same, "definition")}
    cut = {"command": job["command"][:_LONGEST], "asker": asker}
    connection.execute(insert(history).values(row | cut))


def freeze(connection: Connection, job: Job) -> None:
    """Note how a job stands that is being removed."""
    ended = {
        "state": job.state.value,
        "counts": {state.value: count for state, count in job.counts.items()},
        "begin_time": seconds(job.begin_time),
        "end_time": seconds(job.end_time),
    }
    now = seconds(datetime.now(UTC))
    change = update(history).where(history.c.id == job.id)
    connection.execute(change.values(ended=ended, remove_time=now))


def entries(
    connection: Connection,
    present: Mapping[int, Job],
    query: HistoryQuery,
) -> tuple[JobEntry, ...]:
    """Return the entries that a query keeps, oldest first.

    Args:
        connection: To the catalogue.
        present: The jobs that are there.
        query: What is wanted.
    """
    found: list[JobEntry] = []
    rows = connection.execute(select(history).order_by(history.c.id.desc()))
    for row in rows:
        entry = _entry(row, present.get(row.id))
        if query.keeps(entry):
            found.append(entry)
        if len(found) == query.newest:
            break
    rows.close()
    return tuple(reversed(found))


def drop_entries(connection: Connection, before: datetime, most: int) -> int:
    """Drop entries of removed jobs: those from before a moment, and all but the newest."""
    kept = select(history.c.id).order_by(history.c.id.desc()).limit(most)
    old = (history.c.submit_time < seconds(before)) | history.c.submit_time.is_(None)
    gone = history.c.id.not_in(select(jobs.c.id)) & (old | history.c.id.not_in(kept))
    return connection.execute(delete(history).where(gone)).rowcount


def _entry(row: Row[Any], job: Job | None) -> JobEntry:
    return JobEntry(
        id=row.id,
        instance_id=UUID(row.instance_id),
        name=row.name,
        type=JobType(row.type),
        command=row.command,
        location=row.location,
        asker=decode(row.asker, Asker),
        submit_time=moment(row.submit_time),
        retry_of=row.retry_of,
        definition=row.definition,
        remove_time=moment(row.remove_time),
        **(_from_row(row.ended) if job is None else _from_job(job)),
    )


def _from_job(job: Job) -> dict[str, Any]:
    return {
        "state": job.state,
        "counts": job.counts,
        "begin_time": job.begin_time,
        "end_time": job.end_time,
    }


def _from_row(ended: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "state": JobState(ended["state"]),
        "counts": msgspec.convert(ended["counts"], dict[JobState, int]),
        "begin_time": moment(ended["begin_time"]),
        "end_time": moment(ended["end_time"]),
    }
