"""Looking for durable work whose host was lost, on hosts in memory over a real store."""

import asyncio
import random
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.engines import until

from remjobs.api import Jobs
from remjobs.engine.engine import Engine
from remjobs.engine.seek import pauses
from remjobs.engine.service import EngineService
from remjobs.model.job import ReasonKind as K
from remjobs.model.record import Stream
from remjobs.model.state import JobState as S
from remjobs.store.sql import SqlStore
from remjobs.testing import MemoryHost, MemoryKeyring, MemorySession, MemoryTransport, memory_engine
from remjobs.transports.base import Exited, HostFailure, OutcomeUnknown, Signaled

OUT, ERR = Stream.OUTPUT, Stream.ERROR


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """Try again at once: the pauses have a test of their own."""
    monkeypatch.setattr("remjobs.engine.child.pauses", lambda _spread: iter(lambda: 0.01, None))


@pytest.fixture
async def lab(tmp_path):
    fleet = MemoryTransport()
    async with memory_engine(tmp_path, fleet) as (_, service):
        yield fleet, Jobs(service)


@asynccontextmanager
async def life(folder, fleet, *, cleanly=False):
    """One life of an engine over a folder, ended by death unless it is said."""
    engine = Engine(await SqlStore.open(folder), {"memory": fleet}, MemoryKeyring())
    await engine.reconcile()
    yield Jobs(EngineService(engine, folder / "none"))
    await engine.close(cleanly=cleanly)


@given(st.integers())
def test_pauses_begin_at_once_grow_and_stay_bounded(seed):
    """With jitter, so that a fleet does not come back together."""
    spread = random.Random(seed)  # noqa: S311 - no secret
    first, *rest = [next(tries) for tries in [pauses(spread)] for _ in range(12)]
    assert first <= 0.5
    for number, pause in enumerate(rest, start=1):
        longest = min(30, 0.5 * 2**number)
        assert longest / 2 <= pause <= longest


async def test_a_cut_is_made_good_without_gaps_or_repetition(lab):
    """However often the link goes; the work itself begins once."""
    fleet, jobs = lab
    host = fleet.behaviour("h1")
    host.output = [(OUT, b"a"), (ERR, b"b"), (OUT, b"c")]
    host.gate, host.outcome = asyncio.Event(), Exited(3)
    job = await jobs.start("work", on=fleet.hosts(1))
    for _ in range(5):
        await until(lambda: host.sessions, "a session")
        await asyncio.sleep(0.05)
        host.cut()
        await asyncio.sleep(0.02)
    host.gate.set()
    [ended] = await jobs.wait(job, timeout=10)
    assert (ended.children[0].state, ended.children[0].exit_code) == (S.FAILED, 3)
    assert await jobs.output(job) == {"h1": b"ac"}
    assert await jobs.output(job, ERR) == {"h1": b"b"}
    assert len(fleet.starts) == 1


async def test_a_start_without_an_answer_is_asked_after_not_repeated(lab):
    """The host may have it: the same key is adopted, or started if it is not there."""
    fleet, jobs = lab
    host = fleet.behaviour("h1")
    host.fails_to_start = OutcomeUnknown("the connection was lost while it began")
    job = await jobs.start("work", on=fleet.hosts(1))
    await until(lambda: len(fleet.starts) > 2, "it is tried again, never acknowledged")
    host.fails_to_start = None
    assert (await jobs.wait(job, timeout=10))[0].state is S.COMPLETED
    assert {key for _, key in fleet.starts} == set(host.kept)
    assert [kept.executions for kept in host.kept.values()] == [1]


@pytest.mark.parametrize("reason", [K.AUTHENTICATION, K.HOST_KEY])
async def test_a_refusal_is_not_tried_again(lab, reason):
    """It would not get better, and may lock the account."""
    fleet, jobs = lab
    host = fleet.behaviour("h1")
    host.gate = asyncio.Event()
    job = await jobs.start("work", on=fleet.hosts(1))
    await until(lambda: host.kept, "it runs")
    host.refuses = HostFailure(reason, "refused")
    host.cut()
    [ended] = await jobs.wait(job, timeout=10)
    assert ended.state is S.DISCONNECTED
    assert ended.children[0].sought_until is None
    host.refuses = None
    host.gate.set()
    await jobs.resume(job)
    assert (await jobs.wait(job, timeout=10))[0].state is S.COMPLETED


async def test_work_is_not_begun_days_late(tmp_path, monkeypatch):
    """By then the host may have forgotten that it ran: not known, rather than twice."""
    fleet = MemoryTransport({"h1": MemoryHost(fails_to_start=OutcomeUnknown("lost"))})
    async with life(tmp_path, fleet) as jobs:
        job = await jobs.start("work", on=fleet.hosts(1))
        await until(lambda: fleet.starts, "it was sent")
    fleet.behaviour("h1").fails_to_start = None
    monkeypatch.setattr("remjobs.engine.child._LATEST_START", timedelta(0))
    async with life(tmp_path, fleet) as jobs:
        [found] = await jobs.wait(job.id, timeout=5)
    assert found.state is S.DISCONNECTED
    assert "too late to begin it now" in found.children[0].reason.message


async def test_a_host_that_hangs_up_each_time_is_not_asked_without_end(lab, monkeypatch):
    """Found is not enough: it must say something, or stay."""
    fleet, jobs = lab
    host = fleet.behaviour("h1")
    host.gate = asyncio.Event()
    job = await jobs.start("work", on=fleet.hosts(1), reconnect_for=0.2)
    await until(lambda: host.kept, "it runs")
    adopt = MemorySession.adopt

    async def hang_up(session, key, work, offsets):
        execution = await adopt(session, key, work, offsets)
        execution.abandon()
        return execution

    monkeypatch.setattr(MemorySession, "adopt", hang_up)
    host.cut()
    assert (await jobs.wait(job, timeout=5))[0].state is S.DISCONNECTED


@pytest.mark.parametrize("ended", [True, False])
async def test_the_host_is_asked_once_even_where_no_time_is_given(tmp_path, ended):
    """--reconnect-for 0: after a restart the host still has its say."""
    gate = asyncio.Event()
    fleet = MemoryTransport({"h1": MemoryHost(gate=gate)})
    async with life(tmp_path, fleet) as jobs:
        job = await jobs.start("work", on=fleet.hosts(1), reconnect_for=0)
        await until(lambda: fleet.behaviour("h1").kept, "it runs")
    if ended:
        gate.set()
    else:
        fleet.behaviour("h1").refuses = HostFailure(K.UNREACHABLE, "away")
    async with life(tmp_path, fleet) as jobs:
        [found] = await jobs.wait(job.id, timeout=5)
    assert found.state is (S.COMPLETED if ended else S.DISCONNECTED)


async def test_a_host_that_was_given_up_is_sought_again_while_its_job_goes_on(lab):
    """Resume looks for it beside what runs and what waits; nothing begins twice."""
    fleet, jobs = lab
    for name in ("h1", "h2"):
        fleet.behaviour(name).gate = asyncio.Event()
    job = await jobs.start("work", on=fleet.hosts(3), throttle_limit=2, reconnect_for=0.05)
    await until(lambda: len(fleet.starts) == 2, "two run")
    lost = fleet.behaviour("h1")
    lost.refuses = HostFailure(K.UNREACHABLE, "away")
    lost.cut()
    await until(lambda: len(fleet.starts) == 3, "it was given up, and the third began")
    given_up = (await jobs.get(job))[0].children[0]
    assert (given_up.state, given_up.sought_until) == (S.DISCONNECTED, None)
    lost.refuses = None
    await jobs.resume(job)
    for name in ("h1", "h2"):
        fleet.behaviour(name).gate.set()
    assert (await jobs.wait(job, timeout=10))[0].state is S.COMPLETED
    assert len(fleet.starts) == 3


async def test_one_host_of_a_job_is_stopped_though_it_was_given_up(lab):
    """It alone is looked for again; the other one that was lost is left alone."""
    fleet, jobs = lab
    for name in ("h1", "h2"):
        fleet.behaviour(name).gate = asyncio.Event()
    job = await jobs.start("work", on=fleet.hosts(2), reconnect_for=0.05)
    await until(lambda: len(fleet.starts) == 2, "both run")
    for name in ("h1", "h2"):
        fleet.behaviour(name).refuses = HostFailure(K.UNREACHABLE, "away")
        fleet.behaviour(name).cut()
    assert (await jobs.wait(job, timeout=10))[0].state is S.DISCONNECTED
    for name in ("h1", "h2"):
        fleet.behaviour(name).refuses = None
    [part] = await jobs.stop(job, hosts=["h1"])
    assert [(child.host, child.state) for child in part.children] == [("h1", S.STOPPED)]
    [kept] = fleet.behaviour("h2").kept.values()
    assert kept.outcome is None
    assert (await jobs.get(job))[0].children[1].state is S.DISCONNECTED


async def test_a_host_that_was_stopped_in_the_queue_never_begins(tmp_path):
    """Not after a restart either; the others do."""
    fleet = MemoryTransport()
    gate = fleet.behaviour("h1").gate = asyncio.Event()
    async with life(tmp_path, fleet) as jobs:
        job = await jobs.start("work", on=fleet.hosts(3), throttle_limit=1)
        await until(lambda: fleet.behaviour("h1").kept, "the first runs")
        await jobs.stop(job, hosts=["h2"])
    gate.set()
    async with life(tmp_path, fleet) as jobs:
        [ended] = await jobs.wait(job.id, timeout=10)
        states = [child.state for child in ended.children]
    assert states == [S.COMPLETED, S.STOPPED, S.COMPLETED]
    assert {name for name, _ in fleet.starts} == {"h1", "h3"}


async def test_a_restarted_engine_finds_runs_on_and_goes_on(tmp_path):
    """What runs takes its slots first; what was not begun follows under the throttle."""
    fleet = MemoryTransport()
    gates = [asyncio.Event() for _ in range(6)]
    for number, gate in enumerate(gates, start=1):
        fleet.behaviour(f"h{number}").gate = gate
    async with life(tmp_path, fleet) as jobs:
        job = await jobs.start("work", on=fleet.hosts(6), throttle_limit=2)
        await until(lambda: len(fleet.starts) == 2, "two run")
    gates[0].set()
    async with life(tmp_path, fleet) as jobs:
        await until(lambda: len(fleet.starts) == 3, "a third begins")
        for gate in gates:
            gate.set()
        [ended] = await jobs.wait(job.id, timeout=10)
    assert ended.state is S.COMPLETED
    assert fleet.peak <= 2
    assert len({key for _, key in fleet.starts}) == len(fleet.starts) == 6


async def stop_has_come(jobs, job):
    """Wait until the one child that is active knows that it is to end."""
    [child] = jobs.service._engine.run_of(job.id)._active
    await until(child._stop_wanted.is_set, "the stop has come")


async def test_a_stop_that_was_asked_before_the_end_of_the_engine_is_carried_out(tmp_path):
    """The next life goes on stopping, and begins nothing."""
    fleet = MemoryTransport()
    host = fleet.behaviour("h1")
    host.gate = asyncio.Event()
    async with life(tmp_path, fleet) as jobs:
        job = await jobs.start("work", on=fleet.hosts(2), throttle_limit=1)
        await until(lambda: host.kept, "it runs")
        host.immortal = True
        host.refuses = HostFailure(K.UNREACHABLE, "away")
        host.cut()
        stopping = asyncio.create_task(jobs.stop(job))
        await stop_has_come(jobs, job)
        stopping.cancel()
    host.immortal, host.refuses = False, None
    async with life(tmp_path, fleet) as jobs:
        [ended] = await jobs.wait(job.id, timeout=10)
        assert [child.state for child in ended.children] == [S.STOPPED, S.STOPPED]
    assert len(fleet.starts) == 1


async def test_work_that_a_stop_reaches_before_its_start_never_begins(lab):
    """Lost while it began, then stopped: the key is taken on the host."""
    fleet, jobs = lab
    host = fleet.behaviour("h1")
    host.fails_to_start = OutcomeUnknown("lost")
    host.connect_gate = asyncio.Event()
    host.connect_gate.set()
    job = await jobs.start("work", on=fleet.hosts(1))
    await until(lambda: fleet.starts, "it was sent")
    host.connect_gate.clear()
    await until(lambda: host.connect_gate._waiters, "it is sought")
    stopping = asyncio.create_task(jobs.stop(job))
    await stop_has_come(jobs, job)
    host.fails_to_start = None
    host.connect_gate.set()
    [stopped] = await asyncio.wait_for(stopping, 10)
    assert stopped.state is S.STOPPED
    [kept] = host.kept.values()
    assert (kept.executions, kept.outcome) == (0, Signaled("KILL"))


async def test_a_restarted_host_ends_the_work_as_lost(tmp_path):
    """Failed, since that much is known."""
    fleet = MemoryTransport({"h1": MemoryHost(gate=asyncio.Event())})
    async with life(tmp_path, fleet) as jobs:
        job = await jobs.start("work", on=fleet.hosts(1))
        await until(lambda: fleet.behaviour("h1").kept, "it runs")
    fleet.behaviour("h1").restarted = True
    async with life(tmp_path, fleet) as jobs:
        child = (await jobs.wait(job.id, timeout=10))[0].children[0]
    assert (child.state, child.reason.kind) == (S.FAILED, K.LOST)


async def test_the_host_is_told_only_what_is_stored(lab):
    """It keeps the work until the outcome is committed here."""
    fleet, jobs = lab
    host = fleet.behaviour("h1")
    job = await jobs.start("work", on=fleet.hosts(1))
    await jobs.wait(job, timeout=10)
    await until(lambda: all(kept.released for kept in host.kept.values()), "it is told")


async def test_cleaning_answers_for_each_host(lab):
    """What was removed, or why it could not be looked at."""
    fleet, jobs = lab
    fleet.behaviour("h2").refuses = HostFailure(K.UNREACHABLE, "away")
    await jobs.wait(await jobs.start("work", on=fleet.hosts(1)), timeout=10)
    await until(lambda: fleet.active == 0, "the session is closed")
    one, two = await jobs.clean(fleet.hosts(2), older_than=0)
    assert (one.host, one.swept, one.reason) == ("h1", 1, None)
    assert (two.host, two.reason.message) == ("h2", "away")
