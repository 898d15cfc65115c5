"""The one interface between those who want jobs and those who keep them.

The engine's service implements it in this process, the controller's client
over a socket. The CLI and the Python API see nothing else.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Protocol

from remjobs.errors import UsageError
from remjobs.model.clean import Cleaned, CleanRequest
from remjobs.model.credential import CredentialInfo, KeyringInfo
from remjobs.model.definition import (
    DefineRequest,
    Definition,
    DefinitionName,
    DefinitionStart,
    HistoryEntry,
)
from remjobs.model.doctor import ExamineRequest, Finding
from remjobs.model.history import HistoryQuery, JobEntry
from remjobs.model.inventory import GroupList, HostDetails, HostList, InventoryRequest, Preview
from remjobs.model.job import Child, Job
from remjobs.model.known_hosts import AcceptedKeys, AcceptRequest, ScannedHost, ScanRequest
from remjobs.model.names import Names, NamesRequest
from remjobs.model.ping import Pinged, PingRequest
from remjobs.model.prune import PruneRequest
from remjobs.model.record import Record, Stream
from remjobs.model.request import Caller, JobQuery, ReceiveOptions, RetryRequest, StartRequest
from remjobs.model.results import Results
from remjobs.model.secret import Secret
from remjobs.model.state import JobState

__all__ = [
    "CredentialService",
    "DefinitionService",
    "Event",
    "InventoryService",
    "JobService",
    "KnownHostsService",
    "as_it_stands",
]

Event = Record | Child
"""What a receiver gets: a record, or a child whose state is to be told."""


class CredentialService(Protocol):
    """Keeps credentials in a keyring, and gives nobody their secrets.

    The keyring is the system's, as the caller's session has it, or the encrypted file
    if there is one. Each method raises ``KeyringTrouble`` where it cannot be used, and
    ``KeyringLocked`` where it must be unlocked first.
    """

    async def set(self, info: CredentialInfo, secret: Secret, caller: Caller) -> CredentialInfo:
        """Keep a credential; one of the same name is replaced."""
        ...

    async def list(self, caller: Caller) -> tuple[CredentialInfo, ...]:
        """Return all credentials by name."""
        ...

    async def show(self, name: str, caller: Caller) -> CredentialInfo:
        """Return one credential.

        Raises:
            NoSuchCredential: There is none; the message lists those that there are.
        """
        ...

    async def remove(self, name: str, caller: Caller) -> CredentialInfo:
        """Forget a credential, and return it.

        Raises:
            NoSuchCredential: There is none.
        """
        ...

    async def probe(self, caller: Caller) -> KeyringInfo:
        """See whether the keyring keeps what it is given, and return which one it is."""
        ...

    async def unlock(self, passphrase: Secret, caller: Caller, *, new: bool = False) -> KeyringInfo:
        """Open the encrypted file, or make a new one; it stays open until ``lock``.

        Raises:
            KeyringTrouble: The passphrase is wrong; there is no file, or there is one.
        """
        ...

    async def lock(self) -> KeyringInfo:
        """Forget the encrypted file's key.

        Raises:
            KeyringTrouble: There is no such file.
        """
        ...


class DefinitionService(Protocol):
    """Saves work that triggers or people start, and answers for it.

    A name without a path means the one definition of that name, without regard
    to case. Each method that takes one raises ``NoSuchDefinition`` where there is
    none, and ``UsageError`` where there are several.
    """

    async def add(self, request: DefineRequest) -> Definition:
        """Save a definition; the same id gives the same definition.

        Raises:
            UsageError: The name is taken under this path, or a trigger can never fire.
        """
        ...

    async def list(self, name: DefinitionName | None = None) -> tuple[Definition, ...]:
        """Return all definitions by path and name, or the one that is named."""
        ...

    async def history(self, name: DefinitionName) -> tuple[HistoryEntry, ...]:
        """Return what became of its firings, oldest first."""
        ...

    async def enable(self, name: DefinitionName, *, enabled: bool) -> Definition:
        """Let its triggers fire, or not; what was due meanwhile is not made up for."""
        ...

    async def remove(self, name: DefinitionName) -> Definition:
        """Forget it and its history, and return it; its jobs stay."""
        ...

    async def start(self, request: DefinitionStart) -> Job:
        """Start an instance now, whatever its triggers and its policy say."""
        ...


class KnownHostsService(Protocol):
    """Shows the keys by which hosts prove who they are, and keeps those that are accepted.

    Hosts of a transport that has no such keys raise ``UsageError``.
    """

    def scan(self, request: ScanRequest) -> AsyncGenerator[ScannedHost, None]:
        """Yield each host's keys, as they are known; logs in nowhere."""
        ...

    async def accept(self, request: AcceptRequest) -> tuple[AcceptedKeys, ...]:
        """Keep keys that a person has looked at; one answer for each host.

        Raises:
            UsageError: A host is named that is not among the targets.
        """
        ...


class InventoryService(Protocol):
    """Looks at inventories and at what a start would do; starts nothing.

    Each method raises ``UsageError`` where a pattern matches nothing, and
    ``InventoryError`` where an inventory cannot be read.
    """

    async def list(self, request: InventoryRequest) -> HostList:
        """Return the hosts that are meant, in the order in which they would run."""
        ...

    async def show(self, request: InventoryRequest) -> tuple[HostDetails, ...]:
        """Return all that is said of these hosts, each setting with file and line."""
        ...

    async def groups(self, request: InventoryRequest) -> GroupList:
        """Return the groups that hold these hosts; without expressions, all groups."""
        ...

    async def preview(self, request: StartRequest) -> Preview:
        """Return what a start would do on each host, refusing what a start would refuse."""
        ...


class JobService(Protocol):
    """Starts jobs and answers for them.

    ``selectors`` are ids, UUIDs or a unique beginning of one, names, globs and
    ``@last``. A literal one that matches nothing raises ``NoSuchJob``; a glob
    that matches nothing is silent.
    """

    @property
    def credentials(self) -> CredentialService:
        """What keeps credentials."""
        ...

    @property
    def known_hosts(self) -> KnownHostsService:
        """What shows and keeps host keys."""
        ...

    @property
    def definitions(self) -> DefinitionService:
        """What answers for definitions."""
        ...

    @property
    def inventory(self) -> InventoryService:
        """What answers for inventories."""
        ...

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
        state: JobState | None = None,
    ) -> tuple[Job, ...]:
        """Return the jobs, with children, once all (any) have settled.

        A job of which only children were named is returned with these alone.

        Args:
            selectors: Which jobs; none is nothing to wait for.
            any_: Return as soon as one has settled, with the settled ones.
            timeout: Seconds for the whole call.
            force: Go on until final, through Blocked, Suspended, Disconnected.
            state: Return once they are in this state instead, or where they have
                settled in another one.

        Raises:
            WaitTimeout: The time ran out; the message says which still run.
        """
        ...

    async def stop(
        self,
        selectors: Sequence[str],
        caller: Caller | None = None,
        *,
        states: frozenset[JobState] = frozenset(),
        hosts: Sequence[str] = (),
    ) -> tuple[Job, ...]:
        """Stop jobs and return them once every child's end is known or given up.

        A child's id stops that child alone; its job is returned with it alone.

        Args:
            selectors: Which jobs; none is all that are in ``states``.
            caller: Who asks now, for hosts that must be connected to again; None
                is whoever started the job.
            states: Only jobs in these states; none is any.
            hosts: Only the children on these hosts (names, globs or ranges); the
                others go on.

        Raises:
            UsageError: Neither selectors nor states, or a host that no job has.
        """
        ...

    async def suspend(
        self,
        selectors: Sequence[str],
        *,
        states: frozenset[JobState] = frozenset(),
    ) -> tuple[Job, ...]:
        """Start no further children until ``resume``, and hold those that run."""
        ...

    async def resume(
        self,
        selectors: Sequence[str],
        caller: Caller | None = None,
        *,
        states: frozenset[JobState] = frozenset(),
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

    def ping(self, request: PingRequest) -> AsyncGenerator[Pinged, None]:
        """Yield how far one gets on each host, as it is known. Runs no work there."""
        ...

    def examine(self, request: ExamineRequest) -> AsyncGenerator[Finding, None]:
        """Yield what is found when the set-up on our side is looked through; contact no host."""
        ...

    async def names(self, request: NamesRequest) -> Names:
        """Return the names of hosts and groups that inventories have.

        Raises:
            InventoryError: One cannot be read.
        """
        ...

    async def remove(
        self,
        selectors: Sequence[str],
        *,
        force: bool = False,
        states: frozenset[JobState] = frozenset(),
    ) -> tuple[Job, ...]:
        """Remove final jobs and their records; ``force`` stops them first.

        Each one is answered for on its own: what can be removed is, and returned
        as it stood at its end.

        Raises:
            NotRemovable: A job has not ended, or a child was named; a line for each.
            NoSuchJob: A literal selector matched nothing, and nothing else stood in the way.
        """
        ...

    async def prune(self, request: PruneRequest) -> tuple[Job, ...]:
        """Remove jobs that have been kept long enough; return them without children.

        Never one that has not ended, nor durable work that may be found again.
        """
        ...

    async def history(self, query: HistoryQuery) -> tuple[JobEntry, ...]:
        """Return who asked for what, also of jobs that were removed, oldest first."""
        ...


async def as_it_stands(service: JobService, selector: str) -> tuple[Job, Results]:
    """Return one job, with its children and with all their output up to now.

    Nothing counts as received. Progress records are left out.

    Raises:
        UsageError: Several jobs are named, or a child.
    """
    items = await service.get(JobQuery(selectors=(selector,)))
    if len(items) != 1:
        msg = f"{selector!r} names {len(items)} jobs; name one"
        raise UsageError(msg)
    [job] = items
    if isinstance(job, Child):
        msg = f"{job.id} is a child of job {job.parent_id}: name the job"
        raise UsageError(msg)
    results = Results(job.children or ())
    async with aclosing(_all_of(service, job)) as events:
        async for event in events:
            if isinstance(event, Child):
                results.change(event)
            elif event.stream is not Stream.PROGRESS:
                results.record(event)
    return job, results


def _all_of(service: JobService, job: Job) -> AsyncGenerator[Event, None]:
    """Return all records of a job up to now; of one that has ended, the fastest way."""
    if job.is_final:
        return service.follow(str(job.id))
    return service.receive([str(job.id)], ReceiveOptions(keep=True, everything=True))
