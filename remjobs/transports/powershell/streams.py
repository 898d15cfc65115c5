"""An execution whose standard error carries PowerShell's streams."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing

from remjobs.model.record import Chunk, Stream
from remjobs.transports.base import Execution, Outcome, StopReport
from remjobs.transports.powershell.clixml import Clixml

__all__ = ["PowerShellExecution"]


class PowerShellExecution:
    """Makes seven streams of two; all else is the execution's own."""

    def __init__(self, inner: Execution, known: Mapping[Stream, int]) -> None:
        """Follow an execution whose standard error comes from its beginning.

        Args:
            inner: Yields standard output, and standard error as it is.
            known: Bytes of each stream that need not come again.
        """
        self._inner = inner
        self._known = known
        self._offsets: dict[Stream, int] = {}

    async def __aiter__(self) -> AsyncIterator[Chunk]:
        """Yield each stream's output as it comes."""
        parser = Clixml()
        async with aclosing(aiter(self._inner)) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                if chunk.stream is not Stream.ERROR:
                    yield chunk
                    continue
                for piece in self._pieces(parser.feed(chunk.data)):
                    yield piece
        for piece in self._pieces(parser.close()):
            yield piece

    def _pieces(self, found: list[tuple[Stream, bytes]]) -> Iterator[Chunk]:
        for stream, data in found:
            offset = self._offsets.get(stream, 0)
            self._offsets[stream] = offset + len(data)
            known = min(max(self._known.get(stream, 0) - offset, 0), len(data))
            if data[known:]:
                yield Chunk(stream=stream, offset=offset + known, data=data[known:])

    @property
    def notes(self) -> tuple[str, ...]:
        """What is worth telling about it."""
        return self._inner.notes

    async def outcome(self) -> Outcome:
        """Return how it ended."""
        return await self._inner.outcome()

    async def stop(self, grace: float) -> StopReport:
        """End the whole process tree."""
        return await self._inner.stop(grace)

    async def suspend(self) -> StopReport:
        """Hold the whole process tree."""
        return await self._inner.suspend()

    async def resume(self) -> StopReport:
        """Let it go on."""
        return await self._inner.resume()

    async def release(self) -> None:
        """Tell the host that the outcome is stored."""
        await self._inner.release()

    def abandon(self) -> None:
        """Listen no more."""
        self._inner.abandon()
