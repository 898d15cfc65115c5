"""Work that runs in a shell of a Windows host, as long as we listen to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from remjobs.model.job import ReasonKind
from remjobs.model.record import Chunk, Stream
from remjobs.transports.base import (
    Exited,
    HostFailure,
    Lost,
    NotInitialized,
    Outcome,
    Signaled,
    StopReport,
    Unknown,
)
from remjobs.transports.flow import Flow
from remjobs.transports.posix.opening import Scanner
from remjobs.transports.winrm.faults import Code, Fault
from remjobs.transports.winrm.line import Line, Lines
from remjobs.transports.winrm.shell import CHUNK, Received, RemoteShell
from remjobs.transports.winrm.shells import Shells
from remjobs.transports.winrm.wire import ConnectionBroken

__all__ = ["Running", "WinRmExecution"]

_FIRST: Final = 4096
"""Bytes of the work's own input that are sent before anybody listens to its output: a pipe
has room for them, whether they are read or not."""
_STOP_SECONDS: Final = 40.0
_CANNOT_HOLD: Final = "a Windows host cannot hold work: it runs to its end"
_HAS_ENDED: Final = "it has ended"
_LET_GO: Final = "the output was let go of"
_CUT_INPUT: Final = "the host did not take all of the standard input"
_HEARD_SECONDS: Final = 2.0
"""So soon the end of a command is heard that had ended by itself."""
_READS_NO_MORE: Final = frozenset({Code.BROKEN_PIPE, Code.PIPE_CLOSING})
_GONE: Final[Mapping[int | None, str]] = {
    Code.ABORTED: "the host closed the shell that the work ran in",
    # It is said of commands too: nothing but the words, in the host's language, tells.
    Code.NO_SHELL: "the host has the shell, or the command in it, no more",
}
_NOT_KNOWN: Final = "the host no longer knows the shell: whether the work has ended is not known"
_SAYS_NOTHING: Final = "the host says no more of the work"
_BY_TERMINATE: Final = Signaled("TERM")


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A command that has begun."""

    line: Line
    shell: str
    command: str


class WinRmExecution:
    """Listens to a command, feeds it, and ends it."""

    def __init__(
        self,
        key: UUID,
        running: Running,
        lines: Lines,
        shells: Shells,
        ended: Callable[[Running], None],
    ) -> None:
        """Follow a command.

        Args:
            key: Names this execution.
            running: The command, and the line that it was begun on.
            lines: Where further ones come from.
            shells: Are told what becomes of its shell.
            ended: Is told that the line is not needed any more.
        """
        self._running = running
        self._lines = lines
        self._shells = shells
        self._tell_end = ended
        self._flow = Flow()
        self._room = asyncio.Event()
        self._room.set()
        self._flow.attach(self._set_paused)
        self._marks = Scanner(b"remjobs-%s:" % str(key).encode())
        self._offsets = {Stream.OUTPUT: 0, Stream.ERROR: 0}
        self._stopping = False
        self._was_aborted = False
        self._notes: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def notes(self) -> tuple[str, ...]:
        """Say if the input was cut short."""
        return tuple(self._notes)

    def _set_paused(self, paused: bool) -> None:
        (self._room.clear if paused else self._room.set)()

    def begin(self, prefix: bytes, data: bytes) -> None:
        """Send what standard input begins with and the work's own, and listen.

        Much input goes beside the output: a command that waits until its output is
        taken reads nothing meanwhile. So does much of what it begins with: PowerShell
        may take long to start on a busy host.
        """
        if len(prefix) > _FIRST:
            self._spawn(self._live(b"", prefix + data))
        elif len(data) <= _FIRST:
            self._spawn(self._live(prefix + data, b""))
        else:
            self._spawn(self._live(prefix, data))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # Listening

    async def _live(self, first: bytes, beside: bytes) -> None:
        """Live with the command to its end."""
        line, feeding, cut = self._running.line, None, None
        try:
            if first or not beside:
                cut = await self._send(line, first, end=not beside)
            if cut is not None:
                feeding = asyncio.create_task(self._cut_short(cut))
            elif beside:
                feeding = asyncio.create_task(self._feed_beside(beside))
            self._flow.ended(outcome := await self._listen(line))
            if self._flow.outcome is outcome and isinstance(outcome, Exited) and not self._stopping:
                self._shells.keep(self._running.shell, self._running.command)
        except ConnectionBroken as exc:
            self._flow.ended(Lost(str(exc)))
        except HostFailure as exc:
            self._flow.ended(Lost(f"the connection could not be made again: {exc}"))
        finally:
            if feeding is not None:
                feeding.cancel()
            self._flow.close(_LET_GO)
            self._tell_end(self._running)

    async def _listen(self, line: Line) -> Outcome:
        """Take the output to its end, and return the outcome."""
        while not self._flow.closed:
            await self._room.wait()
            try:
                received = await line.ask(
                    RemoteShell.receive, self._running.shell, self._running.command
                )
            except Fault as exc:
                return self._without_exit(exc)
            if received is not None and (outcome := self._took(received)) is not None:
                return outcome
        return Lost(_LET_GO)

    def _took(self, received: Received) -> Outcome | None:
        for stream, data in ((Stream.OUTPUT, received.output), (Stream.ERROR, received.error)):
            if data:
                self._flow.feed(stream, data)
        return None if received.code is None else Exited(received.code)

    def _without_exit(self, exc: Fault) -> Outcome:
        """Say what became of a command that the host knows no more."""
        if self._stopping:
            self._was_aborted = exc.code == Code.ABORTED
            return _BY_TERMINATE
        return Unknown(f"{_GONE.get(exc.code, _SAYS_NOTHING)} ({exc})")

    async def __aiter__(self) -> AsyncIterator[Chunk]:
        """Yield the work's output, without our own marks."""
        while True:
            while (piece := self._flow.take()) is not None:
                stream, data = piece
                if stream is Stream.ERROR:
                    data = self._marks.feed(data)
                if data:
                    yield self._chunk(stream, data)
            if self._flow.closed:
                break
            await self._flow.changed(None)
        if rest := self._marks.close():
            yield self._chunk(Stream.ERROR, rest)
        self._check_refused()

    def _chunk(self, stream: Stream, data: bytes) -> Chunk:
        offset = self._offsets[stream]
        self._offsets[stream] += len(data)
        return Chunk(stream=stream, offset=offset, data=data)

    def _check_refused(self) -> None:
        """Tell work that was not begun from work that ended badly.

        Raises:
            HostFailure: Its directory could not be entered.
        """
        if b"refused directory" in self._marks.lines:
            msg = "cannot enter the working directory on the host"
            raise HostFailure(ReasonKind.REFUSED, msg)

    async def outcome(self) -> Outcome:
        """Return how the work ended; waits for it."""
        while self._flow.outcome is None:
            await self._flow.changed(None)
        outcome = self._flow.outcome
        if b"initialization" in self._marks.lines and isinstance(outcome, Exited):
            return NotInitialized(outcome.code)
        return outcome

    # Feeding

    async def _send(self, line: Line, data: bytes, *, end: bool) -> Fault | None:
        """Send input; a command that reads no more ends it quietly.

        Returns:
            How the host refused some of it: the command waits for what does not come.
        """
        shell, command = self._running.shell, self._running.command
        for at in range(0, max(len(data), 1), CHUNK):
            piece = data[at : at + CHUNK]
            last = at + CHUNK >= len(data)
            try:
                await line.ask(RemoteShell.send, shell, command, piece, end=end and last)
            except Fault as exc:
                return None if exc.code in _READS_NO_MORE else exc
        return None

    async def _feed_beside(self, data: bytes) -> None:
        """Send input on a line of its own, which waits as long as the command needs."""
        line = self._lines.patient()
        cut: Exception | None
        try:
            cut = await self._send(line, data, end=True)
        except (ConnectionBroken, HostFailure) as exc:
            cut = exc
        finally:
            line.close()
        if cut is not None:
            await self._cut_short(cut)

    async def _cut_short(self, cut: Exception) -> None:
        """End a command that does not get its input, unless it has ended by itself.

        What it makes of a part of its input is nothing that was asked for. Who hears of
        its end by itself cancels this.
        """
        reason = f"{_CUT_INPUT}: {cut}"
        told = [] if isinstance(cut, Fault) and cut.code in _GONE else [reason]
        self._notes += told
        await asyncio.sleep(_HEARD_SECONDS)
        if self._stopping:
            return
        self._flow.ended(Unknown(reason))
        self._notes = [note for note in self._notes if note not in told]
        line = self._lines.take()
        try:
            await line.ask_at_once(RemoteShell.end, self._running.shell, self._running.command)
            await asyncio.sleep(_HEARD_SECONDS)
        except (Fault, ConnectionBroken, HostFailure) as exc:
            self._notes.append(f"it may still run: {exc}")
        finally:
            self._lines.give_back(line)
            self.abandon()

    # Ending

    async def stop(self, grace: float) -> StopReport:
        """End the command and close its shell, which ends whatever it began."""
        if isinstance(self._flow.outcome, Exited):
            return StopReport(confirmed=True)
        self._stopping = True
        line = self._lines.take()
        try:
            async with asyncio.timeout(_STOP_SECONDS + grace):
                await self._end(line, grace)
        except TimeoutError:
            return StopReport(confirmed=False, message="no answer in time", answered=False)
        except Fault as exc:
            return StopReport(confirmed=False, signalled=1, message=str(exc))
        except (ConnectionBroken, HostFailure) as exc:
            return StopReport(confirmed=False, message=str(exc), answered=False)
        finally:
            self._lines.give_back(line)
        self._flow.ended(_BY_TERMINATE)
        return StopReport(confirmed=True, signalled=1)

    async def _end(self, line: Line, grace: float) -> None:
        """Signal the command, see its output end, and close the shell.

        Raises:
            Fault: The host does not close it, or cannot say what became of the command.
        """
        is_signalled = await self._signalled(line)
        await self._settled(grace)
        try:
            await line.ask_at_once(RemoteShell.close, self._running.shell)
        except Fault as exc:
            if exc.code != Code.NO_SHELL:
                raise
            self._shells.closed(self._running.shell)
            has_ended = isinstance(self._flow.outcome, Exited)
            if not has_ended and not (is_signalled and self._was_aborted):
                raise Fault(exc.code, _NOT_KNOWN) from exc
        self._shells.closed(self._running.shell)

    async def _signalled(self, line: Line) -> bool:
        """Signal the command; return whether the host did so.

        Raises:
            Fault: We may not.
        """
        try:
            await line.ask_at_once(RemoteShell.end, self._running.shell, self._running.command)
        except Fault as exc:
            if exc.code == Code.ACCESS_DENIED:
                raise
            # It has ended by itself, or its shell has; the close tells.
            return False
        return True

    async def _settled(self, seconds: float) -> None:
        """Wait until nothing more comes, for so long at most."""
        listening = tuple(self._tasks)
        if listening:
            await asyncio.wait(listening, timeout=max(seconds, 0.1))

    async def suspend(self) -> StopReport:
        """Say that it cannot be held."""
        if self._flow.outcome is not None:
            return StopReport(confirmed=False, message=_HAS_ENDED)
        # 0 would say that it had ended.
        return StopReport(confirmed=False, signalled=1, message=_CANNOT_HOLD)

    async def resume(self) -> StopReport:
        """Let it go on: it was never held."""
        return StopReport(confirmed=self._flow.outcome is None)

    async def release(self) -> None:
        """Have nothing on the host to clean."""

    def abandon(self) -> None:
        """Listen no more; what runs on the host is not known any more."""
        self._flow.close(_LET_GO)
        self._room.set()

    async def dismiss(self) -> None:
        """Let go of it, and of all that we do for it."""
        self.abandon()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
