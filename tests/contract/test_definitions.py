"""What every DefinitionService must do: the engine's own, and the controller's client."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from remjobs.errors import NoSuchDefinition, UsageError
from remjobs.model.definition import InstancePolicy, Outcome
from remjobs.model.job import JobType
from remjobs.model.state import JobState as S
from remjobs.model.trigger import At, AtStartup, Cron, Every

P = InstancePolicy


async def define(lab, name="d", host="h", **more):
    """Save work on a host in memory."""
    return await lab.jobs.define(name, "work", on=[lab.fleet.host(host)], durable=False, **more)


async def outcomes(lab, name="d"):
    return [(e.outcome, e.state) for e in await lab.jobs.definition_history(name)]


async def has(lab, count, outcome, name="d", timeout=15):
    """Wait until the history has so many of an outcome; return them all."""
    async with asyncio.timeout(timeout):
        while True:
            history = await lab.jobs.definition_history(name)
            if sum(entry.outcome is outcome for entry in history) >= count:
                return history
            await asyncio.sleep(0.02)


async def test_started_by_hand_it_runs_at_once_whatever_its_triggers_say(lab):
    """A job like any other, of type ScheduledJob, told in the history; also if disabled."""
    tomorrow = At(time=datetime.now(UTC) + timedelta(days=1))
    saved = await define(lab, path="/ops", triggers=[tomorrow], enabled=False)
    assert (saved.full_name, saved.next_time, saved.enabled) == ("/ops/d", None, False)
    job = await lab.jobs.start_definition("D")
    assert (job.type, job.name, job.definition) == (JobType.SCHEDULED, "d", "/ops/d")
    [done] = await lab.jobs.wait(job, timeout=10)
    assert done.state is S.COMPLETED
    [entry] = await lab.jobs.definition_history("/ops/d")
    assert (entry.job_id, entry.outcome, entry.state) == (job.id, Outcome.STARTED, S.COMPLETED)
    assert (entry.instance_id, entry.message) == (job.instance_id, "by hand")


async def test_names_are_unique_under_a_path_without_regard_to_case(lab):
    """None and two are different errors; a path says which of two."""
    await define(lab, "Nightly", path="/a")
    with pytest.raises(UsageError, match="there is a definition /A/NIGHTLY already"):
        await define(lab, "NIGHTLY", path="/A/")
    await define(lab, "nightly", path="/b", host="g")
    with pytest.raises(NoSuchDefinition, match="no definition 'daily'"):
        await lab.jobs.definitions("daily")
    with pytest.raises(NoSuchDefinition, match="under /c; there is /a/Nightly, /b/nightly"):
        await lab.jobs.definitions("nightly", "/c")
    with pytest.raises(UsageError, match="2 definitions have the name 'nightly'"):
        await lab.jobs.start_definition("nightly")
    [found] = await lab.jobs.definitions("/B/nightly")
    assert found.location == "g"
    job = await lab.jobs.start_definition("nightly", "b")
    assert job.definition == "/b/nightly"
    assert [d.full_name for d in await lab.jobs.definitions()] == ["/a/Nightly", "/b/nightly"]


async def test_what_cannot_start_is_not_saved(lab):
    """Neither work that a host can never do, nor a trigger that never fires."""
    with pytest.raises(UsageError, match="this host can never work"):
        await define(lab, host="impossible")
    with pytest.raises(UsageError, match="that has passed"):
        await define(lab, triggers=[At(time=datetime(2020, 1, 1, tzinfo=UTC))])
    with pytest.raises(UsageError, match="is not a cron expression"):
        await define(lab, triggers=[Cron(expression="often", timezone="UTC")])
    for name in ("", " ", "a/b", "a\nb", " a"):
        with pytest.raises(UsageError, match="name"):
            await define(lab, name)
    assert await lab.jobs.definitions() == ()


async def test_ignore_new_lets_what_runs_go_on(lab):
    """What fires meanwhile is told, and does not start."""
    lab.fleet.behaviour("h").gate = asyncio.Event()
    await define(lab, triggers=[Every(seconds=1)])
    history = await has(lab, 1, Outcome.IGNORED)
    assert history[0].outcome is Outcome.STARTED
    assert history[1].message == f"job {history[0].job_id} runs"
    assert len(await lab.jobs.list()) == 1


async def test_parallel_starts_beside_what_runs(lab):
    """All of them run."""
    lab.fleet.behaviour("h").gate = asyncio.Event()
    await define(lab, triggers=[Every(seconds=1)], if_running=P.PARALLEL)
    await has(lab, 2, Outcome.STARTED)
    assert {job.state for job in await lab.jobs.list()} == {S.RUNNING}


async def test_queue_starts_one_after_the_other(lab):
    """What waits is told, and starts once the one before has ended."""
    gate = lab.fleet.behaviour("h").gate = asyncio.Event()
    await define(lab, triggers=[Every(seconds=1)], if_running=P.QUEUE)
    history = await has(lab, 2, Outcome.QUEUED)
    assert [entry.outcome for entry in history[:3]] == ["Started", "Queued", "Queued"]
    gate.set()
    history = await has(lab, 3, Outcome.STARTED)
    first = [entry.job_id for entry in history if entry.job_id is not None][:3]
    jobs = await lab.jobs.wait(*first, timeout=10)
    begun = [(job.begin_time, job.end_time) for job in jobs]
    assert all(one[1] <= other[0] for one, other in pairwise(begun))
    assert history[1].message == ""


async def test_stop_existing_stops_what_runs_first(lab):
    """It is stopped, and the new one runs."""
    lab.fleet.behaviour("h").gate = asyncio.Event()
    await define(lab, triggers=[Every(seconds=1)], if_running=P.STOP_EXISTING)
    await has(lab, 2, Outcome.STARTED)
    await lab.jobs.enable_definition("d", enabled=False)
    states = [job.state for job in await lab.jobs.list()]
    assert states[0] is S.STOPPED
    assert states[-1] is S.RUNNING


async def test_what_cannot_be_stopped_is_not_doubled(lab):
    """A kill that is not confirmed starts nothing beside it."""
    host = lab.fleet.behaviour("h")
    host.gate, host.immortal = asyncio.Event(), True
    await define(lab, triggers=[Every(seconds=1)], if_running=P.STOP_EXISTING)
    history = await has(lab, 1, Outcome.FAILED)
    assert history[1].message == f"the end of job {history[0].job_id} is not confirmed"
    assert len(await lab.jobs.list()) == 1


async def test_disabled_it_fires_no_more_and_makes_up_for_nothing(lab):
    """What waits is dropped; enabled again, it goes on from then."""
    lab.fleet.behaviour("h").gate = asyncio.Event()
    await define(lab, triggers=[Every(seconds=1)], if_running=P.QUEUE)
    await has(lab, 1, Outcome.QUEUED)
    off = await lab.jobs.enable_definition("d", enabled=False)
    assert (off.enabled, off.next_time) == (False, None)
    length = len(await outcomes(lab))
    assert (await outcomes(lab))[1] == (Outcome.IGNORED, None)
    await asyncio.sleep(1.2)
    assert len(await outcomes(lab)) == length
    assert (await lab.jobs.enable_definition("d")).next_time is not None
    await has(lab, 1, Outcome.QUEUED)


async def test_the_history_keeps_the_newest(lab):
    """32 of them: the 33rd drops the oldest. Or as many as were asked for."""
    for name, more, limit in (("d", {}, 32), ("few", {"history_limit": 3}, 3)):
        await define(lab, name, **more)
        jobs = [await lab.jobs.start_definition(name) for _ in range(limit)]
        kept = [entry.job_id for entry in await lab.jobs.definition_history(name)]
        assert kept == [job.id for job in jobs]
        last = await lab.jobs.start_definition(name)
        kept = [entry.job_id for entry in await lab.jobs.definition_history(name)]
        assert kept == [*(job.id for job in jobs[1:]), last.id]


async def test_removed_it_is_gone_and_its_jobs_stay(lab):
    """The name is free again; the history does not come back."""
    await define(lab)
    job = await lab.jobs.start_definition("d")
    await lab.jobs.remove_definition("d")
    with pytest.raises(NoSuchDefinition):
        await lab.jobs.definition_history("d")
    [kept] = await lab.jobs.get(job)
    assert kept.definition == "/d"
    await define(lab)
    assert await outcomes(lab) == []
    await lab.jobs.wait(job, timeout=10)
    await lab.jobs.remove(job)


async def test_a_removed_job_is_still_told_in_the_history(lab):
    """Its state is not known any more."""
    await define(lab)
    job = await lab.jobs.start_definition("d")
    await lab.jobs.wait(job, timeout=10)
    await lab.jobs.remove(job)
    [entry] = await lab.jobs.definition_history("d")
    assert (entry.job_id, entry.state) == (job.id, None)


async def test_at_start_up_waits_for_the_next_one(lab):
    """Added to a controller that runs, it does not start."""
    saved = await define(lab, triggers=[AtStartup()])
    assert (saved.triggers, saved.next_time) == ((AtStartup(),), None)
    await lab.jobs.start_definition("d")
    assert len(await outcomes(lab)) == 1
