"""Durable work on real hosts whose connections, controllers or machines go away."""

import asyncio
import contextlib
import hashlib
import os
import random
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from support.engines import engine_over, until
from support.sshd import need_root, running, world_writable

from remjobs import JobState as S
from remjobs import Stream
from remjobs.model.job import ReasonKind as K

OUT, ERR = Stream.OUTPUT, Stream.ERROR
ABORTS = 100
LINES = 3000


def burst(letter, number):
    return b"".join(b"%s burst %d line %d\n" % (letter, number, line) for line in range(LINES))


async def test_a_hundred_cuts_lose_and_repeat_nothing(sshd, tmp_path):
    """5 MB on each stream, the connection aborted 100 times while it comes."""
    log = world_writable(tmp_path / "log")
    go = tmp_path / "go"
    work = f"""
        echo $REMJOBS_KEY >>{log}
        n=0
        while [ $n -lt {ABORTS} ]; do
            awk -v n=$n 'BEGIN {{ for (i = 0; i < {LINES}; i++) {{
                print "o burst", n, "line", i; print "e burst", n, "line", i >"/dev/stderr" }} }}'
            n=$((n + 1))
            until [ -e {go}.$n ]; do sleep 0.01; done
        done
        exit 7"""

    def accepted():
        return sshd.log.read_text().count("Accepted publickey")

    before_all = accepted()
    spread = random.Random(1)  # noqa: S311 - no secret
    got = {OUT: hashlib.sha256(), ERR: hashlib.sha256()}
    size = dict.fromkeys(got, 0)
    async with engine_over(tmp_path / "home") as (_, jobs):
        job = await jobs.start(work, on=[sshd.host()])

        async def follow():
            async for record in jobs.follow(job.id):
                got[record.stream].update(record.data)
                size[record.stream] += len(record.data)

        following = asyncio.create_task(follow())
        for number in range(1, ABORTS + 1):
            before = sum(size.values())
            await until(lambda before=before: sum(size.values()) > before, f"output {number}")
            await asyncio.sleep(spread.uniform(0, 0.02))
            await until(lambda number=number: accepted() >= before_all + number, "a connection")
            sshd.kill_connections()
            (tmp_path / f"go.{number}").touch()
        await asyncio.wait_for(following, 60)
        child = (await jobs.get(job))[0].children[0]
    assert (child.state, child.exit_code) == (S.FAILED, 7)
    assert len(log.read_text().splitlines()) == 1
    assert accepted() > before_all + ABORTS
    for stream, letter in ((OUT, b"o"), (ERR, b"e")):
        whole = b"".join(burst(letter, number) for number in range(ABORTS))
        assert len(whole) >= 5_000_000
        assert (size[stream], got[stream].hexdigest()) == (
            len(whole),
            hashlib.sha256(whole).hexdigest(),
        )


# What the host says of the key decides


async def lost_once(jobs, job, sshd):
    """Cut the connections and wait until the engine has noticed."""
    sshd.kill_connections()
    await seen(jobs, job, lambda child: child.state is S.DISCONNECTED or child.is_final)


async def seen(jobs, job, wanted, timeout=20):
    """Poll a job's only child until it is as wanted."""
    async with asyncio.timeout(timeout):
        while True:
            child = (await jobs.get(job))[0].children[0]
            if wanted(child):
                return child
            await asyncio.sleep(0.02)


async def said(jobs, job, word, timeout=20):
    """Wait until a word was stored."""
    async with asyncio.timeout(timeout):
        async for record in jobs.follow(job.id):
            if word in record.data:
                return


async def test_a_lost_host_is_disconnected_meanwhile_and_says_so(make_sshd, tmp_path):
    """With the reason and the next try; waiting goes on; then it runs again."""
    sshd = make_sshd()
    async with engine_over(tmp_path / "home") as (_, jobs):
        job = await jobs.start("echo a; sleep 4; echo b", on=[sshd.host()])
        await said(jobs, job, b"a")
        sshd.stop()
        child = await seen(jobs, job, lambda child: child.state is S.DISCONNECTED)
        assert child.reason.kind is K.LOST
        assert "next try at" in child.reason.message
        assert child.sought_until is not None
        waiting = asyncio.create_task(jobs.wait(job))
        await asyncio.sleep(0.5)
        assert not waiting.done()
        sshd.start()
        await seen(jobs, job, lambda child: child.state is S.RUNNING)
        [ended] = await asyncio.wait_for(waiting, 30)
        assert ended.state is S.COMPLETED
        assert ended.children[0].sought_until is None
        assert await jobs.output(job) == {sshd.address(): b"a\nb\n"}


async def test_a_host_that_stays_away_is_given_up_and_found_by_resume(make_sshd, tmp_path):
    """After --reconnect-for it stays Disconnected; resume looks again."""
    sshd = make_sshd()
    log = world_writable(tmp_path / "log")
    async with engine_over(tmp_path / "home") as (_, jobs):
        work = f"echo ran >>{log}; sleep 3; exit 3"
        job = await jobs.start(work, on=[sshd.host()], reconnect_for=1.5)
        await until(log.read_text, "the work begins")
        sshd.stop()
        [ended] = await jobs.wait(job)
        child = ended.children[0]
        assert (ended.state, child.sought_until) == (S.DISCONNECTED, None)
        assert "`remjobs resume`" in child.reason.message
        sshd.start()
        await jobs.resume(job)
        child = (await jobs.wait(job))[0].children[0]
        assert (child.state, child.exit_code) == (S.FAILED, 3)
        assert log.read_text() == "ran\n"


async def test_work_that_ended_while_nobody_looked_has_its_true_end(make_sshd, tmp_path):
    """Also when it is another engine that finds it."""
    sshd = make_sshd()
    log = world_writable(tmp_path / "log")
    async with engine_over(tmp_path / "home") as (_, jobs):
        job = await jobs.start(f"echo a; echo ran >>{log}; kill -9 $$", on=[sshd.host()])
        local = await jobs.start(f"echo a; echo ran >>{log}; sleep 1; exit 9")
        await until(lambda: log.read_text() == "ran\n" * 2, "the work begins")
    await asyncio.sleep(1.2)
    async with engine_over(tmp_path / "home") as (_, jobs):
        ended = await jobs.wait(job, local)
        assert [(c.state, c.signal, c.exit_code) for [c] in (j.children for j in ended)] == [
            (S.FAILED, "KILL", None),
            (S.FAILED, None, 9),
        ]
        assert await jobs.output(job) == {sshd.address(): b"a\n"}
        assert await jobs.output(local) == {"localhost": b"a\n"}
    assert log.read_text() == "ran\n" * 2


async def test_a_login_that_is_refused_now_is_not_tried_again(make_sshd, tmp_path):
    """Trying again could lock the account: it stays Disconnected, and says why."""
    sshd = make_sshd()
    async with engine_over(tmp_path / "home") as (_, jobs):
        job = await jobs.start("echo a; sleep 20", on=[sshd.host()])
        await said(jobs, job, b"a")
        keys = sshd.authorized.read_text()
        sshd.authorized.write_text("")
        sshd.kill_connections()
        [ended] = await jobs.wait(job)
        assert ended.state is S.DISCONNECTED
        refused = sshd.log.read_text().count("Connection closed by authenticating user")
        assert refused <= 1
        sshd.authorized.write_text(keys)
        [stopped] = await jobs.stop(job)
        assert stopped.state is S.STOPPED


async def test_a_killed_runner_is_not_known_and_its_work_is_still_stopped(sshd, tmp_path):
    """The host cannot say how it ended: Disconnected, never run again; a stop finds it."""
    need_root("the runner belongs to the test user")
    mark = f"4{os.getpid()}"
    async with engine_over(tmp_path / "home") as (_, jobs):
        job = await jobs.start(f"echo begun; sleep {mark}", on=[sshd.host()])
        await said(jobs, job, b"begun")
        [pid_file] = sshd.user.home.glob(".remjobs/*/*/pid")
        os.kill(int(pid_file.read_text().split()[0]), signal.SIGKILL)
        [ended] = await jobs.wait(job)
        assert ended.state is S.DISCONNECTED
        assert "was killed" in ended.children[0].reason.message
        assert running(f"sleep\0{mark}")
        [stopped] = await jobs.stop(job)
        assert stopped.state is S.STOPPED
        assert not running(f"sleep\0{mark}")
        key = pid_file.parent.name
        await until(lambda: not running(f"/{key}\0"), "nothing of ours is left on the host")


async def test_a_spool_that_was_removed_is_not_taken_for_never_started(make_sshd, tmp_path):
    """The host had said that it has the work: it is not started again."""
    sshd = make_sshd()
    log = world_writable(tmp_path / "log")
    async with engine_over(tmp_path / "home") as (_, jobs):
        job = await jobs.start(f"echo ran >>{log}; echo a; sleep 5", on=[sshd.host()])
        await said(jobs, job, b"a")
        for folder in sshd.user.home.glob(".remjobs/*/*/pid"):
            subprocess.run(["rm", "-rf", folder.parent], check=True)
        sshd.kill_connections()
        [ended] = await jobs.wait(job)
        assert ended.state is S.DISCONNECTED
        assert "knows nothing of the work any more" in ended.children[0].reason.message
    assert log.read_text() == "ran\n"


async def test_two_engines_with_one_key_run_it_once_and_the_older_one_gives_way(sshd, tmp_path):
    """The store's fence decides; the work does not notice."""
    log = world_writable(tmp_path / "log")
    async with engine_over(tmp_path / "home") as (older, jobs):
        work = f"echo ran >>{log}; echo a; sleep 2; echo b"
        job = await jobs.start(work, on=[sshd.host()])
        await said(jobs, job, b"a")
        async with engine_over(tmp_path / "home") as (_, newer):
            [ended] = await newer.wait(job)
            assert ended.state is S.COMPLETED
            assert await newer.output(job) == {sshd.address(): b"a\nb\n"}
        await asyncio.wait_for(older.failed.wait(), 10)
    assert log.read_text() == "ran\n"


# Stop, suspend and resume after a reconnect


@pytest.mark.parametrize("sudo", [False, True])
async def test_stop_ends_the_whole_tree_after_a_reconnect(make_sshd, tmp_path, sudoer, sudo):
    """Also what runs under sudo, and what put itself into a session of its own."""
    sshd = make_sshd()
    mark = f"5{os.getpid()}"
    tree = f"sleep {mark} & setsid sleep {mark} & (trap '' TERM; sleep {mark}; sleep {mark})"
    work = f'sudo -n sh -c "{tree}"' if sudo else tree
    async with engine_over(tmp_path / "home") as (_, jobs):
        job = await jobs.start(f"echo a; {work}", on=[sshd.host()], stop_grace=0.5)
        await said(jobs, job, b"a")
        await until(lambda: len(running(f"sleep\0{mark}")) == 3, "the tree")
        sshd.kill_connections()
    async with engine_over(tmp_path / "home") as (_, jobs):
        [stopped] = await jobs.stop(job)
        assert (stopped.state, stopped.children[0].state) == (S.STOPPED, S.STOPPED)
        assert not running(f"sleep\0{mark}")


async def test_a_stop_of_a_host_that_is_away_is_not_confirmed_then_made_good(
    make_sshd,
    tmp_path,
    monkeypatch,
):
    """Nothing is called stopped that was not seen to be; a later stop finds it."""
    monkeypatch.setattr("remjobs.engine.child.AFTER_STOP", 1.0)
    sshd = make_sshd()
    mark = f"6{os.getpid()}"
    async with engine_over(tmp_path / "home") as (_, jobs):
        job = await jobs.start(f"echo a; sleep {mark}", on=[sshd.host()])
        await said(jobs, job, b"a")
        sshd.stop()
        await seen(jobs, job, lambda child: child.state is S.DISCONNECTED)
        [stopped] = await jobs.stop(job)
        assert stopped.state is S.DISCONNECTED
        assert "kill not confirmed" in stopped.children[0].status_message
        assert running(f"sleep\0{mark}")
        sshd.start()
        [stopped] = await jobs.stop(job)
        assert stopped.state is S.STOPPED
        assert not running(f"sleep\0{mark}")


async def test_work_under_sudo_is_held_and_goes_on(sshd, tmp_path, sudoer):
    """Processes of root as well."""
    beat = world_writable(tmp_path / "beat")
    work = f"sudo -n sh -c 'while [ ! -e {tmp_path}/enough ]; do echo x >>{beat}; sleep 0.05; done'"
    async with engine_over(tmp_path / "home") as (_, jobs):
        job = await jobs.start(work, on=[sshd.host()])
        await until(beat.read_text, "the work begins")
        [held] = await jobs.suspend(job)
        assert held.state is S.SUSPENDED
        size = beat.stat().st_size
        await asyncio.sleep(0.3)
        assert beat.stat().st_size == size
        (tmp_path / "enough").touch()
        await jobs.resume(job)
        assert (await jobs.wait(job))[0].state is S.COMPLETED


async def test_held_work_is_still_held_after_a_restart_and_goes_on(sshd, tmp_path):
    """Suspended is kept over a new engine; resume lets it end."""
    beat = world_writable(tmp_path / "beat")
    work = f"while [ ! -e {tmp_path}/enough ]; do echo x >>{beat}; sleep 0.05; done; echo end"
    async with engine_over(tmp_path / "home") as (_, jobs):
        job = await jobs.start(work, on=[sshd.host()])
        await until(beat.read_text, "the work begins")
        [held] = await jobs.suspend(job)
        assert held.state is S.SUSPENDED
        size = beat.stat().st_size
        await asyncio.sleep(0.3)
        assert beat.stat().st_size == size
    async with engine_over(tmp_path / "home") as (_, jobs):
        await seen(jobs, job, lambda child: child.state is S.SUSPENDED)
        assert beat.stat().st_size == size
        (tmp_path / "enough").touch()
        await jobs.resume(job)
        assert (await jobs.wait(job))[0].state is S.COMPLETED
        assert await jobs.output(job) == {sshd.address(): b"end\n"}


# Machines and networks


def in_a_machine(boot_id):
    """Return what runs a command as if in a machine of its own, with this boot id."""
    mount = f"mount --bind {boot_id} /proc/sys/kernel/random/boot_id"
    unshare = ["unshare", "--fork", "--pid", "--mount", "--mount-proc", "--kill-child=SIGKILL"]
    return [*unshare, "sh", "-c", f'{mount} && exec "$@"', "sh"]


@pytest.mark.parametrize("watched", [True, False])
async def test_a_restarted_host_says_so(make_sshd, tmp_path, watched):
    """Its sshd, runner and work are gone and its boot id is another: Failed, lost."""
    need_root("a machine of its own is a namespace")
    boot_id = tmp_path / "boot_id"
    boot_id.write_text("11111111-1111-4111-8111-111111111111\n")
    sshd = make_sshd(wrapper=in_a_machine(boot_id))
    log = world_writable(tmp_path / "log")
    async with engine_over(tmp_path / "home") as (_, jobs):
        job = await jobs.start(f"echo ran >>{log}; echo a; sleep 60", on=[sshd.host()])
        await said(jobs, job, b"a")
        if watched:
            reboot(sshd, boot_id)
            [ended] = await jobs.wait(job)
    if not watched:
        reboot(sshd, boot_id)
        async with engine_over(tmp_path / "home") as (_, jobs):
            [ended] = await jobs.wait(job)
    child = ended.children[0]
    assert (child.state, child.reason.kind) == (S.FAILED, K.LOST)
    assert "restarted" in child.reason.message
    assert log.read_text() == "ran\n"


def reboot(sshd, boot_id):
    """Kill everything in the machine, and start it anew with another boot id."""
    sshd.process.kill()
    sshd.process.wait()
    boot_id.write_text("22222222-2222-4222-8222-222222222222\n")
    sshd.start()


@pytest.fixture
def network():
    """A network namespace with one address, and a way to cut it off."""
    need_root("network namespaces")
    name = f"rj{os.getpid()}"

    def ip(*words):
        subprocess.run(["ip", *words], check=True)

    ip("netns", "add", name)
    try:
        ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("address", "add", "10.213.7.1/30", "dev", name)
        ip("link", "set", name, "up")
        for words in (
            ["address", "add", "10.213.7.2/30", "dev", "eth0"],
            ["link", "set", "eth0", "up"],
        ):
            ip("netns", "exec", name, "ip", *words)
        yield name, "10.213.7.2", lambda state: ip("link", "set", name, state)
    finally:
        ip("netns", "delete", name)


async def test_a_network_that_is_away_for_half_a_minute_loses_nothing(network, make_sshd, tmp_path):
    """Cut for 30 s and restored: Disconnected meanwhile, then every line, once."""
    name, address, set_link = network
    sshd = make_sshd(addresses=[address], wrapper=["ip", "netns", "exec", name])
    log = world_writable(tmp_path / "log")
    work = f"echo ran >>{log}; for n in $(seq 45); do echo $n; sleep 1; done"
    ssh = {"keepalive_interval": 1.0, "connect_timeout": 2.0}
    async with engine_over(tmp_path / "home") as (_, jobs):
        job = await jobs.start(work, on=[sshd.host(ssh=ssh)])
        await said(jobs, job, b"2\n")
        set_link("down")
        cut_at = asyncio.get_running_loop().time()
        child = await seen(jobs, job, lambda child: child.state is S.DISCONNECTED, 15)
        assert "next try at" in child.reason.message
        await asyncio.sleep(30 - (asyncio.get_running_loop().time() - cut_at))
        set_link("up")
        [ended] = await jobs.wait(job)
        assert ended.state is S.COMPLETED
        expected = b"".join(b"%d\n" % number for number in range(1, 46))
        assert await jobs.output(job) == {address: expected}
    assert log.read_text() == "ran\n"


# Cuts while it starts


class CuttingRelay:
    """A loopback relay whose first connection is aborted after so many bytes one way."""

    def __init__(self, target, up=None, down=None):
        self._target = target
        self._limits = [up, down]
        self.passed = [0, 0]
        self._tasks = set()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.1.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def _serve(self, reader, writer):
        limits, self._limits = self._limits, [None, None]
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        both = (writer, far_writer)
        ways = ((reader, far_writer, 0), (far_reader, writer, 1))
        with suppress(OSError, asyncio.CancelledError):
            await asyncio.gather(
                *(self._copy(source, target, way, limits[way]) for source, target, way in ways),
            )
        for each in both:
            each.transport.abort()

    async def _copy(self, reader, writer, way, limit):
        while data := await reader.read(65536):
            allowed = data if limit is None else data[: max(0, limit - self.passed[way])]
            self.passed[way] += len(allowed)
            writer.write(allowed)
            await writer.drain()
            if limit is not None and self.passed[way] >= limit:
                raise ConnectionAbortedError
        raise ConnectionResetError

    async def __aexit__(self, *_):
        self._server.close()


async def test_a_start_that_is_cut_anywhere_runs_once(sshd, tmp_path):
    """At every 64th byte of what the connection carries, up and down.

    SSH packets arrive whole or not at all, and none of ours is shorter.
    """
    log = world_writable(tmp_path / "log")
    known = tmp_path / "known_relays"
    public = Path(f"{sshd.host_key}.pub").read_text()
    target = (sshd.address(), sshd.port)

    def host(relay, name):
        with known.open("a") as file:
            file.write(f"[127.0.1.1]:{relay.port} {public}")
        return sshd.host(name=name, address="127.0.1.1", port=relay.port, ssh=trusting)

    trusting = {"known_hosts_file": str(known)}
    async with contextlib.AsyncExitStack() as stack:
        _, jobs = await stack.enter_async_context(engine_over(tmp_path / "home"))
        whole = await stack.enter_async_context(CuttingRelay(target))
        work = f"echo $REMJOBS_KEY >>{log}; echo $REMJOBS_KEY"
        await jobs.run(work, on=[host(whole, "whole")], durable=True)
        relays = {}
        for way, name in enumerate(("up", "down")):
            for size in range(64, whole.passed[way], 64):
                relay = CuttingRelay(target, **{name: size})
                relays[f"{name}{size}"] = await stack.enter_async_context(relay)
        hosts = [host(relay, name) for name, relay in relays.items()]
        job = await jobs.start(work, on=hosts, throttle_limit=16)
        [ended] = await jobs.wait(job)
        output = await jobs.output(job)
    keys = log.read_text().split()[1:]
    assert len(keys) == len(set(keys))
    for child in ended.children:
        said = output.get(child.host, b"").decode().split()
        if child.state is S.FAILED:
            # Cut before there was a session: nothing was sent.
            assert (child.reason.kind, said) == (K.UNREACHABLE, []), child
        else:
            assert (child.state, len(said)) == (S.COMPLETED, 1), child
            assert said[0] in keys
    completed = ended.counts[S.COMPLETED]
    assert completed == len(keys)
    assert completed > 40
