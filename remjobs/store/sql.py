"""The store on SQL databases: a catalogue, and one output database for each job."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import Connection, delete, func, insert, select, true, update

from remjobs.errors import NoSuchJob, StoreDamaged, StoreError, StoreFenced
from remjobs.model.history import HistoryQuery, JobEntry
from remjobs.model.job import Child, Job
from remjobs.model.pace import Pace
from remjobs.model.record import Record, Stream
from remjobs.model.request import Caller
from remjobs.model.state import FINAL, JobState, Request
from remjobs.model.wire import decode, dumps, parse
from remjobs.model.work import Work
from remjobs.store.base import NewJob, Piece, Positions, StoredJob
from remjobs.store.database import Database
from remjobs.store.filesystem import refuse_network_folder
from remjobs.store.migrate import migrate
from remjobs.store.outputs import Outputs
from remjobs.store.rows import (
    Group,
    child_values,
    entry_of,
    groups_of,
    job_of,
    new_child_values,
    new_job_values,
    reason_of,
)
from remjobs.store.sql_definitions import SqlDefinitions, enter_started
from remjobs.store.sql_history import drop_entries, enter, entries, freeze
from remjobs.store.tables import children, jobs, owner, sequence, works
from remjobs.store.writer import Begin, Writer

__all__ = ["SqlStore"]

T = TypeVar("T")

_READERS: Final = 4
_CATALOG: Final = 0
_WITH_REASON: Final = (
    JobState.FAILED.value,
    JobState.DISCONNECTED.value,
    JobState.STOPPED.value,
)
_FINAL_NAMES: Final = sorted(state.value for state in FINAL)


class SqlStore:
    """A Store in a folder of SQLite databases. Make it with ``open``."""

    def __init__(
        self, catalog: Database, folder: Path, fence: int, *, closed_cleanly: bool
    ) -> None:
        """Use a catalogue that was claimed under this fence."""
        self._catalog = catalog
        self._fence = fence
        self._outputs = Outputs(folder / "output", fence)
        self._writer = Writer(self._transaction)
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="store-reader")
        self._closed_cleanly = closed_cleanly
        self._hosts: dict[int, dict[int, str]] = {}
        self.definitions = SqlDefinitions(partial(self._writer.write, _CATALOG), self._read)

    @classmethod
    async def open(cls, folder: Path) -> SqlStore:
        """Open the store in a folder, made if need be, and take it over.

        Whoever had it open before can write no more.

        Raises:
            StoreDamaged: A database cannot be read, or is of a newer version.
            StoreError: The folder cannot be used.
        """
        return await asyncio.to_thread(cls._open, folder)

    @classmethod
    def _open(cls, folder: Path) -> SqlStore:
        try:
            (folder / "output").mkdir(mode=0o700, parents=True, exist_ok=True)
            refuse_network_folder(folder)
        except OSError as exc:
            msg = f"the state directory {folder} cannot be used: {exc.strerror}"
            raise StoreError(msg) from exc
        catalog = Database(folder / "catalog.db")
        try:
            fence, clean = _claim(catalog)
            with catalog.read() as connection:
                known = set(connection.execute(select(jobs.c.id)).scalars())
        except StoreError:
            catalog.close()
            raise
        store = cls(catalog, folder, fence, closed_cleanly=clean)
        store._outputs.sweep(known)
        return store

    @property
    def closed_cleanly(self) -> bool:
        """Whether the owner before this one took its leave."""
        return self._closed_cleanly

    @property
    def trouble(self) -> str | None:
        """What keeps the store from writing just now."""
        return self._writer.trouble

    # Writing

    def _transaction(self, target: int) -> Begin:
        return self._fenced if target == _CATALOG else partial(self._outputs.write, target)

    @contextmanager
    def _fenced(self) -> Iterator[Connection]:
        with self._catalog.write() as connection:
            if connection.execute(select(owner.c.fence)).scalar() != self._fence:
                msg = "another controller has taken this store over"
                raise StoreFenced(msg)
            yield connection

    async def add(self, new: NewJob) -> tuple[StoredJob, bool]:
        """Store a job and its children; the same instance id gives the same job."""
        job_id, is_new = await self._writer.write(_CATALOG, partial(_add, new), patient=False)
        return await self.load(job_id), is_new

    async def intend(self, child: Child, bases: Mapping[Stream, int]) -> None:
        """Commit the intent to start a child; only one can intend an attempt."""
        await self._writer.write(_CATALOG, partial(_intend, child, bases))

    async def acknowledge(self, child: Child) -> None:
        """Note that a child's host has said that it has the work."""
        change = update(children).where(children.c.id == child.id).values(acknowledged=True)
        await self._writer.write(_CATALOG, lambda c: c.execute(change) and None)

    async def offsets(self, child: Child) -> Mapping[Stream, int]:
        """Return where each stream of a child goes on behind what is stored."""
        ask = partial(self._outputs.offsets, child.parent_id, child.id)
        return {Stream(stream): behind for stream, behind in (await self._in_reader(ask)).items()}

    async def sizes(self, job_id: int) -> Mapping[int, Mapping[Stream, int]]:
        """Return how many bytes of each stream are kept, for each child that has any."""
        found: dict[int, dict[Stream, int]] = {}
        for child, stream, size in await self._in_reader(partial(self._outputs.sizes, job_id)):
            found.setdefault(child, {})[Stream(stream)] = size
        return found

    async def save(self, children: Sequence[Child]) -> None:
        """Write children as they are now."""
        await self._writer.write(_CATALOG, partial(self._save, tuple(children)))

    def _save(self, changed: Sequence[Child], connection: Connection) -> None:
        for child in changed:
            values = child_values(child)
            if child.is_final:
                ends = self._outputs.ends(child.parent_id, [child.id])[child.id]
                values |= {"ends": ends, "has_more": self._has_more(connection, child, ends)}
            connection.execute(update(children).where(children.c.id == child.id).values(values))

    @staticmethod
    def _has_more(connection: Connection, child: Child, ends: Mapping[str, int]) -> bool:
        row = connection.execute(
            select(children.c.positions, children.c.told).where(children.c.id == child.id),
        ).one()
        return _unreceived(row.positions, ends) or (child.reason is not None and not row.told)

    async def ask(self, job_id: int, request: Request, message: str = "") -> None:
        """Note what is asked of a parent."""
        change = update(jobs).where(jobs.c.id == job_id)
        values = {"request": request.value, "status_message": message}
        await self._writer.write(_CATALOG, lambda c: c.execute(change.values(values)) and None)

    async def limit(self, job_id: int, throttle_limit: int) -> None:
        """Change how many children of a job may run at a time."""
        change = update(jobs).where(jobs.c.id == job_id).values(throttle_limit=throttle_limit)
        await self._writer.write(_CATALOG, lambda c: c.execute(change) and None)

    async def append(self, job_id: int, pieces: Sequence[Piece]) -> None:
        """Store output."""
        held = tuple(pieces)
        await self._writer.write(job_id, lambda c: self._outputs.append(c, held))

    async def received(self, job_id: int, positions: Positions, told: Collection[int]) -> None:
        """Move read positions forward, and note whose failures were told."""
        ids = set(positions) | set(told)
        if ids:
            apply = partial(_receive, positions, frozenset(told), ids)
            await self._writer.write(_CATALOG, apply, patient=False)

    async def remove(self, job_id: int) -> None:
        """Forget a job and its records."""
        await self._writer.write(_CATALOG, partial(_remove, job_id), patient=False)
        self._hosts.pop(job_id, None)
        await asyncio.to_thread(self._outputs.remove, job_id)

    async def drop_history(self, before: datetime, most: int) -> int:
        """Drop entries of removed jobs from the history."""
        drop = partial(drop_entries, before=before, most=most)
        return await self._writer.write(_CATALOG, drop, patient=False)

    async def close(self, *, cleanly: bool = True) -> None:
        """Finish what was accepted and close."""
        if cleanly and self.trouble is None:
            leave = update(owner).values(clean=True)
            await self._writer.write(_CATALOG, lambda c: c.execute(leave) and None)
        await self._writer.close()
        self._readers.shutdown()
        self._outputs.close()
        self._catalog.close()

    # Reading

    async def _read(self, query: Callable[[Connection], T]) -> T:
        def run() -> T:
            with self._catalog.read() as connection:
                return query(connection)

        return await self._in_reader(run)

    async def _in_reader(self, run: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, run)

    async def load(self, job_id: int) -> StoredJob:
        """Return what is needed to go on with a job."""
        return await self._read(partial(_load, job_id))

    async def unfinished(self) -> tuple[int, ...]:
        """Return the ids of the jobs with a child that is not final."""
        query = (
            select(children.c.job_id)
            .where(children.c.state.not_in(_FINAL_NAMES))
            .distinct()
            .order_by(children.c.job_id)
        )
        return await self._read(lambda c: tuple(c.execute(query).scalars()))

    async def jobs(self) -> tuple[Job, ...]:
        """Return all parents, without children, by id."""
        return await self._read(_jobs)

    async def job(self, job_id: int) -> Job:
        """Return one parent with its children."""
        return (await self.load(job_id)).job

    async def history(self, query: HistoryQuery) -> tuple[JobEntry, ...]:
        """Return the history's entries that a query keeps, oldest first."""

        def run(connection: Connection) -> tuple[JobEntry, ...]:
            present = {job.id: job for job in _jobs(connection)}
            return entries(connection, present, query)

        return await self._read(run)

    async def parents(self) -> Mapping[int, tuple[int, UUID]]:
        """Return for each child's id its parent's id and its own instance id."""
        query = select(children.c.id, children.c.job_id, children.c.instance_id)

        def run(connection: Connection) -> dict[int, tuple[int, UUID]]:
            return {
                row.id: (row.job_id, UUID(row.instance_id)) for row in connection.execute(query)
            }

        return await self._read(run)

    async def read(
        self,
        job_id: int,
        *,
        after: int = 0,
        child_id: int | None = None,
        limit: int = 256,
    ) -> tuple[Record, ...]:
        """Return a job's (a child's) records with a greater sequence number, in order."""
        hosts = await self._host_names(job_id)
        read = partial(self._outputs.read, job_id, after=after, child_id=child_id, limit=limit)
        rows = await self._in_reader(read)
        return tuple(
            Record(
                job_id=job_id,
                child_id=row.child,
                host=hosts[row.child],
                stream=Stream(row.stream),
                seq=row.id,
                time=datetime.fromtimestamp(row.at, UTC),
                data=row.data,
            )
            for row in rows
        )

    async def _host_names(self, job_id: int) -> dict[int, str]:
        if job_id not in self._hosts:
            query = select(children.c.id, children.c.host).where(children.c.job_id == job_id)
            rows = await self._read(lambda c: c.execute(query).all())
            self._hosts[job_id] = {row.id: row.host for row in rows}
        return self._hosts[job_id]

    async def last(self, job_id: int) -> int:
        """Return the sequence number of a job's last record."""
        return await self._in_reader(partial(self._outputs.last, job_id))

    async def positions(self, job_id: int, child_id: int | None = None) -> Positions:
        """Return the read positions of a job's children, or of one of them."""
        query = select(children.c.id, children.c.positions).where(children.c.job_id == job_id)
        if child_id is not None:
            query = query.where(children.c.id == child_id)
        rows = await self._read(lambda c: c.execute(query).all())
        return {
            row.id: {Stream(stream): seq for stream, seq in row.positions.items()} for row in rows
        }


def _claim(catalog: Database) -> tuple[int, bool]:
    """Migrate the catalogue, raise its fence, and say how the last owner left."""
    with catalog.write() as connection:
        damage = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
        if damage != "ok":
            msg = (
                f"the job store is damaged: {catalog.path}: {damage}; "
                f"restore it, or move {catalog.path.parent} aside to begin anew"
            )
            raise StoreDamaged(msg)
        migrate(connection)
        clean = bool(connection.execute(select(owner.c.clean)).scalar())
        raised = update(owner).values(fence=owner.c.fence + 1, clean=False)
        fence = connection.execute(raised.returning(owner.c.fence)).scalar_one()
    return fence, clean


def _intend(child: Child, bases: Mapping[Stream, int], connection: Connection) -> None:
    # Between two attempts a child runs on, unless a person was asked something.
    before = [JobState.NOT_STARTED, *([JobState.RUNNING] if child.attempt > 1 else [])]
    waiting = (
        update(children)
        .where(children.c.id == child.id)
        .where(children.c.state.in_([state.value for state in before]))
        .where(children.c.attempt == child.attempt - 1)
    )
    values = child_values(child) | {
        "acknowledged": False,
        "bases": {stream.value: at for stream, at in bases.items()},
    }
    if connection.execute(waiting.values(values)).rowcount != 1:
        msg = f"child {child.id} was started already; it is not started again"
        raise StoreFenced(msg)


def _add(new: NewJob, connection: Connection) -> tuple[int, bool]:
    known = select(jobs.c.id).where(jobs.c.instance_id == str(new.instance_id))
    if (found := connection.execute(known).scalar()) is not None:
        return int(found), False
    take = update(sequence).values(next=sequence.c.next + 1 + len(new.hosts))
    job_id: int = connection.execute(take.returning(sequence.c.next)).scalar_one() - (
        1 + len(new.hosts)
    )
    rows = [
        new_child_values(child_id, job_id, host)
        for child_id, host in enumerate(new.hosts, start=job_id + 1)
    ]
    row = new_job_values(job_id, new)
    connection.execute(insert(jobs).values(row))
    enter(connection, row, new)
    connection.execute(insert(works).values(job_id=job_id, work=dumps(new.work)))
    connection.execute(insert(children), rows)
    if new.firing is not None:
        enter_started(connection, new.firing, job_id)
    return job_id, True


def _load(job_id: int, connection: Connection) -> StoredJob:
    row = connection.execute(select(jobs).where(jobs.c.id == job_id)).one_or_none()
    if row is None:
        msg = f"no job {job_id}"
        raise NoSuchJob(msg)
    work = connection.execute(select(works.c.work).where(works.c.job_id == job_id)).scalar_one()
    found = connection.execute(
        select(children).where(children.c.job_id == job_id).order_by(children.c.id),
    )
    entries = tuple(entry_of(child, row) for child in found)
    members = tuple(entry.child for entry in entries)
    return StoredJob(
        job=job_of(row, groups_of(members), members),
        request=Request(row.request),
        work=decode(parse(work), Work),
        pace=decode(row.pace or {}, Pace),
        caller=decode(row.caller, Caller),
        entries=entries,
    )


def _remove(job_id: int, connection: Connection) -> None:
    for job in _jobs(connection, job_id):
        freeze(connection, job)
    connection.execute(delete(jobs).where(jobs.c.id == job_id))


def _jobs(connection: Connection, only: int | None = None) -> tuple[Job, ...]:
    c = children.c
    added_up = connection.execute(
        select(
            c.job_id,
            c.state,
            func.count().label("members"),
            func.min(c.begin_time).label("begin"),
            func.max(c.end_time).label("end"),
            func.max(c.has_more).label("more"),
            func.min(c.id).label("first"),
            func.count(c.reason_message.distinct()).label("reasons"),
        )
        .where(true() if only is None else c.job_id == only)
        .group_by(c.job_id, c.state),
    ).all()
    firsts = connection.execute(
        select(c.id, c.reason_kind, c.reason_message).where(
            c.id.in_([row.first for row in added_up if row.state in _WITH_REASON]),
        ),
    )
    reasons = {row.id: reason_of(row) for row in firsts}
    groups: dict[int, list[Group]] = {}
    for row in added_up:
        group = Group(
            state=JobState(row.state),
            count=row.members,
            begin=row.begin,
            end=row.end,
            has_more=bool(row.more),
            reason=reasons.get(row.first),
            reasons=row.reasons,
        )
        groups.setdefault(row.job_id, []).append(group)
    wanted = true() if only is None else jobs.c.id == only
    rows = connection.execute(select(jobs).where(wanted).order_by(jobs.c.id))
    return tuple(job_of(row, groups[row.id]) for row in rows)


def _receive(
    positions: Positions,
    told: frozenset[int],
    ids: Collection[int],
    connection: Connection,
) -> None:
    rows = connection.execute(select(children).where(children.c.id.in_(ids))).all()
    for row in rows:
        merged = dict(row.positions)
        for stream, seq in positions.get(row.id, {}).items():
            merged[stream.value] = max(seq, merged.get(stream.value, 0))
        is_told = row.told or row.id in told
        values: dict[str, Any] = {"positions": merged, "told": is_told}
        if row.ends is not None:
            waiting = row.reason_kind is not None and not is_told
            values["has_more"] = waiting or _unreceived(merged, row.ends)
        connection.execute(update(children).where(children.c.id == row.id).values(values))


def _unreceived(positions: Mapping[str, int], ends: Mapping[str, int]) -> bool:
    return any(positions.get(stream, 0) < end for stream, end in ends.items())
