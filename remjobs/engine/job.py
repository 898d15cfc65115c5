"""The life of one job: its children dispatched under the throttle, stopped, suspended."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Final

from remjobs.engine.access import JobAccess
from remjobs.engine.answers import Answers
from remjobs.engine.child import ChildRun, Tries
from remjobs.engine.holder import with_holder
from remjobs.engine.pacer import Pacer
from remjobs.engine.retry import never_began
from remjobs.engine.standing import Ledger
from remjobs.engine.throttle import Throttle
from remjobs.engine.ways import Ways
from remjobs.model.job import Child, Reason, ReasonKind
from remjobs.model.pace import Halt, Step, ordered
from remjobs.model.record import Stream
from remjobs.model.state import JobState, Request, advance, parent_state
from remjobs.store.base import Entry, Piece, Store, StoredJob

__all__ = ["JobRun"]

_PAUSED: Final = "the canary has ended; `remjobs resume {0}` goes on, `remjobs stop {0}` does not"


class JobRun:
    """Runs one job: every child that has not started, in inventory order."""

    def __init__(
        self,
        stored: StoredJob,
        store: Store,
        transports: Ways,
        notify: Callable[[int], None],
        answers: Answers,
        *,
        access: JobAccess,
        most_at_once: int,
        lost: Callable[[Child], bool],
    ) -> None:
        """Prepare; ``run`` does it.

        Args:
            stored: The job.
            store: Keeps it.
            transports: By name; closed at the end.
            notify: Called with the job's id after each change.
            answers: What people were asked for.
            access: What lets it in.
            most_at_once: Hosts that this process can hold at a time.
            lost: Says which children were begun by somebody and are to be sought.
        """
        self.id = stored.job.id
        self._store = store
        self._notify = notify
        self._request = stored.request
        self._throttle = Throttle(min(stored.job.throttle_limit, most_at_once))
        self._children = {entry.child.id: entry.child for entry in stored.entries}
        self._counts = Counter(child.state for child in self._children.values())
        self.changes: list[Child] = []
        """Every child as it was after each change, in order."""
        ledger = Ledger(
            intend=self._intend,
            acknowledge=store.acknowledge,
            save=self._save_one,
            append=self._append,
            offsets=store.offsets,
        )

        self._pacer = Pacer(stored.pace, len(stored.entries))
        tries = Tries(
            limit=stored.pace.retries,
            pause=self._pacer.pause_before,
            rest=self._rest,
            on_exit=stored.pace.retry_on_exit,
        )
        self._work = with_holder(stored)
        self._prepare = partial(ChildRun, ledger=ledger, answers=answers, tries=tries)
        waiting = [e for e in _in_order(stored) if e.child.state is JobState.NOT_STARTED]
        self._waiting = deque(self._child(entry, transports, access) for entry in waiting)
        self._active = {
            self._child(entry, transports, access) for entry in stored.entries if lost(entry.child)
        }
        for child in self._children.values():
            self._pacer.ended(child)
        self._pacer.dropped(sum(map(never_began, self._children.values())))
        for run in self._active:
            self._pacer.revived(run.child)
        self._time_left = _time_left(stored)
        self._ways = {transports}
        self._group = asyncio.TaskGroup()
        self._has_begun = False
        self._stopping: asyncio.Task[None] | None = None

    @property
    def state(self) -> JobState:
        """The parent's state just now."""
        return parent_state(self._counts, self._request)

    def state_of(self, child_id: int) -> JobState:
        """Return a child's state just now."""
        return self._children[child_id].state

    @property
    def is_busy(self) -> bool:
        """Whether something of it runs, or will without anybody's doing."""
        return bool(self._active) or (bool(self._waiting) and self._request is Request.NONE)

    @property
    def is_bound(self) -> bool:
        """Whether something of it runs that cannot be found again once we are gone."""
        return any(not child.outlives_us for child in self._active)

    @property
    def is_sought(self) -> bool:
        """Whether a host of it was lost and is being looked for."""
        return any(child.is_sought for child in self._active)

    async def run(self) -> None:
        """Find what was begun, then start children as the throttle lets them, to the end."""
        try:
            await self._run()
        finally:
            for ways in self._ways:
                await ways.close()

    async def _run(self) -> None:
        async with self._group:
            self._has_begun = True
            for child in tuple(self._active):
                self._find(child)
            clock = asyncio.create_task(self._time_up())
            try:
                while self._waiting:
                    await self._next()
                await self._settled()
            finally:
                clock.cancel()

    async def _next(self) -> None:
        """Begin the next child, or wait until that may be possible."""
        step = self._step() if self._request is Request.NONE else Step.WAIT
        if isinstance(step, Halt):
            await self._halt(Reason(kind=ReasonKind.HALTED, message=step.message))
        elif step is Step.PAUSE:
            await self._ask(Request.SUSPEND, _PAUSED.format(self.id))
        elif step is Step.START and self._pacer.left <= 0 and self._throttle.take():
            child = self._waiting.popleft()
            self._active.add(child)
            self._pacer.begun()
            self._group.create_task(self._run_one(child))
        else:
            left = self._pacer.left
            await self._throttle.changed(left if step is Step.START and left > 0 else None)

    def _step(self) -> Step | Halt:
        return self._pacer.step(waiting=len(self._waiting), active=len(self._active))

    async def _halt(self, why: Reason) -> None:
        """Begin nothing more; what runs goes on."""
        await self._store.ask(self.id, self._request, why.message)
        await self._drop_waiting(why)

    async def _settled(self) -> None:
        """Wait until nothing is at work."""
        while self._active:
            await self._throttle.changed()

    async def _time_up(self) -> None:
        """Stop all of it once the job's time is up."""
        if self._time_left is None:
            return
        await asyncio.sleep(self._time_left)
        why = Reason(kind=ReasonKind.TIMEOUT, message="the job's time was up")
        self._group.create_task(self._stop(why))

    def _find(self, child: ChildRun) -> None:
        # What runs already takes a slot, even beyond the limit.
        self._throttle.occupy()
        self._group.create_task(self._run_one(child))

    def seek(
        self,
        entries: Iterable[Entry],
        transports: Ways,
        access: JobAccess,
    ) -> bool:
        """Look again for children whose hosts were given up; False if this run has ended."""
        if not (self._active or self._waiting):
            return False
        self._ways.add(transports)
        busy = {run.child.id for run in self._active}
        for entry in entries:
            if entry.child.id not in busy:
                child = self._child(entry, transports, access)
                self._active.add(child)
                self._pacer.revived(child.child)
                if self._has_begun:
                    self._find(child)
        return True

    def _child(
        self,
        entry: Entry,
        transports: Ways,
        access: JobAccess,
    ) -> ChildRun:
        transport = transports(entry.host.transport)
        durable = self._work.durable and transport.keeps_work
        work = replace(self._work, durable=durable)
        return self._prepare(entry, work=work, transport=transport, access=access.to(entry.host))

    async def _run_one(self, child: ChildRun) -> None:
        try:
            await child.run()
        finally:
            self._active.discard(child)
            self._pacer.ended(child.child)
            self._throttle.give_back()
            self._notify(self.id)

    async def _rest(self, seconds: float, unless: asyncio.Event) -> None:
        """Let others have the slot for so many seconds, unless something comes between."""
        self._throttle.give_back()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await unless.wait()
            while not unless.is_set() and not self._may_go_on():
                await self._throttle.changed()
        finally:
            self._throttle.occupy()

    def _may_go_on(self) -> bool:
        return self._request is Request.NONE and self._throttle.is_free

    def limit(self, throttle_limit: int) -> None:
        """Change how many children may run at a time; those that run go on."""
        self._throttle.limit(throttle_limit)

    def seeks(self, child_id: int) -> bool:
        """Whether a child's host was lost and is being looked for."""
        return any(run.child.id == child_id and run.is_sought for run in self._active)

    async def stop_some(self, child_ids: Collection[int]) -> None:
        """Stop these children; the others go on."""
        dropped = [run for run in self._waiting if run.child.id in child_ids]
        for run in dropped:
            self._waiting.remove(run)
        self._pacer.dropped(len(dropped))
        self._throttle.wake()
        stops = [run.stop() for run in self._active if run.child.id in child_ids]
        await asyncio.gather(self._end_waiting(dropped), *stops)

    async def stop(self) -> None:
        """Stop what waits at once, and what runs as its host can.

        Once asked it goes on to its end, even if nobody waits for it any more.
        """
        if self._stopping is None or self._stopping.done():
            self._stopping = asyncio.create_task(self._stop())
        await asyncio.shield(self._stopping)

    async def _stop(self, why: Reason | None = None) -> None:
        await self._ask(Request.STOP, why.message if why else "")
        await self._drop_waiting(why)
        stops: list[Awaitable[None]] = [child.stop(why) for child in self._active]
        await asyncio.gather(*stops)

    async def suspend(self) -> None:
        """Start no further children, and hold those that run."""
        if self._request is Request.NONE and self.is_busy:
            await self._ask(Request.SUSPEND)
            await asyncio.gather(*(child.suspend() for child in tuple(self._active)))
            self._notify(self.id)

    async def resume(self) -> None:
        """Go on starting children, and with those that are held."""
        if self._request in {Request.SUSPEND, Request.HOLD}:
            if self._step() is Step.PAUSE:
                self._pacer.go_on()
            await self._ask(Request.NONE)
            await asyncio.gather(*(child.resume() for child in tuple(self._active)))
            self._notify(self.id)

    async def _ask(self, request: Request, message: str = "") -> None:
        await self._store.ask(self.id, request, message)
        self._request = request
        self._throttle.wake()
        self._notify(self.id)

    async def _drop_waiting(self, why: Reason | None = None) -> None:
        dropped = tuple(self._waiting)
        self._waiting.clear()
        self._throttle.wake()
        await self._end_waiting(dropped, why)

    async def _end_waiting(
        self,
        dropped: Iterable[ChildRun],
        why: Reason | None = None,
    ) -> None:
        """Note that children were stopped before it was their turn."""
        stopped = [
            replace(
                child,
                state=advance(child.state, JobState.STOPPED),
                reason=why,
                end_time=datetime.now(UTC),
            )
            for child in (run.child for run in dropped)
        ]
        if stopped:
            await self._save(stopped)

    async def _intend(self, child: Child, bases: Mapping[Stream, int]) -> None:
        await self._store.intend(child, bases)
        self._changed([child])

    async def _save_one(self, child: Child) -> None:
        await self._save([child])

    async def _save(self, changed: Sequence[Child]) -> None:
        await self._store.save(changed)
        self._changed(changed)

    def _changed(self, changed: Sequence[Child]) -> None:
        """Take over what was committed, and tell who follows."""
        for child in changed:
            self._counts[self._children[child.id].state] -= 1
            self._counts[child.state] += 1
            self._children[child.id] = child
        self._counts += Counter()  # forget the states that nobody is in
        self.changes.extend(changed)
        self._notify(self.id)

    async def _append(self, pieces: list[Piece]) -> None:
        await self._store.append(self.id, pieces)
        self._notify(self.id)


def _in_order(stored: StoredJob) -> list[Entry]:
    """Return a job's children in the order in which they are begun."""
    names = [entry.child.host for entry in stored.entries]
    places = ordered(stored.pace.order, names, stored.job.instance_id)
    return [stored.entries[place] for place in places]


def _time_left(stored: StoredJob) -> float | None:
    """Return the seconds until the job's time is up; None where it has no end."""
    if stored.pace.total_timeout is None:
        return None
    begun = stored.job.begin_time or datetime.now(UTC)
    gone = (datetime.now(UTC) - begun).total_seconds()
    return max(0.0, stored.pace.total_timeout - gone)
