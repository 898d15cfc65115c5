"""Running one work on one host and looking at what came of it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from uuid import uuid4

from remjobs.model.record import Stream
from remjobs.model.request import Caller
from remjobs.model.work import Command, Work
from remjobs.transports.ssh import SshTransport


def text(command, **more):
    """Return work that is a text for the shell."""
    return Work(command=Command(text=command), **more)


class Running:
    """An execution that is being listened to."""

    def __init__(self, session, execution):
        self.session = session
        self.execution = execution
        self.output = {Stream.OUTPUT: bytearray(), Stream.ERROR: bytearray()}
        self._grown = asyncio.Event()
        self.task = asyncio.create_task(self._listen())

    async def _listen(self):
        async for chunk in self.execution:
            self.output[chunk.stream] += chunk.data
            self._grown.set()
        return await self.execution.outcome()

    async def said(self, word, stream=Stream.OUTPUT):
        """Wait until a word was printed."""
        while word not in self.output[stream]:
            self._grown.clear()
            await asyncio.wait_for(self._grown.wait(), 10)
        return bytes(self.output[stream])

    async def outcome(self, timeout=30):
        """Wait for the end."""
        return await asyncio.wait_for(asyncio.shield(self.task), timeout)


@asynccontextmanager
async def running(host, work, transport=None, caller=None):
    """Connect, start, and listen."""
    used = transport or SshTransport(caller or Caller())
    try:
        session = await used.connect(host, None)
        try:
            yield Running(session, await session.start(uuid4(), work))
        finally:
            await session.close()
    finally:
        if transport is None:
            await used.close()


@asynccontextmanager
async def several(host, work, count):
    """Connect so many times, then start all at once, each with a key of its own."""
    transport = SshTransport(Caller())
    sessions = [await transport.connect(host, None) for _ in range(count)]
    try:
        executions = await asyncio.gather(*(each.start(uuid4(), work) for each in sessions))
        yield [Running(*pair) for pair in zip(sessions, executions, strict=True)]
    finally:
        for session in sessions:
            await session.close()


async def ran(host, work, **more):
    """Run work to its end; return outcome, output and errors."""
    async with running(host, work, **more) as run:
        outcome = await run.outcome()
        return outcome, bytes(run.output[Stream.OUTPUT]), bytes(run.output[Stream.ERROR])
