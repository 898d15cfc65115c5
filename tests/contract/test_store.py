"""What every Store must do."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from remjobs.errors import NoSuchJob, StoreFenced
from remjobs.model.history import Asker, HistoryQuery
from remjobs.model.host import Host
from remjobs.model.job import JobType, Reason, ReasonKind
from remjobs.model.record import Stream
from remjobs.model.request import Caller
from remjobs.model.state import JobState, Request
from remjobs.model.work import Command, Work
from remjobs.store.base import NewJob, Piece
from remjobs.store.sql import SqlStore

OUT, ERR = Stream.OUTPUT, Stream.ERROR
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
OPENERS: dict[str, Callable] = {"sqlite": SqlStore.open}


@pytest.fixture(params=OPENERS)
def open_store(request, tmp_path):
    """Open the store of one folder, as often as a test wants."""
    return lambda: OPENERS[request.param](tmp_path / "state")


@pytest.fixture
async def store(open_store):
    opened = await open_store()
    yield opened
    await opened.close()


def new_job(hosts=3, **changes):
    fields = {
        "instance_id": uuid4(),
        "name": None,
        "type": JobType.REMOTE,
        "location": f"h[1-{hosts}]",
        "throttle_limit": 2,
        "work": Work(command=Command(text="uptime"), input=b"\xff\0"),
        "caller": Caller(directory="/here", ssh_auth_sock="/agent"),
        "hosts": tuple(
            Host(name=f"h{n}", user="u", variables={"n": n}) for n in range(1, hosts + 1)
        ),
    }
    return NewJob(**{**fields, **changes})


def piece(child, data, offset=0, stream=OUT):
    return Piece(child_id=child, stream=stream, offset=offset, time=NOW, data=data)


def ended(child, state=JobState.COMPLETED, **changes):
    return replace(child, state=state, begin_time=NOW, end_time=NOW, **changes)


async def test_ids_are_one_counter_for_parents_and_children(store):
    """The first job on three hosts is 1 with children 2 to 4, the next job is 5."""
    first, _ = await store.add(new_job())
    second, _ = await store.add(new_job(hosts=1))
    assert (first.job.id, [entry.child.id for entry in first.entries]) == (1, [2, 3, 4])
    assert (second.job.id, second.job.name) == (5, "Job5")
    assert [entry.child.name for entry in second.entries] == ["Job6"]


async def test_removed_ids_stay_unused_after_a_restart(open_store):
    """A number that was given once never means another job."""
    store = await open_store()
    await store.add(new_job(hosts=1))
    await store.remove(1)
    await store.close()
    store = await open_store()
    assert (await store.add(new_job(hosts=1)))[0].job.id == 3
    await store.close()


async def test_the_same_instance_id_gives_the_same_job(store):
    """A client that asks twice, since its connection went, starts one job."""
    new = new_job()
    answers = await asyncio.gather(*(store.add(new) for _ in range(5)))
    assert len({stored.job.id for stored, _ in answers}) == 1
    assert sorted(is_new for _, is_new in answers) == [False] * 4 + [True]
    assert len(await store.jobs()) == 1


async def test_an_attempt_is_intended_once(store):
    """Of all who would start a child, one may; the ledger says who."""
    child = (await store.add(new_job(hosts=1)))[0].entries[0].child
    intent = replace(child, state=JobState.RUNNING, attempt=1, begin_time=NOW)
    answers = await asyncio.gather(
        *(store.intend(intent, {}) for _ in range(5)),
        return_exceptions=True,
    )
    assert sorted(type(answer).__name__ for answer in answers) == [
        *["NoneType"],
        *["StoreFenced"] * 4,
    ]
    assert (await store.job(1)).children[0].attempt == 1


async def test_what_waits_no_more_cannot_be_started(store):
    """A late start of a stopped child changes nothing."""
    child = (await store.add(new_job(hosts=1)))[0].entries[0].child
    await store.save([replace(child, state=JobState.STOPPED)])
    with pytest.raises(StoreFenced, match="not started again"):
        await store.intend(replace(child, state=JobState.RUNNING, attempt=1), {})
    assert (await store.job(1)).state is JobState.STOPPED


async def test_everything_about_a_job_comes_back_after_a_restart(open_store):
    """Work, caller, hosts, keys, request and warnings are what they were."""
    store, new = await open_store(), new_job(warnings=("odd",))
    before, _ = await store.add(new)
    await store.ask(1, Request.SUSPEND, "why")
    await store.close()
    store = await open_store()
    after = await store.load(1)
    assert (after.work, after.caller) == (new.work, new.caller)
    assert [entry.host for entry in after.entries] == list(new.hosts)
    assert [entry.key for entry in after.entries] == [entry.key for entry in before.entries]
    assert len({entry.key for entry in after.entries}) == 3
    assert (after.request, after.job.status_message) == (Request.SUSPEND, "why")
    assert after.job.warnings == ("odd",)
    assert after.job.state is JobState.SUSPENDED
    await store.close()


async def test_a_child_is_as_it_was_saved(store):
    """Every property of the ledger is kept."""
    child = (await store.add(new_job()))[0].entries[0].child
    reason = Reason(kind=ReasonKind.SIGNAL, message="killed by signal KILL")
    changed = ended(
        child,
        JobState.FAILED,
        reason=reason,
        signal="KILL",
        exit_code=None,
        attempt=2,
        status_message="note",
    )
    await store.save([changed])
    assert (await store.job(1)).children[0] == replace(changed, command="uptime")


async def test_parents_are_added_up_from_their_children(store):
    """State, counts, times and reason of a parent, listed and shown, agree."""
    children = [entry.child for entry in (await store.add(new_job()))[0].entries]
    later = NOW.replace(minute=30)
    why = Reason(kind=ReasonKind.EXIT, message="exit code 3")
    await store.save([ended(children[0])])
    await store.save([ended(children[1], JobState.FAILED, reason=why)])
    running = (await store.jobs())[0]
    assert (running.state, running.end_time) == (JobState.RUNNING, None)
    await store.save([replace(ended(children[2]), end_time=later)])
    listed, shown = (await store.jobs())[0], await store.job(1)
    assert listed == replace(shown, children=None)
    assert (listed.state, listed.begin_time, listed.end_time) == (JobState.FAILED, NOW, later)
    assert listed.counts == {JobState.COMPLETED: 2, JobState.FAILED: 1}
    assert listed.reason == Reason(kind=ReasonKind.EXIT, message="1 of 3: exit code 3")


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        (["exit", "exit"], "2 of 3: m exit"),
        (["exit", "lost"], "2 of 3, the first: m exit"),
        (["exit", "exit", "signal"], "3 of 3, the first: m exit"),
        (["halted"], "1 of 3: m halted"),
        ([None, "timeout"], None),
    ],
)
async def test_a_parents_reason_claims_no_more_than_is_so(store, kinds, message):
    """Where children failed for different reasons it says that it tells the first one's."""
    children = [entry.child for entry in (await store.add(new_job()))[0].entries]
    state = JobState.STOPPED if message is None or "halted" in message else JobState.FAILED
    for child, kind in zip(children, [*kinds, "", ""], strict=False):
        why = Reason(kind=ReasonKind(kind), message=f"m {kind}") if kind else None
        how = JobState.COMPLETED if kind == "" else state
        await store.save([ended(child, how, reason=why)])
    listed, shown = (await store.jobs())[0], await store.job(1)
    assert listed == replace(shown, children=None)
    assert (listed.reason and listed.reason.message) == message


async def test_unfinished_names_jobs_with_a_child_that_is_not_final(store):
    """What a restart has to look at, and nothing else."""
    for _ in range(2):
        await store.add(new_job(hosts=1))
    first = (await store.load(1)).entries[0].child
    await store.save([ended(first)])
    assert await store.unfinished() == (3,)
    second = (await store.load(3)).entries[0].child
    await store.save([replace(second, state=JobState.DISCONNECTED)])
    assert await store.unfinished() == (3,)


async def test_records_come_back_in_order_with_host_and_bytes(store):
    """Sequence numbers grow with arrival over the job; bytes are untouched."""
    await store.add(new_job())
    await store.append(1, [piece(2, b"a\xff\0"), piece(3, b"b"), piece(2, b"c", 3)])
    await store.append(1, [piece(2, b"", 4), piece(2, b"e", 0, ERR)])
    records = await store.read(1)
    assert [(r.child_id, r.host, r.stream, r.data) for r in records] == [
        (2, "h1", OUT, b"a\xff\0"),
        (3, "h2", OUT, b"b"),
        (2, "h1", OUT, b"c"),
        (2, "h1", OUT, b""),
        (2, "h1", ERR, b"e"),
    ]
    assert [r.seq for r in records] == sorted(r.seq for r in records)
    assert records[0].time == NOW
    assert [r.data for r in await store.read(1, child_id=2, after=records[0].seq)] == [
        *(b"c", b"", b"e"),
    ]
    assert len(await store.read(1, limit=2)) == 2
    assert await store.last(1) == records[-1].seq


async def test_what_is_kept_of_each_stream_is_known(store):
    """In bytes, for the children that have any; a piece that comes twice counts once."""
    await store.add(new_job())
    assert await store.sizes(1) == {}
    await store.append(1, [piece(2, b"a\xff\0"), piece(3, b"b"), piece(2, b"c", 3)])
    await store.append(1, [piece(2, b"c", 3), piece(2, b"e", 0, ERR), piece(4, b"")])
    assert await store.sizes(1) == {2: {OUT: 4, ERR: 1}, 3: {OUT: 1}}


async def test_pages_end_at_about_a_mebibyte(store):
    """A reader never holds much, however large the records."""
    await store.add(new_job())
    size = 300_000
    await store.append(1, [piece(2, b"x" * size, n * size) for n in range(10)])
    page = await store.read(1)
    assert 3 <= len(page) <= 5
    assert (await store.read(1, after=page[-1].seq))[0].seq > page[-1].seq


async def test_an_offset_that_is_there_already_is_not_stored_again(store):
    """Output read twice after a cut is kept once."""
    await store.add(new_job())
    await store.append(1, [piece(2, b"abc")])
    await store.append(1, [piece(2, b"abc"), piece(2, b"def", 3)])
    assert b"".join(r.data for r in await store.read(1)) == b"abcdef"


async def test_has_more_data_is_true_until_all_is_received(store):
    """While it runs, and then while a record of any stream is unreceived."""
    child = (await store.add(new_job(hosts=1)))[0].entries[0].child
    await store.append(1, [piece(2, b"a"), piece(2, b"b", stream=ERR)])
    await store.received(1, {2: {OUT: 1, ERR: 2}}, [])
    assert (await store.job(1)).has_more_data
    await store.save([ended(child)])
    assert not (await store.job(1)).has_more_data


async def test_has_more_data_counts_each_stream(store):
    """Receiving one stream leaves the other's records unreceived."""
    child = (await store.add(new_job(hosts=1)))[0].entries[0].child
    await store.append(1, [piece(2, b"a"), piece(2, b"b", stream=ERR)])
    await store.save([ended(child)])
    await store.received(1, {2: {ERR: 2}}, [])
    assert (await store.job(1)).children[0].has_more_data
    await store.received(1, {2: {OUT: 1}}, [])
    assert not (await store.jobs())[0].has_more_data


async def test_a_failure_without_output_has_more_data_until_it_is_told(store):
    """An unreachable host's reason counts as something to receive."""
    child = (await store.add(new_job(hosts=1)))[0].entries[0].child
    why = Reason(kind=ReasonKind.UNREACHABLE, message="h1: no")
    await store.save([replace(child, state=JobState.FAILED, reason=why)])
    assert (await store.job(1)).has_more_data
    await store.received(1, {}, [2])
    assert not (await store.job(1)).has_more_data


async def test_read_positions_move_forward_only_and_last(open_store):
    """A late receiver cannot move them back, and a restart does not either."""
    store = await open_store()
    await store.add(new_job(hosts=2))
    await store.received(1, {2: {OUT: 5}}, [])
    await store.received(1, {2: {OUT: 3, ERR: 1}}, [])
    await store.close()
    store = await open_store()
    assert await store.positions(1) == {2: {OUT: 5, ERR: 1}, 3: {}}
    assert await store.positions(1, 2) == {2: {OUT: 5, ERR: 1}}
    await store.close()


async def test_a_removed_job_is_gone_with_its_output(store, tmp_path):
    """Its file is unlinked, and asking for it says that there is none."""
    await store.add(new_job(hosts=1))
    await store.append(1, [piece(2, b"a")])
    assert list((tmp_path / "state" / "output").glob("1.db*"))
    await store.remove(1)
    assert not list((tmp_path / "state" / "output").glob("1.db*"))
    with pytest.raises(NoSuchJob, match="no job 1"):
        await store.load(1)
    assert await store.read(1) == ()
    assert await store.parents() == {}


async def test_an_owner_that_was_superseded_can_write_no_more(open_store):
    """The fence holds for the ledger and for output that was begun before."""
    old = await open_store()
    await old.add(new_job(hosts=1))
    await old.append(1, [piece(2, b"a")])
    child = (await old.load(1)).entries[0].child
    new = await open_store()
    await new.append(1, [piece(2, b"b", 1)])
    with pytest.raises(StoreFenced):
        await old.save([ended(child)])
    with pytest.raises(StoreFenced):
        await old.append(1, [piece(2, b"c", 2)])
    with pytest.raises(StoreFenced):
        await old.add(new_job())
    assert (await new.job(1)).children[0].state is JobState.NOT_STARTED
    assert b"".join(r.data for r in await new.read(1)) == b"ab"
    await old.close(cleanly=False)
    await new.close()


async def test_whether_the_last_owner_took_its_leave_is_known(open_store):
    """A first owner counts as left in order; one that died does not."""
    store = await open_store()
    assert store.closed_cleanly
    await store.close(cleanly=False)
    store = await open_store()
    assert not store.closed_cleanly
    await store.close()
    store = await open_store()
    assert store.closed_cleanly
    await store.close()


async def test_many_writers_at_once_lose_nothing(store):
    """Changes that wait together are committed together, each answered for."""
    entries = (await store.add(new_job(hosts=50)))[0].entries
    ids = [entry.child.id for entry in entries]
    await asyncio.gather(
        *(store.append(1, [piece(child, b"%d" % n, n)]) for child in ids for n in range(10)),
        *(store.save([ended(entry.child)]) for entry in entries),
    )
    assert (await store.job(1)).state is JobState.COMPLETED
    found: list = []
    while page := await store.read(1, after=found[-1].seq if found else 0):
        found += page
    assert len(found) == 500


async def test_parents_maps_children_to_their_jobs(store):
    """What selectors need to find a child by id or UUID."""
    children = [entry.child for entry in (await store.add(new_job(hosts=2)))[0].entries]
    assert await store.parents() == {child.id: (1, child.instance_id) for child in children}


async def test_offsets_go_on_behind_what_is_stored(open_store):
    """For each stream of one child, however its pieces were cut; kept over a restart."""
    store = await open_store()
    new, _ = await store.add(new_job())
    first, second, third = (entry.child for entry in new.entries)
    assert await store.offsets(first) == {}
    one = first.id
    await store.append(1, [piece(one, b"abc"), piece(one, b"\xff\0", 3), piece(one, b"e", 0, ERR)])
    await store.append(1, [piece(second.id, b"x" * 1000)])
    await store.close()
    store = await open_store()
    assert await store.offsets(first) == {OUT: 5, ERR: 1}
    assert await store.offsets(second) == {OUT: 1000}
    assert await store.offsets(third) == {}
    await store.close()


async def test_a_hosts_word_that_it_has_the_work_is_kept(open_store):
    """Of the child it was said of, over a restart."""
    store = await open_store()
    new, _ = await store.add(new_job(hosts=2))
    assert [entry.acknowledged for entry in new.entries] == [False, False]
    await store.acknowledge(new.entries[1].child)
    await store.close()
    store = await open_store()
    again = await store.load(new.job.id)
    assert [entry.acknowledged for entry in again.entries] == [False, True]
    await store.close()


async def test_the_history_outlives_its_jobs_and_a_restart(open_store):
    """An entry is written with the job, and what it says last is how the job stood."""
    store = await open_store()
    caller = Caller(user="ann", sudo_user="bob", machine="m", came_from="10.0.0.7")
    long = Work(command=Command(text="x" * 5000))
    stored, _ = await store.add(new_job(hosts=2, caller=caller, work=long, name="n"))
    first, second = (entry.child for entry in stored.entries)
    await store.save([ended(first), ended(second, JobState.STOPPED)])
    await store.remove(1)
    await store.remove(1)
    await store.close()
    store = await open_store()
    [entry] = await store.history(HistoryQuery())
    assert entry.asker == Asker(user="ann", sudo_user="bob", machine="m", came_from="10.0.0.7")
    assert (entry.name, len(entry.command)) == ("n", 1000)
    assert (entry.state, entry.begin_time, entry.end_time) == (JobState.STOPPED, NOW, NOW)
    assert entry.counts == {JobState.COMPLETED: 1, JobState.STOPPED: 1}
    assert entry.submit_time == stored.job.submit_time < entry.remove_time
    await store.close()


async def test_old_entries_of_the_history_are_dropped_but_not_those_of_jobs(store):
    """By age, or all but the newest."""
    for _ in range(4):
        await store.add(new_job(hosts=1))
    for job_id in (1, 5, 7):
        await store.remove(job_id)

    async def ids():
        return [entry.id for entry in await store.history(HistoryQuery())]

    [_, _, third, _] = await store.history(HistoryQuery())
    assert await store.drop_history(NOW, most=10) == 0
    assert await store.drop_history(NOW, most=2) == 1
    assert await ids() == [3, 5, 7]
    assert await store.drop_history(third.submit_time + timedelta(microseconds=1), most=10) == 1
    assert await ids() == [3, 7]
