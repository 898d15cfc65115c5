"""The part of the store seam that keeps definitions, and what is handed over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from remjobs.model.definition import Definition, HistoryEntry
from remjobs.model.request import StartRequest

__all__ = ["DefinitionStore", "Firing", "StoredDefinition"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDefinition:
    """A definition, and how far its triggers were followed."""

    definition: Definition
    settled_until: datetime
    """What was due up to this moment is in the history."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """Which firing of which definition a job is."""

    definition: Definition
    entry: HistoryEntry


class DefinitionStore(Protocol):
    """Keeps definitions durably. A method that returns has committed.

    ``Store.add`` enters a job that has a ``Firing`` in the history, in the same
    transaction: either it is started and told so, or neither.
    """

    async def add(self, definition: Definition, start: StartRequest) -> StoredDefinition:
        """Store a definition; the same id gives the same definition.

        Raises:
            UsageError: Another one has this name under this path.
            StoreFull: There is no space; nothing was stored.
        """
        ...

    async def all(self) -> tuple[StoredDefinition, ...]:
        """Return all definitions, by path and name."""
        ...

    async def load(self, definition_id: UUID) -> StoredDefinition:
        """Return one definition.

        Raises:
            NoSuchDefinition: It is not there.
        """
        ...

    async def start_request(self, definition_id: UUID) -> StartRequest:
        """Return what a definition starts.

        Raises:
            NoSuchDefinition: It is not there.
        """
        ...

    async def enable(self, definition_id: UUID, *, enabled: bool, now: datetime) -> None:
        """Enable or disable; times before ``now`` are settled, what was queued is ignored."""
        ...

    async def note(
        self,
        definition_id: UUID,
        entries: Sequence[HistoryEntry],
        settled_until: datetime | None = None,
    ) -> None:
        """Enter firings in the history; the oldest beyond its limit are dropped.

        An entry with an instance id that is there replaces a queued one, and
        changes nothing else. Queued ones are never dropped. ``settled_until``
        only moves forward. Without the definition nothing happens.
        """
        ...

    async def history(self, definition_id: UUID) -> tuple[HistoryEntry, ...]:
        """Return the history, oldest first."""
        ...

    async def unfinished(self, definition_id: UUID) -> tuple[int, ...]:
        """Return the ids of its jobs with a child that is not final, whoever started them."""
        ...

    async def remove(self, definition_id: UUID) -> None:
        """Forget a definition and its history; its jobs stay."""
        ...
