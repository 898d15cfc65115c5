"""Definitions in the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, Protocol, TypeVar
from uuid import UUID

import msgspec
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from remjobs.errors import NoSuchDefinition, UsageError
from remjobs.model.definition import Definition, HistoryEntry, Outcome
from remjobs.model.request import StartRequest
from remjobs.model.state import FINAL
from remjobs.model.wire import decode, dumps, parse
from remjobs.store.definitions import Firing, StoredDefinition
from remjobs.store.tables import children, definitions, firings, jobs

__all__ = ["SqlDefinitions", "enter_started"]

T = TypeVar("T")

_FINAL_NAMES: Final = sorted(state.value for state in FINAL)
_SHOWN: Final = (definitions.c.shown, definitions.c.enabled, definitions.c.settled_until)
_DISABLED: Final = "the definition was disabled"


class _Write(Protocol):
    """Writes to the catalogue; a patient change waits while the disk is full."""

    async def __call__(self, apply: Callable[[Connection], T], *, patient: bool = True) -> T: ...


class _Read(Protocol):
    async def __call__(self, query: Callable[[Connection], T]) -> T: ...


class SqlDefinitions:
    """A DefinitionStore in the catalogue of a SqlStore."""

    def __init__(self, write: _Write, read: _Read) -> None:
        """Use the catalogue's own ways to write and to read."""
        self._write = write
        self._read = read

    async def add(self, definition: Definition, start: StartRequest) -> StoredDefinition:
        """Store a definition; the same id gives the same definition."""
        await self._write(partial(_add, definition, start), patient=False)
        return await self.load(definition.id)

    async def all(self) -> tuple[StoredDefinition, ...]:
        """Return all definitions, by path and name."""
        query = select(*_SHOWN).order_by(definitions.c.key)
        return await self._read(lambda c: tuple(_stored(row) for row in c.execute(query)))

    async def load(self, definition_id: UUID) -> StoredDefinition:
        """Return one definition."""
        query = select(*_SHOWN).where(definitions.c.id == str(definition_id))
        return _stored(await self._read(lambda c: _known(c.execute(query).one_or_none())))

    async def start_request(self, definition_id: UUID) -> StartRequest:
        """Return what a definition starts."""
        query = select(definitions.c.start).where(definitions.c.id == str(definition_id))
        row = await self._read(lambda c: _known(c.execute(query).one_or_none()))
        return decode(parse(row.start), StartRequest)

    async def enable(self, definition_id: UUID, *, enabled: bool, now: datetime) -> None:
        """Enable or disable; times before now are settled, what was queued is ignored."""
        await self._write(partial(_enable, str(definition_id), enabled, now))

    async def note(
        self,
        definition_id: UUID,
        entries: Sequence[HistoryEntry],
        settled_until: datetime | None = None,
    ) -> None:
        """Enter firings in the history."""
        await self._write(partial(_note, str(definition_id), tuple(entries), settled_until))

    async def history(self, definition_id: UUID) -> tuple[HistoryEntry, ...]:
        """Return the history, oldest first."""
        query = (
            select(firings)
            .where(firings.c.definition_id == str(definition_id))
            .order_by(firings.c.due, firings.c.id)
        )
        return await self._read(lambda c: tuple(_entry(row) for row in c.execute(query)))

    async def unfinished(self, definition_id: UUID) -> tuple[int, ...]:
        """Return the ids of its jobs with a child that is not final."""
        query = (
            select(jobs.c.id)
            .join(children, children.c.job_id == jobs.c.id)
            .where(jobs.c.definition_id == str(definition_id))
            .where(children.c.state.not_in(_FINAL_NAMES))
            .distinct()
            .order_by(jobs.c.id)
        )
        return await self._read(lambda c: tuple(c.execute(query).scalars()))

    async def remove(self, definition_id: UUID) -> None:
        """Forget a definition and its history."""
        removal = delete(definitions).where(definitions.c.id == str(definition_id))
        await self._write(lambda c: c.execute(removal) and None, patient=False)


def enter_started(connection: Connection, firing: Firing, job_id: int) -> None:
    """Enter in the history that a firing was started as a job.

    Raises:
        NoSuchDefinition: It was removed meanwhile; the job must not be stored.
    """
    definition = str(firing.definition.id)
    known = select(definitions.c.id).where(definitions.c.id == definition)
    _known(connection.execute(known).one_or_none())
    entry = replace(firing.entry, outcome=Outcome.STARTED)
    _enter(connection, definition, entry, job_id)
    _prune(connection, definition)


def _add(definition: Definition, start: StartRequest, connection: Connection) -> None:
    key = f"{definition.path}\0{definition.name}".casefold()
    taken = select(definitions.c.id).where(definitions.c.key == key)
    found = connection.execute(taken).scalar()
    if found == str(definition.id):
        return
    if found is not None:
        msg = (
            f"there is a definition {definition.full_name} already; remove it first, "
            "or choose another name or path"
        )
        raise UsageError(msg)
    connection.execute(
        insert(definitions).values(
            id=str(definition.id),
            key=key,
            shown=msgspec.to_builtins(definition),
            enabled=definition.enabled,
            settled_until=definition.created.timestamp(),
            start=dumps(start),
        ),
    )


def _enable(definition: str, enabled: bool, now: datetime, connection: Connection) -> None:
    values = {"enabled": enabled, "settled_until": now.timestamp()}
    change = update(definitions).where(definitions.c.id == definition)
    # What is enabled already must not lose what was due since it was last looked at.
    connection.execute(change.where(definitions.c.enabled != enabled).values(values))
    if not enabled:
        connection.execute(
            update(firings)
            .where(firings.c.definition_id == definition)
            .where(firings.c.outcome == Outcome.QUEUED.value)
            .values(outcome=Outcome.IGNORED.value, message=_DISABLED),
        )


def _note(
    definition: str,
    entries: Sequence[HistoryEntry],
    settled_until: datetime | None,
    connection: Connection,
) -> None:
    row = select(definitions.c.settled_until).where(definitions.c.id == definition)
    settled = connection.execute(row).scalar()
    if settled is None:
        return
    if settled_until is not None and settled_until.timestamp() > settled:
        change = update(definitions).where(definitions.c.id == definition)
        connection.execute(change.values(settled_until=settled_until.timestamp()))
    for entry in entries:
        _enter(connection, definition, entry, entry.job_id)
    _prune(connection, definition)


def _enter(
    connection: Connection,
    definition: str,
    entry: HistoryEntry,
    job_id: int | None,
) -> None:
    """Add an entry, or say what became of a queued one."""
    same = (
        firings.c.definition_id == definition,
        firings.c.instance_id == str(entry.instance_id),
    )
    values = {
        "due": entry.due.timestamp(),
        "outcome": entry.outcome.value,
        "job_id": job_id,
        "times": entry.count,
        "message": entry.message,
    }
    found = connection.execute(select(firings.c.outcome).where(*same)).scalar()
    if found is None:
        identity = {"definition_id": definition, "instance_id": str(entry.instance_id)}
        connection.execute(insert(firings).values(identity | values))
    elif found == Outcome.QUEUED.value:
        connection.execute(update(firings).where(*same).values(values))


def _prune(connection: Connection, definition: str) -> None:
    """Drop what is older than the history is long, but nothing that waits to be started."""
    mine = firings.c.definition_id == definition
    row = select(definitions.c.shown).where(definitions.c.id == definition)
    limit = int(connection.execute(row).scalar_one()["history_limit"])
    count = connection.execute(select(func.count()).where(mine)).scalar_one()
    if count > limit:
        newest = select(firings.c.id).where(mine).order_by(firings.c.id.desc()).limit(limit)
        surplus = delete(firings).where(mine, firings.c.id.not_in(newest))
        connection.execute(surplus.where(firings.c.outcome != Outcome.QUEUED.value))


def _known(row: Row[*tuple[Any, ...]] | None) -> Row[*tuple[Any, ...]]:
    if row is None:
        msg = "the definition was removed"
        raise NoSuchDefinition(msg)
    return row


def _stored(row: Row[*tuple[Any, ...]]) -> StoredDefinition:
    shown = decode({**row.shown, "enabled": bool(row.enabled)}, Definition)
    return StoredDefinition(definition=shown, settled_until=_moment(row.settled_until))


def _entry(row: Row[*tuple[Any, ...]]) -> HistoryEntry:
    return HistoryEntry(
        instance_id=UUID(row.instance_id),
        due=_moment(row.due),
        outcome=Outcome(row.outcome),
        job_id=row.job_id,
        count=row.times,
        message=row.message,
    )


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
