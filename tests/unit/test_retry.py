"""Trying hosts of a job again, and changing a job while it runs."""

import asyncio

import pytest
from support.engines import until

from remjobs.api import Jobs
from remjobs.errors import NoSuchJob, NotRemovable, UsageError
from remjobs.model.job import ReasonKind as K
from remjobs.model.state import JobState as S
from remjobs.testing import MemoryHost, MemoryTransport, memory_engine
from remjobs.transports.base import Exited, HostFailure, Lost, Rebooted, Signaled

HOSTS = {
    "fine": MemoryHost(),
    "code": MemoryHost(outcome=Exited(3)),
    "signal": MemoryHost(outcome=Signaled("KILL")),
    "rebooted": MemoryHost(outcome=Rebooted()),
    "away": MemoryHost(refuses=HostFailure(K.UNREACHABLE, "away")),
    "login": MemoryHost(refuses=HostFailure(K.AUTHENTICATION, "no")),
    "key": MemoryHost(refuses=HostFailure(K.HOST_KEY, "no")),
    "unknown": MemoryHost(outcome=Lost("gone")),
}


@pytest.fixture
async def lab(tmp_path):
    fleet = MemoryTransport(HOSTS)
    async with memory_engine(tmp_path, fleet) as (_, service):
        yield fleet, Jobs(service)


@pytest.fixture
async def ended(lab):
    """A job whose hosts ended in every way; the last ones were never begun."""
    fleet, jobs = lab
    gate = fleet.behaviour("stopped").gate = asyncio.Event()
    names = [*HOSTS, "stopped", "never1", "never2"]
    hosts = [fleet.host(name) for name in names]
    job = await jobs.start("work", on=hosts, throttle_limit=1, durable=False, name="first")
    await until(lambda: ("stopped", 1) in [(name, 1) for name, _ in fleet.starts], "it got there")
    await jobs.stop(job)
    gate.set()
    return job


@pytest.mark.parametrize(
    ("options", "hosts"),
    [
        ({}, "code signal rebooted away login key never1 never2"),
        ({"failed": True}, "code signal rebooted never1 never2"),
        ({"unreachable": True}, "away login key never1 never2"),
        (
            {"failed": True, "unreachable": True},
            "code signal rebooted away login key never1 never2",
        ),
        ({"disconnected": True}, "unknown"),
        ({"disconnected": True, "failed": True}, "code signal rebooted unknown never1 never2"),
        ({"hosts": ["fine", "never*"]}, "fine never1 never2"),
        ({"hosts": ["*e*"], "failed": True}, "code rebooted never1 never2"),
        ({"hosts": ["unknown"], "disconnected": True}, "unknown"),
    ],
)
async def test_retry_takes_the_hosts_that_are_meant(lab, ended, options, hosts):
    """In the order of the first job, with the same work, linked to it."""
    _, jobs = lab
    again = await jobs.retry(ended, **options)
    assert [child.host for child in again.children] == hosts.split()
    assert (again.retry_of, again.name, again.command) == (ended.id, "first", ended.command)
    assert again.throttle_limit == ended.throttle_limit
    [done] = await jobs.wait(again, timeout=10)
    assert done.retry_of == ended.id


@pytest.mark.parametrize("options", [{"hosts": ["unknown"]}, {"hosts": ["nobody"]}])
async def test_retry_of_nothing_is_refused(lab, ended, options):
    """A host whose outcome is not known is taken only when that is said."""
    _, jobs = lab
    with pytest.raises(UsageError, match=f"no host of job {ended.id} is to be tried again"):
        await jobs.retry(ended, **options)


async def test_what_still_runs_is_not_retried(lab):
    """And a job that went well has nothing to try again."""
    fleet, jobs = lab
    gate = fleet.behaviour("slow").gate = asyncio.Event()
    job = await jobs.start("work", on=[fleet.host("slow"), fleet.host("code")])
    await until(lambda: len(fleet.starts) == 2, "both run")
    await asyncio.sleep(0.05)
    again = await jobs.retry(job, hosts=["*"])
    assert [child.host for child in again.children] == ["code"]
    gate.set()
    await jobs.wait(job, again, timeout=10)
    fine = await jobs.run("work", on=[fleet.host("fine")])
    with pytest.raises(UsageError):
        await jobs.retry(fine)


async def test_retry_names_one_whole_job(lab, ended):
    """Not none, not several, not a child."""
    _, jobs = lab
    await jobs.retry(ended, failed=True)
    with pytest.raises(UsageError, match="names 2 jobs; name one"):
        await jobs.retry("first")
    with pytest.raises(NoSuchJob):
        await jobs.retry(999)
    with pytest.raises((UsageError, NotRemovable), match="is a child of job"):
        await jobs.retry(ended.children[0].id)


async def test_a_retry_may_have_a_name_and_a_limit_of_its_own(lab, ended):
    """The other properties are those of the first job."""
    _, jobs = lab
    again = await jobs.retry(ended, name="second", throttle_limit=7)
    assert (again.name, again.throttle_limit) == ("second", 7)
    with pytest.raises(UsageError):
        await jobs.retry(ended, throttle_limit=0)


async def test_the_throttle_is_changed_while_the_job_runs(lab):
    """More begin at once; with less, those that run go on and no more begin."""
    fleet, jobs = lab
    gates = {}
    for number in range(1, 9):
        gates[number] = fleet.behaviour(f"h{number}").gate = asyncio.Event()
    job = await jobs.start("work", on=fleet.hosts(8), throttle_limit=2)
    await until(lambda: len(fleet.starts) == 2, "two run")
    [changed] = await jobs.set(job, throttle_limit=5)
    assert changed.throttle_limit == 5
    await until(lambda: len(fleet.starts) == 5, "five run")
    await jobs.set(job, throttle_limit=1)
    for number in range(1, 5):
        gates[number].set()
    await asyncio.sleep(0.1)
    assert len(fleet.starts) == 5
    for gate in gates.values():
        gate.set()
    assert (await jobs.wait(job, timeout=10))[0].state is S.COMPLETED
    with pytest.raises(UsageError, match="throttle limit 0 is not 1 or more"):
        await jobs.set(job, throttle_limit=0)
