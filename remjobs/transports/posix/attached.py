"""Attached work: it hangs on a channel, and is known as long as that lasts."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Final
from uuid import UUID

from remjobs.model.record import Chunk, Stream
from remjobs.transports.base import (
    Exited,
    Lost,
    NotInitialized,
    Outcome,
    StopReport,
)
from remjobs.transports.posix.channel import Channel, OpenBeside
from remjobs.transports.posix.control import Controls, Identity
from remjobs.transports.posix.opening import Opening, Scanner, ended_early, refusal
from remjobs.transports.posix.programs import initialization_mark, marker

__all__ = ["AttachedExecution"]

_EXIT_GRACE: Final = 2.0
"""Seconds of silence after the exit until output is taken as complete."""
_LATE_SECONDS: Final = 30.0
_LATE_BYTES: Final = 4 * 1024 * 1024
"""What may be in flight at the exit: a pipe and an SSH window, doubled."""
_HELD_OPEN: Final = "background processes kept the output open"


class AttachedExecution:
    """Work that lives as long as its channel."""

    def __init__(
        self,
        key: UUID,
        channel: Channel,
        beside: OpenBeside,
        *,
        initialized: bool = False,
    ) -> None:
        """Listen to a channel that was just opened for this key.

        Args:
            key: Names this execution.
            channel: Carries it.
            beside: Opens a channel beside it, for the stop.
            initialized: The work begins with an initialization, which may fail.
        """
        self._may_fail = initialized
        self._channel = channel
        self._controls = Controls(key, beside)
        self._openings = {s: Opening(marker(key)) for s in (Stream.OUTPUT, Stream.ERROR)}
        self._offsets = dict.fromkeys(self._openings, 0)
        self._failing = Scanner(initialization_mark(key))
        self._exit_seen: float | None = None
        self._late = 0
        self._held_open = False

    @property
    def notes(self) -> tuple[str, ...]:
        """Say if the output was cut off because somebody kept it open."""
        return (_HELD_OPEN,) if self._held_open else ()

    async def begun(self) -> bool:
        """Return whether the host said that the work began; waits for it."""
        return await self._controls.identified()

    async def __aiter__(self) -> AsyncIterator[Chunk]:
        """Yield the work's output, without what was printed before it began."""
        try:
            while (piece := await self._next()) is not None:
                stream, data = piece
                data = self._openings[stream].feed(data)
                if stream is Stream.ERROR and self._may_fail:
                    data = self._failing.feed(data)
                self._look_for_identity()
                if data:
                    yield self._chunk(stream, data)
            if rest := self._failing.close():
                yield self._chunk(Stream.ERROR, rest)
            self._check_begun()
        finally:
            self._controls.give_up()
            self._channel.close()

    def _chunk(self, stream: Stream, data: bytes) -> Chunk:
        offset = self._offsets[stream]
        self._offsets[stream] += len(data)
        return Chunk(stream=stream, offset=offset, data=data)

    def _look_for_identity(self) -> None:
        line = self._openings[Stream.OUTPUT].line
        if line is None or self._controls.identity is not None:
            return
        if line.startswith(b"refused "):
            raise refusal(line[8:].decode("utf-8", "replace"))
        self._controls.identify(Identity.parse(line))

    def _check_begun(self) -> None:
        """Tell a login that ran something else from work that ran."""
        outcome = self._channel.flow.outcome
        if self._openings[Stream.OUTPUT].line is None and not isinstance(outcome, Lost):
            raise ended_early(outcome, self._openings.values())

    async def _next(self) -> tuple[Stream, bytes] | None:
        """Return the next piece, or None at the end.

        After the exit, output already on its way is still taken; a background
        process that keeps the pipe open is not waited for.
        """
        flow = self._channel.flow
        while (piece := flow.take()) is None:
            if flow.closed:
                return None
            if not await self._more():
                self._held_open = True
                return None
        if self._exit_seen is not None:
            self._late += len(piece[1])
            self._held_open = self._late > _LATE_BYTES
        return None if self._held_open else piece

    async def _more(self) -> bool:
        flow = self._channel.flow
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
        if self._failing.lines and isinstance(flow.outcome, Exited):
            return NotInitialized(flow.outcome.code)
        return flow.outcome

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
        """Have nothing on the host to clean."""

    def abandon(self) -> None:
        """Close the channel; what runs on the host is not known any more."""
        self._controls.give_up()
        self._channel.close()
