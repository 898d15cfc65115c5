"""Copies on one host, and looking at what came of them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from uuid import uuid4

from remjobs.caller import read_fetch, read_push
from remjobs.model.record import Stream
from remjobs.model.work import Work

BIG = 24 * 1024 * 1024


def pushing(to, *paths, mode=None):
    """Return work that pushes files."""
    return Work(push=read_push([str(path) for path in paths], str(to), mode))


def fetching(path, into):
    """Return work that fetches a file or folder."""
    return Work(fetch=read_fetch(str(path), str(into)))


def tree(folder):
    """Return what is in a folder: file contents by path, None for a folder."""
    return {
        str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes()
        for path in folder.rglob("*")
    }


def temporary(folder):
    """Return the files that are not in place yet."""
    return list(folder.rglob(".remjobs-*"))


class Copy:
    """A copy that is being listened to."""

    def __init__(self, execution):
        self.execution = execution
        self.said = dict.fromkeys(Stream, b"")
        self.task = asyncio.create_task(self._listen())

    async def _listen(self):
        async for chunk in self.execution:
            assert chunk.offset == len(self.said[chunk.stream])
            self.said[chunk.stream] += chunk.data
        return await self.execution.outcome()

    async def outcome(self, timeout=30):
        return await asyncio.wait_for(asyncio.shield(self.task), timeout)

    async def held_midway(self, folder):
        """Hold it while a part of a file is in a folder, and return that file."""
        async with asyncio.timeout(20):
            while True:
                assert not self.task.done(), "it ended before it could be held"
                part = [path for path in temporary(folder) if path.stat().st_size]
                if part:
                    assert (await self.execution.suspend()).confirmed
                    return part[0]
                await asyncio.sleep(0)


@asynccontextmanager
async def copying(transport, host, work):
    """Connect, begin, and listen."""
    session = await transport.connect(host, None)
    try:
        yield Copy(await session.start(uuid4(), work))
    finally:
        await session.close()


async def copied(transport, host, work):
    """Copy to the end; return the outcome and what was said."""
    async with copying(transport, host, work) as copy:
        return await copy.outcome(), copy.said
