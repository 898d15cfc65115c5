"""Between database rows and the model's values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import Row

from remjobs.model.host import Host
from remjobs.model.job import Child, Job, JobType, Reason, ReasonKind
from remjobs.model.record import Stream
from remjobs.model.state import JobState, Request, parent_state
from remjobs.model.wire import decode
from remjobs.store.base import Entry, NewJob

__all__ = [
    "Group",
    "child_values",
    "entry_of",
    "groups_of",
    "job_of",
    "moment",
    "new_child_values",
    "new_job_values",
    "reason_of",
    "seconds",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The children of one job that are in one state, added up."""

    state: JobState
    count: int
    begin: float | None
    end: float | None
    has_more: bool
    reason: Reason | None
    """That of the first of them."""
    reasons: int
    """How many different ones there are."""


def seconds(time: datetime | None) -> float | None:
    """Return a time as seconds since the epoch."""
    return None if time is None else time.timestamp()


def moment(at: float | None) -> datetime | None:
    """Return a time in UTC from seconds since the epoch."""
    return None if at is None else datetime.fromtimestamp(at, UTC)


def new_job_values(job_id: int, new: NewJob) -> dict[str, Any]:
    """Return the row of a new job."""
    return {
        "id": job_id,
        "instance_id": str(new.instance_id),
        "name": new.name or f"Job{job_id}",
        "type": new.type.value,
        "command": new.work.display,
        "location": new.location,
        "throttle_limit": new.throttle_limit,
        "request": Request.NONE.value,
        "status_message": "",
        "warnings": list(new.warnings),
        "caller": msgspec.to_builtins(new.caller),
        "retry_of": new.retry_of,
        "pace": msgspec.to_builtins(new.pace),
        "exclusive": new.work.exclusive,
        "definition_id": None if new.firing is None else str(new.firing.definition.id),
        "definition": None if new.firing is None else new.firing.definition.full_name,
        "submit_time": seconds(datetime.now(UTC)),
    }


def new_child_values(child_id: int, job_id: int, host: Host) -> dict[str, Any]:
    """Return the row of a child that has not started."""
    child = Child(
        id=child_id,
        instance_id=uuid4(),
        parent_id=job_id,
        name=f"Job{child_id}",
        host=host.name,
        transport=host.transport,
        state=JobState.NOT_STARTED,
    )
    return {
        "id": child_id,
        "job_id": job_id,
        "instance_id": str(child.instance_id),
        "key": str(uuid4()),
        "host": host.name,
        "transport": host.transport,
        "settings": msgspec.to_builtins(host),
        "acknowledged": False,
        "bases": None,
        "told": False,
        "has_more": True,
        "positions": {},
        "ends": None,
        **child_values(child),
    }


def child_values(child: Child) -> dict[str, Any]:
    """Return the columns of a child that change in its life."""
    return {
        "state": child.state.value,
        "reason_kind": child.reason and child.reason.kind.value,
        "reason_message": child.reason and child.reason.message,
        "status_message": child.status_message,
        "exit_code": child.exit_code,
        "signal": child.signal,
        "attempt": child.attempt,
        "begin_time": seconds(child.begin_time),
        "end_time": seconds(child.end_time),
        "sought_until": seconds(child.sought_until),
    }


def child_of(row: Row[Any], job: Row[Any]) -> Child:
    """Return a child from its row and its parent's."""
    return Child(
        id=row.id,
        instance_id=UUID(row.instance_id),
        parent_id=row.job_id,
        name=f"Job{row.id}",
        type=JobType(job.type),
        host=row.host,
        transport=row.transport,
        address=(row.settings or {}).get("address"),
        state=JobState(row.state),
        reason=reason_of(row),
        status_message=row.status_message,
        has_more_data=bool(row.has_more),
        command=job.command,
        exit_code=row.exit_code,
        signal=row.signal,
        attempt=row.attempt,
        begin_time=moment(row.begin_time),
        end_time=moment(row.end_time),
        sought_until=moment(row.sought_until),
        throttle_limit=job.throttle_limit,
    )


def entry_of(row: Row[Any], job: Row[Any]) -> Entry:
    """Return a ledger entry from a child's row and its parent's."""
    return Entry(
        child=child_of(row, job),
        host=decode(row.settings, Host),
        key=UUID(row.key),
        acknowledged=bool(row.acknowledged),
        bases={Stream(stream): at for stream, at in (row.bases or {}).items()},
    )


def reason_of(row: Row[*tuple[Any, ...]]) -> Reason | None:
    """Return the reason in a child's row."""
    if row.reason_kind is None:
        return None
    return Reason(kind=ReasonKind(row.reason_kind), message=row.reason_message)


def groups_of(children: Sequence[Child]) -> list[Group]:
    """Add up children by state."""
    counts = Counter(child.state for child in children)
    return [
        _group(state, [child for child in children if child.state is state]) for state in counts
    ]


def _group(state: JobState, members: list[Child]) -> Group:
    begins = [at for child in members if (at := seconds(child.begin_time)) is not None]
    ends = [at for child in members if (at := seconds(child.end_time)) is not None]
    return Group(
        state=state,
        count=len(members),
        begin=min(begins, default=None),
        end=max(ends, default=None),
        has_more=any(child.has_more_data for child in members),
        reason=members[0].reason,
        reasons=len({child.reason.message for child in members if child.reason is not None}),
    )


def job_of(
    row: Row[Any],
    groups: Iterable[Group],
    members: tuple[Child, ...] | None = None,
) -> Job:
    """Return a parent from its row, its children added up, and the children if wanted."""
    parts = list(groups)
    state = parent_state((group.state for group in parts), Request(row.request))
    job = Job(
        id=row.id,
        instance_id=UUID(row.instance_id),
        name=row.name,
        type=JobType(row.type),
        state=state,
        has_more_data=any(group.has_more for group in parts),
        location=row.location,
        command=row.command,
        status_message=row.status_message,
        submit_time=moment(row.submit_time),
        begin_time=moment(_least(group.begin for group in parts)),
        throttle_limit=row.throttle_limit,
        retry_of=row.retry_of,
        exclusive=row.exclusive,
        definition=row.definition,
        counts={group.state: group.count for group in parts},
        warnings=tuple(row.warnings),
        reason=_parent_reason(state, parts),
        children=members,
    )
    if not job.is_final:
        return job
    return replace(job, end_time=moment(max((g.end for g in parts if g.end), default=None)))


def _least(values: Iterable[float | None]) -> float | None:
    return min((value for value in values if value is not None), default=None)


def _parent_reason(state: JobState, groups: list[Group]) -> Reason | None:
    """Return the first reason of the children that gave the parent its state."""
    total = sum(group.count for group in groups)
    for group in groups:
        if group.state is state and group.reason is not None:
            if total == 1:
                return group.reason
            first = ", the first" if group.reasons > 1 else ""
            message = f"{group.count} of {total}{first}: {group.reason.message}"
            return Reason(kind=group.reason.kind, message=message)
    return None
