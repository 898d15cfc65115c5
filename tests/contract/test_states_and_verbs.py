"""What each verb does to a child in each state: one row each, for both services.

``ROWS`` says for a child in each state what each verb does: how the child stands
afterwards, or the error. support/states.py brings it into each state by real means:
the throttle, an exit, a stop that takes its time, a host that cannot hold work, a
cut. Each row runs against the engine's service in this process, and through the
controller's client over a real Unix socket.

docs/states.md says which test holds which rule.
"""

import asyncio

import pytest
from support.states import MAKERS, PASSWORD

from remjobs.errors import NoSuchJob, NotRemovable, RemjobsError, UsageError, WaitTimeout
from remjobs.model.request import JobQuery
from remjobs.model.state import SETTLED
from remjobs.model.state import JobState as S


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
    [found] = await lab.jobs.service.list(JobQuery(states=frozenset({subject.parent})))
    assert (found.id, found.state, found.children) == (subject.job, subject.parent, None)
    counts = found.counts
    assert counts[(await lab.child(subject.child)).state] >= 1
    for state in set(S) - {subject.parent}:
        assert await lab.jobs.service.list(JobQuery(states=frozenset({state}))) == ()


async def get(lab, subject):
    [job] = await lab.jobs.get(subject.job)
    [child] = [child for child in job.children if child.id == subject.child]
    assert child == await lab.child(subject.child)
    assert job.state is subject.parent
    assert job.counts[child.state] == sum(c.state is child.state for c in job.children)
    assert (child.begin_time is None) == (child.state in {S.NOT_STARTED, S.BLOCKED})
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


async def answer(lab, subject):
    await lab.jobs.answer(subject.child, answer=PASSWORD)
    async with asyncio.timeout(10):
        while (await lab.child(subject.child)).state in {S.BLOCKED, S.NOT_STARTED}:
            await asyncio.sleep(0.01)


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
NOTHING_TO_DO = dict.fromkeys([retry, retry_disconnected, answer], UsageError)
"""Nothing that failed is there, nor anything that waits for a person."""
FINAL_ROW = {
    **dict.fromkeys([wait, wait_for_running, stop, stop_child, suspend, resume], SAME),
    **LOOKS,
    **dict.fromkeys([remove, remove_force], GONE),
    **NOTHING_TO_DO,
}
"""Nothing changes what has ended; only remove takes it away."""
ROWS = {
    S.NOT_STARTED: {
        **(LOOKS | REFUSED | NOTHING_TO_DO),
        **dict.fromkeys([wait, wait_for_running], WaitTimeout),
        **dict.fromkeys([stop, stop_child], S.STOPPED),
        **dict.fromkeys([suspend, resume], SAME),
    },
    S.RUNNING: {
        **(LOOKS | REFUSED | NOTHING_TO_DO),
        wait: WaitTimeout,
        wait_for_running: SAME,
        **dict.fromkeys([stop, stop_child], S.STOPPED),
        suspend: S.SUSPENDED,
        resume: SAME,
    },
    S.BLOCKED: {
        **(LOOKS | REFUSED | NOTHING_TO_DO),
        **dict.fromkeys([wait, wait_for_running, suspend, resume], SAME),
        **dict.fromkeys([stop, stop_child], S.STOPPED),
        answer: S.RUNNING,
    },
    S.COMPLETED: FINAL_ROW,
    S.FAILED: FINAL_ROW | {retry: SAME},
    S.STOPPED: FINAL_ROW,
    S.SUSPENDED: {
        **(LOOKS | REFUSED | NOTHING_TO_DO),
        **dict.fromkeys([wait, wait_for_running, suspend], SAME),
        **dict.fromkeys([stop, stop_child], S.STOPPED),
        resume: S.RUNNING,
    },
    S.DISCONNECTED: {
        **(LOOKS | REFUSED),
        **dict.fromkeys([wait, wait_for_running, stop, stop_child, suspend, resume], SAME),
        retry: UsageError,
        **dict.fromkeys([retry_disconnected, answer], SAME),
    },
    S.SUSPENDING: {
        **(LOOKS | REFUSED | NOTHING_TO_DO),
        **dict.fromkeys([wait, wait_for_running], WaitTimeout),
        suspend: SAME,
        resume: S.RUNNING,
        **dict.fromkeys([stop, stop_child], S.STOPPED),
    },
    S.STOPPING: {
        **(LOOKS | REFUSED | NOTHING_TO_DO),
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
CODES: dict[type, int] = {NotRemovable: 2, UsageError: 2, NoSuchJob: 3, WaitTimeout: 124}


@pytest.mark.parametrize(("state", "verb", "expected"), CASES)
async def test_each_verb_in_each_state(lab, state, verb, expected):
    """One row: how the child stands afterwards, or the error and its exit code."""
    subject = await MAKERS[state](lab)
    assert (await lab.child(subject.child)).state is state
    if isinstance(expected, type):
        with pytest.raises(RemjobsError) as caught:
            await verb(lab, subject)
        assert (type(caught.value), caught.value.exit_code) == (expected, CODES[expected])
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
    """A verb that is added to one row is added to all."""
    assert set(ROWS) == set(MAKERS) == set(S)
    assert {frozenset(row) for row in ROWS.values()} == {frozenset(FINAL_ROW)}
