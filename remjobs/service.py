"""The one interface between those who want jobs and those who keep them.

The engine's service implements it in this process, the controller's client
over a socket. The CLI and the Python API see nothing else.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from remjobs.model.clean import Cleaned, CleanRequest
from remjobs.model.job import Child, Job
from remjobs.model.record import Record
from remjobs.model.request import Caller, JobQuery, ReceiveOptions, RetryRequest, StartRequest
from remjobs.model.secret import Secret

__all__ = ["Event", "JobService"]

Event = Record | Child
"""What a receiver gets: a record, or a child whose state is to be told."""


class JobService(Protocol):
    """Starts jobs and answers for them.

    ``selectors`` are ids, UUIDs or a unique beginning of one, names, globs and
    ``@last``. A literal one that matches nothing raises ``NoSuchJob``; a glob
    that matches nothing is silent.
    """

    async def start(self, request: StartRequest) -> Job:
        """Start a job and return at once, with its children."""
        ...

    async def list(self, query: JobQuery) -> tuple[Job, ...]:
        """Return the parents that match, by id; with children only if they are asked for."""
        ...

    async def get(self, query: JobQuery) -> tuple[Job | Child, ...]:
        """Return parents with their children; a child's id gives the child."""
        ...

    def receive(
        self,
        selectors: Sequence[str],
        options: ReceiveOptions,
    ) -> AsyncGenerator[Event, None]:
        """Yield what has not been received, and move the read position.

        A record counts as received when the next one is asked for. A child
        that did not succeed is yielded after its records, at every receive.
        """
        ...

    def follow(self, selector: str) -> AsyncGenerator[Record, None]:
        """Yield every record of one job, from the first to the last, as they come.

        The read position does not move. Ends when the job has settled.
        """
        ...

    async def wait(
        self,
        selectors: Sequence[str],
        *,
        any_: bool = False,
        timeout: float | None = None,
        force: bool = False,
    ) -> tuple[Job, ...]:
        """Return the jobs, with children, once all (any) have settled.

        Args:
            selectors: Which jobs.
            any_: Return as soon as one has settled, with the settled ones.
            timeout: Seconds for the whole call.
            force: Go on until final, through Blocked, Suspended, Disconnected.

        Raises:
            WaitTimeout: The time ran out; the message says which still run.
        """
        ...

    async def stop(
        self,
        selectors: Sequence[str],
        caller: Caller | None = None,
    ) -> tuple[Job, ...]:
        """Stop jobs and return them once every child's end is known or given up.

        Args:
            selectors: Which jobs.
            caller: Who asks now, for hosts that must be connected to again; None
                is whoever started the job.
        """
        ...

    async def suspend(self, selectors: Sequence[str]) -> tuple[Job, ...]:
        """Start no further children until ``resume``, and hold those that run."""
        ...

    async def resume(
        self,
        selectors: Sequence[str],
        caller: Caller | None = None,
    ) -> tuple[Job, ...]:
        """Go on with suspended jobs, and look again for hosts that were lost."""
        ...

    async def answer(
        self,
        selectors: Sequence[str],
        answer: Secret,
        caller: Caller | None = None,
    ) -> tuple[Job, ...]:
        """Give what Blocked children wait for, each of these jobs or children the same.

        A child that was lost and cannot be looked for without it is looked for again.

        Raises:
            UsageError: Nothing of them waits for an answer.
        """
        ...

    async def retry(self, request: RetryRequest) -> Job:
        """Start a new job with the same work on hosts of an earlier one, linked to it.

        Raises:
            UsageError: No host of it is to be tried again.
        """
        ...

    async def set(self, selectors: Sequence[str], *, throttle_limit: int) -> tuple[Job, ...]:
        """Change how many hosts of these jobs may run at a time."""
        ...

    async def clean(self, request: CleanRequest) -> tuple[Cleaned, ...]:
        """Remove from hosts what durable work left there; one answer for each host."""
        ...

    async def remove(self, selectors: Sequence[str], *, force: bool = False) -> tuple[Job, ...]:
        """Remove final jobs and their records; ``force`` stops them first.

        Raises:
            NotRemovable: A job has not ended, or a child was named.
        """
        ...
