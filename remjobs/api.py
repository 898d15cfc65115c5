"""The Python API: the same jobs as the CLI's, from an event loop or a plain script.

``open()`` goes through the controller, so jobs outlive the script;
``open(in_process=True)`` runs the engine here, over a state directory of its own
choosing. ``blocking()`` gives the same object to synchronous code.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Collection,
    Iterable,
    Iterator,
    Sequence,
)
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import timedelta
from inspect import isasyncgen, iscoroutine
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from anyio.from_thread import BlockingPortal, start_blocking_portal

from remjobs.caller import read_caller, read_fetch, read_file, read_push, read_script
from remjobs.controller import lifecycle
from remjobs.controller.client import ControllerClient
from remjobs.controller.paths import Paths
from remjobs.model.clean import KEEP_DAYS, Cleaned, CleanRequest
from remjobs.model.definition import (
    DEFAULT_HISTORY,
    ROOT,
    DefineRequest,
    Definition,
    DefinitionName,
    DefinitionStart,
    HistoryEntry,
    InstancePolicy,
)
from remjobs.model.diff import JobDiff, compare
from remjobs.model.doctor import ExamineRequest, Finding
from remjobs.model.history import HistoryQuery, JobEntry
from remjobs.model.host import Host
from remjobs.model.inventory import GroupList, HostDetails, HostList, InventoryRequest, Preview
from remjobs.model.job import Child, Job
from remjobs.model.known_hosts import (
    AcceptedKeys,
    AcceptRequest,
    ChosenKeys,
    ScannedHost,
    ScanRequest,
)
from remjobs.model.pace import Pace
from remjobs.model.ping import Pinged, PingRequest
from remjobs.model.prune import PruneRequest
from remjobs.model.record import Record, Stream
from remjobs.model.request import (
    DEFAULT_THROTTLE,
    Connection,
    JobQuery,
    ReceiveOptions,
    RetryRequest,
    StartRequest,
    Targets,
)
from remjobs.model.secret import Secret
from remjobs.model.state import JobState
from remjobs.model.trigger import Trigger
from remjobs.model.work import Command, Work
from remjobs.service import Event, JobService, as_it_stands
from remjobs.settings import Settings

__all__ = ["BlockingJobs", "Jobs", "blocking", "open"]

Selector = int | str | Job | Child
"""A job (a child), its id, UUID, name or glob."""
On = str | Host | Sequence[str | Host]
"""Target expressions as ``-t`` takes them, or hosts given whole."""


Input = bytes | str | Path | Iterable[str | bytes]
"""Standard input of work."""


@asynccontextmanager
async def open(  # noqa: A001 - read as remjobs.open()
    home: str | Path | None = None,
    *,
    in_process: bool = False,
) -> AsyncIterator[Jobs]:
    """Give access to the jobs of a state directory.

    Args:
        home: The state directory; None is ``REMJOBS_HOME``, or the user's own.
        in_process: Run the engine in this process instead of the controller.
            Its running jobs end with it.

    Raises:
        AlreadyOwned: ``in_process``, and a controller has this directory.
        StoreError: The store cannot be used.
    """
    settings = Settings.resolve(os.environ, None if home is None else Path(home))
    paths = Paths(settings.home)
    if not in_process:
        yield Jobs(ControllerClient(paths))
        return
    from remjobs.composition import open_engine  # noqa: PLC0415 - the engine is heavy

    lock = lifecycle.take_lock(paths)
    try:
        async with open_engine(settings) as (_, service):
            yield Jobs(service)
    finally:
        os.close(lock)


class Jobs:
    """What can be done with jobs. Get one from ``open()``."""

    def __init__(self, service: JobService) -> None:
        """Use a service."""
        self.service = service
        """What answers: the engine's service or the controller's client."""

    async def start(
        self,
        command: str | Sequence[str] | None = None,
        *,
        script: str | Path | None = None,
        arguments: Sequence[str] = (),
        on: On | None = None,
        exclude: Sequence[str] = (),
        inventory: str | Path | Sequence[str | Path] = (),
        inventory_script: str | Path | Sequence[str | Path] = (),
        name: str | None = None,
        throttle_limit: int = DEFAULT_THROTTLE,
        pace: Pace | None = None,
        connection: Connection | None = None,
        credential: str | None = None,
        input: Input = b"",  # noqa: A002 - the option's name
        durable: bool | None = None,
        **work: Any,
    ) -> Job:
        """Start a job and return at once, with its children.

        Args:
            command: A text for the host's shell, or words to be passed exactly.
            script: A local script's path instead of a command; it is read now.
            arguments: ``"$@"`` of the command or script.
            on: The hosts; None runs it on this machine.
            exclude: Hosts to leave out.
            inventory: Inventory files, as ``PATH`` or ``KIND:PATH``; none means the default one.
            inventory_script: Programs that print an inventory.
            name: The job's name; None is ``Job<ID>``.
            throttle_limit: Children that may run at a time.
            pace: Order, batches, limits and time-out; None is all at once in inventory order.
            connection: Connection settings for every host.
            credential: What logs in, by its name in the keyring; for local work the user
                that it runs as, by sudo.
            input: Standard input, the same for every host: bytes or text, a file's
                path, or an iterable, each text of which is a line.
            durable: Run apart from the connection, and be found again after a cut; None
                does so where the host can, which Windows hosts cannot.
            **work: Further fields of ``Work``: ``initialization``, ``environment``,
                ``directory``, ``shell``, ``output_limit``, ``stop_grace``,
                ``success_codes``, ``reconnect_for``, ``timeout``, ``ps_version``,
                ``run_as_32``, ``exclusive``.

        Raises:
            UsageError: It cannot be done as it was asked; nothing was started.
        """
        request = _request(
            command,
            script=script,
            arguments=arguments,
            on=on,
            exclude=exclude,
            inventory=inventory,
            inventory_script=inventory_script,
            name=name,
            throttle_limit=throttle_limit,
            pace=pace,
            connection=connection,
            credential=credential,
            input=input,
            durable=durable,
            **work,
        )
        return await self.service.start(request)

    async def run(self, command: str | Sequence[str] | None = None, **options: Any) -> Job:
        """Start a job and return it once it has settled.

        Takes what ``start`` takes, but is attached unless ``durable`` is given.
        """
        job = await self.start(command, **{"durable": False, **options})
        return (await self.wait(job))[0]

    async def push(
        self,
        files: str | Path | Sequence[str | Path],
        to: str,
        *,
        mode: int | None = None,
        background: bool = False,
        **options: Any,
    ) -> Job:
        """Copy files and folders to hosts, and return the job once it has settled.

        Args:
            files: Which, of this machine.
            to: A folder on the host; for one file also its new name.
            mode: The files' mode there; None is each one's own.
            background: Return at once.
            **options: As for ``start``: ``on``, ``throttle_limit``, ``timeout`` ...

        Raises:
            UsageError: A file cannot be read, or a host cannot be copied to.
        """
        named = [files] if isinstance(files, str | Path) else files
        what = read_push([str(file) for file in named], to, mode)
        return await self._copied(background, push=what, **options)

    async def fetch(
        self,
        path: str,
        into: str | Path,
        *,
        background: bool = False,
        **options: Any,
    ) -> Job:
        """Copy a file or folder of each host to ``into/HOST/``, and return the settled job.

        Args:
            path: On the host.
            into: A folder of this machine, made if it is not there.
            background: Return at once.
            **options: As for ``start``: ``on``, ``throttle_limit``, ``timeout`` ...

        Raises:
            UsageError: The folder cannot be written to, or a host cannot be copied from.
        """
        what = read_fetch(path, str(into))
        return await self._copied(background, fetch=what, **options)

    async def _copied(self, background: bool, **options: Any) -> Job:
        job = await self.start(**{"durable": False, **options})
        return job if background else (await self.wait(job))[0]

    async def hosts(
        self,
        on: On = "all",
        *,
        exclude: Sequence[str] = (),
        inventory: str | Path | Sequence[str | Path] = (),
        inventory_script: str | Path | Sequence[str | Path] = (),
    ) -> HostList:
        """Return the hosts that a pattern hits, in the order in which they would run.

        Args:
            on: Target expressions.
            exclude: Hosts to leave out.
            inventory: Inventory files, as ``PATH`` or ``KIND:PATH``; none means the default one.
            inventory_script: Programs that print an inventory.

        Raises:
            UsageError: Nothing is hit; the message names what comes near.
            InventoryError: An inventory cannot be read.
        """
        targets = _targets(on, exclude, inventory, inventory_script)
        request = InventoryRequest(targets=targets, caller=read_caller())
        return await self.service.inventory.list(request)

    async def groups(
        self,
        on: On = (),
        *,
        inventory: str | Path | Sequence[str | Path] = (),
        inventory_script: str | Path | Sequence[str | Path] = (),
    ) -> GroupList:
        """Return the groups of the inventory, or those that hold these hosts."""
        targets = _targets(on, (), inventory, inventory_script)
        request = InventoryRequest(targets=targets, caller=read_caller())
        return await self.service.inventory.groups(request)

    async def describe(
        self,
        on: On,
        *,
        inventory: str | Path | Sequence[str | Path] = (),
        inventory_script: str | Path | Sequence[str | Path] = (),
    ) -> tuple[HostDetails, ...]:
        """Return all that inventories say of hosts, each setting with file and line."""
        targets = _targets(on, (), inventory, inventory_script)
        request = InventoryRequest(targets=targets, caller=read_caller())
        return await self.service.inventory.show(request)

    async def preview(
        self,
        command: str | Sequence[str] | None = None,
        **options: Any,
    ) -> Preview:
        """Return what ``start`` would do on each host; takes what it takes, starts nothing."""
        return await self.service.inventory.preview(_request(command, **options))

    async def define(
        self,
        name: str,
        command: str | Sequence[str] | None = None,
        *,
        triggers: Sequence[Trigger] = (),
        path: str = ROOT,
        if_running: InstancePolicy = InstancePolicy.IGNORE_NEW,
        run_if_missed: bool = False,
        enabled: bool = True,
        history_limit: int = DEFAULT_HISTORY,
        job_name: str | None = None,
        **start: Any,
    ) -> Definition:
        """Save work, to be started by triggers or by hand.

        Args:
            name: Its name, unique under its path without regard to case.
            command: As ``start`` takes it.
            triggers: When it starts; see ``remjobs.model.trigger``. None: by hand.
            path: A path such as ``/nightly``.
            if_running: What is done when a trigger fires while an instance runs.
            run_if_missed: Run once, late, if nobody looked in time.
            enabled: Whether its triggers fire.
            history_limit: Firings that its history keeps.
            job_name: The name of its jobs; None is the definition's.
            **start: What else ``start`` takes. Hosts are looked up at each start.

        Raises:
            UsageError: The name is taken, or a trigger can never fire.
        """
        request = DefineRequest(
            id=uuid4(),
            name=name,
            path=path,
            start=_request(command, name=job_name, **start),
            triggers=tuple(triggers),
            enabled=enabled,
            instances=if_running,
            run_if_missed=run_if_missed,
            history_limit=history_limit,
        )
        return await self.service.definitions.add(request)

    async def definitions(
        self,
        name: str | None = None,
        path: str | None = None,
    ) -> tuple[Definition, ...]:
        """Return all definitions, or the one that is named (``NAME`` or ``/path/NAME``).

        Raises:
            NoSuchDefinition: None is named so.
            UsageError: Several are, and no path says which.
        """
        named = None if name is None else DefinitionName(name=name, path=path)
        return await self.service.definitions.list(named)

    async def start_definition(self, name: str, path: str | None = None) -> Job:
        """Start a definition now, whatever its triggers say, and return the job at once."""
        request = DefinitionStart(
            instance_id=uuid4(),
            definition=DefinitionName(name=name, path=path),
            caller=read_caller(),
        )
        return await self.service.definitions.start(request)

    async def definition_history(
        self,
        name: str,
        path: str | None = None,
    ) -> tuple[HistoryEntry, ...]:
        """Return what became of a definition's firings, oldest first."""
        return await self.service.definitions.history(DefinitionName(name=name, path=path))

    async def enable_definition(
        self,
        name: str,
        path: str | None = None,
        *,
        enabled: bool = True,
    ) -> Definition:
        """Let a definition's triggers fire, or not."""
        named = DefinitionName(name=name, path=path)
        return await self.service.definitions.enable(named, enabled=enabled)

    async def remove_definition(self, name: str, path: str | None = None) -> Definition:
        """Forget a definition and its history; its jobs stay."""
        return await self.service.definitions.remove(DefinitionName(name=name, path=path))

    async def retry(
        self,
        selector: Selector,
        *,
        failed: bool = False,
        unreachable: bool = False,
        disconnected: bool = False,
        hosts: Sequence[str] = (),
        name: str | None = None,
        throttle_limit: int | None = None,
    ) -> Job:
        """Start a new job with the same work on hosts of an earlier one.

        Args:
            selector: The earlier job.
            failed: Hosts where it failed, and those that were never begun.
            unreachable: Hosts that were not reached, and those that were never begun.
            disconnected: Hosts whose outcome is not known; it may have run there.
            hosts: Only these, by name or glob. Without any of these four: all that
                failed, were not reached or were never begun.
            name: The new job's name; None is the earlier one's.
            throttle_limit: None is the earlier one's.

        Raises:
            UsageError: No host is to be tried again.
        """
        request = RetryRequest(
            instance_id=uuid4(),
            selector=_texts([selector])[0],
            failed=failed,
            unreachable=unreachable,
            disconnected=disconnected,
            hosts=tuple(hosts),
            name=name,
            throttle_limit=throttle_limit,
            caller=read_caller(),
        )
        return await self.service.retry(request)

    async def set(self, *selectors: Selector, throttle_limit: int) -> tuple[Job, ...]:
        """Change how many hosts of jobs may run at a time, also while they run."""
        return await self.service.set(_texts(selectors), throttle_limit=throttle_limit)

    async def list(self, *selectors: Selector, **filters: Any) -> tuple[Job, ...]:
        """Return parents without children; all, if none is named.

        Args:
            *selectors: Which jobs; of one whose child is named, that child comes too.
            **filters: Further fields of ``JobQuery``: ``states``, ``newest`` ...
        """
        return await self.service.list(JobQuery(selectors=_texts(selectors), **filters))

    async def get(self, *selectors: Selector, **filters: Any) -> tuple[Job | Child, ...]:
        """Return parents with their children; a child's id gives the child.

        Args:
            *selectors: Which jobs; none is all.
            **filters: Further fields of ``JobQuery``: ``states``, ``newest`` ...
        """
        return await self.service.get(JobQuery(selectors=_texts(selectors), **filters))

    async def receive(
        self,
        *selectors: Selector,
        options: ReceiveOptions | None = None,
    ) -> AsyncGenerator[Event, None]:
        """Yield what was not received yet, and move the read position.

        A child that did not succeed is yielded after its records.
        """
        chosen = options or ReceiveOptions()
        async with aclosing(self.service.receive(_texts(selectors), chosen)) as events:
            async for event in events:
                yield event

    async def follow(self, selector: Selector) -> AsyncGenerator[Record, None]:
        """Yield every record of one job as it comes, to the end of the job."""
        async with aclosing(self.service.follow(*_texts([selector]))) as records:
            async for record in records:
                yield record

    async def output(self, selector: Selector, stream: Stream = Stream.OUTPUT) -> dict[str, bytes]:
        """Return one stream of a job whole, by host. The read position does not move."""
        pieces: dict[str, list[bytes]] = {}
        async for record in self.follow(selector):
            if record.stream is stream:
                pieces.setdefault(record.host, []).append(record.data)
        return {host: b"".join(parts) for host, parts in pieces.items()}

    async def wait(
        self,
        *selectors: Selector,
        any_: bool = False,
        timeout: float | None = None,
        force: bool = False,
        state: JobState | None = None,
    ) -> tuple[Job, ...]:
        """Return the jobs once all (any) have settled.

        Args:
            *selectors: Which jobs; none is nothing to wait for.
            any_: Return when the first one has settled.
            timeout: Seconds for the whole call.
            force: Go on until they are final, through Suspended and Disconnected.
            state: Until they are in this state, or have settled in another one.

        Raises:
            WaitTimeout: The time ran out.
        """
        return await self.service.wait(
            _texts(selectors),
            any_=any_,
            timeout=timeout,
            force=force,
            state=state,
        )

    async def stop(
        self,
        *selectors: Selector,
        states: Collection[JobState] = (),
        hosts: Sequence[str] = (),
    ) -> tuple[Job, ...]:
        """Stop jobs, on their hosts too, and return them once that is confirmed or given up.

        Args:
            *selectors: Which jobs, or single children.
            states: Only jobs in these states; without selectors, all that are.
            hosts: Only these hosts of them (names, globs or ranges).
        """
        return await self.service.stop(
            _texts(selectors),
            read_caller(),
            states=frozenset(states),
            hosts=hosts,
        )

    async def suspend(
        self,
        *selectors: Selector,
        states: Collection[JobState] = (),
    ) -> tuple[Job, ...]:
        """Start no further children of these jobs, and hold those that run."""
        return await self.service.suspend(_texts(selectors), states=frozenset(states))

    async def resume(
        self,
        *selectors: Selector,
        states: Collection[JobState] = (),
    ) -> tuple[Job, ...]:
        """Go on with suspended jobs, and look again for hosts that were lost."""
        return await self.service.resume(
            _texts(selectors),
            read_caller(),
            states=frozenset(states),
        )

    async def answer(self, *selectors: Selector, answer: Secret | str) -> tuple[Job, ...]:
        """Give what Blocked jobs or children wait for: a password, say.

        Args:
            *selectors: The jobs or children, each gets the same answer.
            answer: It is kept in memory only, and by nobody longer than needed.

        Raises:
            UsageError: Nothing of them waits for an answer.
        """
        secret = answer if isinstance(answer, Secret) else Secret(answer)
        return await self.service.answer(_texts(selectors), secret, read_caller())

    async def clean(
        self,
        on: On | None = None,
        *,
        older_than: float = KEEP_DAYS,
        exclude: Sequence[str] = (),
        inventory: str | Path | Sequence[str | Path] = (),
        connection: Connection | None = None,
    ) -> tuple[Cleaned, ...]:
        """Remove from hosts what durable work left there.

        Args:
            on: The hosts; None is this machine.
            older_than: Days since the work ended.
            exclude: Hosts to leave out.
            inventory: Inventory files; none means the default one.
            connection: Connection settings for every host.
        """
        request = CleanRequest(
            targets=None if on is None else _targets(on, exclude, inventory),
            older_than=older_than,
            connection=connection or Connection(),
            caller=read_caller(),
        )
        return await self.service.clean(request)

    async def ping(
        self,
        on: On | None = None,
        *,
        exclude: Sequence[str] = (),
        inventory: str | Path | Sequence[str | Path] = (),
        throttle_limit: int = DEFAULT_THROTTLE,
        connection: Connection | None = None,
        credential: str | None = None,
    ) -> AsyncGenerator[Pinged, None]:
        """Yield how far one gets on each host, as it is known. Runs no work there.

        Args:
            on: The hosts; None is this machine.
            exclude: Hosts to leave out.
            inventory: Inventory files; none means the default one.
            throttle_limit: Hosts at a time.
            connection: Connection settings for every host.
            credential: What logs in, by its name in the keyring; on this machine whom to
                be, by sudo.
        """
        request = PingRequest(
            targets=None if on is None else _targets(on, exclude, inventory),
            throttle_limit=throttle_limit,
            connection=_with(connection, credential),
            caller=read_caller(),
        )
        async with aclosing(self.service.ping(request)) as answers:
            async for answer in answers:
                yield answer

    async def known_hosts(
        self,
        on: On,
        *,
        exclude: Sequence[str] = (),
        inventory: str | Path | Sequence[str | Path] = (),
        throttle_limit: int = DEFAULT_THROTTLE,
        connection: Connection | None = None,
    ) -> AsyncGenerator[ScannedHost, None]:
        """Yield the keys that each host offers, and what is known of them. Logs in nowhere.

        Args:
            on: The hosts.
            exclude: Hosts to leave out.
            inventory: Inventory files; none means the default one.
            throttle_limit: Hosts at a time.
            connection: Connection settings for every host.
        """
        request = ScanRequest(
            targets=_targets(on, exclude, inventory),
            throttle_limit=throttle_limit,
            connection=connection or Connection(),
            caller=read_caller(),
        )
        async with aclosing(self.service.known_hosts.scan(request)) as answers:
            async for answer in answers:
                yield answer

    async def accept_keys(
        self,
        on: On,
        chosen: Sequence[ChosenKeys],
        *,
        inventory: str | Path | Sequence[str | Path] = (),
        connection: Connection | None = None,
    ) -> tuple[AcceptedKeys, ...]:
        """Keep host keys that somebody has compared; one answer for each host.

        Args:
            on: The hosts, as they were given to ``known_hosts``.
            chosen: For each host the keys as they were offered, and the fingerprints
                of known ones that they are to stand for.
            inventory: Inventory files; none means the default one.
            connection: Connection settings for every host.
        """
        request = AcceptRequest(
            targets=_targets(on, (), inventory),
            chosen=tuple(chosen),
            connection=connection or Connection(),
            caller=read_caller(),
        )
        return await self.service.known_hosts.accept(request)

    async def examine(
        self,
        *,
        throttle_limit: int = DEFAULT_THROTTLE,
    ) -> AsyncGenerator[Finding, None]:
        """Yield what is found when the set-up on this side is looked through.

        As `remjobs doctor`, without what it finds of the controller and its directory.

        Args:
            throttle_limit: Hosts that are to run at a time.
        """
        request = ExamineRequest(throttle_limit=throttle_limit, caller=read_caller())
        async with aclosing(self.service.examine(request)) as findings:
            async for finding in findings:
                yield finding

    async def remove(
        self,
        *selectors: Selector,
        force: bool = False,
        states: Collection[JobState] = (),
    ) -> tuple[Job, ...]:
        """Remove jobs that have ended, and their records; ``force`` stops them first.

        What can be removed is, whatever stands in the way of the others.

        Raises:
            NotRemovable: A job has not ended, or a child was named; a line for each.
        """
        return await self.service.remove(
            _texts(selectors),
            force=force,
            states=frozenset(states),
        )

    async def prune(
        self,
        *,
        older_than: timedelta | None = None,
        keep: int | None = None,
        dry_run: bool = False,
    ) -> tuple[Job, ...]:
        """Remove jobs that have ended, with their records; return them without children.

        Args:
            older_than: Keep what ended later than this.
            keep: Keep so many, those that ended last. One of both must be given; with
                both a job goes that neither keeps.
            dry_run: Remove nothing, only say which.
        """
        seconds = None if older_than is None else older_than.total_seconds()
        request = PruneRequest(older_than=seconds, keep=keep, dry_run=dry_run)
        return await self.service.prune(request)

    async def history(self, *names: str, **filters: Any) -> tuple[JobEntry, ...]:
        """Return who asked for what, also of jobs that were removed, oldest first.

        Args:
            *names: Ids, names or globs; none is all.
            **filters: Further fields of ``HistoryQuery``: ``newest``, ``hosts`` ...
        """
        return await self.service.history(HistoryQuery(names=tuple(map(str, names)), **filters))

    async def diff(
        self,
        first: Selector,
        second: Selector,
        *,
        normalize: bool = False,
    ) -> JobDiff:
        """Compare two jobs host by host, as they stand now.

        Args:
            first: The one.
            second: The other.
            normalize: Mind no host's own name or address, and no time.

        Raises:
            NoSuchJob: One of them is not there.
        """
        one, other = [await as_it_stands(self.service, text) for text in _texts([first, second])]
        return await asyncio.to_thread(compare, one, other, normalize=normalize)


class BlockingJobs:
    """``Jobs`` for synchronous code: the same methods, run in an event loop of their own.

    A method that yields gives an ordinary iterator.
    """

    def __init__(self, jobs: Jobs, portal: BlockingPortal) -> None:
        """Call ``jobs`` through a portal."""
        self._jobs = jobs
        self._portal = portal

    def __getattr__(self, name: str) -> Any:
        """Return the method of that name, made to block."""
        method = getattr(self._jobs, name)

        def blocking_method(*args: Any, **kwargs: Any) -> Any:
            result = method(*args, **kwargs)
            if isasyncgen(result):
                return self._iterate(result)
            if iscoroutine(result):
                return self._portal.call(lambda: result)
            return result

        return blocking_method

    def _iterate(self, source: Any) -> Iterator[Any]:
        try:
            while (item := self._portal.call(_next, source)) is not _END:
                yield item
        finally:
            self._portal.call(source.aclose)


_END: Final = object()


async def _next(source: AsyncIterator[Any]) -> Any:
    return await anext(source, _END)


@contextmanager
def blocking(home: str | Path | None = None, *, in_process: bool = False) -> Iterator[BlockingJobs]:
    """Give ``open()`` to synchronous code; the arguments are the same."""
    with start_blocking_portal() as portal:
        context: AbstractAsyncContextManager[Jobs] = open(home, in_process=in_process)
        with portal.wrap_async_context_manager(context) as jobs:
            yield BlockingJobs(jobs, portal)


def _work(
    command: str | Sequence[str] | None,
    script: str | Path | None,
    arguments: Sequence[str],
    **more: Any,
) -> Work:
    unknown = set(more) - {field for field in Work.__dataclass_fields__ if field != "command"}
    if unknown:
        msg = f"start() has no argument {', '.join(sorted(unknown))}"
        raise TypeError(msg)
    return Work(
        command=None if command is None else _command(command),
        script=None if script is None else read_script(str(script)),
        arguments=tuple(arguments),
        **more,
    )


def _request(
    command: str | Sequence[str] | None = None,
    *,
    script: str | Path | None = None,
    arguments: Sequence[str] = (),
    on: On | None = None,
    exclude: Sequence[str] = (),
    inventory: str | Path | Sequence[str | Path] = (),
    inventory_script: str | Path | Sequence[str | Path] = (),
    name: str | None = None,
    throttle_limit: int = DEFAULT_THROTTLE,
    pace: Pace | None = None,
    connection: Connection | None = None,
    credential: str | None = None,
    input: Input = b"",  # noqa: A002 - the option's name
    durable: bool | None = None,
    **work: Any,
) -> StartRequest:
    """Return the request that ``Jobs.start`` is about; see there."""
    return StartRequest(
        instance_id=uuid4(),
        work=_work(
            command,
            script,
            arguments,
            durable=durable is not False,
            durable_if_possible=durable is None,
            input=_input(input),
            **work,
        ),
        targets=None if on is None else _targets(on, exclude, inventory, inventory_script),
        connection=_with(connection, credential),
        pace=pace or Pace(),
        name=name,
        throttle_limit=throttle_limit,
        caller=read_caller(),
    )


def _with(connection: Connection | None, credential: str | None) -> Connection:
    own = connection or Connection()
    return own if credential is None else replace(own, credential=credential)


def _input(given: Input) -> bytes:
    if isinstance(given, Path):
        return read_file(str(given), "the input")
    if isinstance(given, str):
        return given.encode()
    if isinstance(given, bytes | bytearray | memoryview):
        return bytes(given)
    return b"".join(map(_line, given))


def _line(item: str | bytes) -> bytes:
    """Return an item of an iterable: bytes as they are, a text as a line."""
    if isinstance(item, bytes):
        return item
    return (item if item.endswith("\n") else item + "\n").encode()


def _command(command: str | Sequence[str]) -> Command:
    return Command(text=command) if isinstance(command, str) else Command(words=tuple(command))


def _targets(
    on: On,
    exclude: Sequence[str],
    inventory: str | Path | Sequence[str | Path],
    scripts: str | Path | Sequence[str | Path] = (),
) -> Targets:
    named = [on] if isinstance(on, str | Host) else list(on)
    files = [inventory] if isinstance(inventory, str | Path) else list(inventory)
    programs = [scripts] if isinstance(scripts, str | Path) else list(scripts)
    return Targets(
        include=tuple(item for item in named if isinstance(item, str)),
        exclude=tuple(exclude),
        inventories=tuple(map(str, files)),
        scripts=tuple(map(str, programs)),
        hosts=tuple(item for item in named if isinstance(item, Host)),
    )


def _texts(selectors: Sequence[Selector]) -> tuple[str, ...]:
    return tuple(str(item.id) if isinstance(item, Job | Child) else str(item) for item in selectors)
