"""Sessions on hosts with a POSIX shell, whatever carries the bytes.

Local and SSH differ only in how a program is started (a ``Channel``); what the
program says of itself, how its output is read and how its process tree is
ended is the same and stands here.
"""

from __future__ import annotations

import asyncio
import shlex
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from remjobs.model.job import ReasonKind
from remjobs.model.record import Chunk, Stream
from remjobs.model.work import Work
from remjobs.transports.base import (
    Exited,
    HostFailure,
    Lost,
    Outcome,
    OutcomeUnknown,
    StopReport,
)
from remjobs.transports.flow import Flow
from remjobs.transports.shells import Launch, attached, marker, stopper

__all__ = ["Channel", "PosixExecution", "PosixSession"]

_EXIT_GRACE: Final = 2.0
"""Seconds of silence after the exit until output is taken as complete."""
_LATE_SECONDS: Final = 30.0
_LATE_BYTES: Final = 4 * 1024 * 1024
"""What may be in flight at the exit: a pipe and an SSH window, doubled."""
_START_TIME: Final = 19
"""Where the start time stands after the command's name: field 22 of proc(5)."""
_STOP_MARGIN: Final = 20.0
_NOISE_KEPT: Final = 400
_HELD_OPEN: Final = "background processes kept the output open"


class Channel(Protocol):
    """A program that runs somewhere, its output going into a flow."""

    flow: Flow

    async def send(self, data: bytes) -> None:
        """Write to its standard input, waiting while the other side does not read."""
        ...

    def end_input(self) -> None:
        """Close its standard input."""
        ...

    def close(self) -> None:
        """Let go of it; the flow closes."""
        ...


OpenChannel = Callable[[Launch], Awaitable[Channel]]
OpenBeside = Callable[[Launch], AbstractAsyncContextManager[Channel]]


@dataclass(frozen=True, slots=True)
class _Identity:
    """What a program said of itself when it began."""

    pid: str
    start: str
    boot: str

    @classmethod
    def parse(cls, words: bytes) -> _Identity:
        """Read ``BOOT STAT``, the second being /proc/PID/stat or ``PID -`` (proc(5))."""
        boot, _, stat = words.decode("ascii", "replace").partition(" ")
        fields = stat.rpartition(")")[2].split()
        start = fields[_START_TIME] if len(fields) > _START_TIME else "-"
        return cls(pid=stat.split(" ", 1)[0], start=start, boot=boot)


class _Opening:
    """Splits a stream into the noise before the program's first line, and the rest."""

    def __init__(self, word: bytes) -> None:
        self._word = word
        self._held = b""
        self.line: bytes | None = None

    @property
    def noise(self) -> str:
        """What came instead of the line, for a message."""
        return self._held[-_NOISE_KEPT:].decode("utf-8", "replace").strip()

    def feed(self, data: bytes) -> bytes:
        """Take bytes and return those that are the work's."""
        if self.line is not None:
            return data
        self._held += data
        start = self._held.find(self._word)
        end = self._held.find(b"\n", start)
        if start < 0 or end < 0:
            # A login message of any length stays noise; keep its last part only.
            if start < 0:
                self._held = self._held[-max(_NOISE_KEPT, len(self._word)) :]
            return b""
        self.line = self._held[start + len(self._word) : end].strip()
        rest, self._held = self._held[end + 1 :], b""
        return rest


class PosixExecution:
    """Attached work: it lives and is known as long as its channel."""

    def __init__(self, key: UUID, channel: Channel, beside: OpenBeside) -> None:
        """Listen to a channel that was just opened for this key.

        Args:
            key: Names this execution.
            channel: Carries it.
            beside: Opens a channel beside it, for the stop.
        """
        self._key = key
        self._channel = channel
        self._beside = beside
        self._openings = {s: _Opening(marker(key)) for s in (Stream.OUTPUT, Stream.ERROR)}
        self._offsets = dict.fromkeys(self._openings, 0)
        self._identified = asyncio.Event()
        self._exit_seen: float | None = None
        self._late = 0
        self._held_open = False

    @property
    def notes(self) -> tuple[str, ...]:
        """Say if the output was cut off because somebody kept it open."""
        return (_HELD_OPEN,) if self._held_open else ()

    async def __aiter__(self) -> AsyncIterator[Chunk]:
        """Yield the work's output, without what was printed before it began."""
        try:
            while (piece := await self._next()) is not None:
                stream, data = piece
                data = self._openings[stream].feed(data)
                self._look_for_identity()
                if data:
                    yield self._chunk(stream, data)
            self._check_begun()
        finally:
            self._identified.set()
            self._channel.close()

    def _chunk(self, stream: Stream, data: bytes) -> Chunk:
        offset = self._offsets[stream]
        self._offsets[stream] += len(data)
        return Chunk(stream=stream, offset=offset, data=data)

    def _look_for_identity(self) -> None:
        line = self._openings[Stream.OUTPUT].line
        if line is None or self._identified.is_set():
            return
        if line.startswith(b"refused "):
            raise HostFailure(ReasonKind.REFUSED, line[8:].decode("utf-8", "replace"))
        self._identified.set()

    def _check_begun(self) -> None:
        """Tell a login that ran something else from work that ran."""
        outcome = self._channel.flow.outcome
        if self._openings[Stream.OUTPUT].line is not None or isinstance(outcome, Lost):
            return
        how = f"exit {outcome.code}" if isinstance(outcome, Exited) else f"{outcome}"
        said = self._openings[Stream.OUTPUT].noise or self._openings[Stream.ERROR].noise
        msg = f"the login shell ended before the work began ({how})"
        raise HostFailure(ReasonKind.REFUSED, f"{msg}: {said}" if said else msg)

    async def _next(self) -> tuple[Stream, bytes] | None:
        """Return the next piece, or None at the end.

        After the exit, output already on its way is still taken; a background
        process that keeps the pipe open is not waited for.
        """
        flow = self._channel.flow
        while (piece := flow.take()) is None:
            if flow.closed:
                return None
            if not await self._more(flow):
                self._held_open = True
                return None
        if self._exit_seen is not None:
            self._late += len(piece[1])
            self._held_open = self._late > _LATE_BYTES
        return None if self._held_open else piece

    async def _more(self, flow: Flow) -> bool:
        if flow.outcome is None:
            return await flow.changed(None)
        now = time.monotonic()
        self._exit_seen = self._exit_seen or now
        left = self._exit_seen + _LATE_SECONDS - now
        return left > 0 and await flow.changed(min(_EXIT_GRACE, left))

    async def outcome(self) -> Outcome:
        """Return how the work ended; waits for it."""
        flow = self._channel.flow
        while flow.outcome is None:
            await flow.changed(None)
        return flow.outcome

    async def stop(self, grace: float) -> StopReport:
        """End the process tree through a channel of its own, and confirm its end."""
        try:
            async with asyncio.timeout(grace + _STOP_MARGIN):
                await self._identified.wait()
                line = self._openings[Stream.OUTPUT].line
                if line is None:
                    return StopReport(confirmed=False, message="the work never said where it runs")
                return await self._stop(_Identity.parse(line), grace)
        except TimeoutError:
            return StopReport(confirmed=False, message="the host did not answer the stop in time")
        except HostFailure as exc:
            return StopReport(confirmed=False, message=str(exc))

    async def _stop(self, identity: _Identity, grace: float) -> StopReport:
        words = (str(self._key), identity.pid, identity.start, identity.boot, str(grace))
        async with self._beside(stopper(*words)) as channel:
            return _report(await _output(channel))

    def abandon(self) -> None:
        """Close the channel; what runs on the host is not known any more."""
        self._identified.set()
        self._channel.close()


async def _output(channel: Channel) -> str:
    """Return what a short program prints, once it has ended."""
    said = bytearray()
    flow = channel.flow
    channel.end_input()
    while not flow.closed or (flow.outcome is None):
        await flow.changed(None)
        while (piece := flow.take()) is not None:
            if piece[0] is Stream.OUTPUT:
                said += piece[1]
    return said.decode("ascii", "replace").strip()


def _report(said: str) -> StopReport:
    last = said.splitlines()[-1] if said else ""
    verdict, _, rest = last.partition(" ")
    if verdict == "gone":
        return StopReport(confirmed=True, signalled=int(rest))
    if verdict == "rebooted":
        return StopReport(confirmed=True, message="the host was restarted")
    if verdict == "left":
        return StopReport(confirmed=False, signalled=1, message=f"still running: pid {rest}")
    return StopReport(confirmed=False, message=f"the stop said {shlex.quote(last)}")


class PosixSession:
    """A session that starts programs through ``open_channel``."""

    def __init__(
        self,
        open_channel: OpenChannel,
        close: Callable[[], Awaitable[None]],
        beside: OpenBeside | None = None,
    ) -> None:
        """Use these ways to start a program and to end the connection.

        Args:
            open_channel: Starts a program.
            close: Ends the connection.
            beside: Starts a short program even where the connection carries no
                more of them; None if ``open_channel`` always can.
        """
        self._open_channel = open_channel
        self._close = close
        self._beside = beside or self._on_this_connection
        self._feeding: set[asyncio.Task[None]] = set()

    async def start(self, key: UUID, work: Work) -> PosixExecution:
        """Start work attached to a channel of its own."""
        launch = attached(key, work)
        channel = await self._open_channel(launch)
        feeding = asyncio.create_task(_feed(channel, work.input))
        self._feeding.add(feeding)
        feeding.add_done_callback(self._feeding.discard)
        return PosixExecution(key, channel, self._beside)

    @asynccontextmanager
    async def _on_this_connection(self, launch: Launch) -> AsyncIterator[Channel]:
        channel = await self._open_channel(launch)
        try:
            yield channel
        finally:
            channel.close()

    async def adopt(self, key: UUID, offsets: Mapping[Stream, int]) -> PosixExecution:
        """Refuse: attached work hangs on its channel, and that is gone."""
        del key, offsets
        msg = "the work was attached to a connection that is gone"
        raise OutcomeUnknown(msg)

    async def close(self) -> None:
        """End the connection."""
        for feeding in self._feeding:
            feeding.cancel()
        await self._close()


async def _feed(channel: Channel, data: bytes) -> None:
    """Send the input; a host that stops reading or goes away ends it quietly."""
    try:
        if data:
            await channel.send(data)
        channel.end_input()
    except (OSError, ConnectionError):
        # The work ended without reading all of it, as `head` does.
        return
