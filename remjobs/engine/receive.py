"""Handing out what hosts sent: in order, once, with the read position kept durably."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field

from remjobs.engine.engine import Engine
from remjobs.engine.job import JobRun
from remjobs.model.job import Child
from remjobs.model.ranges import matcher
from remjobs.model.record import Record, Stream
from remjobs.model.request import ReceiveOptions
from remjobs.model.state import JobState
from remjobs.service import Event
from remjobs.store.base import Positions

__all__ = ["Receiver", "follow"]

_TOLD = frozenset({JobState.FAILED, JobState.DISCONNECTED})


async def follow(engine: Engine, job_id: int) -> AsyncIterator[Record]:
    """Yield a job's records in order of arrival, to its end."""
    after = 0
    while True:
        version = engine.hub.version(job_id)
        settled = await engine.has_settled(job_id)
        page = await engine.store.read(job_id, after=after)
        for record in page:
            yield record
            after = record.seq
        if page:
            continue
        if settled:
            return
        await engine.hub.changed(job_id, version)


@dataclass(slots=True)
class _Progress:
    """What was handed out and is not yet committed."""

    positions: dict[int, dict[Stream, int]] = field(default_factory=dict)
    told: set[int] = field(default_factory=set)

    def count(self, event: Event) -> None:
        """Take an event that was handed out."""
        if isinstance(event, Record):
            self.positions.setdefault(event.child_id, {})[event.stream] = event.seq
        elif event.state in _TOLD:
            self.told.add(event.id)


class Receiver:
    """One receive of one job."""

    def __init__(
        self,
        engine: Engine,
        job_id: int,
        options: ReceiveOptions,
        child_id: int | None = None,
    ) -> None:
        """Receive a job, or one child of it."""
        self._engine = engine
        self._job_id = job_id
        self._options = options
        self._child_id = child_id
        self._is_meant = matcher(options.hosts)
        self._progress = _Progress()
        self._shown: dict[int, JobState] = {}

    async def events(self) -> AsyncGenerator[Event, None]:
        """Yield what is new; an event counts as received when the next is asked for."""
        async with aclosing(self._source()) as source:
            async for event in source:
                yield event
                self._progress.count(event)

    async def _source(self) -> AsyncGenerator[Event, None]:
        run = self._engine.run_of(self._job_id)
        seen = len(run.changes) if run is not None else 0
        job = await self._engine.store.job(self._job_id)
        bound = await self._engine.store.last(self._job_id)
        for child in filter(self._wants_child, job.children or ()):
            async for record in self._page_through(child_id=child.id, until=bound):
                yield record
            begun = self._options.events and child.state is not JobState.NOT_STARTED
            if begun or child.state in _TOLD:
                self._shown[child.id] = child.state
                yield child
        await self._commit()
        if self._options.wait:
            async for event in self._live(run, seen, bound):
                yield event

    async def _live(self, run: JobRun | None, seen: int, after: int) -> AsyncIterator[Event]:
        """Yield what comes, in order of arrival, until the job (the child) has settled.

        What has changed is looked at before the records are read, and told
        after them: a child's end comes after its last record.
        """
        engine, job_id = self._engine, self._job_id
        while True:
            version = engine.hub.version(job_id)
            settled = await engine.has_settled(job_id, child_id=self._child_id)
            changes = run.changes[seen:] if run is not None else []
            seen += len(changes)
            async for record in self._page_through(after=after):
                after = record.seq
                yield record
            for child in filter(self._wants_change, changes):
                self._shown[child.id] = child.state
                yield child
            await self._commit()
            if settled:
                return
            await engine.hub.changed(job_id, version)

    async def _page_through(
        self,
        *,
        after: int = 0,
        child_id: int | None = None,
        until: int | None = None,
    ) -> AsyncIterator[Record]:
        """Yield wanted records page by page, holding the job's turn for each page."""
        while True:
            async with self._engine.receiving[self._job_id]:
                positions = await self._engine.store.positions(self._job_id, child_id)
                page = await self._engine.store.read(self._job_id, after=after, child_id=child_id)
                try:
                    for record in page:
                        if until is not None and record.seq > until:
                            return
                        if self._wants(record, positions):
                            yield record
                        after = record.seq
                finally:
                    await asyncio.shield(self._commit())
            if not page:
                return

    def _wants_child(self, child: Child) -> bool:
        if self._child_id is not None and child.id != self._child_id:
            return False
        if self._child_id is None and not self._options.recurse:
            return False
        return not self._options.hosts or self._is_meant(child.host)

    def _wants_change(self, child: Child) -> bool:
        told = self._options.events or child.state in _TOLD
        return told and self._wants_child(child) and self._shown.get(child.id) is not child.state

    def _wants(self, record: Record, positions: Positions) -> bool:
        options = self._options
        if self._child_id is not None and record.child_id != self._child_id:
            return False
        if self._child_id is None and not options.recurse:
            return False
        if options.hosts and not self._is_meant(record.host):
            return False
        if options.streams and record.stream not in options.streams:
            return False
        if options.since is not None and record.time <= options.since:
            return False
        received = positions.get(record.child_id, {}).get(record.stream, 0)
        return options.everything or record.seq > received

    async def _commit(self) -> None:
        """Make durable what was handed out since the last time."""
        done, self._progress = self._progress, _Progress()
        if not (self._options.keep or self._options.since):
            await self._engine.store.received(self._job_id, done.positions, done.told)
