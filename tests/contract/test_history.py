"""The history and the pruning of every JobService: who asked for what, and what is kept."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from support.engines import until
from support.states import MAKERS

from remjobs.caller import read_caller
from remjobs.engine import prune as pruning
from remjobs.errors import UsageError
from remjobs.model.record import Stream
from remjobs.model.state import FINAL, JobState
from remjobs.transports.base import Exited

S = JobState
NOTHING = timedelta()


async def done(lab, *hosts, **more):
    """Start a job and wait for its end."""
    job = await lab.start(*hosts, **more)
    [ended] = await lab.jobs.wait(job, timeout=10)
    return ended


# History


async def test_an_entry_says_who_what_where_when_and_how_it_ended(lab):
    """And it says so from the start, and after the job was removed just as before."""
    lab.fleet.behaviour("h2").outcome = Exited(3)
    before = datetime.now(UTC)
    job = await done(lab, "h1", "h2", name="patch")
    [entry] = await lab.jobs.history()
    asked = read_caller()
    assert (entry.asker.user, entry.asker.machine) == (asked.user, asked.machine)
    assert asked.user
    assert asked.machine
    assert (entry.id, entry.name, entry.command, entry.location) == (1, "patch", "work", "h[1-2]")
    assert before <= entry.submit_time == job.submit_time <= entry.begin_time
    assert (entry.begin_time, entry.end_time) == (job.begin_time, job.end_time)
    assert (entry.state, entry.counts) == (S.FAILED, {S.COMPLETED: 1, S.FAILED: 1})
    assert entry.remove_time is None
    await lab.jobs.remove(job)
    [after] = await lab.jobs.history()
    assert after.remove_time >= entry.end_time
    assert {**_fields(after), "remove_time": None} == _fields(entry)


def _fields(entry):
    return {name: getattr(entry, name) for name in entry.__slots__}


@pytest.mark.parametrize("state", MAKERS, ids=str)
async def test_a_job_that_is_there_is_told_as_it_stands(lab, state):
    """In every state the entry has the one that the job has."""
    subject = await MAKERS[state](lab)
    [job] = await lab.jobs.get(subject.job)
    [entry] = await lab.jobs.history(subject.job)
    assert (entry.state, entry.counts) == (job.state, job.counts)
    lab.open_gates()


async def test_the_history_is_filtered(lab):
    """By name, state, host, command and time; the newest come last."""
    lab.fleet.behaviour("db1").outcome = Exited(1)
    await done(lab, "web1", "web2", "web3", name="Patch")
    await done(lab, "db1", name="backup")
    await done(lab, "web2", "db1", name="patch-2")

    async def ids(*names, **filters):
        return [entry.id for entry in await lab.jobs.history(*names, **filters)]

    assert await ids() == [1, 5, 7]
    assert await ids("patch*") == [1, 7]
    assert await ids("5", "patch") == [1, 5]
    assert await ids("nothing") == []
    assert await ids(newest=2) == [5, 7]
    assert await ids(newest=1, hosts=("web*",)) == [7]
    assert await ids(hosts=("web3",)) == [1]
    assert await ids(hosts=("web[1-2]", "db9")) == [1, 7]
    assert await ids(states=frozenset({S.FAILED})) == [5, 7]
    assert await ids(command="WO*") == [1, 5, 7]
    assert await ids(command="other") == []
    [first, *_] = await lab.jobs.history()
    assert await ids(after=first.submit_time) == [5, 7]
    assert await ids(before=first.submit_time + timedelta(microseconds=1)) == [1]
    with pytest.raises(UsageError, match="--newest 0"):
        await ids(newest=0)


async def test_a_job_that_tries_another_again_says_so_in_the_history(lab):
    """Also when both are gone."""
    lab.fleet.behaviour("h1").outcome = Exited(1)
    job = await done(lab, "h1")
    again = await lab.jobs.retry(job)
    await lab.jobs.wait(again, timeout=10)
    await lab.jobs.remove(job, again)
    assert [entry.retry_of for entry in await lab.jobs.history()] == [None, 1]


async def test_an_instance_of_a_definition_names_it(lab):
    """And says who started it."""
    await lab.jobs.define("nightly", "work", on=[lab.fleet.host("h")], durable=False)
    job = await lab.jobs.start_definition("nightly")
    await lab.jobs.wait(job, timeout=10)
    [entry] = await lab.jobs.history()
    assert (entry.definition, entry.type) == (job.definition, job.type)
    assert entry.definition.endswith("nightly")
    assert entry.asker.user == read_caller().user


# Prune


async def test_so_many_are_kept_that_ended_last(lab):
    """What runs is not counted; a dry run removes nothing and says the same."""
    for _ in range(4):
        await done(lab, "h1")
    await MAKERS[S.RUNNING](lab)
    would = await lab.jobs.prune(keep=2, dry_run=True)
    assert len(await lab.jobs.list()) == 5
    gone = await lab.jobs.prune(keep=2)
    assert [job.id for job in gone] == [job.id for job in would] == [1, 3]
    assert gone[0].state is S.COMPLETED
    assert [job.id for job in await lab.jobs.list()] == [5, 7, 9]
    assert await lab.jobs.prune(keep=2) == ()
    lab.open_gates()


async def test_what_ended_lately_is_kept(lab):
    """By age alone, and with --keep a job goes that neither keeps."""
    for _ in range(3):
        await done(lab, "h1")
    assert await lab.jobs.prune(older_than=timedelta(days=1)) == ()
    assert await lab.jobs.prune(older_than=timedelta(days=10**6), keep=0) == ()
    assert [job.id for job in await lab.jobs.prune(older_than=NOTHING, keep=1)] == [1, 3]
    assert [job.id for job in await lab.jobs.prune(older_than=NOTHING)] == [5]


@pytest.mark.parametrize("state", MAKERS, ids=str)
async def test_prune_takes_only_what_has_ended(lab, state):
    """Attached work that was lost has, as far as anyone will ever know."""
    subject = await MAKERS[state](lab)
    gone = await lab.jobs.prune(keep=0)
    assert bool(gone) == (subject.parent in FINAL | {S.DISCONNECTED})
    assert len(await lab.jobs.list()) == 1 - len(gone)
    lab.open_gates()


async def test_durable_work_that_was_lost_is_never_pruned(lab):
    """It may still run on its host, and be found again."""
    host = lab.fleet.behaviour("h")
    host.gate = None
    await MAKERS[S.DISCONNECTED](lab)
    await lab.jobs.prune(keep=0)
    job = await lab.start("h", durable=True, reconnect_for=0)
    await lab.jobs.wait(job, timeout=10)
    [now] = await lab.jobs.get(job)
    assert now.state is S.DISCONNECTED
    assert await lab.jobs.prune(keep=0, older_than=NOTHING) == ()


async def test_prune_takes_nothing_unasked(lab):
    """Without a limit it is an error, and so is one that is none."""
    with pytest.raises(UsageError, match="give --older-than, --keep, or both"):
        await lab.jobs.prune()
    with pytest.raises(UsageError, match="--keep -1"):
        await lab.jobs.prune(keep=-1)


async def test_the_controller_keeps_the_store_small_by_itself(lab, monkeypatch):
    """Jobs go by their age, received or not, and entries of removed jobs by theirs."""
    lab.fleet.behaviour("h1").output = [(Stream.OUTPUT, b"unread")]
    old, young = await done(lab, "h1"), await done(lab, "h1")
    removed = await done(lab, "h1")
    await lab.jobs.remove(removed)
    assert old.has_more_data
    long_ago = replace(old.children[0], end_time=old.end_time - timedelta(days=31))
    await lab.engine.store.save([long_ago])
    assert _there(lab, old)
    async with pruning.pruned(lab.engine, keep_days=30, history_days=None):
        await until(lambda: not _there(lab, old), "the old job is gone")
    assert [job.id for job in await lab.jobs.list()] == [young.id]
    assert [entry.id for entry in await lab.jobs.history()] == [1, 3, 5]
    monkeypatch.setattr(pruning, "MOST_ENTRIES", 1)
    await pruning._look(lab.engine, None, 1)
    assert [entry.id for entry in await lab.jobs.history()] == [3, 5]
    await pruning._look(lab.engine, None, 1e-12)
    assert [entry.id for entry in await lab.jobs.history()] == [3]
    await pruning._look(lab.engine, None, None)
    assert [job.id for job in await lab.jobs.list()] == [young.id]


def _there(lab, job):
    return (lab.engine.store._outputs._folder / f"{job.id}.db").exists()
