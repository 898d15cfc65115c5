"""A copy as an Execution: it is told, held and stopped as any work is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from remjobs.model.record import Chunk, Stream
from remjobs.transports.base import Exited, Lost, NotCopied, Outcome, StopReport
from remjobs.transports.copying.course import Course, Stopped
from remjobs.transports.copying.files import CannotCopy, Files, Gone, shown
from remjobs.transports.flow import Flow

__all__ = ["CopyExecution"]

_HOLD_SECONDS: Final = 15.0
"""For what is on its way when a copy is held."""
_CLEAN_SECONDS: Final = 10.0
"""For a copy that is broken off to clean up."""
_LET_GO: Final = "the copy was let go of"


class CopyExecution:
    """A copy that has begun. It lives as long as its session."""

    def __init__(self, copy: Callable[[Course], Awaitable[None]], files: Files) -> None:
        """Begin this copy; its files are closed at its end."""
        self._flow = Flow()
        self._course = Course(self._flow)
        self._files = files
        self._is_broken_off = False
        self._task = asyncio.create_task(self._run(copy))
        # One that is broken off before its first step closes nothing itself.
        self._task.add_done_callback(lambda _: self._flow.close(_LET_GO))

    @property
    def notes(self) -> tuple[str, ...]:
        """Say if something was left out."""
        skipped = self._course.skipped
        return (f"{skipped} skipped, see the Warning records",) if skipped else ()

    async def __aiter__(self) -> AsyncIterator[Chunk]:
        """Yield Progress, Warning and Output as they come."""
        offsets: dict[Stream, int] = {}
        while True:
            if (piece := self._flow.take()) is not None:
                stream, data = piece
                offset = offsets.get(stream, 0)
                offsets[stream] = offset + len(data)
                yield Chunk(stream=stream, offset=offset, data=data)
            elif self._flow.closed:
                break
            else:
                await self._flow.changed(None)
        if self._task.done() and not self._task.cancelled():
            self._task.result()  # a fault of ours is not taken for an outcome

    async def outcome(self) -> Outcome:
        """Return how it ended; waits for it."""
        while self._flow.outcome is None:
            await self._flow.changed(None)
        return self._flow.outcome

    async def _run(self, copy: Callable[[Course], Awaitable[None]]) -> None:
        watching = asyncio.create_task(self._watch())
        try:
            self._flow.ended(await self._copied(copy))
        finally:
            watching.cancel()
            await self._files.close()
            self._flow.close(_LET_GO)

    async def _watch(self) -> None:
        await self._files.until_gone()
        self._course.lose()

    async def _copied(self, copy: Callable[[Course], Awaitable[None]]) -> Outcome:
        course = self._course
        try:
            await copy(course)
        except CannotCopy as exc:
            return NotCopied(_also(str(exc), self._how_far(), self._leftover()))
        except Gone as exc:
            return Lost(_also(str(exc), self._how_far(), self._leftover()))
        except (Stopped, asyncio.CancelledError):
            if not course.is_stopped or course.left is not None:
                return Lost(_also(_LET_GO, self._how_far(), self._leftover()))
            return NotCopied(_also("stopped", self._how_far()))
        course.tell_progress()
        return Exited(0)

    def _how_far(self) -> str:
        course = self._course
        if course.files <= 1:
            return ""
        return f"{course.files_done} of {course.files} files are in place"

    def _leftover(self) -> str:
        left = self._course.left
        return "" if left is None else f"{shown(left)} may be left there"

    async def stop(self, grace: float) -> StopReport:
        """Stop it after what is on its way, or break it off once the grace is over."""
        if self._task.done():
            return self._report()
        self._course.stop()
        await asyncio.wait({self._task}, timeout=grace)
        await self.dismiss()
        return self._report()

    def _report(self) -> StopReport:
        outcome = self._flow.outcome
        if not self._task.done() or isinstance(outcome, Lost):
            why = outcome.message if isinstance(outcome, Lost) else "the host does not answer"
            return StopReport(confirmed=False, signalled=1, message=why, answered=False)
        stopped = isinstance(outcome, NotCopied) and self._course.is_stopped
        if not stopped:
            return StopReport(confirmed=True)
        return StopReport(confirmed=True, signalled=1, message=self._how_far())

    async def suspend(self) -> StopReport:
        """Hold it once what is on its way has arrived."""
        holding = asyncio.create_task(self._course.hold())
        await asyncio.wait(
            {holding, self._task},
            timeout=_HOLD_SECONDS,
            return_when=asyncio.FIRST_COMPLETED,
        )
        held = holding.done() and not self._task.done()
        holding.cancel()
        message = "" if held else "it has ended, or the host does not answer"
        return StopReport(confirmed=held, signalled=int(not self._task.done()), message=message)

    async def resume(self) -> StopReport:
        """Let it go on."""
        self._course.resume()
        going = not self._task.done()
        return StopReport(confirmed=going, signalled=int(going))

    async def release(self) -> None:
        """Have nothing on the host to clean."""

    def abandon(self) -> None:
        """Break it off; what is on the host is not known any more."""
        if not self._task.done():
            self._flow.close(_LET_GO)
            self._break_off()

    async def dismiss(self) -> None:
        """Break it off, and wait while it cleans up."""
        self._break_off()
        await asyncio.wait({self._task}, timeout=_CLEAN_SECONDS)

    def _break_off(self) -> None:
        """Cancel it, but not in its cleaning up, which takes no longer than it may."""
        if not (self._is_broken_off or self._course.is_cleaning):
            self._is_broken_off = True
            self._task.cancel()


def _also(*parts: str) -> str:
    return "; ".join(part for part in parts if part)
