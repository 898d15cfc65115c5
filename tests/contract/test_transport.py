"""What every Transport must do: the real ones and the one in memory."""

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from remjobs.model.host import Host
from remjobs.model.record import Stream
from remjobs.model.request import Caller
from remjobs.model.work import Command, Work
from remjobs.testing import MemoryHost, MemoryTransport
from remjobs.transports.base import Exited, Lost, OutcomeUnknown, Signaled
from remjobs.transports.local import LocalTransport
from remjobs.transports.ssh import SshTransport

OUT, ERR = Stream.OUTPUT, Stream.ERROR

WORKS = {
    "both streams": (
        "printf a; sleep 0.1; printf b >&2; sleep 0.1; printf 'c\\377\\n'",
        MemoryHost(output=[(OUT, b"a"), (ERR, b"b"), (OUT, b"c\xff\n")]),
    ),
    "silence": ("true", MemoryHost()),
    "exit 3": ("exit 3", MemoryHost(outcome=Exited(3))),
    "signal": ("kill -9 $$", MemoryHost(outcome=Signaled("KILL"))),
    "echo": ("cat", MemoryHost(echoes=True)),
    "deaf": ("exit 0", MemoryHost()),
    "much": (
        "head -c 3000000 /dev/zero",
        MemoryHost(output=[(OUT, bytes(30_000))] * 100),
    ),
    "endless": (
        "echo begun; exec sleep 1000",
        MemoryHost(output=[(OUT, b"begun\n")], gate=asyncio.Event()),
    ),
}


@dataclass
class Place:
    """A transport and a way to name work on it."""

    transport: Any
    host: Any

    def work(self, name, **more):
        return self.host(name), Work(command=Command(text=WORKS[name][0]), **more)


@pytest.fixture(params=["memory", "local", "ssh"])
def place(request):
    """Each transport in turn."""
    if request.param == "memory":
        transport = MemoryTransport({name: host for name, (_, host) in WORKS.items()})
        return Place(transport, transport.host)
    if request.param == "local":
        local = Host(name="localhost", transport="local")
        return Place(LocalTransport(Caller()), lambda _name: local)
    sshd = request.getfixturevalue("sshd")
    return Place(SshTransport(Caller()), lambda _name: sshd.host())


class Ran:
    """An execution, read to its end."""

    def __init__(self, chunks, outcome):
        self.chunks = chunks
        self.outcome = outcome

    def joined(self, stream):
        return b"".join(chunk.data for chunk in self.chunks if chunk.stream is stream)


async def ran(place, name, **more):
    host, work = place.work(name, **more)
    session = await place.transport.connect(host, None)
    execution = await session.start(uuid4(), work)
    chunks = [chunk async for chunk in execution]
    outcome = await execution.outcome()
    await session.close()
    return Ran(chunks, outcome)


async def test_output_comes_from_both_streams_without_gaps(place):
    """Bytes as they are, offsets from 0 per stream, then the exit."""
    result = await ran(place, "both streams")
    assert result.joined(OUT) == b"ac\xff\n"
    assert result.joined(ERR) == b"b"
    assert result.outcome == Exited(0)
    for stream in (OUT, ERR):
        position = 0
        for chunk in (chunk for chunk in result.chunks if chunk.stream is stream):
            assert chunk.offset == position
            position += len(chunk.data)


@pytest.mark.parametrize(
    ("name", "outcome"),
    [("silence", Exited(0)), ("exit 3", Exited(3)), ("signal", Signaled("KILL"))],
)
async def test_the_outcome_is_told(place, name, outcome):
    """Exit code or signal, nothing in between."""
    result = await ran(place, name)
    assert (result.outcome, result.chunks) == (outcome, [])


async def test_input_arrives_exactly_and_ends(place):
    """Binary input of some size comes back as it was sent; then end of file."""
    data = bytes(range(256)) * 2000
    assert (await ran(place, "echo", input=data)).joined(OUT) == data


async def test_input_that_nobody_reads_hinders_nothing(place):
    """Work that ends without reading megabytes of input has its own outcome."""
    assert (await ran(place, "deaf", input=bytes(4_000_000))).outcome == Exited(0)


async def test_much_output_arrives_whole(place):
    """Three megabytes, none lost."""
    assert len((await ran(place, "much")).joined(OUT)) == 3_000_000


async def begun(place):
    """Start work without end, wait for its first output, and go on listening."""
    host, work = place.work("endless")
    session = await place.transport.connect(host, None)
    execution = await session.start(uuid4(), work)
    first = asyncio.Event()

    async def listen():
        async for _chunk in execution:
            first.set()

    listening = asyncio.create_task(listen())
    await first.wait()
    return session, execution, listening


async def test_stop_ends_the_work_and_confirms_it(place):
    """The iteration ends, the outcome is told, and the report is confirmed."""
    session, execution, listening = await begun(place)
    report = await execution.stop(2)
    await asyncio.wait_for(listening, 5)
    assert report.confirmed
    assert report.signalled >= 1
    assert await execution.outcome() == Signaled("TERM")
    await session.close()


async def test_stop_of_what_has_ended_signals_nothing(place):
    """A stop that comes too late finds nothing, and says so."""
    host, work = place.work("silence")
    session = await place.transport.connect(host, None)
    execution = await session.start(uuid4(), work)
    assert [chunk async for chunk in execution] == []
    report = await execution.stop(1)
    assert (report.confirmed, report.signalled) == (True, 0)
    await session.close()


async def test_abandoned_work_is_lost(place):
    """Who listens no more knows nothing of the outcome."""
    session, execution, listening = await begun(place)
    execution.abandon()
    await asyncio.wait_for(listening, 5)
    assert isinstance(await execution.outcome(), Lost)
    await execution.stop(0)
    await session.close()


async def test_attached_work_cannot_be_adopted(place):
    """Its connection is gone; anything but 'unknown' would be a guess."""
    host, _ = place.work("silence")
    session = await place.transport.connect(host, None)
    with pytest.raises(OutcomeUnknown):
        await session.adopt(uuid4(), {OUT: 0})
    await session.close()


async def test_a_good_host_passes_the_check(place):
    """check() refuses nothing that works."""
    host, work = place.work("silence")
    place.transport.check(host, work)


async def test_several_works_share_a_session(place):
    """One connection carries more than one execution."""
    host, work = place.work("exit 3")
    session = await place.transport.connect(host, None)

    async def one():
        execution = await session.start(uuid4(), work)
        async for _chunk in execution:
            pass
        return await execution.outcome()

    assert list(await asyncio.gather(one(), one(), one())) == [Exited(3)] * 3
    await session.close()
