"""The life of one child job: connect, start, listen, be lost and found, end.

Crash, upgrade and cut are one path: work that was started and whose connection
is gone is looked for (``_seek``), and what its host says of the key decides.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid5

from remjobs.engine.access import HostAccess
from remjobs.engine.answers import Answers
from remjobs.engine.seek import AFTER_STOP, pauses
from remjobs.engine.sink import Coalescer, Sink
from remjobs.engine.standing import Ledger, Standing, now
from remjobs.engine.verdict import Verdict, verdict
from remjobs.errors import StoreError
from remjobs.model.job import Child, Reason, ReasonKind
from remjobs.model.record import Stream
from remjobs.model.state import JobState
from remjobs.model.work import Work
from remjobs.store.base import Entry
from remjobs.transports.base import (
    Execution,
    HostFailure,
    Lost,
    NeedsAnswer,
    NeverStarted,
    Outcome,
    OutcomeUnknown,
    Session,
    StopReport,
    Transport,
)

__all__ = ["ChildRun", "Tries"]

_log: Final = logging.getLogger(__name__)
_AFTER_STOP: Final = 3.0
"""Seconds for the channel to close once the process tree is gone."""
_STEADY: Final = 10.0
"""Seconds after which a connection counts as one that lasted."""
_LEFT: Final = "the controller ended while the work ran"
_LATEST_START: Final = timedelta(days=1)
"""How long after its intent work may be started late. Hosts keep keys for longer
than that, so that a key which ran is not taken for one that never came."""
_TOO_LATE: Final = "the host does not have the work, and it is too late to begin it now"
_FORGOTTEN: Final = "the host knows nothing of the work any more: its spool was removed"
_NEVER_MENDS: Final = frozenset({ReasonKind.AUTHENTICATION, ReasonKind.HOST_KEY})
"""Refusals that trying again makes no better, and may make worse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tries:
    """How often a host that is not reached is tried again, and how long in between."""

    limit: int
    """Tries after the first one."""
    pause: Callable[[int], float]
    """The seconds before a try, by how many there were."""
    rest: Callable[[float, asyncio.Event], Awaitable[None]]
    """Lets others have our place for so many seconds, unless the event is set."""
    on_exit: bool = False
    """Whether work that ended with an exit code that is no success is run again."""


class _NotNow(Exception):
    """A lost host could not be asked this time."""


class _GiveUp(Exception):
    """A lost host need not be asked again."""


class ChildRun:
    """Runs one child on its host."""

    def __init__(
        self,
        entry: Entry,
        work: Work,
        transport: Transport,
        ledger: Ledger,
        *,
        access: HostAccess,
        answers: Answers,
        tries: Tries,
    ) -> None:
        """Prepare; ``run`` does it."""
        self._access = access
        self._answers = answers
        self._tries = tries
        self._standing = Standing(entry.child, ledger)
        self._entry = entry
        self._work = work
        self._transport = transport
        self._ledger = ledger
        self._acknowledged = entry.acknowledged
        self._login_notes: tuple[str, ...] = ()
        self._bases = entry.bases
        self._tried = max(0, entry.child.attempt - 1)
        self._failed_try: tuple[Verdict, list[str], Execution | None] | None = None
        self._earlier: tuple[Verdict, list[str]] | None = None
        self._connecting: asyncio.Task[Session] | None = None
        self._execution: Execution | None = None
        self._under_way = asyncio.Event()
        self._stop_wanted = asyncio.Event()
        if entry.child.state is JobState.STOPPING:
            self._stop_wanted.set()
        self._is_held = entry.child.state in {JobState.SUSPENDING, JobState.SUSPENDED}
        self._hold_wanted = self._is_held
        self._stopping: asyncio.Task[StopReport | None] | None = None
        self._seeking = entry.child.state is not JobState.NOT_STARTED
        self._stored: Mapping[Stream, int] = {}
        self._heard = False
        self._ending = False
        self._done = asyncio.Event()
        self._why: Reason | None = None
        self._overdue: Reason | None = None
        self._clock: asyncio.Task[None] | None = None

    @property
    def child(self) -> Child:
        """The child as it stands."""
        return self._standing.child

    @property
    def is_sought(self) -> bool:
        """Whether its host was lost and is being looked for."""
        return self._seeking

    @property
    def outlives_us(self) -> bool:
        """Whether it can be found again if this process ends now."""
        return self._work.durable

    async def run(self) -> None:
        """Live through it all; a host's failure ends in a state, not an exception."""
        try:
            begun = self.child.state is not JobState.NOT_STARTED
            lost = _LEFT if begun else await self._first()
            if lost is not None:
                await self._seek(lost)
            while self._failed_try is not None:
                lost = await self._once_more(*self._failed_try)
                if lost is not None:
                    await self._seek(lost)
        except StoreError:
            raise
        except Exception as exc:  # noqa: BLE001 - the boundary of a child: see Standing.fault
            _log.exception("child %d on %s", self.child.id, self.child.host)
            await self._standing.fault(exc)
        finally:
            self._answers.take(self.child.id)
            if self._clock is not None:
                self._clock.cancel()
            self._seeking = False
            self._ending = True
            self._under_way.set()
            self._done.set()

    # What is asked of it

    async def stop(self, why: Reason | None = None) -> None:
        """End it, wherever it is, and return once its state says how.

        Args:
            why: Kept as the reason, where it is not somebody's wish.
        """
        self._why = self._why or why
        self._stop_wanted.set()
        if self._stopping is None and not self.is_sought:
            self._stopping = asyncio.create_task(self._stop())
        await self._done.wait()

    async def suspend(self) -> None:
        """Hold its processes on the host; what is only beginning is held as it begins."""
        self._hold_wanted = True
        if self._execution is None or self.child.state is not JobState.RUNNING:
            return
        self._is_held = True
        await self._standing.move(JobState.SUSPENDING)
        report = await self._execution.suspend()
        await self._held(report)

    async def _held(self, report: StopReport) -> None:
        if self.child.state is not JobState.SUSPENDING:
            return
        if report.confirmed:
            await self._standing.move(JobState.SUSPENDED, status_message="")
        elif report.answered and report.signalled:
            await self._standing.move(
                JobState.SUSPENDING, status_message=f"not held: {report.message}"
            )

    async def resume(self) -> None:
        """Let its processes go on."""
        self._hold_wanted = False
        held = {JobState.SUSPENDED, JobState.SUSPENDING}
        if self._execution is None or self.child.state not in held:
            return
        report = await self._execution.resume()
        self._is_held = not report.confirmed
        if self.child.state in held:
            message = "" if report.confirmed else f"not resumed: {report.message}"
            state = JobState.RUNNING if report.confirmed else self.child.state
            await self._standing.move(state, status_message=message)

    async def _time_out(self, seconds: float) -> None:
        """End the work once its time is up, counted from its begin."""
        begun = self.child.begin_time or now()
        await asyncio.sleep(seconds - (now() - begun).total_seconds())
        if self._stop_wanted.is_set():
            return
        message = f"timed out after {seconds:g} s"
        self._overdue = Reason(kind=ReasonKind.TIMEOUT, message=message)
        self._stop_wanted.set()
        if self._stopping is None and not self.is_sought:
            self._stopping = asyncio.create_task(self._stop())

    # The first connection

    async def _first(self) -> str | None:
        """Start the work; return why its connection was lost, if it is to be sought."""
        try:
            session = await self._connect_in_the_end()
        except HostFailure as exc:
            await self._standing.never_begun(exc)
            return None
        if session is None:
            await self._standing.move(JobState.STOPPED, reason=self._why, status_message="")
            return None
        return await self._attempt(session)

    async def _attempt(self, session: Session) -> str | None:
        """Start the work on a host that was reached, for the first time or once more."""
        earlier, begin_time = self.child.attempt, self.child.begin_time
        self._bases = await self._ledger.offsets(self.child) if earlier else {}
        async with _closing(session):
            # The intent is committed before anything is sent: after a crash, a
            # child in this state is in doubt, never taken for one that may start.
            await self._standing.move(
                JobState.RUNNING,
                write=lambda child: self._ledger.intend(child, self._bases),
                begin_time=begin_time or now(),
                attempt=earlier + 1,
                exit_code=None,
                status_message="",
            )
            if self._stopping is not None:
                await self._stopped_between(begin_time=begin_time, attempt=earlier)
                return None
            return await self._follow(session.start(self._key, self._work))

    # Once more, because of how it ended

    @property
    def _key(self) -> UUID:
        """The name of the present attempt; the first one has the child's own."""
        number = self.child.attempt
        return self._entry.key if number <= 1 else uuid5(self._entry.key, f"attempt {number}")

    def _is_tried_again(self, how: Verdict) -> bool:
        """Whether work that ended so is run again."""
        by_exit = how.reason is not None and how.reason.kind is ReasonKind.EXIT
        wanted = self._tries.on_exit and not self._stop_wanted.is_set()
        return by_exit and wanted and self._tried < self._tries.limit

    async def _once_more(
        self,
        how: Verdict,
        notes: list[str],
        execution: Execution | None,
    ) -> str | None:
        """Wait, and run the work again; return why its connection was lost, if it is sought.

        The host is told to forget the attempt before only once this one is intended:
        a controller that is killed meanwhile finds out again how it ended.
        """
        self._failed_try, self._earlier = None, (how, notes)
        self._forget_connection()
        self._seeking = False
        pause = self._tries.pause(self._tried)
        await self._standing.tried(how, pause, self._tries.limit - self._tried)
        await self._tries.rest(pause, self._stop_wanted)
        self._tried += 1
        self._stored = {}
        self._acknowledged = False
        try:
            session = await self._connect_in_the_end()
        except HostFailure as exc:
            await self._standing.end(how, [*notes, f"not tried again: {exc}"])
            return None
        if session is None:
            await self._stopped_between()
            return None
        lost = await self._attempt(session)
        await self._release(execution)
        return lost

    async def _stopped_between(self, **changes: Any) -> None:
        """End a child that was stopped while nothing of it ran."""
        await self._standing.move(JobState.STOPPING)
        state = JobState.STOPPED if self._overdue is None else JobState.FAILED
        reason = self._overdue or self._why
        await self._standing.move(state, reason=reason, status_message="", **changes)

    async def _connect_in_the_end(self) -> Session | None:
        """Connect, in as many tries as the job allows; None if a stop came first."""
        while True:
            try:
                return await self._connect()
            except HostFailure as exc:
                if exc.reason is not ReasonKind.UNREACHABLE or self._tried >= self._tries.limit:
                    raise
                pause = self._tries.pause(self._tried)
                await self._standing.unreached(str(exc), pause, self._tries.limit - self._tried)
            await self._tries.rest(pause, self._stop_wanted)
            self._tried += 1

    async def _connect(self) -> Session | None:
        """Return a session, or None if a stop came first; a person may be asked."""
        while self._stopping is None:
            self._connecting = asyncio.create_task(self._reach())
            try:
                session = await self._connecting
            except NeedsAnswer as exc:
                await self._ask(exc)
                continue
            except asyncio.CancelledError:
                if self._stopping is None:
                    raise
                return None
            if self._stopping is None:
                return session
            await session.close()
        return None

    async def _reach(self) -> Session:
        if (given := self._answers.take(self.child.id)) is not None:
            self._access.answer(None, given)
        async with self._access.attempt():
            session = await self._transport.connect(self._entry.host, self._access)
        self._login_notes = session.login.notes
        return session

    async def _ask(self, asked: NeedsAnswer) -> None:
        """Be Blocked until a person has helped, or a stop was asked."""
        await self._standing.ask(asked.question, answerable=asked.is_answerable)
        ends = (
            self._answers.wait(self.child.id),
            self._access.came(asked),
            self._stop_wanted.wait(),
        )
        tasks = [asyncio.create_task(end) for end in ends]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
        if (given := self._answers.take(self.child.id)) is not None:
            self._access.answer(asked, given)
        if self._stop_wanted.is_set():
            await self._standing.move(JobState.STOPPING, status_message="")
        else:
            await self._standing.move(JobState.NOT_STARTED, status_message="")

    # Following it

    async def _follow(self, starting: Awaitable[Execution]) -> str | None:
        """Listen to the end; return why the connection was lost, if it is to be sought."""
        notes = list(self._login_notes)
        execution = None
        try:
            execution = await starting
            await self._taken(execution)
            outcome = await self._listen(execution, notes)
        except HostFailure as exc:
            await self._settle_stop()
            await self._not_begun(exc)
            await self._release(execution)
            return None
        except OutcomeUnknown as exc:
            outcome = Lost(str(exc))
        report = await self._settle_stop()
        if self._may_be_found(outcome, report):
            self._forget_connection()
            return str(getattr(outcome, "message", ""))
        how = verdict(outcome, self._work.success_codes, report, self._overdue)
        if self._is_tried_again(how):
            self._failed_try = (how, notes, execution)
            return None
        await self._standing.end(self._explained(how), notes)
        if self.child.is_final:
            await self._release(execution)
        return None

    async def _not_begun(self, exc: HostFailure) -> None:
        """Say why the work was not begun; a try before this one did begin, and ended so."""
        if self._earlier is None:
            await self._standing.never_begun(exc)
        else:
            how, notes = self._earlier
            await self._standing.end(how, [*notes, f"not tried again: {exc}"])

    async def _taken(self, execution: Execution) -> None:
        """Note that the host has the work, and let what was asked meanwhile be done."""
        if self._work.durable and not self._acknowledged:
            await self._ledger.acknowledge(self.child)
            self._acknowledged = True
        if self.child.state is JobState.DISCONNECTED:
            await self._standing.move(JobState.RUNNING, reason=None, sought_until=None)
        self._seeking = False
        self._execution = execution
        self._under_way.set()
        if self._clock is None and self._work.timeout is not None:
            self._clock = asyncio.create_task(self._time_out(self._work.timeout))
        if self._stop_wanted.is_set() and self._stopping is None:
            self._stopping = asyncio.create_task(self._stop())
        elif self._hold_wanted:
            await self.suspend()
        elif self._is_held:
            self._is_held = not (await execution.resume()).confirmed

    async def _listen(self, execution: Execution, notes: list[str]) -> Outcome:
        limit = self._work.output_limit
        kept = sum(self._bases.values()) + sum(self._stored.values())
        coalescer = Coalescer(self.child.id, max(0, limit - kept))
        sink = Sink(coalescer, self._ledger.append)
        try:
            async for chunk in execution:
                self._heard = True
                base = self._bases.get(chunk.stream, 0)
                await sink.accept(replace(chunk, offset=chunk.offset + base))
        finally:
            await sink.close()
        outcome = await execution.outcome()
        notes += execution.notes
        if coalescer.dropped:
            notes.append(f"output cut at {limit} bytes, {coalescer.dropped} dropped")
        return outcome

    def _explained(self, how: Verdict) -> Verdict:
        """Add why it was stopped, where that was not somebody's wish."""
        return replace(how, reason=self._why) if how.state is JobState.STOPPED else how

    def _may_be_found(self, outcome: Outcome, report: StopReport | None) -> bool:
        """Whether the work may go on where no connection of ours is."""
        if not self._work.durable or not isinstance(outcome, Lost):
            return False
        return report is None or not (report.confirmed or report.answered)

    def _forget_connection(self) -> None:
        self._seeking = True
        self._execution = None
        self._under_way.clear()
        self._stopping = None
        self._ending = False

    @staticmethod
    async def _release(execution: Execution | None) -> None:
        if execution is not None:
            await execution.release()

    # Looking for it

    async def _seek(self, lost: str) -> None:
        """Look for work whose host was lost, until it is found or the time is up.

        There is one try at least. A host that is found and lost again is sought
        anew only if it sent something or stayed a while: one that hangs up each
        time is not asked without end.
        """
        clock = asyncio.get_running_loop().time
        until, tries = self._search()
        tried, why = False, ""
        while not tried or clock() < until:
            pause = min(next(tries), max(0, until - clock()))
            self._seeking = True
            await self._standing.lose(_both(lost, why), pause, until - clock())
            until = await self._nap(pause, until)
            tried, began, self._heard = True, clock(), False
            try:
                again = await self._again()
            except _NotNow as exc:
                why = str(exc)
                continue
            except _GiveUp as exc:
                why = str(exc)
                break
            if again is None:
                return
            lost, why = again, ""
            if self._heard or clock() - began > _STEADY:
                until, tries = self._search()
        await self._standing.give_up(_both(lost, why), unstopped=self._stop_wanted.is_set())

    def _search(self) -> tuple[float, Iterator[float]]:
        """Return until when to look (the loop's time), and the pauses between tries."""
        until = asyncio.get_running_loop().time() + self._work.reconnect_for
        return until, pauses(random.Random())  # noqa: S311 - jitter

    async def _nap(self, pause: float, until: float) -> float:
        """Wait, shorter if a stop is asked; return until when to go on."""
        began = asyncio.get_running_loop().time()
        if not self._stop_wanted.is_set():
            try:
                async with asyncio.timeout(pause):
                    await self._stop_wanted.wait()
            except TimeoutError:
                return until
        else:
            await asyncio.sleep(pause)
        return min(until, began + AFTER_STOP)

    async def _again(self) -> str | None:
        """Connect and go on with the work where its output ended."""
        try:
            session = await self._reach()
        except HostFailure as exc:
            if exc.reason in _NEVER_MENDS:
                raise _GiveUp(str(exc)) from exc
            raise _NotNow(str(exc)) from exc
        except NeedsAnswer as exc:
            how = f"; `remjobs answer {self.child.id}`" if exc.is_answerable else ""
            msg = f"{exc}{how}"
            raise _GiveUp(msg) from exc
        async with _closing(session):
            try:
                behind = await self._ledger.offsets(self.child)
                self._stored = {s: at - self._bases.get(s, 0) for s, at in behind.items()}
                execution = await session.adopt(self._key, self._work, self._stored)
            except HostFailure as exc:
                raise _NotNow(str(exc)) from exc
            except OutcomeUnknown as exc:
                raise _GiveUp(str(exc)) from exc
            except NeverStarted:
                return await self._start_late(session)
            return await self._follow(_at_once(execution))

    async def _start_late(self, session: Session) -> str | None:
        """Start work that its host knows nothing of, under the same key."""
        if self._acknowledged:
            raise _GiveUp(_FORGOTTEN)
        if self.child.begin_time is None or now() - self.child.begin_time > _LATEST_START:
            raise _GiveUp(_TOO_LATE)
        if not self._stop_wanted.is_set():
            return await self._follow(session.start(self._key, self._work))
        report = await session.stop(self._key, self._work.stop_grace)
        if not report.answered:
            raise _NotNow(report.message)
        await self._standing.move(JobState.STOPPING, reason=None, sought_until=None)
        await self._standing.end(
            self._explained(verdict(Lost(""), frozenset(), report, self._overdue)), []
        )
        return None

    # Ending it

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
        execution = self._execution
        if self.child.state is not JobState.STOPPING:
            await self._standing.move(JobState.STOPPING)
        report = await execution.stop(self._work.stop_grace)
        asyncio.get_running_loop().call_later(
            _AFTER_STOP if report.confirmed else 0,
            execution.abandon,
        )
        return report


@asynccontextmanager
async def _closing(session: Session) -> AsyncIterator[Session]:
    try:
        yield session
    finally:
        await session.close()


def _both(lost: str, why: str) -> str:
    """Say why a host was lost, and why it was not found again."""
    return f"{lost}; then: {why}" if why else lost


async def _at_once(execution: Execution) -> Execution:
    return execution
