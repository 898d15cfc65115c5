"""The order and the pace of a job's hosts, as rules and in the engine."""

import asyncio
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remjobs import JobState as S
from remjobs.api import Jobs
from remjobs.errors import UsageError
from remjobs.model.job import ReasonKind as K
from remjobs.model.pace import Amount, Halt, Order, Pace, Step, Tally, next_step, ordered
from remjobs.model.record import Stream
from remjobs.testing import MemoryHost, MemoryTransport, MemoryWork, memory_engine
from remjobs.transports.base import Exited, HostFailure, Signaled

OUT, ERR = Stream.OUTPUT, Stream.ERROR
START, WAIT, PAUSE = Step.START, Step.WAIT, Step.PAUSE


def amounts(text):
    return tuple(map(Amount.parse, text.split(",")))


def step(total, begun, ended, *, failed=0, unreachable=0, passed=False, **pace):
    so_far = Tally(total=total, begun=begun, ended=ended, failed=failed, unreachable=unreachable)
    return next_step(Pace(**pace), so_far, canary_passed=passed)


BATCHES = {"batches": amounts("1,10%,50%")}
MOST = {"max_failures": Amount.parse("2")}
CANARY = {"canary": 2}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (step(9, 5, 0), START),
        (step(100, 0, 0, **BATCHES), START),
        (step(100, 1, 0, **BATCHES), WAIT),
        (step(100, 1, 1, **BATCHES), START),
        (step(100, 10, 1, **BATCHES), START),
        (step(100, 11, 10, **BATCHES), WAIT),
        (step(100, 11, 11, **BATCHES), START),
        (step(100, 60, 20, **BATCHES), START),
        (step(100, 61, 60, **BATCHES), WAIT),
        (step(100, 61, 61, **BATCHES), START),
        (step(3, 1, 1, batches=amounts("10%")), START),
        (step(3, 1, 0, batches=amounts("10%")), WAIT),
        (step(9, 5, 5, failed=2, **MOST), START),
        (step(9, 5, 5, failed=3, **MOST), Halt("halted: 3 of 9 failed")),
        (step(9, 5, 5, failed=1, unreachable=2, **MOST), Halt("halted: 3 of 9 failed")),
        (
            step(9, 5, 5, failed=2, unreachable=3, max_unreachable=Amount.parse("3"), **MOST),
            START,
        ),
        (
            step(9, 5, 5, unreachable=4, max_unreachable=Amount.parse("3"), **MOST),
            Halt("halted: 4 of 9 were not reached"),
        ),
        (
            step(50, 9, 9, failed=6, max_failures=Amount.parse("10%")),
            Halt("halted: 6 of 50 failed"),
        ),
        (step(50, 9, 9, failed=5, max_failures=Amount.parse("10%")), START),
        (step(9, 1, 1, failed=1, max_failures=Amount.parse("0")), Halt("halted: 1 of 9 failed")),
        (step(9, 1, 0, **CANARY), START),
        (step(9, 2, 1, **CANARY), WAIT),
        (step(9, 2, 2, **CANARY), START),
        (
            step(9, 2, 1, failed=1, **CANARY),
            Halt("halted: 1 of 2 canary hosts did not complete"),
        ),
        (step(9, 3, 3, failed=1, **CANARY), START),
        (step(9, 2, 2, pause=True, **CANARY), PAUSE),
        (step(9, 2, 2, pause=True, passed=True, **CANARY), START),
        (step(9, 3, 2, pause=True, **CANARY), START),
    ],
)
def test_what_comes_next(found, expected):
    """One row a rule."""
    assert found == expected


PACES = st.builds(
    Pace,
    batches=st.lists(
        st.builds(Amount, number=st.integers(1, 30), is_percent=st.booleans()), max_size=3
    ).map(tuple),
    canary=st.integers(0, 3),
    max_failures=st.none() | st.builds(Amount, number=st.integers(0, 20), is_percent=st.booleans()),
    max_unreachable=st.none() | st.builds(Amount, number=st.integers(0, 5)),
)


@given(
    PACES, st.lists(st.sampled_from(["ok", "failed", "away"]), min_size=1, max_size=40), st.data()
)
def test_no_more_hosts_are_begun_than_the_limits_allow(pace, fates, data):
    """Whatever fails when: what is begun after a limit was passed is nothing."""
    total, begun = len(fates), 0
    running: list[str] = []
    ended: list[str] = []
    while True:
        so_far = Tally(
            total=total,
            begun=begun,
            ended=len(ended),
            failed=ended.count("failed"),
            unreachable=ended.count("away"),
        )
        bad, away = ended.count("failed"), ended.count("away")
        if pace.max_unreachable is None:
            bad, away = bad + away, 0
        over = pace.max_failures is not None and bad > pace.max_failures.of(total)
        over |= pace.max_unreachable is not None and away > pace.max_unreachable.of(total)
        over |= bool(pace.canary and begun <= pace.canary and (bad or away))
        found = next_step(pace, so_far, canary_passed=False)
        assert isinstance(found, Halt) is over
        if isinstance(found, Halt):
            return
        first = pace.batches[0].of(total) if pace.batches else total
        bound = pace.canary or max(1, first)
        assert not (found is START and total > begun >= bound > len(ended))
        if found is START and begun < total and (not running or data.draw(st.booleans())):
            running.append(fates[begun])
            begun += 1
        elif running:
            ended.append(running.pop(data.draw(st.integers(0, len(running) - 1))))
        else:
            assert begun == total, "it never stands still while there is something to do"
            return


@pytest.mark.parametrize("text", ["", "x", "10%%", "-1", "101%", "1.5"])
def test_what_is_no_amount(text):
    """The message says what is expected."""
    with pytest.raises(UsageError, match=r"such as 10, or a share such as 10%"):
        Amount.parse(text)


@pytest.mark.parametrize(
    ("pace", "message"),
    [
        ({"batches": amounts("0")}, "a batch is 1 host or more"),
        ({"pause": True}, "give --canary too"),
        ({"delay": -1}, "cannot be negative"),
        ({"total_timeout": 0}, "must be above 0"),
    ],
)
def test_a_pace_that_makes_no_sense(pace, message):
    """It is refused before anything starts."""
    with pytest.raises(UsageError, match=message):
        Pace(**pace)


def test_orders():
    """Inventory's own; numbers as people sort them; random, but the same after a restart."""
    names = ["web10", "web9", "db1"]
    seed = UUID(int=1)
    assert ordered(Order.INVENTORY, names, seed) == [0, 1, 2]
    assert ordered(Order.SORTED, names, seed) == [2, 1, 0]
    many = [f"h{n}" for n in range(50)]
    shuffled = ordered(Order.RANDOM, many, seed)
    assert sorted(shuffled) == list(range(50)) != shuffled
    assert ordered(Order.RANDOM, many, seed) == shuffled != ordered(Order.RANDOM, many, uuid4())


# In the engine


@pytest.fixture
def fleet():
    """Hosts h1 to h6 that complete, unless a test says otherwise."""
    return MemoryTransport()


@pytest.fixture
async def jobs(tmp_path, fleet):
    """Jobs on this fleet."""
    async with memory_engine(tmp_path, fleet) as (_, service):
        yield Jobs(service)


async def ran(jobs, fleet, hosts=6, **more):
    pace = Pace(**more)
    job = await jobs.start("work", on=fleet.hosts(hosts), pace=pace, durable=False)
    return (await jobs.wait(job, timeout=10))[0]


def states(job):
    return [child.state for child in job.children]


async def until(condition):
    async with asyncio.timeout(10):
        while not await condition():
            await asyncio.sleep(0.005)


async def test_too_many_failures_halt_the_rest(jobs, fleet):
    """They are Stopped with the reason, what ran before keeps its state, the job says why."""
    for name in ("h1", "h3"):
        fleet.behaviour(name).outcome = Exited(1)
    job = await ran(jobs, fleet, batches=amounts("1"), max_failures=Amount.parse("1"))
    assert states(job) == [S.FAILED, S.COMPLETED, S.FAILED, *[S.STOPPED] * 3]
    assert (job.state, job.status_message) == (S.FAILED, "halted: 2 of 6 failed")
    assert {child.reason.kind for child in job.children[3:]} == {K.HALTED}
    assert [name for name, _ in fleet.starts] == ["h1", "h2", "h3"]


async def test_batches_begin_when_the_one_before_has_ended(jobs, fleet):
    """However many slots are free."""
    gate = asyncio.Event()
    for host in fleet.hosts(6):
        fleet.behaviour(host.name).gate = gate
    job = await jobs.start(
        "work", on=fleet.hosts(6), pace=Pace(batches=amounts("1,3")), durable=False
    )

    async def begun(count):
        return len(fleet.starts) == count

    await until(lambda: begun(1))
    gate.set()
    assert (await jobs.wait(job, timeout=10))[0].state is S.COMPLETED
    assert fleet.peak == 3


async def test_a_canary_goes_first_and_waits_for_a_person(jobs, fleet):
    """The job is Suspended and says how to go on; resume does."""
    job = await ran(jobs, fleet, canary=2, pause=True)
    assert states(job) == [S.COMPLETED] * 2 + [S.NOT_STARTED] * 4
    assert job.state is S.SUSPENDED
    assert job.status_message.startswith("the canary has ended; `remjobs resume 1` goes on")
    await jobs.resume(job)
    assert (await jobs.wait(job, timeout=10))[0].state is S.COMPLETED


async def test_a_canary_that_fails_halts(jobs, fleet):
    """Nothing else is begun."""
    fleet.behaviour("h1").refuses = HostFailure(K.UNREACHABLE, "no route")
    job = await ran(jobs, fleet, canary=1)
    assert states(job) == [S.FAILED] + [S.STOPPED] * 5
    assert fleet.starts == []


async def test_a_suspended_canary_is_no_pause(jobs, fleet):
    """A resume by hand before the canary has ended does not stand for the one after it."""
    gate = fleet.behaviour("h1").gate = asyncio.Event()
    pace = Pace(canary=1, pause=True)
    job = await jobs.start("work", on=fleet.hosts(2), pace=pace, durable=False)

    async def begun():
        return bool(fleet.starts)

    await until(begun)
    await jobs.suspend(job)
    await jobs.resume(job)
    gate.set()
    assert (await jobs.wait(job, timeout=10))[0].state is S.SUSPENDED
    assert len(fleet.starts) == 1


async def test_an_unreachable_host_is_tried_again(jobs, fleet):
    """It is NotStarted meanwhile and says when; others have its slot; then it runs once."""
    host = fleet.behaviour("h1")
    host.refuses = HostFailure(K.UNREACHABLE, "no route")
    pace = Pace(retries=50, retry_delay=0.02)
    job = await jobs.start("work", on=fleet.hosts(3), pace=pace, throttle_limit=1, durable=False)

    async def others_ran():
        return len(fleet.starts) == 2

    await until(others_ran)
    child = (await jobs.get(job))[0].children[0]
    assert (child.state, child.begin_time) == (S.NOT_STARTED, None)
    assert "no route; " in child.status_message
    assert " more tries, the next at " in child.status_message
    host.refuses = None
    [job] = await jobs.wait(job, timeout=10)
    assert job.state is S.COMPLETED
    assert (job.children[0].attempt, job.children[0].status_message) == (1, "")
    assert sorted(name for name, _ in fleet.starts) == ["h1", "h2", "h3"]


async def test_tries_end_and_a_stop_ends_them(jobs, fleet):
    """Unreachable in the end; Stopped at once by a stop; a refused login is never tried again."""
    fleet.behaviour("h1").refuses = HostFailure(K.UNREACHABLE, "no route")
    fleet.behaviour("h2").refuses = HostFailure(K.AUTHENTICATION, "denied")
    job = await ran(jobs, fleet, hosts=2, retries=2, retry_delay=0.01)
    assert states(job) == [S.FAILED, S.FAILED]
    assert [child.reason.kind for child in job.children] == [K.UNREACHABLE, K.AUTHENTICATION]
    assert job.children[0].status_message == ""
    pace = Pace(retries=5, retry_delay=60)
    job = await jobs.start("work", on=[fleet.host("h1")], pace=pace, durable=False)

    async def rests():
        return "more tries" in (await jobs.get(job))[0].children[0].status_message

    await until(rests)
    async with asyncio.timeout(5):
        [job] = await jobs.stop(job)
    assert states(job) == [S.STOPPED]


RESTLESS = {"retries": 5, "retry_delay": 0.01, "retry_on_exit": True}


async def says(jobs, job, words):
    """Wait until the first child's status message has these words."""

    async def so():
        return words in (await jobs.get(job))[0].children[0].status_message

    await until(so)


async def test_work_that_fails_runs_again_if_that_was_asked_for(jobs, fleet):
    """Under a key of its own each time; all output is kept, the last try tells the end."""
    host = fleet.behaviour("h1")
    host.outcome, host.output = Exited(3), [(OUT, b"try\n"), (ERR, b"e")]
    pace = Pace(retries=5, retry_delay=0.2, retry_on_exit=True)
    job = await jobs.start("work", on=fleet.hosts(2), pace=pace, durable=False)
    await says(jobs, job, "exit code 3; 5 more tries, the next at ")
    child = (await jobs.get(job))[0].children[0]
    assert (child.state, child.exit_code, child.attempt) == (S.RUNNING, 3, 1)
    host.outcome = Exited(0)
    [job] = await jobs.wait(job, timeout=10)
    assert states(job) == [S.COMPLETED, S.COMPLETED]
    child = job.children[0]
    assert (child.attempt, child.exit_code, child.status_message) == (2, 0, "")
    assert (await jobs.output(job))["h1"] == b"try\ntry\n"
    assert (await jobs.output(job, ERR))["h1"] == b"ee"
    keys = [key for name, key in fleet.starts if name == "h1"]
    assert len(set(keys)) == 2


async def test_the_tries_end(jobs, fleet):
    """Failed, as the last one ended; without being asked for, there is one."""
    fleet.behaviour("h1").outcome = Exited(3)
    job = await ran(jobs, fleet, hosts=1, **{**RESTLESS, "retries": 2})
    child = job.children[0]
    assert (child.state, child.attempt, child.exit_code) == (S.FAILED, 3, 3)
    assert child.reason.message == "exit code 3"
    job = await ran(jobs, fleet, hosts=1, retries=2, retry_delay=0.01)
    assert job.children[0].attempt == 1
    fleet.behaviour("h1").outcome = Signaled("KILL")
    job = await ran(jobs, fleet, hosts=1, **RESTLESS)
    assert job.children[0].attempt == 1, "a signal is no exit code"


async def test_a_stop_between_two_tries(jobs, fleet):
    """Nothing runs any more, and it is Stopped at once; a time-out has failed it."""
    fleet.behaviour("h1").outcome = Exited(3)
    pace = Pace(retries=5, retry_delay=60, retry_on_exit=True)
    job = await jobs.start("work", on=fleet.hosts(1), pace=pace, durable=False)
    await says(jobs, job, "more tries")
    async with asyncio.timeout(5):
        [job] = await jobs.stop(job)
    assert (states(job), len(fleet.starts)) == ([S.STOPPED], 1)
    job = await jobs.start("work", on=fleet.hosts(1), pace=pace, durable=False, timeout=0.3)
    [job] = await jobs.wait(job, timeout=5)
    assert (states(job), job.children[0].reason.kind) == ([S.FAILED], K.TIMEOUT)


async def test_a_host_that_is_gone_for_the_next_try(jobs, fleet):
    """It has failed as its last try did, and that it was not reached is told."""
    host = fleet.behaviour("h1")
    host.outcome = Exited(3)
    pace = Pace(retries=2, retry_delay=0.2, retry_on_exit=True)
    job = await jobs.start("work", on=fleet.hosts(1), pace=pace, durable=False)
    await says(jobs, job, "more tries")
    host.refuses = HostFailure(K.UNREACHABLE, "no route")
    [job] = await jobs.wait(job, timeout=10)
    child = job.children[0]
    assert (child.state, child.reason.message, child.attempt) == (S.FAILED, "exit code 3", 1)
    assert child.status_message == "not tried again: no route"
    assert child.begin_time is not None


async def test_a_try_that_the_host_refuses_does_not_hide_the_one_before(jobs, fleet):
    """It began, and ended so; another job has taken the lease since."""
    host = fleet.behaviour("h1")
    host.outcome = Exited(3)
    pace = Pace(retries=5, retry_delay=0.3, retry_on_exit=True)
    job = await jobs.start("work", on=fleet.hosts(1), pace=pace, durable=False, exclusive="x")
    await says(jobs, job, "exit code 3; 5 more tries")
    host.leases["x"] = ("bob@ops2 for job 7", MemoryWork())
    [child] = (await jobs.wait(job, timeout=10))[0].children
    assert (child.state, child.exit_code, child.reason.kind) == (S.FAILED, 3, K.EXIT)
    assert child.status_message == "not tried again: held by bob@ops2 for job 7"
    assert child.begin_time is not None


@pytest.mark.parametrize("durable", [True, False])
async def test_a_controller_that_ends_between_two_tries(tmp_path, durable):
    """Durable work is found to have failed, and tried again; attached work has failed."""
    fleet = MemoryTransport()
    fleet.behaviour("h1").outcome = Exited(3)
    fleet.behaviour("h1").output = [(OUT, b"try\n")]
    pace = Pace(retries=2, retry_delay=0.5, retry_on_exit=True)
    async with memory_engine(tmp_path, fleet) as (_, service):
        jobs = Jobs(service)
        job = await jobs.start("work", on=fleet.hosts(1), pace=pace, durable=durable)
        await says(jobs, job, "more tries")
    fleet.behaviour("h1").outcome = Exited(0)
    async with memory_engine(tmp_path, fleet) as (_, service):
        jobs = Jobs(service)
        [job] = await jobs.wait(job, timeout=10, force=True)
        [child] = job.children or ()
        if durable:
            assert (child.state, child.attempt) == (S.COMPLETED, 2)
            assert (await jobs.output(job))["h1"] == b"try\ntry\n"
        else:
            assert (child.state, child.exit_code) == (S.FAILED, 3)
            assert "exit code 3; not tried again: " in str(child.reason)
            assert len(fleet.starts) == 1


async def test_a_child_that_takes_too_long_has_failed(jobs, fleet):
    """Its work is stopped, confirmed; the reason says so."""
    fleet.behaviour("h1").gate = asyncio.Event()
    job = await jobs.start("work", on=fleet.hosts(2), timeout=0.05, durable=False)
    [job] = await jobs.wait(job, timeout=10)
    assert states(job) == [S.FAILED, S.COMPLETED]
    child = job.children[0]
    assert (child.reason.kind, child.reason.message) == (K.TIMEOUT, "timed out after 0.05 s")


async def test_a_time_out_that_cannot_kill_says_so(jobs, fleet):
    """An unconfirmed kill is no end."""
    fleet.behaviour("h1").gate = asyncio.Event()
    fleet.behaviour("h1").immortal = True
    job = await jobs.start("work", on=fleet.hosts(1), timeout=0.05, durable=False)
    [job] = await jobs.wait(job, timeout=10)
    assert states(job) == [S.DISCONNECTED]
    assert job.children[0].status_message.startswith("kill not confirmed")


async def test_a_job_whose_time_is_up_is_stopped(jobs, fleet):
    """What runs and what waits."""
    fleet.behaviour("h1").gate = asyncio.Event()
    pace = Pace(total_timeout=0.1)
    job = await jobs.start("work", on=fleet.hosts(2), pace=pace, throttle_limit=1, durable=False)
    [job] = await jobs.wait(job, timeout=10)
    assert states(job) == [S.STOPPED, S.STOPPED]
    assert {child.reason.kind for child in job.children} == {K.TIMEOUT}
    assert job.status_message == "the job's time was up"


async def test_a_restart_keeps_batches_limits_and_order(tmp_path, fleet):
    """What is left is begun in the same order, counting what failed before."""
    fleet.behaviour("h3").outcome = Exited(1)
    pace = Pace(order=Order.RANDOM, canary=3, pause=True, max_failures=Amount.parse("1"))
    first = MemoryTransport({"h3": MemoryHost()})
    async with memory_engine(tmp_path, first) as (_, service):
        job = await Jobs(service).start("work", on=first.hosts(6), pace=pace, durable=False)
        await Jobs(service).wait(job, timeout=10)
    before = [name for name, _ in first.starts]
    async with memory_engine(tmp_path, fleet) as (_, service):
        jobs = Jobs(service)
        await jobs.resume(job.id)
        [ended] = await jobs.wait(job.id, timeout=10)
    hosts = [child.host for child in ended.children or ()]
    places = ordered(Order.RANDOM, hosts, ended.instance_id)
    after = [name for name, _ in fleet.starts]
    assert before + after == [hosts[place] for place in places]
    assert len(before) == 3


async def test_delay_and_jitter_hold_the_next_start_back(jobs, fleet):
    """Not before so many seconds of the loop's own clock."""
    clock = asyncio.get_running_loop().time
    begun = clock()
    await ran(jobs, fleet, hosts=4, delay=0.05, jitter=0.01)
    assert clock() - begun >= 0.15
