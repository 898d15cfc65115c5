"""The life of jobs, on hosts in memory over a real store."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

import pytest

from remjobs.api import Jobs
from remjobs.engine.engine import Engine
from remjobs.engine.service import EngineService
from remjobs.errors import (
    NoSuchJob,
    NotRemovable,
    StoreError,
    UsageError,
    WaitTimeout,
)
from remjobs.model.host import Host, SshOptions
from remjobs.model.job import Child, JobType, ReasonKind
from remjobs.model.record import Record, Stream
from remjobs.model.request import (
    Connection,
    JobQuery,
    ReceiveOptions,
    StartRequest,
    Targets,
)
from remjobs.model.state import JobState
from remjobs.model.work import Command, Work
from remjobs.store.sql import SqlStore
from remjobs.testing import MemoryHost, MemoryKeyring, MemoryTransport, memory_engine
from remjobs.transports.base import Exited, HostFailure, Lost, OutcomeUnknown, Signaled

S, K = JobState, ReasonKind
OUT, ERR = Stream.OUTPUT, Stream.ERROR


class Lab:
    """An engine, its hosts, and the Python API over it."""

    def __init__(self, engine, service, fleet):
        self.engine = engine
        self.jobs = Jobs(service)
        self.fleet = fleet

    async def start(self, hosts, **more):
        named = self.fleet.hosts(hosts) if isinstance(hosts, int) else hosts
        return await self.jobs.start("work", on=named, **{"durable": False, **more})

    async def ran(self, hosts, **more):
        job = await self.start(hosts, **more)
        return (await self.jobs.wait(job, timeout=10))[0]

    async def until(self, condition):
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.005)


@pytest.fixture
async def lab(tmp_path):
    fleet = MemoryTransport()
    async with memory_engine(tmp_path, fleet) as (engine, service):
        yield Lab(engine, service, fleet)


def states(job):
    return [child.state for child in job.children]


async def received(jobs, job, **options):
    return [event async for event in jobs.receive(job, options=ReceiveOptions(**options))]


def data(events):
    return [event.data for event in events if isinstance(event, Record)]


# Starting


async def test_start_returns_at_once_and_the_job_is_running(lab):
    """However long the work takes; its children wait for the throttle meanwhile."""
    gate = lab.fleet.behaviour("h1").connect_gate = asyncio.Event()
    job = await lab.start(3, throttle_limit=1)
    assert (job.id, [child.id for child in job.children]) == (1, [2, 3, 4])
    assert (job.state, job.type) == (S.RUNNING, JobType.REMOTE)
    assert states(job) == [S.NOT_STARTED] * 3
    gate.set()
    assert (await lab.jobs.wait(job))[0].state is S.COMPLETED
    assert (await lab.start(1)).id == 5


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
async def test_never_more_active_than_the_throttle_and_in_order(lab, limit):
    """Connecting counts as active; inventory order is kept."""
    await lab.ran(12, throttle_limit=limit)
    assert lab.fleet.peak == min(limit, 12)
    assert [name for name, _ in lab.fleet.starts] == [f"h{n}" for n in range(1, 13)]


async def test_a_shortage_of_ours_lowers_the_throttle(tmp_path):
    """File descriptors that are not there must not look like unreachable hosts."""
    fleet = MemoryTransport()
    engine = Engine(
        await SqlStore.open(tmp_path), {"memory": fleet}, MemoryKeyring(), most_at_once=3
    )
    jobs = Jobs(EngineService(engine, tmp_path / "none"))
    job = await jobs.run("work", on=fleet.hosts(9), throttle_limit=100)
    assert (job.state, fleet.peak, job.throttle_limit) == (S.COMPLETED, 3, 100)
    await engine.close()


async def test_a_failed_connect_frees_its_slot(lab):
    """Unreachable hosts do not block those behind them."""
    for number in (1, 2):
        lab.fleet.behaviour(f"h{number}").refuses = HostFailure(K.UNREACHABLE, "no")
    job = await lab.ran(4, throttle_limit=1)
    assert states(job) == [S.FAILED, S.FAILED, S.COMPLETED, S.COMPLETED]


async def test_a_host_failure_is_a_state_with_its_reason_and_no_begin_time(lab):
    """Failed before it began: never a begin time, and the reason names the host."""
    lab.fleet.behaviour("h1").refuses = HostFailure(K.HOST_KEY, "host key unknown")
    child = (await lab.ran(1)).children[0]
    assert (child.state, child.reason.kind) == (S.FAILED, K.HOST_KEY)
    assert child.reason.message == "h1: host key unknown"
    assert child.begin_time is None
    assert child.end_time is not None
    assert child.attempt == 0


@pytest.mark.parametrize(
    ("outcome", "state", "kind"),
    [
        (Exited(0), S.COMPLETED, None),
        (Exited(7), S.FAILED, K.EXIT),
        (Signaled("SEGV"), S.FAILED, K.SIGNAL),
        (Lost("cut"), S.DISCONNECTED, K.LOST),
    ],
)
async def test_the_outcome_gives_the_state(lab, outcome, state, kind):
    """Exit, signal, and a lost connection, which is never success."""
    lab.fleet.behaviour("h1").outcome = outcome
    job = await lab.ran(1)
    child = job.children[0]
    assert (job.state, child.state) == (state, state)
    assert (child.reason and child.reason.kind) == kind
    assert child.begin_time is not None
    assert (child.end_time is None) == (state is S.DISCONNECTED)


async def test_success_codes_count_as_success(lab):
    """Grep's 1 need not be a failure."""
    lab.fleet.behaviour("h1").outcome = Exited(1)
    job = await lab.ran(1, success_codes=frozenset({0, 1}))
    assert (job.state, job.children[0].exit_code) == (S.COMPLETED, 1)


async def test_work_that_may_have_been_started_is_unknown(lab):
    """A cut while it was being sent is not a failure to start."""
    lab.fleet.behaviour("h1").fails_to_start = OutcomeUnknown("cut at the start")
    child = (await lab.ran(1)).children[0]
    assert (child.state, child.reason.kind) == (S.DISCONNECTED, K.LOST)


async def test_work_that_the_host_refused_has_not_begun(lab):
    """The intent was committed, but the begin time is taken back."""
    lab.fleet.behaviour("h1").fails_to_start = HostFailure(K.REFUSED, "no channel")
    child = (await lab.ran(1)).children[0]
    assert (child.state, child.reason.kind, child.begin_time) == (S.FAILED, K.REFUSED, None)


async def test_a_fault_of_ours_ends_one_child_not_the_job(lab, caplog):
    """The others go on; what may run on the host is not called failed."""
    lab.fleet.behaviour("h1").fails_to_start = RuntimeError("bug")
    job = await lab.ran(3)
    assert states(job) == [S.DISCONNECTED, S.COMPLETED, S.COMPLETED]
    assert job.children[0].reason.kind is K.INTERNAL
    assert "RuntimeError" in caplog.text


async def test_the_intent_is_committed_before_anything_is_sent(tmp_path):
    """When start() is called, the ledger on disk says Running, attempt 1, with the key."""
    seen: list[tuple[JobState, int, bool]] = []

    class Looking(MemoryTransport):
        async def connect(self, host, access):
            session = await super().connect(host, access)
            begin = session.start

            async def start(key, work):
                stored = await store.load(1)
                entry = stored.entries[0]
                seen.append((entry.child.state, entry.child.attempt, entry.key == key))
                return await begin(key, work)

            session.start = start  # type: ignore[method-assign]
            return session

    fleet = Looking()
    store = await SqlStore.open(tmp_path)
    engine = Engine(store, {"memory": fleet}, MemoryKeyring())
    jobs = Jobs(EngineService(engine, tmp_path / "none"))
    await jobs.run("work", on=[fleet.host("h1")])
    assert seen == [(S.RUNNING, 1, True)]
    await engine.close()


async def test_starting_the_same_request_twice_starts_one_job(lab):
    """A client that lost the answer may ask again."""
    request = StartRequest(
        instance_id=uuid4(),
        work=Work(command=Command(text="x")),
        targets=Targets(hosts=tuple(lab.fleet.hosts(2))),
    )
    begun = await asyncio.gather(*(lab.jobs.service.start(request) for _ in range(8)))
    await lab.jobs.wait(begun[0])
    begun.append(await lab.jobs.service.start(request))
    await lab.jobs.wait(begun[0])
    assert len({job.id for job in begun}) == 1
    assert len(lab.fleet.starts) == 2


async def test_a_job_that_was_stored_is_begun_though_the_asker_has_gone(lab):
    """Cancelled in the middle of the start, it is whole all the same."""
    asking = asyncio.create_task(lab.start(2))
    while not await lab.jobs.list():
        await asyncio.sleep(0)
    asking.cancel()
    [job] = await lab.jobs.wait("@last", timeout=10)
    assert job.state is S.COMPLETED


@pytest.mark.parametrize(
    ("hosts", "message"),
    [(["impossible"], "can never work"), (["h1", "impossible"], "can never work")],
)
async def test_what_cannot_work_on_one_host_starts_on_none(lab, hosts, message):
    """Refused before anything starts, for all hosts."""
    with pytest.raises(UsageError, match=message):
        await lab.start([lab.fleet.host(name) for name in hosts])
    assert await lab.jobs.list() == ()
    assert lab.fleet.starts == []


async def test_an_unknown_transport_is_refused_by_name(lab):
    """With the ones there are."""
    with pytest.raises(UsageError, match="no transport 'telnet'; there are: memory"):
        await lab.start([Host(name="h", transport="telnet")])


async def test_connection_settings_of_the_request_win_over_the_hosts(lab):
    """User, port and SSH options given at the start hold for every host."""
    host = Host(name="h1", transport="memory", user="a", ssh=SshOptions(connect_timeout=1))
    connection = Connection(user="b", port=7, ssh=SshOptions(login_timeout=2))
    job = await lab.start([host], connection=connection)
    stored = (await lab.engine.store.load(job.id)).entries[0].host
    assert (stored.user, stored.port) == ("b", 7)
    assert stored.ssh == SshOptions(connect_timeout=1, login_timeout=2)


# Stopping


async def test_stop_ends_running_and_waiting_children(lab):
    """None failed: Stopped, those that were queued too, and those were never sent."""
    for number in range(1, 5):
        lab.fleet.behaviour(f"h{number}").gate = asyncio.Event()
    job = await lab.start(4, throttle_limit=2)
    await lab.until(lambda: len(lab.fleet.starts) == 2)
    [stopped] = await lab.jobs.stop(job)
    assert stopped.state is S.STOPPED
    assert states(stopped) == [S.STOPPED] * 4
    assert [child.begin_time is None for child in stopped.children] == [False, False, True, True]
    assert len(lab.fleet.starts) == 2


async def test_stop_after_a_failure_is_failed(lab):
    """A parent with a failed child is Failed, however the rest ended."""
    lab.fleet.behaviour("h1").outcome = Exited(1)
    lab.fleet.behaviour("h2").gate = asyncio.Event()
    job = await lab.start(2)
    await lab.until(lambda: len(lab.fleet.starts) == 2)
    [stopped] = await lab.jobs.stop(job)
    assert states(stopped) == [S.FAILED, S.STOPPED]
    assert stopped.state is S.FAILED


async def test_stop_of_a_finished_job_changes_nothing(lab):
    """Nothing at all."""
    job = await lab.ran(2)
    assert await lab.jobs.stop(job) == (job,)


async def test_a_kill_that_is_not_confirmed_is_not_called_stopped(lab):
    """Disconnected, and the message says why."""
    host = lab.fleet.behaviour("h1")
    host.gate, host.immortal = asyncio.Event(), True
    job = await lab.start(1)
    await lab.until(lambda: lab.fleet.starts)
    child = (await lab.jobs.stop(job))[0].children[0]
    assert child.state is S.DISCONNECTED
    assert child.status_message == "kill not confirmed: still running: pid 1"


async def test_stop_while_connecting_starts_nothing(lab):
    """A host that is being reached is let go of."""
    lab.fleet.behaviour("h1").connect_gate = asyncio.Event()
    job = await lab.start(1)
    await lab.until(lambda: lab.fleet.active == 1)
    child = (await lab.jobs.stop(job))[0].children[0]
    assert (child.state, child.begin_time) == (S.STOPPED, None)
    assert lab.fleet.starts == []
    assert lab.fleet.active == 0


async def test_output_before_the_stop_is_still_receivable(lab):
    """What came, came."""
    host = lab.fleet.behaviour("h1")
    host.output, host.gate = [(OUT, b"before\n")], asyncio.Event()
    job = await lab.start(1)
    async for record in lab.jobs.follow(job):
        assert record.data == b"before\n"
        break
    await lab.jobs.stop(job)
    assert data(await received(lab.jobs, job)) == [b"before\n"]


async def test_two_stops_at_once_end_the_same(lab):
    """Both return when it is over."""
    lab.fleet.behaviour("h1").gate = asyncio.Event()
    job = await lab.start(1)
    await lab.until(lambda: lab.fleet.starts)
    first, second = await asyncio.gather(lab.jobs.stop(job), lab.jobs.stop(job))
    assert first == second


async def test_a_suspended_job_starts_no_more_until_resumed(lab):
    """Those that run are held on their hosts; the rest wait, and the parent says so."""
    gate = lab.fleet.behaviour("h1").gate = asyncio.Event()
    job = await lab.start(3, throttle_limit=1)
    await lab.until(lambda: lab.fleet.starts)
    assert (await lab.jobs.suspend(job))[0].state is S.SUSPENDED
    [suspended] = await lab.jobs.wait(job)
    assert states(suspended) == [S.SUSPENDED, S.NOT_STARTED, S.NOT_STARTED]
    [resumed] = await lab.jobs.resume(job)
    assert states(resumed) == [S.RUNNING, S.NOT_STARTED, S.NOT_STARTED]
    gate.set()
    assert (await lab.jobs.wait(job))[0].state is S.COMPLETED


# Receiving


async def test_receive_gives_children_in_inventory_order_once(lab):
    """Within a child by arrival over its streams; the second receive is empty."""
    lab.fleet.behaviour("h1").output = [(OUT, b"a"), (ERR, b"b"), (OUT, b"c")]
    lab.fleet.behaviour("h2").output = [(OUT, b"d")]
    job = await lab.ran(2)
    events = await received(lab.jobs, job)
    assert [(e.host, e.stream, e.data) for e in events] == [
        ("h1", OUT, b"a"),
        ("h1", ERR, b"b"),
        ("h1", OUT, b"c"),
        ("h2", OUT, b"d"),
    ]
    assert await received(lab.jobs, job) == []
    assert not (await lab.jobs.get(job))[0].has_more_data


async def test_a_look_since_a_time_takes_nothing(lab):
    """What came after it, and the read position stays; not together with wait."""
    lab.fleet.behaviour("h1").output = [(OUT, b"a")]
    job = await lab.ran(1)
    [record] = await received(lab.jobs, job, keep=True)
    assert await received(lab.jobs, job, since=record.time) == []
    earlier = record.time - timedelta(seconds=1)
    for _ in range(2):
        assert data(await received(lab.jobs, job, since=earlier)) == [b"a"]
    assert data(await received(lab.jobs, job)) == [b"a"]
    with pytest.raises(UsageError, match="--since and --wait"):
        ReceiveOptions(since=earlier, wait=True)


async def test_a_parent_has_no_records_of_its_own(lab):
    """Without recursion it gives none; a child that is named gives its own."""
    lab.fleet.behaviour("h1").output = [(OUT, b"a")]
    job = await lab.ran(2)
    assert await received(lab.jobs, job, recurse=False) == []
    child = job.children[0].id
    assert data(await received(lab.jobs, child, recurse=False)) == [b"a"]


async def test_keep_keep_take_take(lab):
    """Same, same, same, empty; and --all gives it once more."""
    lab.fleet.behaviour("h1").output = [(OUT, b"a"), (OUT, b"b")]
    job = await lab.ran(1)
    for options in ({"keep": True}, {"keep": True}, {}):
        assert b"".join(data(await received(lab.jobs, job, **options))) == b"ab"
    assert await received(lab.jobs, job) == []
    assert b"".join(data(await received(lab.jobs, job, everything=True))) == b"ab"


async def test_partial_receives_joined_equal_the_whole(lab):
    """One stream, then the rest; the two make all of it."""
    lab.fleet.behaviour("h1").output = [(OUT, b"a"), (ERR, b"b"), (OUT, b"c")]
    job = await lab.ran(1)
    errors = await received(lab.jobs, job, streams=frozenset({ERR}))
    assert data(errors) == [b"b"]
    assert (await lab.jobs.get(job))[0].has_more_data
    assert data(await received(lab.jobs, job)) == [b"a", b"c"]


async def test_a_receiver_that_leaves_early_loses_nothing(lab):
    """What it was not handed is there for the next; what it was is not repeated."""
    lab.fleet.behaviour("h1").output = [(s, b"%d" % n) for n in range(4) for s in (OUT, ERR)]
    job = await lab.ran(1)
    first = []
    source = lab.jobs.receive(job)
    async for event in source:
        first.append(event)
        if len(first) == 4:
            break
    await source.aclose()
    rest = await received(lab.jobs, job)
    assert [event.seq for event in [*first[:3], *rest]] == sorted(
        {event.seq for event in [*first, *rest]},
    )


async def test_two_receivers_at_once_share_without_loss_or_repeat(lab):
    """Each record goes to exactly one of them."""
    lab.fleet.behaviour("h1").output = [(s, b"x") for _ in range(200) for s in (OUT, ERR)]
    job = await lab.ran(1)
    one, two = await asyncio.gather(received(lab.jobs, job), received(lab.jobs, job))
    seqs = [event.seq for event in [*one, *two]]
    assert len(seqs) == len(set(seqs)) == (await lab.engine.store.last(job.id))


async def test_receive_wait_follows_to_the_end_with_changes_in_order(lab):
    """A child's last record comes before the news of its end.

    What happened before the receive began is not told as a change.
    """
    gate = asyncio.Event()
    host = lab.fleet.behaviour("h1")
    host.output, host.gate, host.outcome = [(OUT, b"a")], gate, Exited(1)
    job = await lab.start(2)
    events = []
    options = ReceiveOptions(wait=True, events=True)
    async for event in lab.jobs.receive(job, options=options):
        events.append(event)
        gate.set()
    of_h1 = [event for event in events if event.host == "h1"]
    kinds = ["record" if isinstance(e, Record) else e.state.value for e in of_h1]
    assert kinds[-1] == "Failed"
    assert sorted(kinds[:-1]) in (["record"], ["Running", "record"])
    assert [e.state for e in events if isinstance(e, Child) and e.host == "h2"][-1] is S.COMPLETED


async def test_a_failed_childs_reason_is_told_at_every_receive(lab):
    """And after the first time it counts no more as something to receive."""
    lab.fleet.behaviour("h1").refuses = HostFailure(K.UNREACHABLE, "no")
    job = await lab.ran(1)
    assert job.has_more_data
    for _ in range(2):
        [told] = await received(lab.jobs, job)
        assert told.reason.message == "h1: no"
    assert not (await lab.jobs.get(job))[0].has_more_data


async def test_receive_of_a_host_that_is_not_there_is_refused(lab):
    """A typo does not look like silence."""
    job = await lab.ran(1)
    with pytest.raises(UsageError, match="no such host in these jobs: h9"):
        await received(lab.jobs, job, hosts=("h9",))


async def test_follow_does_not_move_the_read_position(lab):
    """Looking on takes nothing away."""
    lab.fleet.behaviour("h1").output = [(OUT, b"a"), (ERR, b"b")]
    job = await lab.ran(1)
    assert [record.data async for record in lab.jobs.follow(job)] == [b"a", b"b"]
    assert data(await received(lab.jobs, job)) == [b"a", b"b"]


async def test_output_over_the_limit_is_cut_and_flagged(lab):
    """The work goes on, and the message says what is missing."""
    lab.fleet.behaviour("h1").output = [(OUT, b"x" * 100), (OUT, b"y" * 100)]
    job = await lab.ran(1, output_limit=150)
    child = job.children[0]
    assert child.state is S.COMPLETED
    assert child.status_message == "output cut at 150 bytes, 50 dropped"
    assert sum(map(len, data(await received(lab.jobs, job)))) == 150


# Waiting


async def test_wait_returns_in_the_order_that_was_asked(lab):
    """Each job once, whichever ended first."""
    gate = lab.fleet.behaviour("h1").gate = asyncio.Event()
    slow, fast = await lab.start(1), await lab.start([lab.fleet.host("h2")])
    waiting = asyncio.create_task(lab.jobs.wait(slow, fast, slow))
    await lab.jobs.wait(fast)
    gate.set()
    assert [job.id for job in await waiting] == [slow.id, fast.id]


async def test_wait_for_any_returns_with_the_first(lab):
    """The other one goes on."""
    lab.fleet.behaviour("h1").gate = asyncio.Event()
    slow, fast = await lab.start(1), await lab.start([lab.fleet.host("h2")])
    assert [job.id for job in await lab.jobs.wait(slow, fast, any_=True)] == [fast.id]
    await lab.jobs.stop(slow)


async def test_a_wait_that_runs_out_says_what_still_runs(lab):
    """Also with a time-out of 0, at once."""
    lab.fleet.behaviour("h1").gate = asyncio.Event()
    job = await lab.start(1)
    for timeout in (0, 0.05):
        with pytest.raises(WaitTimeout, match=f"still running: job {job.id}"):
            await lab.jobs.wait(job, timeout=timeout)
    await lab.jobs.stop(job)


async def test_a_negative_timeout_is_refused(lab):
    """It is a typo, not 'for ever'."""
    with pytest.raises(UsageError, match="cannot be negative: -1"):
        await lab.jobs.wait((await lab.ran(1)).id, timeout=-1)


async def test_waiting_for_no_jobs_returns_at_once(lab):
    """There is nothing to wait for."""
    assert await lab.jobs.wait() == ()


async def test_an_unknown_outcome_ends_a_wait_unless_forced(lab):
    """Disconnected may last for ever; with force the wait goes on."""
    lab.fleet.behaviour("h1").outcome = Lost("cut")
    job = await lab.ran(1)
    assert job.state is S.DISCONNECTED
    with pytest.raises(WaitTimeout):
        await lab.jobs.wait(job, force=True, timeout=0.05)


# Removing


async def test_remove_forgets_a_job_and_its_output(lab):
    """Afterwards no id of it names anything."""
    job = await lab.ran(1)
    await lab.jobs.remove(job)
    for selector in (job.id, job.children[0].id, str(job.instance_id)):
        with pytest.raises(NoSuchJob):
            await lab.jobs.get(selector)


async def test_a_running_job_is_removed_only_by_force(lab):
    """Refused by id and state; the others that were named are removed."""
    lab.fleet.behaviour("h1").gate = asyncio.Event()
    running, done = await lab.start(1), await lab.ran([lab.fleet.host("h2")])
    with pytest.raises(NotRemovable, match=rf"job {running.id} \(Running\); --force"):
        await lab.jobs.remove(running, done)
    assert [job.id for job in await lab.jobs.list()] == [running.id]
    await lab.jobs.remove(running, force=True)
    assert await lab.jobs.list() == ()
    assert lab.fleet.active == 0


async def test_a_child_cannot_be_removed_alone(lab):
    """The message names its job."""
    job = await lab.ran(2)
    with pytest.raises(NotRemovable, match=f"{job.children[0].id} is a child of job {job.id}"):
        await lab.jobs.remove(job.children[0].id)


async def test_an_unknown_outcome_can_be_removed_by_force(lab):
    """Else it could never be got rid of."""
    lab.fleet.behaviour("h1").outcome = Lost("cut")
    job = await lab.ran(1)
    with pytest.raises(NotRemovable):
        await lab.jobs.remove(job)
    await lab.jobs.remove(job, force=True)
    assert await lab.jobs.list() == ()


async def test_listing_filters_by_state(lab):
    """And a query by name finds without case."""
    lab.fleet.behaviour("h1").outcome = Exited(1)
    await lab.ran(1, name="Nightly")
    await lab.ran([lab.fleet.host("h2")])
    failed = await lab.jobs.service.list(JobQuery(states=frozenset({S.FAILED})))
    assert [job.name for job in failed] == ["Nightly"]
    assert [job.id for job in await lab.jobs.list("nightly")] == [1]


# Restarts


@asynccontextmanager
async def life(folder, fleet, *, cleanly):
    """One life of an engine over a folder, ended by leave or by death."""
    store = await SqlStore.open(folder)
    engine = Engine(store, {"memory": fleet}, MemoryKeyring())
    await engine.reconcile()
    yield engine, Jobs(EngineService(engine, folder / "none"))
    await engine.close(cleanly=cleanly)


@pytest.mark.parametrize("cleanly", [True, False])
async def test_after_a_restart_started_work_is_unknown_and_nothing_runs_twice(tmp_path, cleanly):
    """In doubt means Disconnected. What was not begun goes on only after an orderly end."""
    fleet = MemoryTransport()
    fleet.behaviour("h1").gate = asyncio.Event()
    async with life(tmp_path, fleet, cleanly=cleanly) as (_, jobs):
        job = await jobs.start("work", on=fleet.hosts(3), throttle_limit=1, durable=False)
        async with asyncio.timeout(5):
            while not fleet.starts:
                await asyncio.sleep(0.005)
    async with life(tmp_path, fleet, cleanly=True) as (_, jobs):
        [again] = await jobs.wait(job.id, timeout=5)
        assert again.children[0].state is S.DISCONNECTED
        assert again.children[0].reason.kind is K.LOST
        if not cleanly:
            assert again.state is S.SUSPENDED
            assert "held back" in again.status_message
            assert len(fleet.starts) == 1
            await jobs.resume(job.id)
            [again] = await jobs.wait(job.id, timeout=5)
        assert again.state is S.DISCONNECTED
    assert [name for name, _ in fleet.starts] == ["h1", "h2", "h3"]


async def test_attached_work_that_was_held_is_unknown_after_a_restart(tmp_path):
    """Nobody can let it go on: Suspended would be a promise that is not kept."""
    fleet = MemoryTransport()
    fleet.behaviour("h1").gate = asyncio.Event()
    async with life(tmp_path, fleet, cleanly=False) as (_, jobs):
        job = await jobs.start("work", on=fleet.hosts(1), durable=False)
        await jobs.wait(job, state=S.RUNNING, timeout=5)
        await jobs.suspend(job)
        await jobs.wait(job, state=S.SUSPENDED, timeout=5)
    async with life(tmp_path, fleet, cleanly=True) as (_, jobs):
        [again] = await jobs.wait(job.id, timeout=5)
        assert again.state is again.children[0].state is S.DISCONNECTED
        assert again.children[0].reason.kind is K.LOST


async def test_a_finished_job_is_the_same_after_a_restart(tmp_path):
    """History does not change by being looked at again."""
    fleet = MemoryTransport({"h1": MemoryHost(output=[(OUT, b"kept")])})
    async with life(tmp_path, fleet, cleanly=True) as (_, jobs):
        before = await jobs.run("work", on=fleet.hosts(2))
    async with life(tmp_path, fleet, cleanly=True) as (_, jobs):
        assert (await jobs.get(before.id))[0] == before
        assert await jobs.output(before.id) == {"h1": b"kept"}


async def test_an_engine_that_was_superseded_stops_working(tmp_path):
    """Its job breaks off at the next write; the new owner's ledger stands."""
    fleet = MemoryTransport()
    gate = fleet.behaviour("h1").gate = asyncio.Event()
    old = await SqlStore.open(tmp_path)
    engine = Engine(old, {"memory": fleet}, MemoryKeyring())
    jobs = Jobs(EngineService(engine, tmp_path / "none"))
    await jobs.start("work", on=fleet.hosts(1), durable=False)
    async with asyncio.timeout(5):
        while not fleet.starts:
            await asyncio.sleep(0.005)
    async with life(tmp_path, fleet, cleanly=True) as (_, newer):
        gate.set()
        async with asyncio.timeout(5):
            await engine.failed.wait()
        with pytest.raises(StoreError, match="taken this store over"):
            await jobs.start("more", on=fleet.hosts(1))
        assert (await newer.get(1))[0].state is S.DISCONNECTED
    await engine.close(cleanly=False)
