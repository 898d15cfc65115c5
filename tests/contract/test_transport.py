"""What every Transport must do: the real ones and the one in memory."""

import asyncio
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from support.windows import Password, Windows

from remjobs.model.doctor import Verdict
from remjobs.model.host import Host
from remjobs.model.job import ReasonKind
from remjobs.model.record import Stream
from remjobs.model.request import Caller
from remjobs.model.work import Command, Work
from remjobs.testing import MemoryHost, MemoryTransport
from remjobs.transports.base import (
    Exited,
    HostFailure,
    Lost,
    NeverStarted,
    OutcomeUnknown,
    Signaled,
    Unknown,
)
from remjobs.transports.local import LocalTransport
from remjobs.transports.powershell.invocation import raw_offsets
from remjobs.transports.powershell.streams import PowerShellExecution
from remjobs.transports.ssh import SshTransport
from remjobs.transports.winrm.transport import WinRmTransport

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
    shell: str | None = None

    def work(self, name, **more):
        text = WORKS[name][0]
        return self.host(name), Work(command=Command(text=text), shell=self.shell, **more)


class WithStreams:
    """A transport whose executions are taken for PowerShell's."""

    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        return getattr(self.inner, name)

    async def connect(self, host, access):
        return WithStreams(await self.inner.connect(host, access))

    async def start(self, key, work):
        return PowerShellExecution(await self.inner.start(key, work), {})

    async def adopt(self, key, work, offsets):
        inner = await self.inner.adopt(key, work, raw_offsets(offsets))
        return PowerShellExecution(inner, offsets)


class WithPassword:
    """A transport to hosts that let nobody in without one."""

    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        return getattr(self.inner, name)

    async def connect(self, host, access):
        return await self.inner.connect(host, access or Password())


KEEPING = ("memory", "streams", "local", "ssh")
ATTACHED = ("winrm",)
"""Where no work is durable, nothing is held or leased, and no signal ends it."""


def only(*places):
    """Say in which places a test runs, if not in all."""

    def mark(test):
        test.places = places
        return test

    return mark


def pytest_generate_tests(metafunc):
    """Run each test in each place and each way to run that it is about."""
    if "place" not in metafunc.fixturenames:
        return
    places = getattr(metafunc.function, "places", (*KEEPING, *ATTACHED))
    if "durable" not in metafunc.fixturenames:
        metafunc.parametrize("place", places, indirect=True)
        return
    ways = [(place, way) for place in places for way in (False, True)]
    ways = [(place, way) for place, way in ways if not (way and place in ATTACHED)]
    ids = [f"{place}-{'durable' if way else 'attached'}" for place, way in ways]
    metafunc.parametrize(("place", "durable"), ways, ids=ids, indirect=["place"])


@pytest.fixture(scope="module")
def windows(tmp_path_factory):
    """A Windows host on loopback."""
    with Windows(tmp_path_factory.mktemp("windows")) as host:
        yield host


@pytest.fixture
def place(request):
    """Each transport in turn."""
    if request.param == "streams":
        transport = MemoryTransport({name: host for name, (_, host) in WORKS.items()})
        return Place(WithStreams(transport), transport.host)
    if request.param == "memory":
        transport = MemoryTransport({name: host for name, (_, host) in WORKS.items()})
        return Place(transport, transport.host)
    if request.param == "local":
        local = Host(name="localhost", transport="local")
        return Place(LocalTransport(Caller()), lambda _name: local)
    if request.param == "winrm":
        windows = request.getfixturevalue("windows")
        windows_transport = WithPassword(WinRmTransport(Caller()))
        # The endpoint's cmd is /bin/sh: what is asked of it here is written for that.
        return Place(windows_transport, lambda _name: windows.host(), shell="cmd")
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


async def test_a_preview_says_what_would_be_done(place):
    """Where, as whom and what, as it then is; nothing is connected to."""
    host, work = place.work("silence")
    prospect = place.transport.preview(host, work)
    session = await place.transport.connect(host, None)
    assert (prospect.address, prospect.user) == (session.login.address, session.login.user)
    assert "true" in prospect.command
    await session.close()


async def test_output_comes_from_both_streams_without_gaps(place, durable):
    """Bytes as they are, offsets from 0 per stream, then the exit."""
    result = await ran(place, "both streams", durable=durable)
    assert result.joined(OUT) == b"ac\xff\n"
    assert result.joined(ERR) == b"b"
    assert result.outcome == Exited(0)
    for stream in (OUT, ERR):
        position = 0
        for chunk in (chunk for chunk in result.chunks if chunk.stream is stream):
            assert chunk.offset == position
            position += len(chunk.data)


@pytest.mark.parametrize(("name", "outcome"), [("silence", Exited(0)), ("exit 3", Exited(3))])
async def test_the_outcome_is_told(place, name, outcome, durable):
    """The exit code, nothing in between."""
    result = await ran(place, name, durable=durable)
    assert (result.outcome, result.chunks) == (outcome, [])


@only(*KEEPING)
async def test_a_signal_is_told(place, durable):
    """By its name."""
    result = await ran(place, "signal", durable=durable)
    assert (result.outcome, result.chunks) == (Signaled("KILL"), [])


async def test_input_arrives_exactly_and_ends(place, durable):
    """Binary input of some size comes back as it was sent; then end of file."""
    data = bytes(range(256)) * 2000
    assert (await ran(place, "echo", input=data, durable=durable)).joined(OUT) == data


async def test_input_that_nobody_reads_hinders_nothing(place, durable):
    """Work that ends without reading megabytes of input has its own outcome."""
    assert (await ran(place, "deaf", input=bytes(4_000_000), durable=durable)).outcome == Exited(0)


async def test_much_output_arrives_whole(place, durable):
    """Three megabytes, none lost."""
    assert len((await ran(place, "much", durable=durable)).joined(OUT)) == 3_000_000


async def begun(place, key=None, **more):
    """Start work without end, wait for its first output, and go on listening."""
    host, work = place.work("endless", **more)
    session = await place.transport.connect(host, None)
    execution = await session.start(key or uuid4(), work)
    first = asyncio.Event()

    async def listen():
        async for _chunk in execution:
            first.set()

    listening = asyncio.create_task(listen())
    await first.wait()
    return session, execution, listening


async def test_stop_ends_the_work_and_confirms_it(place, durable):
    """The iteration ends, the outcome is told, and the report is confirmed."""
    session, execution, listening = await begun(place, durable=durable)
    report = await execution.stop(2)
    await asyncio.wait_for(listening, 5)
    assert report.confirmed
    assert report.signalled >= 1
    assert await execution.outcome() == Signaled("TERM")
    await session.close()


async def test_stop_of_what_has_ended_signals_nothing(place, durable):
    """A stop that comes too late finds nothing, and says so."""
    host, work = place.work("silence", durable=durable)
    session = await place.transport.connect(host, None)
    execution = await session.start(uuid4(), work)
    assert [chunk async for chunk in execution] == []
    report = await execution.stop(1)
    assert (report.confirmed, report.signalled) == (True, 0)
    await session.close()


async def test_abandoned_work_is_lost(place, durable):
    """Who listens no more knows nothing of the outcome."""
    session, execution, listening = await begun(place, durable=durable)
    execution.abandon()
    await asyncio.wait_for(listening, 5)
    assert isinstance(await execution.outcome(), Lost)
    await execution.stop(0)
    await session.close()


@only(*KEEPING)
async def test_work_is_held_and_goes_on(place, durable):
    """Both are confirmed; the work does not end by it."""
    session, execution, listening = await begun(place, durable=durable)
    for report in (await execution.suspend(), await execution.resume()):
        assert report.confirmed, report
        assert report.signalled >= 1
    assert not listening.done()
    assert (await execution.stop(2)).confirmed
    await asyncio.wait_for(listening, 5)
    await session.close()


async def test_what_has_ended_cannot_be_held(place, durable):
    """And the report says so."""
    host, work = place.work("silence", durable=durable)
    session = await place.transport.connect(host, None)
    execution = await session.start(uuid4(), work)
    assert [chunk async for chunk in execution] == []
    assert not (await execution.suspend()).confirmed
    await session.close()


# Durable work


async def read(execution):
    """Return each stream's bytes, and the outcome."""
    streams = {OUT: b"", ERR: b""}
    async for chunk in execution:
        streams[chunk.stream] += chunk.data
    return streams, await execution.outcome()


@only(*KEEPING)
async def test_a_key_that_never_began_is_known_as_such(place):
    """Then it may safely be started."""
    host, work = place.work("silence", durable=True)
    session = await place.transport.connect(host, None)
    with pytest.raises(NeverStarted):
        await session.adopt(uuid4(), work, {OUT: 0})
    await session.close()


@only(*KEEPING)
@pytest.mark.parametrize("offsets", [{}, {OUT: 1}, {OUT: 4, ERR: 1}])
async def test_ended_work_is_adopted_at_the_exact_byte(place, offsets):
    """In another session: the rest of each stream, then the outcome."""
    host, work = place.work("both streams", durable=True)
    key = uuid4()
    first = await place.transport.connect(host, None)
    await read(await first.start(key, work))
    await first.close()
    second = await place.transport.connect(host, None)
    streams, outcome = await read(await second.adopt(key, work, offsets))
    await second.close()
    assert streams == {OUT: b"ac\xff\n"[offsets.get(OUT, 0) :], ERR: b"b"[offsets.get(ERR, 0) :]}
    assert outcome == Exited(0)


@only(*KEEPING)
async def test_running_work_is_adopted_and_stopped(place):
    """The session that started it is closed; the next one follows and ends it."""
    key = uuid4()
    session, _, listening = await begun(place, key, durable=True)
    await session.close()
    await asyncio.wait_for(listening, 5)
    host, work = place.work("endless", durable=True)
    again = await place.transport.connect(host, None)
    execution = await again.adopt(key, work, {OUT: 6})
    reading = asyncio.create_task(read(execution))
    assert (await execution.suspend()).confirmed
    assert (await execution.resume()).confirmed
    assert (await execution.stop(2)).confirmed
    assert await asyncio.wait_for(reading, 5) == ({OUT: b"", ERR: b""}, Signaled("TERM"))
    await again.close()


@only(*KEEPING)
async def test_a_key_that_is_started_twice_is_followed(place):
    """The second start gives the first one's output and outcome."""
    host, work = place.work("both streams", durable=True)
    key = uuid4()
    session = await place.transport.connect(host, None)
    one, two = await session.start(key, work), await session.start(key, work)
    results = [await read(one), await read(two)]
    assert results == [({OUT: b"ac\xff\n", ERR: b"b"}, Exited(0))] * 2
    await session.close()


@only(*KEEPING)
async def test_released_work_is_not_known_any_more_and_never_runs_again(place):
    """The host has forgotten all but the key."""
    host, work = place.work("both streams", durable=True)
    key = uuid4()
    session = await place.transport.connect(host, None)
    execution = await session.start(key, work)
    await read(execution)
    await execution.release()
    for late in (await session.adopt(key, work, {}), await session.start(key, work)):
        assert isinstance((await read(late))[1], Unknown)
    await session.close()


@only(*KEEPING)
async def test_a_key_that_was_stopped_before_it_came_never_begins(place):
    """Whoever comes late with it finds it taken."""
    host, work = place.work("silence", durable=True)
    key = uuid4()
    session = await place.transport.connect(host, None)
    report = await session.stop(key, 1)
    assert (report.confirmed, report.signalled) == (True, 0)
    assert not isinstance((await read(await session.start(key, work)))[1], Exited)
    await session.close()


@only(*KEEPING)
async def test_a_sweep_leaves_what_runs(place):
    """However old; and says what it did."""
    session, execution, listening = await begun(place, durable=True)
    _, work = place.work("endless", durable=True)
    other = await session.start(uuid4(), work)
    assert (await other.stop(1)).confirmed
    report = await session.sweep(0)
    assert report.swept >= 1
    assert report.kept >= 1
    assert (await execution.stop(1)).confirmed
    await asyncio.wait_for(listening, 5)
    await session.close()


@only(*KEEPING)
async def test_a_place_says_that_it_keeps_work(place):
    """All else about durable work follows from it."""
    assert place.transport.keeps_work


@only(*ATTACHED)
async def test_work_that_is_not_kept_cannot_be_adopted(place):
    """What became of it is not known, and the place says so beforehand."""
    assert not place.transport.keeps_work
    host, work = place.work("silence", durable=True, durable_if_possible=True)
    session = await place.transport.connect(host, None)
    with pytest.raises(OutcomeUnknown):
        await session.adopt(uuid4(), work, {OUT: 0})
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


async def test_a_session_says_how_it_came_and_what_is_there(place):
    """A greeting runs no work; the session is good for work afterwards."""
    host, work = place.work("exit 3")
    session = await place.transport.connect(host, None)
    assert session.login.user
    assert (await session.greet()).system
    execution = await session.start(uuid4(), work)
    assert [chunk async for chunk in execution] == []
    assert await execution.outcome() == Exited(3)
    await session.close()


@only(*KEEPING)
async def test_a_lease_is_for_one_work_at_a_time(place, durable, leases):
    """The second one is refused before it begins, with who has it; after the end it is free."""
    host, work = place.work("endless", durable=durable, exclusive="x", holder="a@b for job 1")
    session = await place.transport.connect(host, None)
    name = f"test-{uuid4()}"
    work = replace(work, exclusive=name)
    execution = await session.start(uuid4(), work)
    chunks = aiter(execution)
    assert (await anext(chunks)).data == b"begun\n"
    with pytest.raises(HostFailure, match=r"^held by a@b for job 1") as failure:
        async for _ in await session.start(uuid4(), replace(work, holder="c@d for job 2")):
            pass
    assert failure.value.reason is ReasonKind.LEASED
    for other in (replace(work, exclusive=f"{name}.2"), work):
        if other is work:
            assert (await execution.stop(1)).confirmed
        again = await session.start(uuid4(), other)
        async for chunk in again:
            assert chunk.data == b"begun\n"
            assert (await again.stop(1)).confirmed
    await chunks.aclose()
    await session.close()
    for folder in Path("/tmp/.remjobs-leases").glob(f"{name}*"):
        shutil.rmtree(folder)


async def test_examine_tells_what_is_found_and_how_to_mend_it(place, tmp_path, monkeypatch):
    """Without a host; what is well needs no remedy."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for finding in await place.transport.examine():
        assert bool(finding.remedy) == (finding.verdict is not Verdict.OK)
        assert finding.check
        assert finding.message
