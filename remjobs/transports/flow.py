"""Output between a library's callbacks and the one who reads it, with back-pressure."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from remjobs.model.record import Stream
from remjobs.transports.base import Lost, Outcome

__all__ = ["Flow"]

_HIGH: Final = 512 * 1024
_LOW: Final = 128 * 1024


class Flow:
    """A bounded queue of (stream, bytes): callbacks feed it, one reader takes.

    The source is paused while more than half a MiB waits, so a host that
    sends without end costs no more memory than that.
    """

    def __init__(self) -> None:
        """Make an empty flow of a source that is not paused."""
        self._waiting: deque[tuple[Stream, bytes]] = deque()
        self._size = 0
        self._changed = asyncio.Event()
        self._paused = False
        self._set_paused: Callable[[bool], None] = lambda _paused: None
        self.outcome: Outcome | None = None
        """How the process ended, as soon as that is known."""
        self.closed = False
        """Nothing more will come."""

    def attach(self, set_paused: Callable[[bool], None]) -> None:
        """Name the function that pauses (True) or resumes the source."""
        self._set_paused = set_paused

    def feed(self, stream: Stream, data: bytes) -> None:
        """Take bytes from the source."""
        self._waiting.append((stream, data))
        self._size += len(data)
        if self._size > _HIGH and not self._paused:
            self._paused = True
            self._set_paused(True)
        self._changed.set()

    def ended(self, outcome: Outcome) -> None:
        """Take the outcome; the first one counts. Output may still come."""
        if self.outcome is None:
            self.outcome = outcome
        self._changed.set()

    def close(self, otherwise: str) -> None:
        """Say that nothing more will come; without an outcome, it is lost."""
        self.ended(Lost(otherwise))
        self.closed = True
        self._changed.set()

    def take(self) -> tuple[Stream, bytes] | None:
        """Take the next piece, if one waits."""
        if not self._waiting:
            return None
        stream, data = self._waiting.popleft()
        self._size -= len(data)
        if self._size < _LOW and self._paused:
            self._paused = False
            self._set_paused(False)
        return stream, data

    def put_back(self, pieces: Sequence[tuple[Stream, bytes]]) -> None:
        """Let the next reader have pieces that were taken, in this order."""
        kept = [piece for piece in pieces if piece[1]]
        self._waiting.extendleft(reversed(kept))
        self._size += sum(len(data) for _, data in kept)
        self._changed.set()

    async def changed(self, timeout: float | None) -> bool:
        """Wait until something came or ended; False when the time ran out (seconds)."""
        try:
            async with asyncio.timeout(timeout):
                await self._changed.wait()
        except TimeoutError:
            return False
        self._changed.clear()
        return True
