"""The life of one child job: connect, start, listen, end; and its stop at any moment."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from remjobs.engine.sink import Coalescer, Sink
from remjobs.engine.verdict import Verdict, verdict
from remjobs.errors import StoreError
from remjobs.model.job import Child, Reason, ReasonKind
from remjobs.model.state import JobState, advance
from remjobs.model.work import Work
from remjobs.store.base import Entry, Piece
from remjobs.transports.base import (
    Execution,
    HostFailure,
    OutcomeUnknown,
    Session,
    StopReport,
    Transport,
)

__all__ = ["ChildRun", "Ledger"]

_log: Final = logging.getLogger(__name__)
_AFTER_STOP: Final = 3.0
"""Seconds for the channel to close once the process tree is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Where a child's changes go: each returns once it is committed."""

    intend: Callable[[Child], Awaitable[None]]
    """The start of a child, which only one can intend."""
    save: Callable[[Child], Awaitable[None]]
    append: Callable[[list[Piece]], Awaitable[None]]


class ChildRun:
    """Runs one child on its host."""

    def __init__(self, entry: Entry, work: Work, transport: Transport, ledger: Ledger) -> None:
        """Prepare; ``run`` does it."""
        self.child = entry.child
        self._entry = entry
        self._work = work
        self._transport = transport
        self._ledger = ledger
        self._connecting: asyncio.Task[Session] | None = None
        self._execution: Execution | None = None
        self._under_way = asyncio.Event()
        self._stopping: asyncio.Task[StopReport | None] | None = None
        self._ending = False
        self._done = asyncio.Event()

    async def run(self) -> None:
        """Live through it all; a host's failure ends in a state, not an exception."""
        try:
            await self._live()
        except StoreError:
            raise
        except Exception as exc:  # noqa: BLE001 - the boundary of a child: see _fault
            _log.exception("child %d on %s", self.child.id, self.child.host)
            await self._fault(exc)
        finally:
            self._ending = True
            self._under_way.set()
            self._done.set()

    async def stop(self) -> None:
        """End it, wherever it is, and return once its state says how."""
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._stop())
        await self._done.wait()

    async def _live(self) -> None:
        try:
            session = await self._connect()
        except HostFailure as exc:
            await self._never_begun(exc)
            return
        if session is None:
            await self._move(JobState.STOPPED)
            return
        try:
            await self._work_on(session)
        finally:
            await session.close()

    async def _connect(self) -> Session | None:
        """Return a session, or None if a stop came first."""
        if self._stopping is not None:
            return None
        self._connecting = asyncio.create_task(self._transport.connect(self._entry.host, None))
        try:
            session = await self._connecting
        except asyncio.CancelledError:
            if self._stopping is None:
                raise
            return None
        if self._stopping is not None:
            await session.close()
            return None
        return session

    async def _work_on(self, session: Session) -> None:
        # The intent is committed before anything is sent: after a crash, a
        # child in this state is in doubt, never taken for one that may start.
        await self._move(
            JobState.RUNNING,
            write=self._ledger.intend,
            begin_time=_now(),
            attempt=self.child.attempt + 1,
        )
        if self._stopping is not None:
            await self._take_back()
            return
        try:
            self._execution = await session.start(self._entry.key, self._work)
            self._under_way.set()
            await self._listen(self._execution)
        except HostFailure as exc:
            await self._settle_stop()
            await self._never_begun(exc)
        except OutcomeUnknown as exc:
            await self._settle_stop()
            await self._unknown(str(exc))

    async def _take_back(self) -> None:
        """End a child that was stopped between the intent and the start."""
        await self._move(JobState.STOPPING)
        await self._move(JobState.STOPPED, begin_time=None, attempt=self.child.attempt - 1)

    async def _listen(self, execution: Execution) -> None:
        coalescer = Coalescer(self.child.id, self._work.output_limit)
        sink = Sink(coalescer, self._ledger.append)
        async for chunk in execution:
            await sink.accept(chunk)
        await sink.close()
        outcome = await execution.outcome()
        report = await self._settle_stop()
        notes = list(execution.notes)
        if coalescer.dropped:
            limit = self._work.output_limit
            notes.append(f"output cut at {limit} bytes, {coalescer.dropped} dropped")
        await self._end(verdict(outcome, self._work.success_codes, report), notes)

    async def _settle_stop(self) -> StopReport | None:
        """Close the door to a later stop, or wait for the one under way."""
        self._under_way.set()
        if self._stopping is None:
            self._ending = True
            return None
        return await self._stopping

    async def _stop(self) -> StopReport | None:
        if self._connecting is not None and not self._connecting.done():
            self._connecting.cancel()
        await self._under_way.wait()
        if self._ending or self._execution is None:
            return None
        await self._move(JobState.STOPPING)
        report = await self._execution.stop(self._work.stop_grace)
        asyncio.get_running_loop().call_later(
            _AFTER_STOP if report.confirmed else 0,
            self._execution.abandon,
        )
        return report

    async def _end(self, how: Verdict, notes: list[str]) -> None:
        await self._move(
            how.state,
            reason=how.reason,
            status_message="; ".join(filter(None, [how.message, *notes])),
            exit_code=how.exit_code,
            signal=how.signal,
        )

    async def _never_begun(self, exc: HostFailure) -> None:
        reason = Reason(kind=exc.reason, message=f"{self.child.host}: {exc}")
        await self._move(JobState.FAILED, reason=reason, begin_time=None)

    async def _unknown(self, why: str) -> None:
        reason = Reason(kind=ReasonKind.LOST, message=f"{why}; outcome unknown")
        await self._move(JobState.DISCONNECTED, reason=reason)

    async def _fault(self, exc: Exception) -> None:
        """End a child that we failed: what may run on the host is not known."""
        reason = Reason(kind=ReasonKind.INTERNAL, message=f"a fault of remjobs: {exc!r}")
        begun = self.child.state is not JobState.NOT_STARTED
        state = JobState.DISCONNECTED if begun else JobState.FAILED
        if not self.child.is_final and self.child.state is not state:
            await self._move(state, reason=reason)

    async def _move(
        self,
        state: JobState,
        write: Callable[[Child], Awaitable[None]] | None = None,
        **changes: Any,
    ) -> None:
        advance(self.child.state, state)
        changed = replace(self.child, state=state, **changes)
        if changed.is_final:
            changed = replace(changed, end_time=_now())
        await (write or self._ledger.save)(changed)
        self.child = changed


def _now() -> datetime:
    return datetime.now(UTC)
