"""Children that wait for a person."""

import asyncio

import pytest

from remjobs import JobState as S
from remjobs.api import Jobs
from remjobs.errors import UsageError, WaitTimeout
from remjobs.model.job import ReasonKind as K
from remjobs.model.request import ReceiveOptions
from remjobs.testing import MemoryHost, MemoryTransport, memory_engine

PASSWORD = "open sesame"  # noqa: S105 - of hosts in memory


@pytest.fixture
def fleet():
    """h1 and h2 ask for a password, h3 does not."""
    return MemoryTransport({name: MemoryHost(password=PASSWORD) for name in ("h1", "h2")})


@pytest.fixture
async def jobs(tmp_path, fleet):
    """Jobs on this fleet."""
    async with memory_engine(tmp_path, fleet) as (_, service):
        yield Jobs(service)


async def blocked(jobs, fleet, **more):
    job = await jobs.start("work", on=fleet.hosts(3), durable=False, **more)
    [job] = await jobs.wait(job, timeout=10)
    async with asyncio.timeout(10):
        while S.RUNNING in states(job):
            await asyncio.sleep(0.005)
            [job] = await jobs.get(job)
    return job


def states(job):
    return [child.state for child in job.children]


async def test_blocked_children_say_what_they_wait_for(jobs, fleet):
    """A wait ends at them, a forced one does not; they have not begun."""
    job = await blocked(jobs, fleet)
    assert (job.state, states(job)) == (S.BLOCKED, [S.BLOCKED, S.BLOCKED, S.COMPLETED])
    assert job.children[0].status_message == "h1 asks for a password; `remjobs answer 2`"
    assert job.children[0].begin_time is None
    with pytest.raises(WaitTimeout):
        await jobs.wait(job, timeout=0.05, force=True)


async def test_an_answer_to_a_child_is_for_it_alone(jobs, fleet):
    """An answer to the parent is for all that wait; whoever follows sees them go on."""
    job = await blocked(jobs, fleet)
    events = jobs.service.receive([str(job.id)], ReceiveOptions(wait=True, events=True))
    await jobs.answer(job.children[0].id, answer=PASSWORD)
    async with asyncio.timeout(10):
        while states((await jobs.get(job))[0])[0] is not S.COMPLETED:
            await asyncio.sleep(0.005)
    assert states((await jobs.get(job))[0]) == [S.COMPLETED, S.BLOCKED, S.COMPLETED]
    await jobs.answer(job, answer=PASSWORD)
    [ended] = await jobs.wait(job, timeout=10)
    assert ended.state is S.COMPLETED
    assert [event.state async for event in events] == [S.COMPLETED] * 3
    with pytest.raises(UsageError, match="nothing of job 1 waits for an answer"):
        await jobs.answer(job, answer=PASSWORD)


async def test_a_wrong_answer_is_not_tried_twice(jobs, fleet):
    """The child has failed, and was never begun."""
    job = await blocked(jobs, fleet)
    await jobs.answer(job, answer="wrong")
    [ended] = await jobs.wait(job, timeout=10)
    assert states(ended) == [S.FAILED, S.FAILED, S.COMPLETED]
    assert ended.children[0].reason.kind is K.AUTHENTICATION
    assert ended.children[0].begin_time is None
    assert [name for name, _ in fleet.starts] == ["h3"]


async def test_a_blocked_child_keeps_its_slot(jobs, fleet):
    """Who comes after it waits for it; resolved, the order is kept."""
    job = await blocked(jobs, fleet, throttle_limit=1)
    assert states(job) == [S.BLOCKED, S.NOT_STARTED, S.NOT_STARTED]
    await jobs.answer(job, answer=PASSWORD)
    [job] = await jobs.wait(job, timeout=10)
    assert states(job) == [S.COMPLETED, S.BLOCKED, S.NOT_STARTED]


async def test_stop_ends_blocked_children_at_once(jobs, fleet):
    """Nothing of them ran."""
    [ended] = await jobs.stop(await blocked(jobs, fleet))
    assert states(ended) == [S.STOPPED, S.STOPPED, S.COMPLETED]
    assert ended.children[0].status_message == ""
    assert [name for name, _ in fleet.starts] == ["h3"]


async def test_work_that_is_answered_while_its_job_is_suspended_is_held(jobs, fleet):
    """It begins held, and goes on with the job."""
    for name in ("h1", "h2"):
        fleet.behaviour(name).gate = asyncio.Event()
    job = await blocked(jobs, fleet)
    await jobs.suspend(job)
    await jobs.answer(job, answer=PASSWORD)
    async with asyncio.timeout(10):
        while states((await jobs.get(job))[0])[:2] != [S.SUSPENDED, S.SUSPENDED]:
            await asyncio.sleep(0.005)
    for name in ("h1", "h2"):
        fleet.behaviour(name).gate.set()
    await jobs.resume(job)
    assert (await jobs.wait(job, timeout=10))[0].state is S.COMPLETED


async def test_a_restart_asks_again(tmp_path, fleet):
    """The answer was kept in memory only."""
    async with memory_engine(tmp_path, fleet) as (_, service):
        job = await blocked(Jobs(service), fleet)
    async with memory_engine(tmp_path, fleet) as (_, service):
        jobs = Jobs(service)
        async with asyncio.timeout(10):
            while states((await jobs.get(job.id))[0])[:2] != [S.BLOCKED, S.BLOCKED]:
                await asyncio.sleep(0.005)
        await jobs.answer(job.id, answer=PASSWORD)
        assert (await jobs.wait(job.id, timeout=10))[0].state is S.COMPLETED
    assert sorted(name for name, _ in fleet.starts) == ["h1", "h2", "h3"]
