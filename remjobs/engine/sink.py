"""From chunks as they come to records as they are stored."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

from remjobs.model.record import Chunk
from remjobs.store.base import Piece

__all__ = ["Coalescer", "Sink"]

_PIECE: Final = 64 * 1024
_BACKLOG: Final = 1024 * 1024
_INTERVAL: Final = 0.05
"""Seconds between two writes of one child, unless much has gathered."""


class Coalescer:
    """Joins chunks of one child into pieces, and cuts none inside a UTF-8 character.

    No I/O and no clock: it is fed and answers.
    """

    def __init__(self, child_id: int, limit: int) -> None:
        """Keep at most ``limit`` bytes over all streams."""
        self._child_id = child_id
        self._left = limit
        self._pieces: list[Piece] = []
        self.dropped = 0
        """Bytes over the limit."""
        self.size = 0
        """Bytes that wait."""

    def feed(self, chunk: Chunk, time: datetime) -> None:
        """Take a chunk; what is over the limit is counted and dropped."""
        data = chunk.data[: self._left]
        self.dropped += len(chunk.data) - len(data)
        self._left -= len(data)
        self.size += len(data)
        if not data:
            return
        last = self._pieces[-1] if self._pieces else None
        if last is not None and last.stream is chunk.stream and len(last.data) < _PIECE:
            self._pieces[-1] = _piece(self._child_id, last, last.data + data)
        else:
            start = _piece(self._child_id, chunk, data, time)
            self._pieces.append(start)

    def take(self, *, everything: bool = False) -> list[Piece]:
        """Return what waits, all but a character that has not come whole.

        Args:
            everything: The stream has ended: hold back nothing.
        """
        pieces, self._pieces, self.size = self._pieces, [], 0
        if everything:
            return pieces
        ready: list[Piece] = []
        for index, piece in enumerate(pieces):
            last_of_stream = all(other.stream is not piece.stream for other in pieces[index + 1 :])
            cut = len(piece.data) - _incomplete(piece.data) if last_of_stream else len(piece.data)
            if cut:
                ready.append(_piece(self._child_id, piece, piece.data[:cut]))
            if cut < len(piece.data):
                self._hold(piece, cut)
        return ready

    def _hold(self, piece: Piece, cut: int) -> None:
        rest = Piece(
            child_id=self._child_id,
            stream=piece.stream,
            offset=piece.offset + cut,
            time=piece.time,
            data=piece.data[cut:],
        )
        self._pieces.append(rest)
        self.size += len(rest.data)


def _piece(
    child_id: int,
    start: Chunk | Piece,
    data: bytes,
    time: datetime | None = None,
) -> Piece:
    when = start.time if isinstance(start, Piece) else time
    assert when is not None  # noqa: S101 - a chunk comes with its time
    return Piece(
        child_id=child_id,
        stream=start.stream,
        offset=start.offset,
        time=when,
        data=data,
    )


def _incomplete(data: bytes) -> int:
    """Return how many bytes at the end begin a UTF-8 character that is not whole."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte & 0xC0 == 0x80:  # noqa: PLR2004 - a continuation byte (RFC 3629)
            continue
        needed = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1  # noqa: PLR2004
        return back if needed > back else 0
    return 0


class Sink:
    """Writes one child's output: the first at once, then as much as has gathered."""

    def __init__(
        self,
        coalescer: Coalescer,
        append: Callable[[list[Piece]], Awaitable[None]],
    ) -> None:
        """Write through ``append``, which returns once it is committed."""
        self._coalescer = coalescer
        self._append = append
        self._writing: asyncio.Task[None] | None = None
        self._room = asyncio.Event()
        self._ended = asyncio.Event()

    async def accept(self, chunk: Chunk) -> None:
        """Take a chunk; waits while too much is on its way to the disk."""
        self._coalescer.feed(chunk, datetime.now(UTC))
        if self._writing is None or self._writing.done():
            self._check()
            self._writing = asyncio.create_task(self._write())
        while self._coalescer.size > _BACKLOG and not self._writing.done():
            self._room.clear()
            room = asyncio.create_task(self._room.wait())
            await asyncio.wait({room, self._writing}, return_when=asyncio.FIRST_COMPLETED)
            room.cancel()
        self._check()

    async def close(self) -> None:
        """Write what is left."""
        self._ended.set()
        if self._writing is not None:
            await self._writing
        if rest := self._coalescer.take(everything=True):
            await self._append(rest)

    def _check(self) -> None:
        """Raise what a finished write raised."""
        if self._writing is not None and self._writing.done():
            self._writing.result()

    async def _write(self) -> None:
        """Write until nothing waits, pausing so that small output gathers."""
        while ready := self._coalescer.take():
            self._room.set()
            await self._append(ready)
            if self._coalescer.size < _PIECE:
                await self._pause()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(_INTERVAL):
                await self._ended.wait()
        except TimeoutError:
            return
