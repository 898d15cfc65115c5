"""One at a time: leases on real hosts, between controllers and accounts, through crashes."""

import asyncio
import os
import re
import shutil
import signal
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from support.engines import engine_over, until
from support.execute import ran, running, several
from support.sshd import need_root

from remjobs import JobState as S
from remjobs import Stream
from remjobs.errors import UsageError
from remjobs.model.job import ReasonKind as K
from remjobs.model.work import Command, Work
from remjobs.transports.base import Exited, HostFailure, Lost, Signaled
from remjobs.transports.posix import programs

OUT = Stream.OUTPUT
LONG = Work(
    command=Command(text="echo got it; exec sleep 60"),
    exclusive="x",
    holder="alice@ops1 for job 12",
)
SHORT = replace(LONG, command=Command(text="echo got it"), holder="bob@ops2 for job 3")
ATTACHED_AND_DURABLE = pytest.mark.parametrize(
    "durable", [False, True], ids=["attached", "durable"]
)


@pytest.fixture
def lease_sshd(make_sshd, leases):
    """A host that has its leases in a folder of the test's own."""
    return make_sshd(f"SetEnv REMJOBS_LEASES={leases}")


@pytest.fixture
def fast(monkeypatch):
    """Leases whose heartbeat is told to come every second, and to be missed after two."""
    monkeypatch.setattr(programs, "HEARTBEAT", 1)
    monkeypatch.setattr(programs, "EXPIRY", 2)


def keepers(folder):
    """Return the pids of what keeps leases in a folder."""
    found = []
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")
            if b"remjobs-lease" in words and any(str(folder).encode() in word for word in words):
                found.append(int(process.name))
    return found


def heartbeats(folder):
    """Return the files of the leases that are held."""
    return sorted(folder.glob("*/*/beat.*"))


def holding_pid(folder):
    [file] = heartbeats(folder)
    return int(file.read_text().split()[1])


def silent_for(folder):
    """Return the seconds since the heartbeat of the lease that is held."""
    [file] = heartbeats(folder)
    now = Path("/proc/uptime").read_text().split(".")[0]
    return int(now) - int(file.name.split(".")[1])


async def refused(host, work=SHORT):
    """Try to run work that must not get its lease; return what was said."""
    with pytest.raises(HostFailure) as failure:
        await ran(host, work)
    assert failure.value.reason is K.LEASED, failure.value
    return str(failure.value)


# Who comes second


@ATTACHED_AND_DURABLE
async def test_two_controllers_do_not_run_over_each_other(lease_sshd, tmp_path, durable):
    """The second job never begins, is told who holds the host, and can be tried again."""
    host = lease_sshd.host()
    options = {"on": [host], "exclusive": "x", "durable": durable}
    async with (
        engine_over(tmp_path / "one") as (_, alice),
        engine_over(tmp_path / "two") as (_, bob),
    ):
        await alice.wait(await alice.start("true", on=[host]))
        first = await alice.start("echo begun; exec sleep 60", name="patch\n1", **options)
        await said(alice, first)
        second = (await bob.wait(await bob.start("echo ran", **options)))[0]
        [child] = second.children
        assert (child.state, child.begin_time, child.exit_code) == (S.FAILED, None, None)
        assert child.reason.kind is K.LEASED
        who = rf'\S+@{re.escape(os.uname().nodename)} for job {first.id} "patch 1" since '
        since = r"\d\d:\d\d UTC, last heartbeat \d+ s ago"
        assert re.fullmatch(rf"{host.name}: held by {who}{since}", child.reason.message)
        assert await bob.output(second) == {}
        assert (await bob.run("echo free", on=[host], exclusive="y")).state is S.COMPLETED
        assert (await bob.run("echo free", on=[host])).state is S.COMPLETED
        [stopped] = await alice.stop(first)
        assert stopped.state is S.STOPPED
        again = await bob.retry(second, unreachable=True)
        assert (await bob.wait(again))[0].state is S.COMPLETED
        assert await bob.output(again) == {host.name: b"ran\n"}
        assert again.exclusive == "x"


async def said(jobs, job):
    async with asyncio.timeout(20):
        async for record in jobs.follow(job.id):
            if getattr(record, "data", b"").startswith(b"begun"):
                return


@ATTACHED_AND_DURABLE
async def test_two_accounts_share_a_hosts_leases(lease_sshd, other_user, leases, durable):
    """One passes the other's lease by, given back or left behind, though it cannot remove it."""
    mine, theirs = lease_sshd.host(), lease_sshd.host(user=other_user.name)
    for one, another in ((mine, theirs), (theirs, mine)):
        async with running(one, replace(LONG, durable=durable)) as run:
            await run.said(b"got it\n")
            assert (await refused(another)).startswith("held by alice@ops1 for job 12 since ")
            assert (await run.execution.stop(1)).confirmed
        assert (await ran(another, SHORT))[:2] == (Exited(0), b"got it\n")
    await until(lambda: not keepers(leases), "nothing keeps a lease")
    claims = [path.parent for path in leases.glob("x/*/free")]
    assert len({claim.stat().st_uid for claim in claims}) == len(claims) == 2


async def test_of_many_that_take_over_from_a_crash_one_gets_it(
    lease_sshd,
    other_user,
    leases,
    fast,
):
    """From two accounts, all at once."""
    async with running(lease_sshd.host(user=other_user.name), LONG) as run:
        await run.said(b"got it\n")
        for pid in (*keepers(leases), holding_pid(leases)):
            os.kill(pid, signal.SIGKILL)
        assert await run.outcome() == Signaled("KILL")
    hosts = (lease_sshd.host(), lease_sshd.host(user=other_user.name))
    async with several(hosts[0], LONG, 4) as some, several(hosts[1], LONG, 4) as others:
        runs = [*some, *others]
        await until(lambda: sum(run.task.done() for run in runs) == 7, "seven are refused")
        assert {run.task.exception().reason for run in runs if run.task.done()} == {K.LEASED}
        [winner] = [run for run in runs if not run.task.done()]
        await winner.said(b"got it\n")
        assert (await winner.execution.stop(1)).confirmed


# How it is given back


@ATTACHED_AND_DURABLE
@pytest.mark.parametrize("end", ["exit 3", "kill -9 $$", "exec sleep 60"])
async def test_it_is_given_back_however_the_work_ends(lease_sshd, leases, durable, end):
    """By itself, by a signal, by a stop; within a second, and nothing goes on."""
    work = replace(LONG, command=Command(text=f"echo got it; {end}"), durable=durable)
    async with running(lease_sshd.host(), work) as run:
        await run.said(b"got it\n")
        if "sleep" in end:
            assert (await run.execution.stop(1)).confirmed
            assert heartbeats(leases) == []
        await run.outcome()
    assert (await ran(lease_sshd.host(), SHORT))[0] == Exited(0)
    await until(lambda: not keepers(leases) and not heartbeats(leases), "nothing is left")
    assert len(list(leases.glob("x/*"))) == 1


@ATTACHED_AND_DURABLE
async def test_a_crash_frees_it_once_the_heartbeat_has_ended(lease_sshd, leases, durable, fast):
    """Everything killed with SIGKILL: until then it is held, as far as anybody can know."""
    async with running(lease_sshd.host(), replace(LONG, durable=durable)) as run:
        await run.said(b"got it\n")
        for pid in (*keepers(leases), holding_pid(leases)):
            os.kill(pid, signal.SIGKILL)
        [file] = heartbeats(leases)
        assert (await ran(lease_sshd.host(), SHORT))[:2] == (Exited(0), b"got it\n")
        assert not file.exists()
        await run.execution.stop(1)


async def test_it_is_kept_while_it_may_still_be_held(lease_sshd, leases):
    """Neither the holder nor what keeps the lease is there, but its heartbeat is young."""
    async with running(lease_sshd.host(), LONG) as run:
        await run.said(b"got it\n")
        for pid in (*keepers(leases), holding_pid(leases)):
            os.kill(pid, signal.SIGKILL)
        await run.outcome()
        assert re.search(r"last heartbeat \d+ s ago", await refused(lease_sshd.host()))


async def test_a_killed_holder_frees_it_at_once(lease_sshd, leases):
    """What keeps the lease sees that."""
    async with running(lease_sshd.host(), LONG) as run:
        await run.said(b"got it\n")
        os.kill(holding_pid(leases), signal.SIGKILL)
        assert (await ran(lease_sshd.host(), SHORT))[0] == Exited(0)


async def test_a_restart_of_the_host_frees_it(lease_sshd, leases):
    """Another boot's lease is nobody's, however young its heartbeat looks."""
    async with running(lease_sshd.host(), LONG) as run:
        await run.said(b"got it\n")
        for pid in (*keepers(leases), holding_pid(leases)):
            os.kill(pid, signal.SIGKILL)
        await run.outcome()
    [file] = heartbeats(leases)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    file.write_text(file.read_text().replace(boot, "another"))
    assert (await ran(lease_sshd.host(), SHORT))[0] == Exited(0)


# How it is kept


async def test_durable_work_holds_it_across_a_cut(lease_sshd, leases, tmp_path):
    """And while its controller is gone: what keeps it is on the host."""
    host = lease_sshd.host()
    async with engine_over(tmp_path / "one") as (_, alice):
        job = await alice.start("echo begun; exec sleep 60", on=[host], exclusive="x")
        await said(alice, job)
        lease_sshd.kill_connections()
        await refused(host)
    await refused(host)
    async with engine_over(tmp_path / "one") as (_, alice):
        [stopped] = await alice.stop(job)
        assert stopped.state is S.STOPPED
        assert heartbeats(leases) == []
    assert (await ran(host, SHORT))[0] == Exited(0)


async def test_attached_work_that_goes_on_after_a_cut_still_holds_it(lease_sshd, leases):
    """What became of it nobody here knows; on the host it runs, and so nobody else may."""
    async with running(lease_sshd.host(), LONG) as run:
        await run.said(b"got it\n")
        lease_sshd.kill_connections()
        assert isinstance(await run.outcome(), Lost)
        await refused(lease_sshd.host())
        os.kill(holding_pid(leases), signal.SIGKILL)
        assert (await ran(lease_sshd.host(), SHORT))[0] == Exited(0)


@ATTACHED_AND_DURABLE
async def test_held_work_keeps_its_lease(lease_sshd, leases, durable, fast):
    """A suspend holds the work, not the heartbeat."""
    async with running(lease_sshd.host(), replace(LONG, durable=durable)) as run:
        await run.said(b"got it\n")
        assert (await run.execution.suspend()).confirmed
        for _ in range(3):
            [before] = heartbeats(leases)
            await until(lambda before=before: not before.exists(), "it beats on")
            await until(lambda: heartbeats(leases), "it is seen")
        await refused(lease_sshd.host())
        assert (await run.execution.stop(1)).confirmed


async def test_who_was_passed_by_beats_no_more(lease_sshd, leases, fast):
    """A keeper that was held too long gives up what another one has taken since."""
    async with running(lease_sshd.host(), LONG) as run:
        await run.said(b"got it\n")
        # A shell that starts a program is two for an instant; the first is itself.
        keeper = min(keepers(leases))
        os.kill(keeper, signal.SIGSTOP)
        try:
            # The holder is seen to run all the while.
            await until(lambda: silent_for(leases) > 2, "its heartbeat has ended")
            async with running(lease_sshd.host(), replace(LONG, holder="bob@ops2")) as other:
                await other.said(b"got it\n")
                os.kill(keeper, signal.SIGCONT)
                await until(lambda: keeper not in keepers(leases), "it has given up")
                assert "held by bob@ops2" in await refused(lease_sshd.host())
                assert (await other.execution.stop(1)).confirmed
        finally:
            with suppress(ProcessLookupError):
                os.kill(keeper, signal.SIGCONT)
        assert (await run.execution.stop(1)).confirmed


# What stands in the way


async def test_nothing_is_made_where_a_link_leads(lease_sshd, leases, tmp_path):
    """Neither for the folder of all leases nor for that of one; it is refused with what to do."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    elsewhere.chmod(0o1777)
    for link in (leases, leases / "x"):
        link.symlink_to(elsewhere)
        with pytest.raises(HostFailure, match=r"no lease can be taken: .* who owns it") as failure:
            await ran(lease_sshd.host(), LONG)
        assert failure.value.reason is K.REFUSED
        assert list(elsewhere.iterdir()) == []
        link.unlink()
        link.mkdir()
        link.chmod(0o1777)


async def test_a_folder_that_is_not_for_all_is_refused(lease_sshd, leases):
    """Accounts would not meet there, or could remove each other's leases."""
    leases.mkdir()
    leases.chmod(0o755)
    with pytest.raises(HostFailure, match=f"{leases} is not a folder with mode 1777"):
        await ran(lease_sshd.host(), LONG)


@pytest.mark.parametrize("options", ["size=64k,ro", "size=64k,nr_inodes=1"])
async def test_a_full_or_read_only_place_is_told(make_sshd, leases, options):
    """The work does not begin."""
    need_root("mount namespaces")
    script = f'mount -t tmpfs -o {options},mode=1777 none {leases.parent} && exec "$@"'
    wrapper = ["unshare", "--mount", "sh", "-c", script, "sh"]
    sshd = make_sshd(f"SetEnv REMJOBS_LEASES={leases}", wrapper=wrapper)
    with pytest.raises(HostFailure, match="no lease can be taken"):
        await ran(sshd.host(), LONG)


async def test_a_full_disk_ends_no_lease(make_sshd, leases, fast):
    """Heartbeats need no space."""
    need_root("mount namespaces")
    script = f'mount -t tmpfs -o size=64k,mode=1777 none {leases.parent} && exec "$@"'
    wrapper = ["unshare", "--mount", "sh", "-c", script, "sh"]
    sshd = make_sshd(f"SetEnv REMJOBS_LEASES={leases}", wrapper=wrapper)
    fill = f"cat /dev/zero >{leases.parent}/filler; echo full; exec sleep 60"
    async with running(sshd.host(), replace(LONG, command=Command(text=fill))) as run:
        await run.said(b"full\n")
        look = f"for n in 1 2 3 4 5; do echo {leases}/*/*/beat.*; sleep 1; done"
        beats = (await ran(sshd.host(), Work(command=Command(text=look))))[1].split()
        assert len(set(beats)) >= 3
        await refused(sshd.host())
        assert (await run.execution.stop(1)).confirmed
        assert await ran(sshd.host(), Work(command=Command(text=f"rm {leases.parent}/filler")))
    assert (await ran(sshd.host(), SHORT))[0] == Exited(0)


async def test_all_accounts_meet_in_tmp(sshd):
    """In one fixed place, open to all and with the sticky bit."""
    place = Path("/tmp/.remjobs-leases")
    name = f"test-{os.getpid()}"
    try:
        assert (await ran(sshd.host(), replace(SHORT, exclusive=name)))[0] == Exited(0)
        for folder in (place, place / name):
            assert folder.stat().st_mode & 0o7777 == 0o1777
    finally:
        shutil.rmtree(place / name, ignore_errors=True)


async def test_a_name_that_is_none_is_refused_before_anything_starts(sshd, tmp_path):
    """It becomes a folder's name on the host."""
    async with engine_over(tmp_path / "home") as (_, jobs):
        with pytest.raises(UsageError, match="not a lease's name"):
            await jobs.start("true", on=[sshd.host()], exclusive="a/b")
        assert not await jobs.list()
