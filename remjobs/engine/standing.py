"""How a child stands: every change of it is committed first, and believed after."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from remjobs.engine.verdict import Verdict
from remjobs.model.job import Child, Reason, ReasonKind
from remjobs.model.record import Stream
from remjobs.model.state import TRANSITIONS, JobState, advance
from remjobs.store.base import Piece
from remjobs.transports.base import HostFailure

__all__ = ["Ledger", "Standing", "now"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Where a child's changes go: each returns once it is committed."""

    intend: Callable[[Child, Mapping[Stream, int]], Awaitable[None]]
    """The start of a child's attempt, which only one can intend, and where its output begins."""
    acknowledge: Callable[[Child], Awaitable[None]]
    """Its host has said that it has the work."""
    save: Callable[[Child], Awaitable[None]]
    append: Callable[[list[Piece]], Awaitable[None]]
    offsets: Callable[[Child], Awaitable[Mapping[Stream, int]]]
    """Where each stream goes on behind what is stored."""


class Standing:
    """A child's state, and what is told of it."""

    def __init__(self, child: Child, ledger: Ledger) -> None:
        """Begin with the child as it is stored."""
        self.child = child
        self._ledger = ledger

    async def move(
        self,
        state: JobState,
        write: Callable[[Child], Awaitable[None]] | None = None,
        **changes: Any,
    ) -> None:
        """Commit a change of state; the same state again changes what is said of it."""
        current = self.child.state
        if state is not current and current in {JobState.SUSPENDED, JobState.SUSPENDING}:
            current = _woken(current, state)
        if state is not current:
            advance(current, state)
        changed = replace(self.child, state=state, **changes)
        if changed.is_final:
            changed = replace(changed, end_time=now())
        await (write or self._ledger.save)(changed)
        self.child = changed

    async def ask(self, question: str, *, answerable: bool = True) -> None:
        """Be Blocked, and say what for."""
        how = f"; `remjobs answer {self.child.id}`" if answerable else ""
        message = f"{question}{how}"
        await self.move(JobState.BLOCKED, status_message=message)

    async def unreached(self, why: str, pause: float, left: int) -> None:
        """Say that the host was not reached, and when it is tried again (seconds)."""
        message = f"{why}; {_next_try(pause, left)}"
        await self.move(self.child.state, status_message=message)

    async def tried(self, how: Verdict, pause: float, left: int) -> None:
        """Say how an attempt ended, and when the next one begins."""
        why = how.reason.message if how.reason else how.message
        message = f"{why}; {_next_try(pause, left)}"
        await self.move(self.child.state, status_message=message, exit_code=how.exit_code)

    async def lose(self, why: str, pause: float, left: float) -> None:
        """Say that the host is lost, when it is tried again and until when (seconds)."""
        at = now() + timedelta(seconds=pause)
        until = now() + timedelta(seconds=max(0, left))
        message = f"{why}; outcome unknown; next try at {at:%H:%M:%S} UTC"
        reason = Reason(kind=ReasonKind.LOST, message=message)
        await self.move(JobState.DISCONNECTED, reason=reason, sought_until=until)

    async def give_up(self, why: str, *, unstopped: bool) -> None:
        """Say that the host is sought no more; ``unstopped``: a stop did not reach it."""
        what = "kill not confirmed: " if unstopped else ""
        message = f"{what}{why}; outcome unknown; `remjobs resume` looks for it again"
        reason = Reason(kind=ReasonKind.LOST, message=message)
        await self.move(
            JobState.DISCONNECTED,
            reason=reason,
            status_message=what and message,
            sought_until=None,
        )

    async def end(self, how: Verdict, notes: list[str]) -> None:
        """Say how it ended."""
        await self.move(
            how.state,
            reason=how.reason,
            status_message="; ".join(filter(None, [how.message, *notes])),
            exit_code=how.exit_code,
            signal=how.signal,
            sought_until=None,
        )

    async def never_begun(self, exc: HostFailure) -> None:
        """Say why the work was not begun."""
        reason = Reason(kind=exc.reason, message=f"{self.child.host}: {exc}")
        await self.move(
            JobState.FAILED,
            reason=reason,
            status_message="",
            begin_time=None,
            sought_until=None,
        )

    async def fault(self, exc: Exception) -> None:
        """End a child that we failed: what may run on the host is not known."""
        # Not its repr: that of an UnicodeError holds the whole text, which may be a secret.
        message = f"a fault of remjobs: {type(exc).__name__}: {exc}"
        reason = Reason(kind=ReasonKind.INTERNAL, message=message)
        begun = self.child.state is not JobState.NOT_STARTED
        state = JobState.DISCONNECTED if begun else JobState.FAILED
        if not self.child.is_final:
            await self.move(state, reason=reason, sought_until=None)


def now() -> datetime:
    """Return the time (UTC)."""
    return datetime.now(UTC)


def _next_try(pause: float, left: int) -> str:
    at = now() + timedelta(seconds=pause)
    tries = "1 more try" if left == 1 else f"{left} more tries"
    return f"{tries}, the next at {at:%H:%M:%S} UTC"


def _woken(current: JobState, state: JobState) -> JobState:
    """Return the state by way of which held work goes on, ends or is lost."""
    if state in TRANSITIONS[current]:
        return current
    held = current is JobState.SUSPENDED
    return advance(current, JobState.RUNNING if held else JobState.SUSPENDED)
