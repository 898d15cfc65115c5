"""What every JobService must do: the engine's own, and the controller's client.

``ROWS`` says for a child in each state what each verb does: how the child stands
afterwards, or the error. The states are reached by real means: the throttle, an
exit, a stop that takes its time, a host that cannot hold work, a cut.

docs/states.md says which test holds which rule.
"""

import asyncio
from dataclasses import dataclass

import pytest
from support.services import LABS

from remjobs.errors import NoSuchJob, NotRemovable, UsageError, WaitTimeout
from remjobs.model.record import Stream
from remjobs.model.state import SETTLED
from remjobs.model.state import JobState as S
from remjobs.transports.base import Exited, Lost

OUT = Stream.OUTPUT


@pytest.fixture(params=LABS)
async def lab(request, tmp_path):
    async with LABS[request.param](tmp_path / "home") as opened:
        yield opened
        for host in opened.fleet._hosts.values():
            for gate in (host.gate, host.stop_gate, host.connect_gate):
                if gate is not None:
                    gate.set()


# A child in each state


@dataclass
class Subject:
    """A child that was brought into a state, and the parent that it makes."""

    job: int
    child: int
    parent: S


async def not_started(lab):
    """The throttle lets one run, and that is another."""
    lab.fleet.behaviour("busy").gate = asyncio.Event()
    job = await lab.start("busy", "h", throttle_limit=1)
    await lab.becomes(job.children[0].id, S.RUNNING)
    return Subject(job.id, job.children[1].id, S.RUNNING)


async def running(lab):
    host = lab.fleet.behaviour("h")
    host.output, host.gate = [(OUT, b"out")], asyncio.Event()
    job = await lab.start("h")
    [child] = job.children
    await lab.becomes(child.id, S.RUNNING)
    async with asyncio.timeout(10):
        async for _ in lab.jobs.follow(job):
            break
    return Subject(job.id, child.id, S.RUNNING)


async def ended(lab, outcome, state):
    host = lab.fleet.behaviour("h")
    host.output, host.outcome = [(OUT, b"out")], outcome
    job = await lab.start("h")
    await lab.jobs.wait(job, timeout=10)
    return Subject(job.id, job.children[0].id, state)


async def completed(lab):
    return await ended(lab, Exited(0), S.COMPLETED)


async def failed(lab):
    return await ended(lab, Exited(3), S.FAILED)


async def disconnected(lab):
    """Attached work whose connection was cut."""
    return await ended(lab, Lost("cut"), S.DISCONNECTED)


async def stopped(lab):
    subject = await running(lab)
    await lab.jobs.stop(subject.job)
    return Subject(subject.job, subject.child, S.STOPPED)


async def suspended(lab):
    subject = await running(lab)
    await lab.jobs.suspend(subject.job)
    return Subject(subject.job, subject.child, S.SUSPENDED)


async def suspending(lab):
    """Its host cannot hold work, which runs to its end."""
    subject = await running(lab)
    lab.fleet.behaviour("h").unholdable = True
    await lab.jobs.suspend(subject.job)
    return Subject(subject.job, subject.child, S.SUSPENDING)


async def stopping(lab):
    """The stop is not confirmed yet."""
    subject = await running(lab)
    lab.fleet.behaviour("h").stop_gate = asyncio.Event()
    lab.stop = asyncio.create_task(lab.jobs.stop(subject.job))
    await lab.becomes(subject.child, S.STOPPING)
    return Subject(subject.job, subject.child, S.STOPPING)


MAKERS = {
    S.NOT_STARTED: not_started,
    S.RUNNING: running,
    S.COMPLETED: completed,
    S.FAILED: failed,
    S.STOPPED: stopped,
    S.SUSPENDED: suspended,
    S.DISCONNECTED: disconnected,
    S.SUSPENDING: suspending,
    S.STOPPING: stopping,
    # S.BLOCKED: what brings a child there plugs in here, and its rows into ROWS below.
}


# What each verb does to it


async def stop(lab, subject):
    """A stop that is under way already is not confirmed before its host says so."""
    asking = asyncio.create_task(lab.jobs.stop(subject.job))
    await release(lab)
    await asyncio.wait_for(asking, 10)


async def stop_child(lab, subject):
    asking = asyncio.create_task(lab.jobs.stop(subject.job, hosts=["h"]))
    await release(lab)
    [job] = await asyncio.wait_for(asking, 10)
    assert [child.id for child in job.children] == [subject.child]


async def release(lab):
    if (gate := lab.fleet.behaviour("h").stop_gate) is not None:
        await asyncio.sleep(0.02)
        gate.set()


async def list_(lab, subject):
    [found] = await lab.jobs.service.list(query(states=frozenset({subject.parent})))
    assert (found.id, found.state, found.children) == (subject.job, subject.parent, None)
    counts = found.counts
    assert counts[(await lab.child(subject.child)).state] >= 1
    for state in set(S) - {subject.parent}:
        assert await lab.jobs.service.list(query(states=frozenset({state}))) == ()


def query(**more):
    from remjobs.model.request import JobQuery  # noqa: PLC0415 - for this alone

    return JobQuery(**more)


async def get(lab, subject):
    [job] = await lab.jobs.get(subject.job)
    [child] = [child for child in job.children if child.id == subject.child]
    assert child == await lab.child(subject.child)
    assert job.state is subject.parent
    assert job.counts[child.state] == sum(c.state is child.state for c in job.children)
    assert (child.begin_time is None) == (child.state is S.NOT_STARTED)
    assert (child.end_time is not None) == child.is_final
    assert (job.end_time is not None) == job.is_final
    assert (child.reason is not None) == (child.state in {S.FAILED, S.DISCONNECTED})


async def receive(lab, subject):
    """What came is there once; a failure is told each time; HasMoreData says the rest."""
    begun = (await lab.child(subject.child)).begin_time is not None
    told = ["h"] if subject.parent in {S.FAILED, S.DISCONNECTED} else []
    assert await lab.received(subject.child) == (b"out" if begun else b"", told)
    assert await lab.received(subject.child) == (b"", told)
    child = await lab.child(subject.child)
    assert child.has_more_data is not child.is_final


async def wait(lab, subject):
    [job] = await lab.jobs.wait(subject.job, timeout=0)
    assert job.state in SETTLED


async def wait_for_running(lab, subject):
    """Of the child: reached, or it can never be."""
    [job] = await lab.jobs.wait(subject.child, state=S.RUNNING, timeout=0)
    assert [child.id for child in job.children] == [subject.child]


async def suspend(lab, subject):
    await lab.jobs.suspend(subject.job)


async def resume(lab, subject):
    await lab.jobs.resume(subject.job)


async def remove(lab, subject):
    assert [job.id for job in await lab.jobs.remove(subject.job)] == [subject.job]


async def remove_force(lab, subject):
    asking = asyncio.create_task(lab.jobs.remove(subject.job, force=True))
    await release(lab)
    assert [job.id for job in await asyncio.wait_for(asking, 10)] == [subject.job]


async def retry(lab, subject):
    again = await lab.jobs.retry(subject.job)
    assert (again.retry_of, [child.host for child in again.children]) == (subject.job, ["h"])


async def retry_disconnected(lab, subject):
    again = await lab.jobs.retry(subject.job, disconnected=True)
    assert [child.host for child in again.children] == ["h"]


async def set_(lab, subject):
    [job] = await lab.jobs.set(subject.job, throttle_limit=1)
    assert job.throttle_limit == 1


SAME, GONE = "as it was", "gone"
LOOKS = dict.fromkeys([list_, get, receive, set_], SAME)
"""What only looks at a job, and what changes none of its hosts."""
REFUSED = {remove: NotRemovable, remove_force: GONE}
NO_RETRY = {retry: UsageError, retry_disconnected: UsageError}
FINAL_ROW = {
    **dict.fromkeys([wait, wait_for_running, stop, stop_child, suspend, resume], SAME),
    **LOOKS,
    **dict.fromkeys([remove, remove_force], GONE),
    **NO_RETRY,
}
"""Nothing changes what has ended; only remove takes it away."""
ROWS = {
    S.NOT_STARTED: {
        **(LOOKS | REFUSED | NO_RETRY),
        **dict.fromkeys([wait, wait_for_running], WaitTimeout),
        **dict.fromkeys([stop, stop_child], S.STOPPED),
        **dict.fromkeys([suspend, resume], SAME),
    },
    S.RUNNING: {
        **(LOOKS | REFUSED | NO_RETRY),
        wait: WaitTimeout,
        wait_for_running: SAME,
        **dict.fromkeys([stop, stop_child], S.STOPPED),
        suspend: S.SUSPENDED,
        resume: SAME,
    },
    S.COMPLETED: FINAL_ROW,
    S.FAILED: FINAL_ROW | {retry: SAME},
    S.STOPPED: FINAL_ROW,
    S.SUSPENDED: {
        **(LOOKS | REFUSED | NO_RETRY),
        **dict.fromkeys([wait, wait_for_running, suspend], SAME),
        **dict.fromkeys([stop, stop_child], S.STOPPED),
        resume: S.RUNNING,
    },
    S.DISCONNECTED: {
        **(LOOKS | REFUSED),
        **dict.fromkeys([wait, wait_for_running, stop, stop_child, suspend, resume], SAME),
        retry: UsageError,
        retry_disconnected: SAME,
    },
    S.SUSPENDING: {
        **(LOOKS | REFUSED | NO_RETRY),
        **dict.fromkeys([wait, wait_for_running], WaitTimeout),
        suspend: SAME,
        resume: S.RUNNING,
        **dict.fromkeys([stop, stop_child], S.STOPPED),
    },
    S.STOPPING: {
        **(LOOKS | REFUSED | NO_RETRY),
        **dict.fromkeys([wait, wait_for_running], WaitTimeout),
        **dict.fromkeys([suspend, resume], SAME),
        **dict.fromkeys([stop, stop_child], S.STOPPED),
    },
}
CASES = [
    pytest.param(state, verb, expected, id=f"{state}-{verb.__name__.strip('_')}")
    for state, row in ROWS.items()
    for verb, expected in row.items()
]
CODES = {NotRemovable: 2, UsageError: 2, NoSuchJob: 3, WaitTimeout: 124}


@pytest.mark.parametrize(("state", "verb", "expected"), CASES)
async def test_each_verb_in_each_state(lab, state, verb, expected):
    """One row: how the child stands afterwards, or the error and its exit code."""
    subject = await MAKERS[state](lab)
    assert (await lab.child(subject.child)).state is state
    if isinstance(expected, type):
        with pytest.raises(expected) as caught:
            await verb(lab, subject)
        assert type(caught.value) is expected
        assert caught.value.exit_code == CODES[expected]
        assert (await lab.child(subject.child)).state is state
        return
    await verb(lab, subject)
    if expected == GONE:
        for gone in (subject.job, subject.child):
            with pytest.raises(NoSuchJob):
                await lab.jobs.get(gone)
        return
    assert (await lab.child(subject.child)).state is (state if expected == SAME else expected)


def test_every_state_has_a_row_for_every_verb():
    """A verb that is added to one row is added to all; Blocked has a maker of its own."""
    assert set(ROWS) == set(MAKERS) == set(S) - {S.BLOCKED}
    assert {frozenset(row) for row in ROWS.values()} == {frozenset(FINAL_ROW)}
