"""Firing definitions when they are due.

The store is the truth: each definition's triggers are settled up to a moment, and
what was due since then is worked out anew at every look, also by the next process.
The id of an instance follows from its definition and its moment, so that a firing
which was cut in its middle gives the same job, and not a second one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from remjobs.engine.engine import Engine
from remjobs.engine.times import due_between, next_time
from remjobs.errors import NoSuchDefinition, NoSuchJob, RemjobsError, StoreError
from remjobs.model.definition import (
    Definition,
    HistoryEntry,
    InstancePolicy,
    Outcome,
    instance_of,
)
from remjobs.model.job import Job
from remjobs.model.request import StartRequest
from remjobs.model.state import FINAL, JobState
from remjobs.model.trigger import AtStartup
from remjobs.store.definitions import Firing, StoredDefinition

__all__ = ["Begin", "Schedule"]

_log: Final = logging.getLogger(__name__)
_LONGEST_SLEEP: Final = timedelta(seconds=30)
"""The clock may be set, or the machine sleep: look at it again after so long."""
_LATE: Final = timedelta(seconds=60)
"""What is due longer than this was missed: nobody looked when it was time."""
_COUNTED: Final = 10_000
"""Firings that were missed are counted no further."""

Begin = Callable[[StartRequest, Firing], Awaitable[Job]]
"""Starts a job that is an instance of a definition."""


class Schedule:
    """Starts what is due, one definition apart from the other."""

    def __init__(
        self,
        engine: Engine,
        begin: Begin,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Look after the definitions of the engine's store.

        Args:
            engine: Where their jobs live.
            begin: Starts one.
            now: The clock; a parameter for tests.
        """
        self._engine = engine
        self._store = engine.store.definitions
        self._begin = begin
        self._now = now
        self._changed = asyncio.Event()
        self._at_work: dict[UUID, asyncio.Task[None]] = {}
        self._watches: dict[UUID, asyncio.Task[None]] = {}
        self.is_needed = False
        """Whether something will be due: this process must not leave before."""

    def changed(self) -> None:
        """Look anew: a definition was added, changed or removed."""
        self._changed.set()

    @asynccontextmanager
    async def followed(self) -> AsyncIterator[None]:
        """Fire what is due for as long as the context lasts."""
        await self._start_up()
        await self.look()
        following = asyncio.create_task(self._follow())
        try:
            yield
        finally:
            tasks = [following, *self._at_work.values(), *self._watches.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self) -> None:
        try:
            while True:
                self._changed.clear()
                sleep = await self.look()
                with suppress(TimeoutError):
                    async with asyncio.timeout(sleep.total_seconds()):
                        await self._changed.wait()
        except Exception:
            _log.critical("definitions are not followed any more", exc_info=True)
            self._engine.failed.set()
            raise

    async def look(self) -> timedelta:
        """Begin with all that is due, and return how long nothing else will be."""
        now = self._now()
        soonest = _LONGEST_SLEEP
        self.is_needed = False
        for stored in await self._store.all():
            definition = stored.definition
            if not definition.enabled:
                continue
            due = next_time(definition, stored.settled_until)
            queued = await self._queued(definition)
            self.is_needed = self.is_needed or due is not None or bool(queued)
            if definition.id in self._at_work:
                continue
            if due is not None and due > now:
                soonest = min(soonest, due - now)
            waits = bool(queued) and definition.id not in self._watches
            if waits or (due is not None and due <= now):
                self._spawn(stored)
        return soonest

    def _spawn(self, stored: StoredDefinition) -> None:
        definition = stored.definition
        task = asyncio.create_task(self._settle(stored))
        self._at_work[definition.id] = task

        def ended(_task: asyncio.Task[None]) -> None:
            del self._at_work[definition.id]
            self.changed()

        task.add_done_callback(ended)

    async def _start_up(self) -> None:
        """Fire the triggers that wait for our own start."""
        now = self._now()
        for stored in await self._store.all():
            definition = stored.definition
            if definition.enabled and any(isinstance(t, AtStartup) for t in definition.triggers):
                entry = HistoryEntry(
                    instance_id=instance_of(definition.id, now, "start-up"),
                    due=now,
                    outcome=Outcome.QUEUED,
                )
                await self._store.note(definition.id, [entry])

    async def _settle(self, stored: StoredDefinition) -> None:
        """Fire what is due of one definition, and what waits in its queue."""
        definition = stored.definition
        try:
            until = self._now()
            count, first, last = due_between(definition, stored.settled_until, until, _COUNTED)
            if first is not None and last is not None:
                entries = await self._fire_due(definition, count, first, last, until)
                await self._store.note(definition.id, entries, until)
            await self._start_queued(definition)
        except StoreError as exc:
            # What was not settled is due still: it is tried again at the next look.
            _log.error("definition %s: %s", definition.full_name, exc)
            await asyncio.sleep(_LONGEST_SLEEP.total_seconds())

    async def _fire_due(
        self,
        definition: Definition,
        count: int,
        first: datetime,
        last: datetime,
        until: datetime,
    ) -> list[HistoryEntry]:
        """Fire the last of what is due, if it is in time; return what to note of all."""
        in_time = until - last <= _LATE
        missed = count - 1 if in_time else count
        entries = []
        if missed:
            entries.append(
                HistoryEntry(
                    instance_id=instance_of(definition.id, first, "missed"),
                    due=first,
                    outcome=Outcome.MISSED,
                    count=missed,
                    message="the controller did not run, or was not in time",
                ),
            )
        if in_time or definition.run_if_missed:
            entry = HistoryEntry(
                instance_id=instance_of(definition.id, last),
                due=last,
                outcome=Outcome.QUEUED,
            )
            fired = await self._fire(definition, entry)
            entries += [] if fired is None else [fired]
        return entries

    async def _fire(self, definition: Definition, entry: HistoryEntry) -> HistoryEntry | None:
        """Do with a firing what the policy says; return what is still to be noted of it."""
        running = await self._running(definition)
        policy = definition.instances
        if not running or policy is InstancePolicy.PARALLEL:
            return await self._start(definition, entry)
        names = ", ".join(map(str, running))
        if policy is InstancePolicy.IGNORE_NEW:
            return entry.became(Outcome.IGNORED, f"job {names} runs")
        if policy is InstancePolicy.QUEUE:
            if len(await self._queued(definition)) >= definition.history_limit:
                return entry.became(Outcome.IGNORED, "the queue is full")
            return entry.became(Outcome.QUEUED, f"waits for job {names}")
        for job_id in running:
            with suppress(NoSuchJob):
                await self._engine.stop(job_id)
        if left := await self._unfinished(definition):
            names = ", ".join(map(str, left))
            return entry.became(Outcome.FAILED, f"the end of job {names} is not confirmed")
        return await self._start(definition, entry)

    async def _start(self, definition: Definition, entry: HistoryEntry) -> HistoryEntry | None:
        """Start an instance, which notes it; return what is to be noted if that failed."""
        try:
            request = await self._store.start_request(definition.id)
            instance = replace(
                request,
                instance_id=entry.instance_id,
                name=request.name or definition.name,
            )
            await self._begin(instance, Firing(definition=definition, entry=entry))
        except StoreError:
            raise
        except NoSuchDefinition:
            # It was removed just now: nothing to start, and nowhere to note it.
            return None
        except RemjobsError as exc:
            return entry.became(Outcome.FAILED, str(exc))
        except Exception as exc:  # noqa: BLE001 - a firing's boundary: it is told in the history
            _log.exception("definition %s", definition.full_name)
            return entry.became(Outcome.FAILED, f"a fault of remjobs: {type(exc).__name__}: {exc}")
        return None

    async def _start_queued(self, definition: Definition) -> None:
        """Start what waits longest, if nothing runs; else look again when that has ended."""
        while queued := await self._queued(definition):
            running = await self._running(definition)
            if running and definition.instances is InstancePolicy.QUEUE:
                self._watch(definition, running)
                return
            fired = await self._fire(definition, replace(queued[0], message=""))
            if fired is not None:
                await self._store.note(definition.id, [fired])

    async def _queued(self, definition: Definition) -> list[HistoryEntry]:
        history = await self._store.history(definition.id)
        return [entry for entry in history if entry.outcome is Outcome.QUEUED]

    async def _unfinished(self, definition: Definition) -> list[int]:
        found = await self._store.unfinished(definition.id)
        return [job_id for job_id in found if await self._engine.state(job_id) not in FINAL]

    async def _running(self, definition: Definition) -> list[int]:
        """Return its jobs that are under way.

        One whose outcome is not known, and that is not sought any more, is none:
        it may stay so for ever, and must not hold up every later instance.
        """
        return [job_id for job_id in await self._unfinished(definition) if await self._runs(job_id)]

    async def _runs(self, job_id: int) -> bool:
        try:
            given_up = await self._engine.has_settled(job_id, FINAL | {JobState.DISCONNECTED})
        except NoSuchJob:
            return False
        return not given_up

    def _watch(self, definition: Definition, running: Sequence[int]) -> None:
        """Look anew once these jobs do not run any more."""
        if definition.id in self._watches:
            return

        async def watch() -> None:
            for job_id in running:
                while True:
                    version = self._engine.hub.version(job_id)
                    if not await self._runs(job_id):
                        break
                    await self._engine.hub.changed(job_id, version)
            self.changed()

        task = asyncio.create_task(watch())
        self._watches[definition.id] = task
        task.add_done_callback(lambda _done: self._watches.pop(definition.id))
