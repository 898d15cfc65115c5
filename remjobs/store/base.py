"""The store seam, and what is handed over it.

The store is the child ledger: the intent to start a child is committed before
anything is sent, the outcome after, and a writer that was superseded (its
*fence* is old) can write no more. Every implementation passes
tests/contract/test_store.py.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from remjobs.model.history import HistoryQuery, JobEntry
from remjobs.model.host import Host
from remjobs.model.job import Child, Job, JobType
from remjobs.model.pace import Pace
from remjobs.model.record import Record, Stream
from remjobs.model.request import Caller
from remjobs.model.state import Request
from remjobs.model.work import Work
from remjobs.store.definitions import DefinitionStore, Firing

__all__ = ["Entry", "NewJob", "Piece", "Positions", "Store", "StoredJob"]

Positions = Mapping[int, Mapping[Stream, int]]
"""For each child and stream the sequence number of the last received record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job that is to be stored before any of it starts."""

    instance_id: UUID
    name: str | None
    type: JobType
    location: str
    throttle_limit: int
    work: Work
    caller: Caller
    hosts: tuple[Host, ...]
    warnings: tuple[str, ...] = ()
    retry_of: int | None = None
    pace: Pace = Pace()
    firing: Firing | None = None
    """The definition it is an instance of; it is entered in that one's history."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A child in the ledger: what is shown of it, where it runs, under which key."""

    child: Child
    host: Host
    key: UUID
    acknowledged: bool = False
    """The host has said that it has the work; it cannot have never started since."""
    bases: Mapping[Stream, int] = field(default_factory=dict)
    """Bytes of each stream that earlier attempts left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredJob:
    """All that is needed to go on with a job."""

    job: Job
    request: Request
    work: Work
    pace: Pace
    caller: Caller
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Output to be stored."""

    child_id: int
    stream: Stream
    offset: int
    """Position of the first byte in the child's stream."""
    time: datetime
    data: bytes


class Store(Protocol):
    """Keeps jobs durably. A method that returns has committed."""

    @property
    def closed_cleanly(self) -> bool:
        """Whether the owner before this one took its leave, rather than died."""
        ...

    @property
    def trouble(self) -> str | None:
        """What keeps the store from writing just now, such as a full disk."""
        ...

    @property
    def definitions(self) -> DefinitionStore:
        """What keeps the definitions."""
        ...

    async def add(self, new: NewJob) -> tuple[StoredJob, bool]:
        """Store a job and its children; the same instance id gives the same job.

        Returns:
            The job, and whether this call stored it: only then may it be begun.

        Raises:
            StoreFull: There is no space; nothing was stored.
        """
        ...

    async def load(self, job_id: int) -> StoredJob:
        """Return what is needed to go on with a job.

        Raises:
            NoSuchJob: It is not there.
        """
        ...

    async def unfinished(self) -> tuple[int, ...]:
        """Return the ids of the jobs with a child that is not final."""
        ...

    async def jobs(self) -> tuple[Job, ...]:
        """Return all parents, without children, by id."""
        ...

    async def job(self, job_id: int) -> Job:
        """Return one parent with its children.

        Raises:
            NoSuchJob: It is not there.
        """
        ...

    async def parents(self) -> Mapping[int, tuple[int, UUID]]:
        """Return for each child's id its parent's id and its own instance id."""
        ...

    async def intend(self, child: Child, bases: Mapping[Stream, int]) -> None:
        """Commit the intent to start a child that is now Running, for this attempt.

        The ledger is the arbiter of what runs once: of all who intend the
        same attempt, one succeeds.

        Raises:
            StoreFenced: It was intended already, or the child is not waiting
                to be started any more.
        """
        ...

    async def acknowledge(self, child: Child) -> None:
        """Note that a child's host has said that it has the work."""
        ...

    async def offsets(self, child: Child) -> Mapping[Stream, int]:
        """Return where each stream of a child goes on behind what is stored (bytes)."""
        ...

    async def sizes(self, job_id: int) -> Mapping[int, Mapping[Stream, int]]:
        """Return how many bytes of each stream are kept, for each child that has any."""
        ...

    async def save(self, children: Sequence[Child]) -> None:
        """Write children as they are now. Waits while the disk is full."""
        ...

    async def ask(self, job_id: int, request: Request, message: str = "") -> None:
        """Note what is asked of a parent."""
        ...

    async def limit(self, job_id: int, throttle_limit: int) -> None:
        """Change how many children of a job may run at a time."""
        ...

    async def append(self, job_id: int, pieces: Sequence[Piece]) -> None:
        """Store output; a piece whose offset is there already changes nothing.

        Waits while the disk is full.
        """
        ...

    async def read(
        self,
        job_id: int,
        *,
        after: int = 0,
        child_id: int | None = None,
        limit: int = 256,
    ) -> tuple[Record, ...]:
        """Return a job's (a child's) records with a greater sequence number, in order.

        Args:
            job_id: The parent.
            after: Sequence number of the last record that is not wanted.
            child_id: Only this child's.
            limit: The most records; about 1 MiB of data ends a page as well.
        """
        ...

    async def last(self, job_id: int) -> int:
        """Return the sequence number of a job's last record; 0 if it has none."""
        ...

    async def positions(self, job_id: int, child_id: int | None = None) -> Positions:
        """Return the read positions of a job's children, or of one of them."""
        ...

    async def received(self, job_id: int, positions: Positions, told: Collection[int]) -> None:
        """Move read positions forward, and note whose failures were told."""
        ...

    async def remove(self, job_id: int) -> None:
        """Forget a job and its records, but for its entry in the history.

        Its ids are never used again.
        """
        ...

    async def history(self, query: HistoryQuery) -> tuple[JobEntry, ...]:
        """Return the history's entries that a query keeps, oldest first.

        Each job that is there has one, as it stands now, and each that was removed.
        """
        ...

    async def drop_history(self, before: datetime, most: int) -> int:
        """Drop entries of removed jobs, and return how many.

        Args:
            before: Those that were asked for earlier than this.
            most: And of the others all but so many, the newest of all entries.
        """
        ...

    async def close(self, *, cleanly: bool = True) -> None:
        """Finish what was accepted and close."""
        ...
