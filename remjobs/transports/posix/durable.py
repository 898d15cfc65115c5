"""Durable work: it runs apart from any connection, which only follows it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final
from uuid import UUID

from remjobs.model.record import Chunk, Stream
from remjobs.transports.base import (
    Exited,
    Lost,
    NeverStarted,
    NotInitialized,
    Outcome,
    OutcomeUnknown,
    Rebooted,
    Signaled,
    StopReport,
    Unknown,
)
from remjobs.transports.posix.channel import Channel, OpenBeside
from remjobs.transports.posix.control import SPOOLED, Controls
from remjobs.transports.posix.opening import Opening, Scanner, ended_early, refusal
from remjobs.transports.posix.programs import marker

__all__ = ["DurableExecution"]

_HEADER_SECONDS: Final = 60.0
_RELEASE_SECONDS: Final = 5.0
_PROGRAM_FAILED: Final = 128
"""Below it, an exit without a word of ours is the login shell's, not our program's."""
_STREAMS: Final = (Stream.OUTPUT, Stream.ERROR)
_NOTES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "killed": "this host kills what a user leaves running when the connection ends "
        "(KillUserProcesses=yes): a cut ends the work",
        "together": "neither setsid nor perl is there: the work has no session of its own",
    },
)
_UNKNOWABLE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "vanished": "what watched the work on the host was killed",
        "unborn": "what should begin the work on the host was killed",
        "done": "the host was told already that its outcome is stored",
        "swept": "its outcome was swept from the host before it was taken",
    },
)


class DurableExecution:
    """Follows work that its host keeps."""

    def __init__(
        self,
        key: UUID,
        word: str,
        channel: Channel,
        beside: OpenBeside,
        *,
        offsets: Mapping[Stream, int] = MappingProxyType({}),
        sweep: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Listen to a channel that starts or follows this key.

        Args:
            key: Names this execution.
            word: Begins the follower's own lines.
            channel: Carries it.
            beside: Opens a channel beside it, for the stop.
            offsets: Where the output begins that comes now.
            sweep: Cleans the host of leftovers; called if that is due there.
        """
        self._word = word.encode()
        self._channel = channel
        self._controls = Controls(key, beside, SPOOLED)
        self._openings = {stream: Opening(marker(key)) for stream in _STREAMS}
        self._scanners = {stream: Scanner(self._word) for stream in _STREAMS}
        self._offsets = {stream: offsets.get(stream, 0) for stream in _STREAMS}
        self._waiting: list[Chunk] = []
        self._notes: list[str] = []
        self._outcome: Outcome | None = None
        self._ended = asyncio.Event()
        self._sweep = sweep
        self._sweep_is_due = False

    @property
    def notes(self) -> tuple[str, ...]:
        """What the host said beside the outcome."""
        return tuple(self._notes)

    async def begin(self) -> None:
        """Wait for the host's word on whether it has the work.

        Raises:
            HostFailure: It refused the work, or does not run our program.
            NeverStarted: It knows nothing of the key.
            OutcomeUnknown: No word came.
        """
        try:
            async with asyncio.timeout(_HEADER_SECONDS):
                while self._openings[Stream.OUTPUT].line is None:
                    if not await self._step():
                        raise self._no_word()
        except TimeoutError as exc:
            msg = f"the host did not answer in {_HEADER_SECONDS:g} s"
            raise OutcomeUnknown(msg) from exc
        word, _, rest = (self._openings[Stream.OUTPUT].line or b"").partition(b" ")
        text = rest.decode("utf-8", "replace")
        if word == b"refused":
            raise refusal(text)
        if word == b"never":
            msg = "the work did not begin on this host"
            raise NeverStarted(msg)
        flags = text.split(",")
        self._sweep_is_due = "due" in flags
        self._notes += [_NOTES[flag] for flag in flags if flag in _NOTES]

    def _no_word(self) -> Exception:
        outcome = self._channel.flow.outcome
        if isinstance(outcome, Exited) and outcome.code < _PROGRAM_FAILED:
            return ended_early(outcome, self._openings.values())
        message = outcome.message if isinstance(outcome, Lost) else f"the follower ended: {outcome}"
        return OutcomeUnknown(message)

    async def __aiter__(self) -> AsyncIterator[Chunk]:
        """Yield the work's output, to its end or the connection's."""
        try:
            while True:
                for chunk in self._waiting:
                    yield chunk
                self._waiting.clear()
                if self._outcome is not None and self._scanners[Stream.ERROR].lines:
                    return
                if not await self._step():
                    break
            for chunk in self._waiting:
                yield chunk
        finally:
            self._end(self._cut())

    def _cut(self) -> Lost:
        outcome = self._channel.flow.outcome
        if isinstance(outcome, Lost):
            return outcome
        return Lost("connection lost: the follower on the host ended")

    async def _step(self) -> bool:
        """Take one piece of what the host sent; False when no more will come."""
        flow = self._channel.flow
        while (piece := flow.take()) is None:
            if flow.closed:
                return False
            await flow.changed(None)
        stream, data = piece
        scanner = self._scanners[stream]
        data = scanner.feed(self._openings[stream].feed(data))
        if data:
            self._waiting.append(Chunk(stream=stream, offset=self._offsets[stream], data=data))
            self._offsets[stream] += len(data)
        if stream is Stream.OUTPUT:
            self._read(scanner.lines)
            scanner.lines.clear()
        return True

    def _read(self, lines: list[bytes]) -> None:
        for line in lines:
            if line.startswith(b"end "):
                self._take_end(line[4:].decode("utf-8", "replace"))

    def _take_end(self, text: str) -> None:
        """Read how it ended: NAME cut|whole [WHY]; see sh/run.sh for the names."""
        name, _, rest = text.partition(" ")
        whole, _, why = rest.partition(" ")
        if whole == "cut":
            self._notes.append("the host cut the output at its limit")
        kind, _, value = name.partition(".")
        if kind == "refused":
            raise refusal(why)
        if kind == "rc":
            self._end_with(Exited(int(value)))
        elif kind == "init":
            self._end_with(NotInitialized(int(value)))
        elif kind == "sig":
            self._end_with(Signaled(value))
        elif kind == "stopped":
            self._end_with(Signaled("KILL"))
        elif kind == "rebooted":
            self._end_with(Rebooted())
        else:
            self._end_with(Unknown(_UNKNOWABLE.get(kind, f"the host says {name!r}")))

    def _end_with(self, outcome: Outcome) -> None:
        self._outcome = self._outcome or outcome

    def _end(self, otherwise: Outcome) -> None:
        self._end_with(otherwise)
        self._ended.set()

    async def outcome(self) -> Outcome:
        """Return how the work ended; waits for it."""
        await self._ended.wait()
        assert self._outcome is not None  # noqa: S101 - set before the event
        return self._outcome

    async def stop(self, grace: float) -> StopReport:
        """End the process tree through a channel of its own, and confirm its end."""
        return await self._controls.stop(grace)

    async def suspend(self) -> StopReport:
        """Hold the process tree, and confirm that it is held."""
        return await self._controls.suspend()

    async def resume(self) -> StopReport:
        """Let the process tree go on."""
        return await self._controls.resume()

    async def release(self) -> None:
        """Tell the host that the outcome is stored, and wait until it has cleaned."""
        try:
            async with asyncio.timeout(_RELEASE_SECONDS):
                await self._channel.send(b"%s ok\n" % self._word)
                self._channel.end_input()
                while not self._channel.flow.closed:
                    await self._channel.flow.changed(None)
                    while self._channel.flow.take() is not None:
                        pass
        except (OSError, ConnectionError, TimeoutError):
            # What stays there is swept by its age.
            return
        finally:
            self._channel.close()
        if self._sweep_is_due and self._sweep is not None:
            await self._sweep()

    def abandon(self) -> None:
        """Listen no more; the work goes on."""
        self._channel.close()

    async def dismiss(self) -> None:
        """Listen no more, and leave no follower on this machine."""
        await self._channel.dismiss()
