"""The engine: all jobs that live in this process, over one store."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import defaultdict
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from remjobs.credentials.base import Credentials
from remjobs.engine.access import JobAccess
from remjobs.engine.answers import Answers
from remjobs.engine.hub import Hub
from remjobs.engine.job import JobRun
from remjobs.engine.ways import Ways
from remjobs.model.job import Child, Reason, ReasonKind
from remjobs.model.request import Caller
from remjobs.model.secret import Secret
from remjobs.model.state import SETTLED, JobState, Request, advance
from remjobs.store.base import NewJob, Store, StoredJob
from remjobs.transports.base import Transport, TransportFactory

__all__ = ["Engine"]

T = TypeVar("T")

_log: Final = logging.getLogger(__name__)
_BEGUN: Final = frozenset(
    {JobState.RUNNING, JobState.STOPPING, JobState.SUSPENDING, JobState.SUSPENDED}
)
_NOT_BEGUN: Final = frozenset({JobState.NOT_STARTED, JobState.BLOCKED})
_KILLED: Final = "the controller ended while the work ran; outcome unknown"
_HELD_BACK: Final = (
    "held back: the controller was killed before these hosts were begun; "
    "`remjobs resume` goes on, `remjobs stop` does not"
)


class Engine:
    """Starts jobs, keeps those that run, and goes on with what it finds in the store."""

    def __init__(
        self,
        store: Store,
        transports: Mapping[str, TransportFactory],
        credentials: Credentials,
        most_at_once: int = sys.maxsize,
    ) -> None:
        """Use a store that is ours alone.

        Args:
            store: Keeps the jobs.
            transports: By name.
            credentials: Gives secrets.
            most_at_once: Hosts of one job that this process can hold at a time,
                whatever the job's throttle limit.
        """
        self.most_at_once = most_at_once
        self.store = store
        self.credentials = credentials
        self.hub = Hub()
        self._answers = Answers()
        self._factories = transports
        self._runs: dict[int, JobRun] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._errands: set[asyncio.Task[Any]] = set()
        self.receiving: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        """For each job, held by the receiver whose turn it is."""
        self.failed: asyncio.Event = asyncio.Event()
        """Set when a job broke off because the store cannot be used any more."""

    @property
    def is_busy(self) -> bool:
        """Whether a job runs."""
        return any(run.is_busy for run in self._runs.values())

    @property
    def busy_jobs(self) -> tuple[int, ...]:
        """The ids of the jobs that run."""
        return tuple(job_id for job_id, run in self._runs.items() if run.is_busy)

    def transports(self, caller: Caller) -> Ways:
        """Return what gives the transport of a name, made once for one job."""
        return Ways(self._factories, caller)

    def access(self, caller: Caller) -> JobAccess:
        """Return what lets one job, or one errand, in to its hosts."""
        return JobAccess(self.credentials, caller)

    def each_transport(self, caller: Caller) -> tuple[Transport, ...]:
        """Return every transport there is."""
        return tuple(factory(caller) for factory in self._factories.values())

    async def reconcile(self) -> None:
        """Go on with what an earlier process left.

        A child whose start was committed is in doubt. Durable work is sought on
        its host, which knows; what hung on a connection cannot be known any
        more. Hosts that were not begun go on, unless the last owner was killed
        and their job hangs on connections: then they wait for a person.
        """
        for job_id in await self.store.unfinished():
            await self._take_up(await self.store.load(job_id))

    async def _take_up(self, stored: StoredJob) -> None:
        durable = stored.work.durable
        children = [entry.child for entry in stored.entries]
        bound = self.bound(stored)
        # Who was asked may be gone, and the answer with us: ask again.
        if asked := [child for child in children if child.state is JobState.BLOCKED]:
            await self.store.save([_asked_again(child) for child in asked])
        if lost := [c for c in children if c.id in bound and c.state in _BEGUN]:
            await self.store.save([_disconnected(child) for child in lost])

        def is_sought(child: Child) -> bool:
            return child.id not in bound and _is_to_be_sought(child)

        sought = any(map(is_sought, children))
        waiting = any(child.state in _NOT_BEGUN for child in children)
        if not (sought or waiting):
            return
        killed = not self.store.closed_cleanly
        if waiting and killed and not durable and stored.request is Request.NONE:
            await self.store.ask(stored.job.id, Request.SUSPEND, _HELD_BACK)
        current = await self.store.load(stored.job.id)
        run = self._launch(current, is_sought)
        if current.request is Request.STOP:
            self._spawn(run.stop())

    def bound(self, stored: StoredJob) -> frozenset[int]:
        """Return the children whose work ends with its connection, for good."""
        ways = self.transports(stored.caller)
        return frozenset(
            entry.child.id
            for entry in stored.entries
            if not (stored.work.durable and ways(entry.host.transport).keeps_work)
        )

    async def see_through(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something to its end, even if whoever asked for it goes meanwhile."""
        return await asyncio.shield(self._spawn(work))

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Do something beside all else; its failure shows in the job it is about."""
        task = asyncio.create_task(work)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)
        return task

    async def start(self, new: NewJob) -> int:
        """Store a job, begin it, and return its id.

        A job that was stored is begun, even if the one who asked has gone; one
        that was stored before is not begun again.
        """
        return await asyncio.shield(asyncio.create_task(self._start(new)))

    async def _start(self, new: NewJob) -> int:
        stored, is_new = await self.store.add(new)
        if is_new:
            self._launch(stored, _nobody)
        return stored.job.id

    @property
    def bound_jobs(self) -> tuple[int, ...]:
        """The ids of the jobs with work that cannot be found again once we are gone."""
        return tuple(job_id for job_id, run in self._runs.items() if run.is_bound)

    def run_of(self, job_id: int) -> JobRun | None:
        """Return the run of a job that lives here."""
        return self._runs.get(job_id)

    async def state(self, job_id: int, child_id: int | None = None) -> JobState:
        """Return the state of a job, or of one child of it."""
        if (run := self._runs.get(job_id)) is not None:
            return run.state if child_id is None else run.state_of(child_id)
        job = await self.store.job(job_id)
        return next((c.state for c in job.children or () if c.id == child_id), job.state)

    async def has_settled(
        self,
        job_id: int,
        enough: frozenset[JobState] = SETTLED,
        child_id: int | None = None,
    ) -> bool:
        """Whether a job (a child) is in one of these states, and nothing of it is being sought."""
        run = self._runs.get(job_id)
        if run is not None and (run.is_sought if child_id is None else run.seeks(child_id)):
            return False
        return await self.state(job_id, child_id) in enough

    async def stop(
        self,
        job_id: int,
        caller: Caller | None = None,
        children: Collection[int] | None = None,
    ) -> None:
        """Stop a job; what was lost on its host is looked for once more.

        Args:
            job_id: The job.
            caller: Who asks now; None is whoever started the job.
            children: Only these, and the others go on; None is the whole job.
        """
        run = await self._revived(job_id, caller, children)
        if run is not None and children is None:
            await run.stop()
        elif run is not None:
            await self.see_through(run.stop_some(children or ()))

    async def limit(self, job_id: int, throttle_limit: int) -> None:
        """Change how many children of a job may run at a time."""
        await self.store.limit(job_id, throttle_limit)
        if (run := self._runs.get(job_id)) is not None:
            run.limit(min(throttle_limit, self.most_at_once))

    async def answer(self, child: Child, secret: Secret, caller: Caller | None = None) -> None:
        """Give a child what it waits for, and return once it has taken it.

        One that was lost is looked for once more.
        """
        job_id = child.parent_id
        self._answers.give(child.id, secret)
        if child.state is JobState.DISCONNECTED:
            await self._revived(job_id, caller)
        while True:
            version = self.hub.version(job_id)
            run = self._runs.get(job_id)
            if run is None or run.state_of(child.id) is not JobState.BLOCKED:
                return
            await self.hub.changed(job_id, version)

    async def suspend(self, job_id: int) -> None:
        """Hold a job that lives here."""
        if (run := self._runs.get(job_id)) is not None:
            await run.suspend()

    async def resume(self, job_id: int, caller: Caller | None = None) -> None:
        """Go on with a job; what was lost on its host is looked for once more."""
        if (run := await self._revived(job_id, caller)) is not None:
            await run.resume()

    async def _revived(
        self,
        job_id: int,
        caller: Caller | None,
        children: Collection[int] | None = None,
    ) -> JobRun | None:
        """Return a job's run, looking again for durable work (of these) that was given up."""
        stored = await self.store.load(job_id)
        bound = self.bound(stored)

        def is_lost(child: Child) -> bool:
            is_meant = children is None or child.id in children
            return _is_disconnected(child) and is_meant and child.id not in bound

        # The agent of the shell that started the job may be gone by now.
        stored = replace(stored, caller=caller or stored.caller)
        lost = [entry for entry in stored.entries if is_lost(entry.child)]
        if lost:
            run = self._runs.get(job_id)
            ways = self.transports(stored.caller)
            if run is None or not run.seek(lost, ways, self.access(stored.caller)):
                self._launch(stored, is_lost)
        return self._runs.get(job_id)

    async def remove(self, job_id: int) -> None:
        """Forget a job that has ended."""
        task = self._tasks.get(job_id)
        if task is not None:
            await asyncio.wait({task})
        await self.store.remove(job_id)
        self.hub.forget(job_id)
        self.receiving.pop(job_id, None)

    async def close(self, *, cleanly: bool = True) -> None:
        """Let go of everything; what still runs is in doubt until the next reconcile."""
        tasks = [*self._tasks.values(), *self._errands]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.store.close(cleanly=cleanly)

    def _launch(self, stored: StoredJob, lost: Callable[[Child], bool]) -> JobRun:
        job_id = stored.job.id
        transports = self.transports(stored.caller)
        run = JobRun(
            stored,
            self.store,
            transports,
            self.hub.notify,
            self._answers,
            access=self.access(stored.caller),
            most_at_once=self.most_at_once,
            lost=lost,
        )
        self._runs[job_id] = run
        task = asyncio.create_task(run.run(), name=f"job {job_id}")
        self._tasks[job_id] = task
        task.add_done_callback(lambda done: self._ended(job_id, run, done))
        return run

    def _ended(self, job_id: int, run: JobRun, task: asyncio.Task[None]) -> None:
        if self._runs.get(job_id) is run:
            del self._runs[job_id], self._tasks[job_id]
        if not task.cancelled() and (exc := task.exception()) is not None:
            _log.critical("job %d broke off: %s", job_id, exc, exc_info=exc)
            self.failed.set()
        self.hub.notify(job_id)


def _asked_again(child: Child) -> Child:
    return replace(child, state=advance(child.state, JobState.NOT_STARTED), status_message="")


def _is_to_be_sought(child: Child) -> bool:
    """Whether durable work was begun, and nobody gave it up."""
    begun = child.state in _BEGUN
    return begun or (child.state is JobState.DISCONNECTED and child.sought_until is not None)


def _is_disconnected(child: Child) -> bool:
    return child.state is JobState.DISCONNECTED


def _nobody(child: Child) -> bool:
    del child
    return False


def _disconnected(child: Child) -> Child:
    if child.exit_code is not None:
        # It rested between two tries: how the last one ended is known.
        said = f"exit code {child.exit_code}; not tried again: {_KILLED}"
        return replace(
            child,
            state=advance(child.state, JobState.FAILED),
            reason=Reason(kind=ReasonKind.EXIT, message=said),
            status_message="",
            end_time=datetime.now(UTC),
        )
    reason = Reason(kind=ReasonKind.LOST, message=_KILLED)
    held = child.state is JobState.SUSPENDED
    current = advance(child.state, JobState.RUNNING) if held else child.state
    return replace(child, state=advance(current, JobState.DISCONNECTED), reason=reason)
