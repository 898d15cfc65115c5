"""What durable work does on its host: on every shell, at every cut, in bad luck."""

import asyncio
import os
import re
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from support.engines import engine_over, until
from support.execute import running, several
from support.sshd import need_root, wait_for, world_writable

from remjobs import JobState as S
from remjobs import Stream
from remjobs.errors import UsageError
from remjobs.model.job import ReasonKind as K
from remjobs.model.request import Caller
from remjobs.model.work import Command, Script, Work
from remjobs.transports.base import Exited, HostFailure, NotInitialized, Signaled, Unknown
from remjobs.transports.posix.programs import durable
from remjobs.transports.ssh import SshTransport

OUT, ERR = Stream.OUTPUT, Stream.ERROR
NAMED = Work(command=Command(text="whatever it was"), durable=True)
SHELLS = ["dash", "bash", "busybox", "mksh", "ksh93"]


def in_a_place(*preparations):
    """Return what runs a command in a mount namespace of its own, prepared so."""
    need_root("mount namespaces")
    script = " && ".join([*preparations, 'exec "$@"'])
    return ["unshare", "--mount", "sh", "-c", script, "sh"]


def shell_is(name):
    """Put another shell in the place of /bin/sh."""
    return f"mount --bind {shutil.which(name)} {Path('/bin/sh').resolve()}"


def own_home(user, options):
    """Give the user an empty home on a file system of its own."""
    return [f"mount -t tmpfs -o {options} none {user.home}", f"chown {user.name} {user.home}"]


def text(command, **more):
    return Work(command=Command(text=command), durable=True, **more)


async def ran(host, work, key=None, *, release=True):
    """Run durable work to its end."""
    session = await SshTransport(Caller()).connect(host, None)
    try:
        return await ended(await session.start(key or uuid4(), work), release=release)
    finally:
        await session.close()


async def ended(execution, *, release=True, begin=0):
    streams = {OUT: b"", ERR: b""}
    async for chunk in execution:
        assert chunk.offset == len(streams[chunk.stream]) + (begin if chunk.stream is OUT else 0)
        streams[chunk.stream] += chunk.data
    outcome = await execution.outcome()
    if release:
        await execution.release()
    return outcome, streams[OUT], streams[ERR]


@pytest.fixture(params=[*SHELLS, "busybox and its own tools"])
def shell(request, make_sshd, tmp_path, leases):
    """A host whose /bin/sh is each of these in turn."""
    name, _, own_tools = request.param.partition(" ")
    place = f"SetEnv REMJOBS_LEASES={leases}"
    if not own_tools:
        return make_sshd(place, wrapper=in_a_place(shell_is(name)))
    tools = tmp_path / "tools"
    tools.mkdir()
    subprocess.run(["busybox", "--install", "-s", str(tools)], check=True)
    return make_sshd(f"{place} PATH={tools}", wrapper=in_a_place(shell_is(name)))


# Every shell


@pytest.mark.parametrize(
    ("command", "outcome", "out", "err"),
    [
        ("true", Exited(0), b"", b""),
        ("printf 'a\\0b'; sleep 0.3; echo c >&2; exit 3", Exited(3), b"a\0b", b"c\n"),
        ("exit 137", Exited(137), b"", b""),
        ("kill -9 $$", Signaled("KILL"), b"", b""),
        ("trap 'echo got; exit 9' INT; kill -INT $$; sleep 5", Exited(9), b"got\n", b""),
        ("exec head -c 1000000 /dev/zero", Exited(0), bytes(1_000_000), b""),
    ],
)
async def test_output_and_end_are_the_same_on_every_shell(shell, command, outcome, out, err):
    """Bytes, exit codes and signals, as if the work were attached."""
    assert await ran(shell.host(), text(command)) == (outcome, out, err)


async def test_the_work_sees_the_same_world_on_every_shell(shell):
    """Environment, directory, umask, limits, signals and descriptors are as if attached."""
    look = """
        umask; pwd; ulimit -n; ls /proc/$$/fd; grep -E 'Sig(Blk|Ign)' /proc/self/status
        env | grep -vE '^(REMJOBS_KEY|SSH_|_|OLDPWD|PPID|SHLVL|A__z)' | sort"""
    script = Work(command=Command(text=look), shell="/bin/bash")
    worlds = []
    for durable_ in (False, True):
        async with running(shell.host(), replace(script, durable=durable_)) as run:
            assert await run.outcome() == Exited(0)
            worlds.append(run.output[OUT].decode())
    assert worlds[0] == worlds[1]


async def test_large_binary_input_arrives_on_every_shell(shell):
    """With every byte value."""
    data = bytes(range(256)) * 400
    assert await ran(shell.host(), text("cat", input=data)) == (Exited(0), data, b"")


async def test_output_is_live_on_every_shell(shell):
    """The first line is here long before the end."""
    host = shell.host()
    async with running(host, text("echo first; sleep 60")) as run:
        await run.said(b"first\n")
        assert (await run.execution.stop(1)).confirmed
        # A shell that sees its child go first, or mksh, which hides it, says it by a code.
        assert await run.outcome() in {Signaled("TERM"), Exited(143)}


async def test_thirty_starts_of_one_key_run_once_on_every_shell(shell, tmp_path):
    """All at once; each of them follows the one that ran."""
    log = world_writable(tmp_path / "log")
    key, host = uuid4(), shell.host()
    work = text(f"echo ran >>{log}; sleep 0.5; echo done; exit 4")
    results = await asyncio.gather(*(ran(host, work, key, release=False) for _ in range(30)))
    assert log.read_text() == "ran\n"
    assert results == [(Exited(4), b"done\n", b"")] * 30


async def test_a_cut_is_made_good_on_every_shell(shell, tmp_path):
    """Adopted at the exact byte, live and after the end; then forgotten."""
    key = uuid4()
    transport = SshTransport(Caller())
    session = await transport.connect(shell.host(), None)
    execution = await session.start(key, text("echo one; sleep 1; echo two; exit 5"))
    async for chunk in execution:
        assert chunk.data == b"one\n"
        break
    await session.close()
    for offset, rest in ((2, b"e\ntwo\n"), (8, b"")):
        session = await transport.connect(shell.host(), None)
        streams = b""
        execution = await session.adopt(key, NAMED, {OUT: offset})
        async for chunk in execution:
            streams += chunk.data
        assert (streams, await execution.outcome()) == (rest, Exited(5))
        if offset == 8:
            await execution.release()
            assert isinstance((await ended(await session.adopt(key, NAMED, {})))[0], Unknown)
        await session.close()


@pytest.mark.parametrize("durable_", [False, True], ids=["attached", "durable"])
async def test_one_of_many_gets_a_lease_on_every_shell(shell, durable_):
    """All at once; the others are told who has it, and the next one gets it after a stop."""
    host = shell.host()
    holder = """a@b for job 1 "it's $HOME \\n é\""""
    work = Work(
        command=Command(text="echo got it; exec sleep 60"),
        durable=durable_,
        exclusive="x",
        holder=holder,
    )
    async with several(host, work, 8) as runs:
        await until(lambda: sum(run.task.done() for run in runs) == 7, "one is left", timeout=60)
        [winner] = [run for run in runs if not run.task.done()]
        await winner.said(b"got it\n")
        for run in set(runs) - {winner}:
            refusal = run.task.exception()
            assert refusal.reason is K.LEASED, refusal
            since = r" since \d\d:\d\d UTC, last heartbeat \d+ s ago"
            assert re.fullmatch(re.escape(f"held by {holder}") + since, str(refusal))
            assert run.output == {OUT: b"", ERR: b""}
        for name in ("y", "x"):
            if name == "x":
                assert (await winner.execution.stop(1)).confirmed
            async with running(host, replace(work, exclusive=name)) as other:
                await other.said(b"got it\n")
                assert (await other.execution.stop(1)).confirmed


# Every cut


def test_a_start_that_is_cut_at_any_byte_never_runs(tmp_path, spool):
    """The same key is tried with every part of what is sent; only the whole runs, once."""
    log = tmp_path / "log"
    work = text(f"echo ran >>{log}; cat >>{log}", input=b"input\n")
    launch = durable(uuid4(), "w" * 32, work)

    def send(size):
        return subprocess.run(
            ["/bin/sh", "-c", launch.script],
            input=launch.prefix[:size],
            capture_output=True,
            check=False,
        )

    with ThreadPoolExecutor(4) as pool:
        cut = list(pool.map(send, range(len(launch.prefix))))
    assert {done.returncode for done in cut} == {125}
    assert all(b"did not arrive whole" in done.stdout for done in cut)
    assert not log.exists()
    assert [path.name for path in spool.iterdir()] == []
    for _ in range(3):
        assert send(len(launch.prefix)).returncode == 0
    wait_for(lambda: log.exists() and log.read_text() == "ran\ninput\n", "the whole runs, once")


def test_damaged_work_is_refused(spool):
    """One bit is enough."""
    launch = durable(uuid4(), "w" * 32, text("echo ran"))
    for at in range(0, len(launch.prefix), 50):
        damaged = bytearray(launch.prefix)
        damaged[at] ^= 1
        done = subprocess.run(
            ["/bin/sh", "-c", launch.script],
            input=damaged,
            capture_output=True,
            check=False,
        )
        assert b"refused the work did not arrive whole" in done.stdout
    assert list(spool.iterdir()) == []


# Bad luck


def spools(sshd, pattern="*"):
    return sorted(sshd.user.home.glob(f".remjobs/*/{pattern}"))


async def test_the_host_keeps_only_the_key_once_the_outcome_is_stored(sshd, tmp_path):
    """An empty folder with a mark; nothing of the work, its input or its output."""
    need_root("the spool belongs to the test user")
    async with engine_over(tmp_path / "home") as (engine, jobs):
        job = await jobs.start("cat", on=[sshd.host()], input=b"canary")
        await jobs.wait(job)
        key = (await engine.store.load(job.id)).entries[0].key
        [kept] = spools(sshd, f"{key}*")
        await until(lambda: [path.name for path in kept.iterdir()] == ["done"], "it is cleaned")


async def test_a_refusal_leaves_no_work_behind(sshd, tmp_path):
    """What cannot begin fails with its reason, and is cleaned as well."""
    async with engine_over(tmp_path / "home") as (_, jobs):
        job = await jobs.start("true", on=[sshd.host()], directory="/no\\where")
        child = (await jobs.wait(job))[0].children[0]
    assert (child.state, child.reason.kind, child.begin_time) == (S.FAILED, K.REFUSED, None)
    assert child.reason.message.endswith("cannot enter the directory /no\\where")


async def test_leftovers_are_swept_by_age_at_the_first_start_of_a_day(make_sshd, user):
    """Old results and half-sent work go; what runs stays, however old it looks."""
    need_root("the spool belongs to the test user")
    sshd = make_sshd()
    host = sshd.host()
    place = Path(user.home, ".remjobs", os.uname().nodename)
    await ran(host, text("true"))
    for mark in place.glob(".swept-*"):
        mark.unlink()
    before = set(place.glob("*/pid"))
    async with running(host, text("echo begun; sleep 60")) as run:
        await run.said(b"begun")
        [going] = {path.parent for path in set(place.glob("*/pid")) - before}
        old = place / str(uuid4())
        old.mkdir()
        (old / "rc.0").touch()
        half = place / f"{uuid4()}.123"
        half.touch()
        young = place / str(uuid4())
        young.mkdir()
        for path in (old, half, going):
            shutil.chown(path, user.name)
            os.utime(path, (0, 0))
        await ran(host, text("true"))
        assert [path.name for path in old.iterdir()] == ["swept"]
        assert not half.exists()
        assert list(young.iterdir()) == []
        assert (going / "pid").exists()
        os.utime(old, (0, 0))
        await ran(host, text("true"))
        assert old.exists(), "a second sweep on one day"
        for mark in place.glob(".swept-*"):
            mark.unlink()
        await ran(host, text("true"))
        assert not old.exists()
        assert (await run.execution.stop(1)).confirmed
    shutil.rmtree(young)


async def test_an_outcome_that_was_swept_is_not_known_and_not_run_again(sshd, tmp_path):
    """Hosts clean --older-than 0 takes it; the key stays."""
    log = world_writable(tmp_path / "log")
    key, work = uuid4(), text(f"echo ran >>{log}")
    session = await SshTransport(Caller()).connect(sshd.host(), None)
    await ended(await session.start(key, work), release=False)
    report = await session.sweep(0)
    assert report.swept >= 1
    for late in (await session.adopt(key, NAMED, {}), await session.start(key, work)):
        outcome = (await ended(late, release=False))[0]
        assert isinstance(outcome, Unknown)
        assert "swept" in outcome.message
    await session.close()
    assert log.read_text() == "ran\n"


async def test_hosts_that_share_a_home_keep_their_work_apart(make_sshd, user):
    """As over NFS: the host's name is in the path."""
    need_root("host names of their own")
    for name in ("alpha", "beta"):
        set_name = f'hostname {name} && exec "$@"'
        sshd = make_sshd(wrapper=["unshare", "--uts", "sh", "-c", set_name, "sh"])
        await ran(sshd.host(), text("true"))
        assert list((user.home / ".remjobs" / name).iterdir())


async def test_a_durable_child_costs_one_command_on_its_connection(sshd):
    """Start, output, end and cleaning go through the same channel."""

    def commands():
        return sshd.log.read_text().count("Starting session: command")

    await ran(sshd.host(), text("true"))
    before = commands()
    await ran(sshd.host(), text("echo out; exit 3", input=bytes(100_000)))
    assert commands() == before + 1


@pytest.mark.parametrize("trouble", ["read-only", "full", "file"])
async def test_a_home_that_cannot_keep_it_is_passed_over(make_sshd, user, trouble, tmp_path):
    """Another place that survives a restart is taken, and found again."""
    home = user.home
    prepare = {
        "read-only": [f"mount -t tmpfs -o size=1m none {home}", f"mount -o remount,ro {home}"],
        "full": [
            f"mount -t tmpfs -o size=64k none {home}",
            f"chown {user.name} {home}",
            f"(cat /dev/zero >{home}/filler 2>/dev/null || true)",
        ],
        "file": [
            f"mount -t tmpfs -o size=1m none {home}",
            f"touch {home}/.remjobs",
            f"chown -R {user.name} {home}",
        ],
    }
    sshd = make_sshd(wrapper=in_a_place(*prepare[trouble]))
    other = Path(f"/var/tmp/.remjobs-{user.uid}")
    log = world_writable(tmp_path / "log")
    try:
        async with engine_over(tmp_path / "state") as (_, jobs):
            work = f"echo ran >>{log}; echo a; sleep 1; echo b"
            job = await jobs.start(work, on=[sshd.host()])
            await until(log.read_text, "it runs")
            assert list(other.glob("*/pid"))
            sshd.kill_connections()
            assert (await jobs.wait(job))[0].state is S.COMPLETED
            assert await jobs.output(job) == {sshd.address(): b"a\nb\n"}
        assert log.read_text() == "ran\n"
    finally:
        shutil.rmtree(other, ignore_errors=True)


async def test_where_nothing_can_be_kept_durable_work_is_refused(make_sshd, user, tmp_path):
    """With what to do; attached work runs all the same."""
    empty = "mount -t tmpfs -o size=1m,ro none"
    sshd = make_sshd(wrapper=in_a_place(f"{empty} {user.home}", f"{empty} /var/tmp"))
    with pytest.raises(HostFailure, match=r"neither .*/\.remjobs/.* nor /var/tmp .*--attached"):
        await ran(sshd.host(), text("true"))
    async with engine_over(tmp_path / "home") as (_, jobs):
        job = await jobs.run("echo attached", on=[sshd.host()])
        assert job.state is S.COMPLETED


async def test_a_home_that_allows_no_programs_is_no_hindrance(make_sshd, user):
    """noexec: nothing of ours is executed as a file."""
    sshd = make_sshd(wrapper=in_a_place(*own_home(user, "noexec,size=1m")))
    assert await ran(sshd.host(), text("echo x")) == (Exited(0), b"x\n", b"")


async def test_a_disk_that_fills_up_keeps_the_exit_code(make_sshd, user):
    """The work sees that its output cannot be written; how it ended is told all the same."""
    sshd = make_sshd(wrapper=in_a_place(*own_home(user, "size=200k")))
    outcome, out, _ = await ran(sshd.host(), text("head -c 1000000 /dev/zero; exit 6"))
    assert outcome == Exited(6)
    assert 0 < len(out) < 1_000_000
    assert out == bytes(len(out))


async def test_output_over_the_limit_fills_no_disk(sshd, tmp_path):
    """The files stay at the cap while the work goes on; what is kept is its beginning."""
    need_root("the spool belongs to the test user")
    limit = 100_000
    work = """
        n=0
        while [ $n -lt 35 ]; do
            seq -f %09.0f $((n * 1000)) $((n * 1000 + 999))
            n=$((n + 1))
            sleep 0.1
        done"""
    async with engine_over(tmp_path / "home") as (engine, jobs):
        job = await jobs.start(work, on=[sshd.host()], output_limit=limit)
        key = (await engine.store.load(job.id)).entries[0].key
        [file] = await until(lambda: spools(sshd, f"{key}/out"), "the spool")
        await until((file.parent / "capped").exists, "the cap")
        sizes = []
        while file.exists():
            sizes.append(file.stat().st_size)
            await asyncio.sleep(0.05)
        child = (await jobs.wait(job))[0].children[0]
        output = (await jobs.output(job))[sshd.address()]
    whole = b"".join(b"%09d\n" % number for number in range(35_000))
    assert output == whole[:limit]
    assert "cut" in child.status_message
    assert max(sizes) < len(whole) - 50_000


async def test_a_host_that_kills_what_users_leave_says_so(make_sshd, tmp_path):
    """KillUserProcesses=yes breaks the promise: it is told."""
    conf = tmp_path / "logind.conf"
    conf.write_text("[Login]\nKillUserProcesses=yes\n")
    prepare = [
        "mkdir -p /etc/systemd",
        "mount -t tmpfs none /etc/systemd",
        f"cp {conf} /etc/systemd/logind.conf",
    ]
    sshd = make_sshd("SetEnv XDG_SESSION_ID=7", wrapper=in_a_place(*prepare))
    async with engine_over(tmp_path / "home") as (_, jobs):
        job = await jobs.start("true", on=[sshd.host()])
        child = (await jobs.wait(job))[0].children[0]
    assert child.state is S.COMPLETED
    assert "KillUserProcesses=yes" in child.status_message


@pytest.mark.parametrize("left", ["perl", None])
async def test_a_host_without_setsid_has_another_way_or_says_so(make_sshd, tmp_path, left):
    """Perl makes the session; without it the work still outlives the connection."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for path in Path("/usr/bin").iterdir():
        if path.name != "setsid" and (not path.name.startswith("perl") or left == "perl"):
            (tools / path.name).symlink_to(path)
    sshd = make_sshd(f"SetEnv PATH={tools}")
    host, key = sshd.host(), uuid4()
    session = await SshTransport(Caller()).connect(host, None)
    execution = await session.start(key, text("echo begun; sleep 1; ps -o sid= -p $$; echo $PPID"))
    assert bool(execution.notes) == (left is None)
    async for _ in execution:
        break
    sshd.kill_connections()
    await session.close()
    again = await SshTransport(Caller()).connect(host, None)
    outcome, out, _ = await ended(await again.adopt(key, NAMED, {OUT: 6}), release=False, begin=6)
    await again.close()
    assert outcome == Exited(0)
    own_session = len(set(out.split())) == 1
    assert own_session == (left is not None)


async def test_a_host_without_a_usable_sh_is_named(make_sshd, tmp_path):
    """Nothing was started, and the login's own complaint is shown."""
    hide = 'mount --bind /etc/hostname /usr/bin/dash && exec "$@"'
    sshd = make_sshd(wrapper=["unshare", "--mount", "bash", "-c", hide, "bash"])
    with pytest.raises(HostFailure, match="login shell ended before the work began"):
        await ran(sshd.host(), text("true"))
    async with engine_over(tmp_path / "home") as (_, jobs):
        job = await jobs.start("true", on=[sshd.host()])
        child = (await jobs.wait(job))[0].children[0]
    assert (child.state, child.reason.kind) == (S.FAILED, K.REFUSED)


@pytest.mark.parametrize("login", ["tcsh", "fish", "bash"])
async def test_any_login_shell_will_do(make_sshd, user, tmp_path, login):
    """The program is one quoted argument to /bin/sh."""
    passwd = tmp_path / "passwd"
    lines = Path("/etc/passwd").read_text().splitlines()
    changed = [
        line.rpartition(":")[0] + f":{shutil.which(login)}"
        if line.startswith(f"{user.name}:")
        else line
        for line in lines
    ]
    passwd.write_text("\n".join(changed) + "\n")
    sshd = make_sshd(wrapper=in_a_place(f"mount --bind {passwd} /etc/passwd"))
    outcome, out, err = await ran(sshd.host(), text('echo "$A"', environment={"A": "a!b 'c'"}))
    assert (outcome, out, err) == (Exited(0), b"a!b 'c'\n", b"")


async def test_a_clock_that_jumps_changes_nothing(sshd, tmp_path, monkeypatch):
    """Neither ours, while a host is sought, nor the times of files on the host."""
    async with engine_over(tmp_path / "home") as (_, jobs):
        job = await jobs.start("echo a; sleep 2; echo b", on=[sshd.host()])
        await until(lambda: spools(sshd, "*/pid"), "the spool")
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() + 10_000_000)
        for pid in spools(sshd, "*/pid"):
            os.utime(pid.parent, (real() + 10_000_000,) * 2)
        sshd.kill_connections()
        [ended_] = await jobs.wait(job)
        assert ended_.state is S.COMPLETED
        assert await jobs.output(job) == {sshd.address(): b"a\nb\n"}


# Initialization


@pytest.mark.parametrize("durable_", [False, True], ids=["attached", "durable"])
@pytest.mark.parametrize(
    ("init", "outcome", "out"),
    [
        ("f() { echo in f $v; }; v=1; cd /usr", Exited(3), b"in f 1\n/usr\na b\n"),
        ("exit 4", NotInitialized(4), b""),
        ("echo said; false", NotInitialized(1), b"said\n"),
        ("if", None, b""),
        ("set -u; echo $nope", None, b""),
    ],
)
async def test_initialization_comes_first_in_the_same_shell(shell, durable_, init, outcome, out):
    """What it sets carries over; if it fails in any way the work is not run."""
    work = Work(
        command=Command(text='f; pwd; echo "$1"; exit 3'),
        arguments=("a b",),
        initialization=init,
        durable=durable_,
    )
    async with running(shell.host(), work) as run:
        found = await run.outcome()
    assert found == outcome or (outcome is None and isinstance(found, NotInitialized))
    assert bytes(run.output[OUT]) == out
    assert b"remjobs-" not in run.output[ERR]


async def test_scripts_are_initialized_too(sshd, tmp_path):
    """In the script's own interpreter, with its arguments and its input."""
    script = Script(
        name="x.sh", content=b"#!/bin/bash\nread line; greet $line $1 ${BASH_VERSION:+bash}\n"
    )
    async with engine_over(tmp_path / "home") as (_, jobs):
        for durable_ in (False, True):
            work = {"initialization": "greet() { echo hi $*; }", "input": b"you\n"}
            path = tmp_path / "x.sh"
            path.write_bytes(script.content)
            job = await jobs.start(
                script=path,
                arguments=["one"],
                on=[sshd.host()],
                durable=durable_,
                **work,
            )
            [ended_] = await jobs.wait(job)
            assert ended_.state is S.COMPLETED, ended_.children
            assert await jobs.output(job) == {sshd.address(): b"hi you one bash\n"}


@pytest.mark.parametrize("durable_", [True, False])
async def test_the_last_bytes_of_an_initialized_work_are_kept(sshd, durable_):
    """Also where they might begin a mark of ours."""
    work = Work(
        command=Command(text="printf 'fatal error' >&2"), initialization="true", durable=durable_
    )
    assert await ran(sshd.host(), work) == (Exited(0), b"", b"fatal error")


async def test_a_failed_initialization_has_a_reason_of_its_own(sshd, tmp_path):
    """And python, which cannot be initialized by a text of sh, is refused before the start."""
    async with engine_over(tmp_path / "home") as (_, jobs):
        job = await jobs.start("echo never", on=[sshd.host()], initialization="cd /nowhere")
        child = (await jobs.wait(job))[0].children[0]
        assert (child.state, child.reason.kind) == (S.FAILED, K.INITIALIZATION)
        assert child.status_message == "initialization failed"
        assert OUT not in {record.stream async for record in jobs.follow(job.id)}
        with pytest.raises(UsageError, match="--init needs a shell"):
            await jobs.start("print(1)", initialization="x=1", shell="python3")
