"""The life of one job: its children dispatched under the throttle, stopped, suspended."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from remjobs.engine.answers import Answers
from remjobs.engine.child import ChildRun
from remjobs.engine.standing import Ledger
from remjobs.engine.throttle import Throttle
from remjobs.model.job import Child
from remjobs.model.state import JobState, Request, advance, parent_state
from remjobs.model.work import Work
from remjobs.store.base import Entry, Piece, Store, StoredJob
from remjobs.transports.base import Transport

__all__ = ["JobRun"]


class JobRun:
    """Runs one job: every child that has not started, in inventory order."""

    def __init__(
        self,
        stored: StoredJob,
        store: Store,
        transports: Callable[[str], Transport],
        notify: Callable[[int], None],
        answers: Answers,
        *,
        most_at_once: int,
        lost: Callable[[Child], bool],
    ) -> None:
        """Prepare; ``run`` does it.

        Args:
            stored: The job.
            store: Keeps it.
            transports: By name.
            notify: Called with the job's id after each change.
            answers: What people were asked for.
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

        self._prepare = partial(_prepared, stored.work, ledger, answers)
        waiting = [e for e in stored.entries if e.child.state is JobState.NOT_STARTED]
        self._waiting = deque(self._prepare(transports, entry) for entry in waiting)
        self._active = {
            self._prepare(transports, entry) for entry in stored.entries if lost(entry.child)
        }
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
        async with self._group:
            self._has_begun = True
            for child in tuple(self._active):
                self._find(child)
            while self._waiting:
                if self._request is Request.NONE and self._throttle.take():
                    child = self._waiting.popleft()
                    self._active.add(child)
                    self._group.create_task(self._run_one(child))
                else:
                    await self._throttle.changed()

    def _find(self, child: ChildRun) -> None:
        # What runs already takes a slot, even beyond the limit.
        self._throttle.occupy()
        self._group.create_task(self._run_one(child))

    def seek(self, entries: Iterable[Entry], transports: Callable[[str], Transport]) -> bool:
        """Look again for children whose hosts were given up; False if this run has ended."""
        if not (self._active or self._waiting):
            return False
        busy = {run.child.id for run in self._active}
        for entry in entries:
            if entry.child.id not in busy:
                child = self._prepare(transports, entry)
                self._active.add(child)
                if self._has_begun:
                    self._find(child)
        return True

    async def _run_one(self, child: ChildRun) -> None:
        try:
            await child.run()
        finally:
            self._active.discard(child)
            self._throttle.give_back()
            self._notify(self.id)

    def limit(self, throttle_limit: int) -> None:
        """Change how many children may run at a time; those that run go on."""
        self._throttle.limit(throttle_limit)

    async def stop(self) -> None:
        """Stop what waits at once, and what runs as its host can.

        Once asked it goes on to its end, even if nobody waits for it any more.
        """
        if self._stopping is None or self._stopping.done():
            self._stopping = asyncio.create_task(self._stop())
        await asyncio.shield(self._stopping)

    async def _stop(self) -> None:
        await self._ask(Request.STOP)
        await self._drop_waiting()
        stops: list[Awaitable[None]] = [child.stop() for child in self._active]
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
            await self._ask(Request.NONE)
            await asyncio.gather(*(child.resume() for child in tuple(self._active)))
            self._notify(self.id)

    async def _ask(self, request: Request) -> None:
        await self._store.ask(self.id, request)
        self._request = request
        self._throttle.wake()
        self._notify(self.id)

    async def _drop_waiting(self) -> None:
        dropped = [run.child for run in self._waiting]
        self._waiting.clear()
        self._throttle.wake()
        stopped = [
            replace(child, state=advance(child.state, JobState.STOPPED), end_time=datetime.now(UTC))
            for child in dropped
        ]
        if stopped:
            await self._save(stopped)

    async def _intend(self, child: Child) -> None:
        await self._store.intend(child)
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


def _prepared(
    work: Work,
    ledger: Ledger,
    answers: Answers,
    transports: Callable[[str], Transport],
    entry: Entry,
) -> ChildRun:
    return ChildRun(entry, work, transports(entry.host.transport), ledger, answers)
