"""What every JobService must do: the engine's own, and the controller's client.

What each verb does in each state stands in test_states_and_verbs.py.
"""

import asyncio
import re

import pytest
from support.engines import until
from support.services import counted
from support.states import ended, running, suspending

from remjobs.errors import InventoryError, NoSuchJob, NotRemovable, UsageError, WaitTimeout
from remjobs.model.doctor import ExamineRequest, Finding, Verdict
from remjobs.model.exits import ExitCode, exit_code
from remjobs.model.host import Host, HostKeyChecking, SshOptions
from remjobs.model.job import ReasonKind
from remjobs.model.known_hosts import ChosenKeys, KeyStanding
from remjobs.model.names import Names, NamesRequest
from remjobs.model.pace import Pace
from remjobs.model.ping import Stage
from remjobs.model.record import Record, Stream
from remjobs.model.request import Caller, Connection, ReceiveOptions
from remjobs.model.state import JobState as S
from remjobs.transports.base import Exited, HostFailure, Lost

OUT, ERR, OK = Stream.OUTPUT, Stream.ERROR, S.COMPLETED


# The parent


async def test_a_parent_runs_till_the_last_child_and_then_is_failed(lab):
    """One of three fails early: that shows in the counts, not yet in the state."""
    gates = {}
    for name in ("a", "b", "c"):
        gates[name] = lab.fleet.behaviour(name).gate = asyncio.Event()
    lab.fleet.behaviour("a").outcome = Exited(3)
    job = await lab.start("a", "b", "c")
    await lab.begun(3)
    for name in ("a", "b"):
        gates[name].set()
        await lab.becomes(job.children["abc".index(name)].id, S.FAILED if name == "a" else OK)
        [now] = await lab.jobs.get(job)
        assert (now.state, now.end_time) == (S.RUNNING, None)
    gates["c"].set()
    [now] = await lab.jobs.wait(job, timeout=10)
    assert (now.state, now.reason.message) == (S.FAILED, "1 of 3: exit code 3")
    assert now.begin_time == min(child.begin_time for child in now.children)
    assert now.end_time == max(child.end_time for child in now.children)


@pytest.mark.parametrize("durable", [False, True])
async def test_a_lease_is_shown_and_kept_by_a_retry(lab, durable):
    """Who comes second never begins there, and is tried again as a host that was not reached."""
    for name in ("a", "b"):
        lab.fleet.behaviour(name).gate = asyncio.Event()
    first = await lab.start("a", exclusive="patch", name="patching", durable=durable)
    await lab.begun(1)
    second = await lab.start("a", "b", exclusive="patch", durable=durable)
    await lab.becomes(second.children[0].id, S.FAILED)
    child = await lab.child(second.children[0].id)
    assert (child.begin_time, child.reason.kind) == (None, ReasonKind.LEASED)
    who = rf'a: held by \S+@\S+ for job {first.id} "patching"'
    assert re.fullmatch(who, child.reason.message)
    lab.open_gates()
    await lab.jobs.wait(first, second, timeout=10)
    assert exit_code((await lab.jobs.get(second))[0].children) == ExitCode.NOT_REACHED
    again = await lab.jobs.retry(second, unreachable=True)
    [again] = await lab.jobs.wait(again, timeout=10)
    assert (again.state, again.location, again.exclusive) == (OK, "a", "patch")
    plain = await lab.start("b")
    assert (await lab.jobs.get(plain))[0].exclusive is None


async def test_errors_and_exit_0_are_completed_with_error_records(lab):
    """What is written to standard error is no failure."""
    lab.fleet.behaviour("h").output = [(ERR, b"careful")]
    job = await lab.start("h")
    assert (await lab.jobs.wait(job, timeout=10))[0].state is OK
    assert await lab.jobs.output(job, ERR) == {"h": b"careful"}


async def test_what_comes_after_stopped_changes_nothing(lab):
    """The state is final, whatever the host says later."""
    subject = await running(lab)
    [stopped_job] = await lab.jobs.stop(subject.job)
    lab.fleet.behaviour("h").gate.set()
    await until(lambda: lab.fleet.active == 0, "the session is closed")
    assert await lab.jobs.get(subject.job) == (stopped_job,)


async def test_suspend_says_where_a_host_cannot(lab):
    """The work goes on to its end there, and that end is told."""
    subject = await suspending(lab)
    child = await lab.child(subject.child)
    assert child.status_message == "not held: this host holds no work"
    lab.fleet.behaviour("h").gate.set()
    await lab.becomes(subject.child, OK)
    assert (await lab.jobs.get(subject.job))[0].state is OK


# Stopping some


@pytest.fixture
async def four(lab):
    """A job on web1 to web3 and db1, of which two run at a time."""
    for name in ("web1", "web2", "web3", "db1"):
        lab.fleet.behaviour(name).gate = asyncio.Event()
    job = await lab.start("web1", "web2", "web3", "db1", throttle_limit=2)
    for child in job.children[:2]:
        await lab.becomes(child.id, S.RUNNING)
    return job


@pytest.mark.parametrize(
    ("hosts", "stopped_ones"),
    [
        (["web1"], ["web1"]),
        (["web3"], ["web3"]),
        (["web*"], ["web1", "web2", "web3"]),
        (["web[2-3]"], ["web2", "web3"]),
        (["db?", "web1"], ["web1", "db1"]),
    ],
)
async def test_some_hosts_are_stopped_and_the_others_go_on(lab, four, hosts, stopped_ones):
    """By name, glob or range; only these are shown, and only those that ran began."""
    [part] = await lab.jobs.stop(four, hosts=hosts)
    assert [child.host for child in part.children] == stopped_ones
    assert counted(part) == {S.STOPPED: len(stopped_ones)}
    for child in part.children:
        assert (child.begin_time is None) == (child.host in {"web3", "db1"})
    for host in lab.fleet._hosts.values():
        host.gate.set()
    [done] = await lab.jobs.wait(four, timeout=10)
    assert counted(done) == {S.STOPPED: len(stopped_ones), OK: 4 - len(stopped_ones)}
    assert done.state is S.STOPPED
    assert lab.fleet.peak == 2


async def test_a_child_that_waits_is_stopped_though_its_job_is_suspended(lab, four):
    """And the job, whose last waiting child it may be, can end."""
    await lab.jobs.suspend(four)
    await lab.jobs.stop(four, hosts=["web3", "db1"])
    await lab.jobs.resume(four)
    for host in lab.fleet._hosts.values():
        host.gate.set()
    [done] = await lab.jobs.wait(four, timeout=10)
    assert counted(done) == {S.STOPPED: 2, OK: 2}


async def test_a_canary_is_waited_for_though_others_are_stopped_in_the_queue(lab):
    """What never began counts neither as begun nor as ended, also for the batches."""
    for name in "abcd":
        lab.fleet.behaviour(name).gate = asyncio.Event()
    job = await lab.start(*"abcd", pace=Pace(canary=1))
    await lab.becomes(job.children[0].id, S.RUNNING)
    await lab.jobs.stop(job, hosts=["b"])
    with pytest.raises(WaitTimeout):
        await lab.jobs.wait(job.children[2].id, state=S.RUNNING, timeout=0.05)
    lab.fleet.behaviour("a").gate.set()
    await lab.jobs.wait(job.children[2].id, job.children[3].id, state=S.RUNNING, timeout=10)
    assert (await lab.jobs.get(job))[0].counts == {OK: 1, S.STOPPED: 1, S.RUNNING: 2}


async def test_a_childs_id_stops_that_child(lab, four):
    """As its host's name does."""
    [part] = await lab.jobs.stop(four.children[1].id)
    assert [(child.host, child.state) for child in part.children] == [("web2", S.STOPPED)]
    assert part.state is S.RUNNING


async def test_a_host_that_no_job_has_stops_nothing(lab, four):
    """A literal name is refused; a glob is silent, and is not taken for the whole job."""
    with pytest.raises(UsageError, match="no such host in these jobs: web9"):
        await lab.jobs.stop(four, hosts=["web1", "web9"])
    assert await lab.jobs.stop(four, hosts=["x*"]) == ()
    assert S.STOPPED not in counted((await lab.jobs.get(four))[0])


async def test_a_kill_of_one_host_that_is_not_confirmed_is_told(lab, four):
    """Disconnected with the reason; the others go on."""
    lab.fleet.behaviour("web1").immortal = True
    [part] = await lab.jobs.stop(four, hosts=["web1"])
    [child] = part.children
    assert child.state is S.DISCONNECTED
    assert child.status_message == "kill not confirmed: still running: pid 1"
    assert (await lab.child(four.children[1].id)).state is S.RUNNING


async def test_jobs_are_stopped_by_state(lab):
    """All that are in it, or of those that were named; never all unasked."""
    done = await ended(lab, Exited(0), OK)
    lab.fleet.behaviour("g").gate = asyncio.Event()
    one, two = await lab.start("g", name="one"), await lab.start("g", name="two")
    await lab.begun(3)
    with pytest.raises(UsageError, match="name them, or give --state"):
        await lab.jobs.stop()
    assert await lab.jobs.stop(states=[S.SUSPENDED]) == ()
    assert await lab.jobs.stop(done.job, states=[S.RUNNING]) == ()
    [first] = await lab.jobs.stop("one", done.job, states=[S.RUNNING])
    assert (first.id, first.state) == (one.id, S.STOPPED)
    [second] = await lab.jobs.stop(states=[S.RUNNING])
    assert (second.id, second.state) == (two.id, S.STOPPED)


# Waiting for a state


async def test_a_wait_ends_as_soon_as_the_state_is_reached(lab, four):
    """Of a child that waits for its turn."""
    waiting = asyncio.create_task(lab.jobs.wait(four.children[2].id, state=S.RUNNING, timeout=10))
    await asyncio.sleep(0.02)
    assert not waiting.done()
    lab.fleet.behaviour("web1").gate.set()
    [part] = await waiting
    assert [(child.host, child.state) for child in part.children] == [("web3", S.RUNNING)]


@pytest.mark.parametrize(("force", "ends"), [(False, True), (True, False)])
async def test_a_wait_for_a_state_ends_where_it_may_never_come(lab, four, force, ends):
    """Suspended may last for ever: with force the wait goes on."""
    await lab.jobs.suspend(four)
    waiting = lab.jobs.wait(four, state=OK, force=force, timeout=0.05)
    if ends:
        assert (await waiting)[0].state is S.SUSPENDED
    else:
        with pytest.raises(WaitTimeout, match=f"time-out: not Completed yet: job {four.id}"):
            await waiting


async def test_any_waits_on_while_one_may_still_get_there(lab):
    """What can never be in the state ends the wait only once nothing else can."""
    done = await ended(lab, Exited(0), OK)
    lab.fleet.behaviour("g").gate = asyncio.Event()
    lab.fleet.behaviour("g").outcome = Exited(1)
    job = await lab.start("g")
    wanted = {"any_": True, "state": S.FAILED}
    with pytest.raises(WaitTimeout):
        await lab.jobs.wait(done.job, job, timeout=0.05, **wanted)
    lab.fleet.behaviour("g").gate.set()
    found = await lab.jobs.wait(done.job, job, timeout=10, **wanted)
    assert [(found.id, found.state) for found in found] == [(job.id, S.FAILED)]
    both = await lab.jobs.wait(job, done.job, any_=True, state=S.STOPPED)
    assert [found.id for found in both] == [job.id, done.job]


async def test_what_has_ended_is_seen_without_time_to_wait(lab):
    """Time-out 0, several, the same twice: at once, in the order of the input."""
    first, second = await ended(lab, Exited(0), OK), await ended(lab, Exited(3), S.FAILED)
    jobs = await lab.jobs.wait(second.job, first.job, second.job, timeout=0)
    assert [job.id for job in jobs] == [second.job, first.job]
    assert await lab.jobs.wait(timeout=0) == ()


@pytest.mark.parametrize("timeout", [-1, float("nan")])
async def test_a_time_that_is_none_is_refused(lab, timeout):
    """It is a typo, not 'for ever'."""
    with pytest.raises(UsageError, match="the time-out"):
        await lab.jobs.wait(timeout=timeout)


# Hosts of a job as targets


@pytest.fixture
async def mixed(lab):
    """A job whose hosts ended in every way, with settings of their own."""
    ways: dict[str, dict[str, object]] = {
        "fine": {},
        "bad": {"outcome": Exited(3)},
        "away": {"refuses": HostFailure(ReasonKind.UNREACHABLE, "away")},
        "lost": {"outcome": Lost("cut")},
        "busy": {"gate": asyncio.Event()},
        "late": {},
    }
    for name, way in ways.items():
        for field, value in way.items():
            setattr(lab.fleet.behaviour(name), field, value)
    hosts = [Host(name=name, transport="memory", user=f"u-{name}") for name in ways]
    job = await lab.jobs.start(
        "work",
        on=hosts,
        throttle_limit=1,
        durable=False,
        name="first",
        connection=Connection(ssh=SshOptions(connect_timeout=7)),
    )
    await lab.becomes(job.children[4].id, S.RUNNING)
    await lab.jobs.stop(job)
    return job


@pytest.mark.parametrize(
    ("on", "exclude", "hosts"),
    [
        ("@1:failed", [], "bad away"),
        ("@1:unreachable", [], "away"),
        ("@1:not-started", [], "late"),
        ("@1:NotStarted", [], "late"),
        ("@1:disconnected", [], "lost"),
        ("@1:completed", [], "fine"),
        ("@1:stopped", [], "busy late"),
        ("@last:failed", [], "bad away"),
        ("@FIRST:failed", [], "bad away"),
        ("@fir*:Unreachable", [], "away"),
        ("@1:failed", ["@1:unreachable"], "bad"),
        ("@1:failed,@1:completed", ["bad"], "away fine"),
        (["@1:lost,@1:disconnected"], ["@1:failed"], None),
        (["@1:disconnected", "@1:not-started"], [], "lost late"),
    ],
)
async def test_hosts_of_a_job_by_their_state(lab, mixed, on, exclude, hosts):
    """In its order, with the settings they had there; alone, in unions and without others."""
    if hosts is None:
        with pytest.raises(UsageError, match="@1:lost: no state 'lost'; there are: NotStarted"):
            await lab.jobs.start("again", on=on, exclude=exclude)
        return
    job = await lab.jobs.start("again", on=on, exclude=exclude, durable=False)
    assert [child.host for child in job.children] == hosts.split()
    for entry in (await lab.engine.store.load(job.id)).entries:
        assert (entry.host.transport, entry.host.user) == ("memory", f"u-{entry.host.name}")
        assert entry.host.ssh.connect_timeout == 7


async def test_settings_of_the_new_request_win(lab, mixed):
    """As they do over an inventory's."""
    job = await lab.jobs.start("again", on="@1:failed", connection=Connection(user="root"))
    stored = await lab.engine.store.load(job.id)
    assert {entry.host.user for entry in stored.entries} == {"root"}


@pytest.mark.parametrize(
    ("on", "error", "message"),
    [
        ("@1:running", UsageError, "no host of job 1 is Running: 1 Completed, 2 Failed"),
        ("fine,@1:blocked", UsageError, "no host of job 1 is Blocked"),
        ("@2:failed", UsageError, "2 is a child of job 1: name the job"),
        ("@99:failed", NoSuchJob, "no job 99"),
        ("@nosuch:failed", NoSuchJob, "no job 'nosuch'"),
        ("@*x*:failed", UsageError, "names 0 jobs; name one"),
        ("@last:sleeping", UsageError, "no state 'sleeping'; there are: NotStarted"),
        ("@nosuch:file", UsageError, "nosuch:file: cannot read the inventory"),
        ("@./1:failed", UsageError, "1:failed: cannot read the inventory"),
    ],
)
async def test_hosts_that_no_job_has_start_nothing(lab, mixed, on, error, message):
    """One message that names the term; no job comes of it."""
    with pytest.raises(error, match=message):
        await lab.jobs.start("again", on=on)
    assert len(await lab.jobs.list()) == 1


async def test_excluding_hosts_of_a_job_that_are_none_is_warned_of(lab, mixed):
    """As for any expression that excludes nothing."""
    job = await lab.jobs.start("again", on="@1:failed", exclude=["@1:running"], durable=False)
    assert job.warnings == ("-x @1:running excludes nothing",)


# Removing several


async def test_each_removal_is_answered_for_on_its_own(lab):
    """What can be removed is, and there is a line for everything else."""
    done, lost = await ended(lab, Exited(0), OK), await ended(lab, Lost("cut"), S.DISCONNECTED)
    kept = await ended(lab, Exited(0), OK)
    with pytest.raises(NotRemovable) as caught:
        await lab.jobs.remove(99, done.job, lost.job, kept.child, "nosuch", "x*", done.job)
    lines = str(caught.value).splitlines()
    assert len(lines) == 4
    assert [line.partition(";")[0] for line in lines] == [
        "no job 99",
        f"not ended, so not removed: job {lost.job} (Disconnected)",
        f"{kept.child} is a child of job {kept.job}: remove the job",
        "no job 'nosuch'",
    ]
    assert [job.id for job in await lab.jobs.list()] == [lost.job, kept.job]


async def test_what_is_not_there_hinders_no_removal(lab):
    """Where that is all, the error says so by its class."""
    done = await ended(lab, Exited(0), OK)
    with pytest.raises(NoSuchJob):
        await lab.jobs.remove("nosuch", done.job, f"Job{done.job}")
    assert await lab.jobs.list() == ()


async def test_jobs_are_removed_by_state(lab):
    """All that are in it; never all unasked."""
    done, bad = await ended(lab, Exited(0), OK), await ended(lab, Exited(3), S.FAILED)
    with pytest.raises(UsageError, match="which jobs"):
        await lab.jobs.remove(force=True)
    assert [job.id for job in await lab.jobs.remove(states=[OK])] == [done.job]
    assert [job.id for job in await lab.jobs.list()] == [bad.job]


async def test_a_forced_removal_tells_what_is_not_known(lab):
    """The job is gone; that its work may live on is not kept quiet."""
    subject = await running(lab)
    lab.fleet.behaviour("h").immortal = True
    [job] = await lab.jobs.remove(subject.job, force=True)
    assert job.children[0].reason.message == "kill not confirmed: still running: pid 1"
    again = await running(lab)
    with pytest.raises(NoSuchJob) as caught:
        await lab.jobs.remove(again.job, 99, force=True)
    assert str(caught.value).splitlines()[1] == (
        f"job {again.job} is removed, but h was Disconnected: "
        "kill not confirmed: still running: pid 1"
    )


async def test_a_removal_is_seen_through_though_its_asker_goes(lab):
    """Ctrl-C while it stops the work leaves no half of it."""
    subject = await running(lab)
    gate = lab.fleet.behaviour("h").stop_gate = asyncio.Event()
    asking = asyncio.create_task(lab.jobs.remove(subject.job, force=True))
    await lab.becomes(subject.child, S.STOPPING)
    asking.cancel()
    await asyncio.wait({asking})
    gate.set()
    async with asyncio.timeout(10):
        while await lab.jobs.list():
            await asyncio.sleep(0.01)


# Receiving


async def test_two_followers_lose_nothing_and_repeat_nothing(lab):
    """Both receive to the end while records come: each goes to one of them."""
    gates = {}
    for name in ("a", "b", "c"):
        host = lab.fleet.behaviour(name)
        host.output = [(stream, b"x") for _ in range(100) for stream in (OUT, ERR)]
        gates[name] = host.gate = asyncio.Event()
    job = await lab.start("a", "b", "c", throttle_limit=1)

    async def follow():
        options = ReceiveOptions(wait=True)
        events = [event async for event in lab.jobs.receive(job, options=options)]
        return [event.seq for event in events if isinstance(event, Record)]

    both = asyncio.gather(follow(), follow())
    for gate in gates.values():
        gate.set()
        await asyncio.sleep(0.02)
    one, two = await asyncio.wait_for(both, 30)
    assert sorted([*one, *two]) == sorted({*one, *two})
    assert sum(map(len, (await lab.jobs.output(job)).values())) == 300
    assert len(one) + len(two) == await records(lab, job)
    assert await lab.received(job) == (b"", [])


async def records(lab, job):
    """Return how many records are stored."""
    return len([record async for record in lab.jobs.follow(job)])


async def test_what_is_received_is_chosen_by_host_and_stream(lab):
    """Names, globs and ranges; what was not chosen is there for the next receive."""
    for name in ("web1", "web2", "db1"):
        lab.fleet.behaviour(name).output = [(OUT, name.encode()), (ERR, b"!")]
    job = await lab.start("web1", "web2", "db1")
    await lab.jobs.wait(job, timeout=10)
    assert await lab.received(job, hosts=("web*",), streams=frozenset({OUT}), keep=True) == (
        b"web1web2",
        [],
    )
    assert await lab.received(job, hosts=("web[2-9]",)) == (b"web2!", [])
    assert await lab.received(job.children[0].id, streams=frozenset({ERR})) == (b"!", [])
    assert await lab.received(job, hosts=("x*",)) == (b"", [])
    with pytest.raises(UsageError, match="no such host in these jobs: web9"):
        await lab.received(job, hosts=("web9",))
    assert (await lab.jobs.get(job))[0].has_more_data
    assert await lab.received(job) == (b"web1db1!", [])
    assert not (await lab.jobs.get(job))[0].has_more_data


async def test_each_change_of_state_is_told_when_asked(lab):
    """From how it stands on, each after the records before it; else only what went wrong."""
    gate = lab.fleet.behaviour("h").gate = asyncio.Event()
    lab.fleet.behaviour("h").output = [(OUT, b"out")]
    job = await lab.start("h", "never", throttle_limit=1)
    lab.fleet.behaviour("never").refuses = HostFailure(ReasonKind.UNREACHABLE, "away")

    heard = asyncio.Event()

    async def told(**options):
        chosen, found = ReceiveOptions(wait=True, **options), []
        async for event in lab.jobs.receive(job, options=chosen):
            found.append((event.host, "record" if isinstance(event, Record) else event.state.value))
            if options:
                heard.set()
        return found

    await lab.becomes(job.children[0].id, S.RUNNING)
    both = asyncio.gather(told(events=True), told())
    await asyncio.wait_for(heard.wait(), 10)
    gate.set()
    everything, failures = await asyncio.wait_for(both, 10)
    assert [item for item in everything if item[1] != "record"] == [
        ("h", "Running"),
        ("h", "Completed"),
        ("never", "Failed"),
    ]
    assert [item for item in failures if item[1] != "record"] == [("never", "Failed")]


async def test_a_child_is_followed_to_its_own_end(lab):
    """Its job goes on; what it sent is there, and how it ended."""
    lab.fleet.behaviour("a").output, lab.fleet.behaviour("a").outcome = [(OUT, b"x")], Exited(3)
    lab.fleet.behaviour("b").gate = asyncio.Event()
    job = await lab.start("a", "b")
    async with asyncio.timeout(10):
        assert await lab.received(job.children[0].id, wait=True) == (b"x", ["a"])
        assert (await lab.jobs.get(job))[0].state is S.RUNNING
        assert await lab.received(job.children[0].id, wait=True) == (b"", ["a"])


# Looking


async def test_what_is_kept_of_each_stream_is_shown(lab):
    """All seven, in their order, for the job and each child, received or not; not in a list."""
    pieces = [(stream, b"x" * size) for size, stream in enumerate(Stream, 1)]
    lab.fleet.behaviour("a").output = pieces
    lab.fleet.behaviour("b").output = [(OUT, b"y")]
    job = await lab.start("a", "b", "c")
    await lab.jobs.wait(job, timeout=10)
    await lab.received(job)
    [found] = await lab.jobs.get(job)
    of_a = {stream: size for size, stream in enumerate(Stream, 1)}
    assert [child.streams for child in found.children] == [of_a, {OUT: 1}, {}]
    assert list(found.streams.items()) == [(OUT, 2), *list(of_a.items())[1:]]
    assert (await lab.child(job.children[1].id)).streams == {OUT: 1}
    assert [job.streams for job in await lab.jobs.list()] == [None]


async def test_a_childs_id_finds_it_in_lists_too(lab):
    """Below its job, and without the others."""
    job = await lab.start("a", "b")
    await lab.jobs.wait(job, timeout=10)
    [found] = await lab.jobs.list(job.children[1].id)
    assert (found.id, [child.host for child in found.children]) == (job.id, ["b"])
    assert [job.children for job in await lab.jobs.list(job.id, job.children[1].id)] == [None]
    assert await lab.jobs.list("Job*", states=frozenset({S.FAILED})) == ()
    assert [found.id for found in await lab.jobs.get(states=frozenset({OK}))] == [job.id]


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        ({}, [2, 1]),
        ({"states": frozenset({S.FAILED})}, [2, 1]),
        ({"states": frozenset({OK})}, []),
        ({"newest": 1}, [2, 1]),
        ({"command": "no*"}, []),
        ({"child_states": frozenset({S.FAILED})}, [1]),
        ({"child_states": frozenset({OK})}, [2, 1]),
    ],
)
async def test_filters_keep_children_that_are_named_by_their_job(lab, filters, ids):
    """As in a list; states of children are their own."""
    lab.fleet.behaviour("b").outcome = Exited(3)
    job = await lab.start("a", "b")
    await lab.jobs.wait(job, timeout=10)
    assert [item.id for item in await lab.jobs.get(2, 1, **filters)] == ids


async def test_a_job_with_many_children_is_listed_without_them(lab, monkeypatch):
    """2,000 hosts are one line, folded; no child is looked at to name the job."""
    hosts = [lab.fleet.host(f"web{number:04}") for number in range(1, 2001)]
    lab.fleet.behaviour("web0017").outcome = Exited(3)
    job = await lab.jobs.start("work", on=hosts, durable=False, throttle_limit=500, name="big")
    await lab.jobs.wait(job, timeout=60)
    loads = []
    for method in ("load", "parents"):
        monkeypatch.setattr(lab.engine.store, method, lambda *_: loads.append(1))
    for selector in ("big", job.id, "b*", "@last"):
        [found] = await lab.jobs.list(selector)
    assert loads == []
    assert found.location == "web[0001-2000]"
    assert found.counts == {S.FAILED: 1, OK: 1999}
    monkeypatch.undo()
    [whole] = await lab.jobs.get(job)
    assert counted(whole) == found.counts
    assert [child.id for child in whole.children] == list(range(job.id + 1, job.id + 2001))


# Errands


async def test_a_ping_says_how_far_one_gets(lab):
    """Each host is answered for; a failure names its stage, and nothing is started."""
    lab.fleet.behaviour("b").refuses = HostFailure(ReasonKind.UNREACHABLE, "gone")
    lab.fleet.behaviour("c").fails_to_start = Exception("no programs")
    hosts = [lab.fleet.host(name) for name in "abc"]
    answers = {answer.host: answer async for answer in lab.jobs.ping(hosts)}
    assert {name: answer.failed for name, answer in answers.items()} == {
        "a": None,
        "b": Stage.TCP,
        "c": Stage.SHELL,
    }
    assert (answers["a"].system, answers["b"].reason.message) == ("Memory", "gone")
    assert (lab.fleet.starts, lab.fleet.active) == ([], 0)


async def test_host_keys_are_seen_and_accepted(lab):
    """New, known, changed; one that changes after somebody looked is not kept in its place."""
    lab.fleet.behaviour("a").key = "k1"
    lab.fleet.behaviour("b").refuses = HostFailure(ReasonKind.UNREACHABLE, "gone")
    hosts = [lab.fleet.host(name) for name in "ab"]

    async def seen():
        answers = {answer.host: answer async for answer in lab.jobs.known_hosts(hosts)}
        assert (answers["b"].reason.message, answers["b"].keys) == ("gone", ())
        [key] = answers["a"].keys
        return key

    async def accept(*public, replaces=()):
        chosen = [ChosenKeys(host="a", public=public, replaces=replaces)]
        [answer] = await lab.jobs.accept_keys(hosts, chosen)
        return answer

    assert (await seen()).standing is KeyStanding.NEW
    assert (await accept("k1")).added == ("memory:k1",)
    assert (await accept("k1")).added == ()
    assert (await seen()).standing is KeyStanding.KNOWN
    lab.fleet.behaviour("a").key = "k2"
    changed = await seen()
    assert (changed.standing, changed.known[0].fingerprint) == (KeyStanding.CHANGED, "memory:k1")
    assert (await accept("k2")).reason.kind is ReasonKind.HOST_KEY
    assert (await accept("k2", replaces=["memory:k0"])).reason is not None
    answer = await accept("k2", replaces=["memory:k1"])
    assert (answer.added, answer.removed) == (("memory:k2",), ("memory:k1",))
    with pytest.raises(UsageError, match="no such host among the targets: c"):
        await lab.jobs.accept_keys(hosts, [ChosenKeys(host="c", public=("k",))])
    assert (lab.fleet.starts, lab.fleet.active) == ([], 0)


async def test_unchecked_keys_are_warned_of_at_each_start(lab):
    """Also by a retry, whose hosts have what they had; a name that is unsafe never starts."""
    connection = Connection(ssh=SshOptions(host_key_checking=HostKeyChecking.OFF))
    lab.fleet.behaviour("h1").outcome = Exited(1)
    job = await lab.start("h1", "h2", connection=connection)
    assert job.warnings == ("host key not checked: h[1-2] may be any machine",)
    await lab.jobs.wait(job, timeout=10)
    again = await lab.jobs.retry(job)
    assert again.warnings == ("host key not checked: h1 may be any machine",)
    with pytest.raises(UsageError, match="is no host's own name"):
        await lab.jobs.start("x", on=f"@{job.id}:failed", connection=connection)
    for name in ("-oProxyCommand=x", "a b", "a\nb"):
        with pytest.raises(UsageError, match="is not a host name"):
            await lab.start(name)


async def test_a_ping_that_nobody_reads_on_ends(lab):
    """What was being connected is let go of."""
    lab.fleet.behaviour("b").connect_gate = asyncio.Event()
    answers = lab.jobs.ping([lab.fleet.host(name) for name in "ab"])
    assert (await anext(answers)).host == "a"
    await answers.aclose()
    await until(lambda: lab.fleet.active == 0, "the connection is let go of")


# Names


async def test_names_are_those_of_the_askers_inventories(lab, tmp_path):
    """Or of those that are named; as far as they begin so, at most so many."""
    (tmp_path / "usual.ini").write_text("[web]\nweb[1:2]\n[db]\ndb1\n")
    (tmp_path / "other").write_text("x[1-5]\n")
    caller = Caller(directory=str(tmp_path), inventories=(f"{tmp_path}/usual.ini", "/none"))
    names = lab.jobs.service.names
    assert await names(NamesRequest(caller=caller)) == Names(
        hosts=("web1", "web2", "db1"),
        groups=("web", "db"),
    )
    assert await names(NamesRequest(caller=caller, beginning="w", limit=1)) == Names(
        hosts=("web1",),
        groups=("web",),
    )
    assert (await names(NamesRequest(caller=caller, inventories=("other",)))).hosts == (
        *("x1", "x2", "x3", "x4", "x5"),
    )
    assert await names(NamesRequest(caller=Caller(inventories=("/none",)))) == Names()
    with pytest.raises(InventoryError, match="nothing: cannot read"):
        await names(NamesRequest(caller=caller, inventories=("nothing",)))


# The set-up


async def test_examine_tells_what_transports_and_inventories_have(lab, tmp_path):
    """And the limit of descriptors, and the keyring; each as it was found."""
    (tmp_path / "broken.toml").write_text("hosts = [")
    odd = Finding(check="odd", verdict=Verdict.WARNING, message="it is", remedy="leave it")
    lab.fleet.findings = (odd,)
    lab.engine.most_at_once = 5
    caller = Caller(inventories=(f"{tmp_path}/broken.toml",))
    request = ExamineRequest(throttle_limit=6, caller=caller)
    found = [finding async for finding in lab.jobs.service.examine(request)]
    assert [(finding.check, finding.verdict) for finding in found] == [
        ("file descriptors", Verdict.WARNING),
        ("inventory", Verdict.PROBLEM),
        ("odd", Verdict.WARNING),
        ("keyring", Verdict.OK),
    ]
    assert found[2] == odd
