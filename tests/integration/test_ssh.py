"""The SSH transport against real OpenSSH servers: streams, stops, cuts, limits."""

import asyncio
import os
import resource
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from support.execute import ran, running, text
from support.sshd import need_root, wait_for
from support.sshd import running as processes_with

from remjobs.model.host import Host, SshOptions
from remjobs.model.job import ReasonKind
from remjobs.model.record import Stream
from remjobs.model.request import Caller
from remjobs.model.work import Command, Script, Work
from remjobs.transports.base import Exited, HostFailure, Lost
from remjobs.transports.posix.channel import said_by
from remjobs.transports.posix.programs import controller
from remjobs.transports.ssh import SshTransport

OUT, ERR = Stream.OUTPUT, Stream.ERROR


# 1: a cut link


async def test_a_cut_link_is_lost_never_success(make_sshd):
    """The connection's sshd is killed in mid-command: no exit status, so no outcome."""
    sshd = make_sshd()
    async with running(sshd.host(), text("echo begun; sleep 60")) as run:
        await run.said(b"begun")
        sshd.kill_connections()
        assert isinstance(await run.outcome(), Lost)
    assert bytes(run.output[OUT]) == b"begun\n"


# 2: bytes that are no text


async def test_bytes_that_are_not_utf8_arrive_exactly_on_both_streams(sshd):
    """One 0xFF disturbs neither its own output nor a sibling's."""
    transport = SshTransport(Caller())
    session = await transport.connect(sshd.host(), None)
    odd = text("printf '\\377\\376\\000x'; printf '\\201' >&2")
    plain = text("sleep 0.3; echo fine")

    async def one(work):
        execution = await session.start(uuid4(), work)
        data = {OUT: b"", ERR: b""}
        async for chunk in execution:
            data[chunk.stream] += chunk.data
        return data, await execution.outcome()

    first, second = await asyncio.gather(one(odd), one(plain))
    await session.close()
    assert first == ({OUT: b"\xff\xfe\0x", ERR: b"\x81"}, Exited(0))
    assert second == ({OUT: b"fine\n", ERR: b""}, Exited(0))


# 3: stop means stopped

TREE = (
    "(trap '' TERM; while :; do sleep 7{mark}; done) & "
    "setsid sleep 8{mark} & "
    "(setsid sh -c 'sleep 9{mark} & exec sleep 6{mark}' &) & "
    "echo begun; sleep 5{mark}"
)


def login(sshd, who):
    if who == "root":
        need_root("logging in as root needs root")
    return sshd.host(user="root") if who == "root" else sshd.host()


@pytest.mark.parametrize("who", ["user", "root"])
async def test_stop_ends_the_whole_tree_and_confirms_it(sshd, who):
    """Grandchildren, those in sessions of their own, and one that ignores TERM: all gone.

    sshd refuses signal requests for root, so this cannot be left to it.
    """
    mark = f"{os.getpid()}{who == 'root':d}"
    async with running(login(sshd, who), text(TREE.replace("{mark}", mark))) as run:
        await run.said(b"begun")
        wait_for(lambda: len(sleeping(mark)) >= 5, "the tree has grown")
        report = await run.execution.stop(0.5)
        await run.outcome()
    assert report.confirmed
    assert report.signalled >= 5
    assert sleeping(mark) == []


def sleeping(mark):
    return [pid for digit in "56789" for pid in processes_with(f"sleep\0{digit}{mark}")]


async def test_without_a_stop_a_dropped_command_lives_on(sshd):
    """Why a stop is needed at all: closing the channel ends nothing on the host."""
    mark = f"4{os.getpid()}"
    async with running(sshd.host(), text(f"echo begun; exec sleep {mark}")) as run:
        await run.said(b"begun")
        run.execution.abandon()
        await run.outcome()
    orphans = processes_with(f"sleep\0{mark}")
    assert orphans
    for pid in orphans:
        os.kill(pid, signal.SIGKILL)


async def test_stop_ends_children_under_sudo(sshd, sudoer):
    """Processes of root that the work started are stopped through sudo as well."""
    mark = f"3{os.getpid()}"
    work = text(f"echo begun; sudo -n sh -c 'sleep {mark} & wait'")
    async with running(sshd.host(), work) as run:
        await run.said(b"begun")
        wait_for(lambda: processes_with(f"sleep\0{mark}"), "the child under sudo")
        report = await run.execution.stop(1)
        await run.outcome()
    assert report.confirmed, report
    assert processes_with(f"sleep\0{mark}") == []


async def test_a_kill_that_is_not_possible_is_not_confirmed(sshd, sudoer):
    """Processes that we may not signal are named, not passed over."""
    mark = f"2{os.getpid()}"
    work = text(f"echo begun; sudo -n sh -c 'sleep {mark} & wait'")
    async with running(sshd.host(), work) as run:
        await run.said(b"begun")
        [survivor] = wait_for(lambda: processes_with(f"sleep\0{mark}"), "the child under sudo")
        sudoer.unlink()
        report = await run.execution.stop(0)
        run.execution.abandon()
    assert not report.confirmed
    assert str(survivor) in report.message
    for pid in processes_with(mark):
        os.kill(pid, signal.SIGKILL)


async def test_a_reused_pid_is_not_killed(sshd):
    """The leader's start time tells it from another process with its number."""
    launch = controller("stop", str(uuid4()), str(os.getpid()), "12345", "-", "0")
    async with running(sshd.host(), text("sleep 5")) as run:
        async with run.session._beside(launch) as channel:
            said = await said_by(channel)
        await run.execution.stop(0)
    assert said == "gone 0"


# 4: links that hang


class Relay:
    """A loopback relay that can stop forwarding without closing anything."""

    def __init__(self, target):
        self._target = target
        self._open = asyncio.Event()
        self._open.set()
        self._tasks = []

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.1.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def freeze(self):
        self._open.clear()

    async def _serve(self, reader, writer):
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        self._writers = (writer, far_writer)
        await asyncio.gather(self._copy(reader, far_writer), self._copy(far_reader, writer))

    async def _copy(self, reader, writer):
        with suppress(OSError, asyncio.CancelledError):
            while data := await reader.read(65536):
                await self._open.wait()
                writer.write(data)
                await writer.drain()

    async def __aexit__(self, *_):
        self._open.set()
        self._server.close()
        for writer in getattr(self, "_writers", ()):
            writer.close()
        await asyncio.sleep(0)


async def test_a_dead_connection_is_noticed_by_keepalive(sshd):
    """A link that swallows everything ends as Lost, after three unanswered keepalives."""
    async with Relay((sshd.address(), sshd.port)) as relay:
        known = sshd.folder / "known_relay"
        public = Path(f"{sshd.host_key}.pub").read_text()
        known.write_text(f"[127.0.1.1]:{relay.port} {public}")
        ssh = {"keepalive_interval": 0.3, "known_hosts_file": str(known)}
        host = sshd.host(port=relay.port, ssh=ssh)
        async with running(host, text("echo begun; sleep 60")) as run:
            await run.said(b"begun")
            relay.freeze()
            started = time.monotonic()
            assert isinstance(await run.outcome(10), Lost)
            assert time.monotonic() - started < 5


async def test_keepalive_is_on_by_default(sshd):
    """Asyncssh has it off; without it a half-open link hangs for ever."""
    session = await SshTransport(Caller()).connect(sshd.host(), None)
    opener: Any = session._open_channel
    options = opener._connection._options
    assert (options.keepalive_interval, options.keepalive_count_max) == (15.0, 3)
    await session.close()


async def test_a_black_hole_is_unreachable_after_the_connect_timeout():
    """A full accept queue answers no SYN, as a firewall that drops does."""
    with socket.socket() as hole:
        hole.bind(("127.0.1.1", 0))
        hole.listen(0)
        port = hole.getsockname()[1]
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.1.1", port))
            fillers.append(filler)
        failure = await refused_by(host_at(port, connect_timeout=0.4))
        for filler in fillers:
            filler.close()
    assert failure.reason is ReasonKind.UNREACHABLE
    assert str(failure) == f"no answer in 0.4 s ([127.0.1.1]:{port})"


async def test_a_server_that_never_speaks_ends_by_the_login_timeout():
    """A port that accepts and is silent does not hold a slot for minutes."""
    with socket.socket() as mute:
        mute.bind(("127.0.1.1", 0))
        mute.listen()
        failure = await refused_by(host_at(mute.getsockname()[1], login_timeout=0.4))
    assert failure.reason is ReasonKind.UNREACHABLE
    assert "login did not finish" in str(failure)


def host_at(port, **ssh):
    options = SshOptions(config_file="none", known_hosts_file="/dev/null", **ssh)
    return Host(name="127.0.1.1", port=port, user="nobody", ssh=options)


async def refused_by(host, caller=None):
    with pytest.raises(HostFailure) as caught:
        await SshTransport(caller or Caller()).connect(host, None)
    return caught.value


# 5: output without end


async def test_output_that_nobody_reads_is_held_back(sshd):
    """`yes` into a reader that does not read costs a few megabytes, not all memory."""
    session = await SshTransport(Caller()).connect(sshd.host(), None)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    execution = await session.start(uuid4(), text("yes"))
    reader = aiter(execution)
    await anext(reader)
    await asyncio.sleep(1.5)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 32 * 1024
    listening = asyncio.create_task(drain(reader))
    assert (await execution.stop(0.2)).confirmed
    await listening
    await session.close()


async def drain(reader):
    async for _chunk in reader:
        pass


async def test_fifty_megabytes_without_a_newline_arrive_whole(sshd):
    """Output is streamed, not gathered by lines."""
    size = 50_000_000
    session = await SshTransport(Caller()).connect(sshd.host(), None)
    execution = await session.start(uuid4(), text(f"head -c {size} /dev/zero"))
    total = 0
    async for chunk in execution:
        total += len(chunk.data)
    assert (total, await execution.outcome()) == (size, Exited(0))
    await session.close()


# 6: a background process keeps the pipe


async def test_a_background_process_does_not_hold_the_end_back(sshd):
    """The exit is told after a grace, with a note that somebody kept the output open."""
    started = time.monotonic()
    async with running(sshd.host(), text("echo out; sleep 20 & exit 4")) as run:
        assert await run.outcome() == Exited(4)
        assert 1.5 < time.monotonic() - started < 8
        assert run.execution.notes == ("background processes kept the output open",)
        assert (await run.execution.stop(0)).confirmed


async def test_output_still_on_its_way_at_the_exit_is_not_cut(sshd):
    """A background writer's two megabytes that follow the exit are all taken."""
    work = text("(sleep 0.3; head -c 2000000 /dev/zero) & exit 0")
    outcome, out, _ = await ran(sshd.host(), work)
    assert (outcome, len(out)) == (Exited(0), 2_000_000)


# 9: full servers


async def test_a_full_maxsessions_is_waited_out(make_sshd):
    """A second work on a connection that has one session waits for the first to end."""
    sshd = make_sshd("MaxSessions 1")
    session = await SshTransport(Caller()).connect(sshd.host(), None)

    async def one(word):
        execution = await session.start(uuid4(), text(f"sleep 0.4; echo {word}"))
        return b"".join([chunk.data async for chunk in execution])

    assert list(await asyncio.gather(one("a"), one("b"))) == [b"a\n", b"b\n"]
    await session.close()


async def test_stop_works_where_only_one_session_is_allowed(make_sshd):
    """The stop then goes through a connection of its own."""
    sshd = make_sshd("MaxSessions 1")
    mark = f"1{os.getpid()}"
    async with running(sshd.host(), text(f"echo begun; sleep {mark}")) as run:
        await run.said(b"begun")
        report = await run.execution.stop(1)
        await run.outcome()
    assert report.confirmed, report
    assert processes_with(f"sleep\0{mark}") == []


async def test_being_turned_away_at_the_door_is_tried_again(make_sshd):
    """MaxStartups drops connections before the login; they get in a little later."""
    sshd = make_sshd("MaxStartups 2:100:2")
    outcomes = await asyncio.gather(*(ran(sshd.host(), text("echo in")) for _ in range(6)))
    assert [(outcome, out) for outcome, out, _ in outcomes] == [(Exited(0), b"in\n")] * 6


# 10: what a connection costs


async def test_a_connection_costs_one_descriptor_and_gives_it_back(sshd):
    """Thousands of hosts fit into a usual limit."""

    def descriptors():
        return len(list(Path("/proc/self/fd").iterdir()))

    transport = SshTransport(Caller())
    await (await transport.connect(sshd.host(), None)).close()
    before = descriptors()
    sessions = [await transport.connect(sshd.host(n), None) for n in range(1, 11)]
    assert descriptors() - before == 10
    for session in sessions:
        await session.close()
    assert descriptors() == before


# Work as it is sent


@pytest.mark.parametrize(
    "argument",
    ["", "a b", "it's", 'say "x"', "$HOME `id`", "a\nb", "\\n", "!x", "💡é", "-n", "*"],
)
async def test_arguments_arrive_exactly(sshd, argument):
    """One word to one argument, whatever the word."""
    work = Work(command=Command(words=("printf", "%s.", argument, "end")))
    assert await ran(sshd.host(), work) == (Exited(0), f"{argument}.end.".encode(), b"")


@pytest.mark.parametrize("durable", [False, True])
async def test_every_character_arrives_as_it_was_typed(sshd, durable):
    """Each on its own and in a row with what shells take for theirs, through a real login."""
    letters = [chr(code) for code in (*range(1, 0x250), 0x2019, 0x202E, 0x1F600)]
    arguments = [*letters, "", "-", "--", *(f"'{one}\\$({one}\"" for one in letters[:128])]
    value = "".join(letters)
    show = 'printf "%s\\0" "$VALUE" "$@"'
    command = Command(words=("sh", "-c", show, "show", *arguments))
    work = Work(command=command, environment={"VALUE": value}, durable=durable)
    outcome, output, error = await ran(sshd.host(), work)
    assert (outcome, error) == (Exited(0), b"")
    assert output.decode().split("\0")[:-1] == [value, *arguments]


async def test_a_script_runs_with_its_interpreter_arguments_and_input(sshd, user):
    """Its content travels, runs by its shebang, and leaves no file behind."""
    content = b"#!/usr/bin/env python3\nimport sys\nprint(sys.argv[1:], sys.stdin.read())\n"
    work = Work(
        script=Script(name="any", content=content),
        arguments=("a b", "$x"),
        input=b"in",
        environment={"TMPDIR": "/tmp"},
    )
    before = set(Path("/tmp").glob(".remjobs-*"))
    assert await ran(sshd.host(), work) == (Exited(0), b"['a b', '$x'] in\n", b"")
    assert set(Path("/tmp").glob(".remjobs-*")) == before


async def test_a_large_script_needs_no_room_on_the_command_line(sshd):
    """Two hundred kilobytes are more than one argument may have."""
    content = b"# " + b"x" * 200_000 + b"\necho large $1\n"
    work = Work(script=Script(name="large.sh", content=content), arguments=("ok",))
    assert await ran(sshd.host(), work) == (Exited(0), b"large ok\n", b"")


async def test_environment_and_directory_are_set(sshd):
    """Values travel out of the host's process list."""
    work = text('pwd; echo "$GREETING"', directory="/usr", environment={"GREETING": "a 'b' $c"})
    assert await ran(sshd.host(), work) == (Exited(0), b"/usr\na 'b' $c\n", b"")


async def test_standard_input_is_empty_not_inherited(sshd):
    """Without input the work reads end of file at once."""
    assert await ran(sshd.host(), text("cat; echo done")) == (Exited(0), b"done\n", b"")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"shell": "nosuchshell"}, "no such interpreter: nosuchshell"),
        ({"directory": "/no/such"}, "cannot enter the directory /no/such"),
    ],
)
async def test_work_that_cannot_begin_is_refused(sshd, more, message):
    """The host's lack is told as a refusal, before anything of the work ran."""
    with pytest.raises(HostFailure, match=message) as caught:
        await ran(sshd.host(), text("echo ran", **more))
    assert caught.value.reason is ReasonKind.REFUSED


# Hosts that say more, or other, than was asked


async def test_banners_and_start_up_noise_stay_out_of_the_results(make_sshd, tmp_path):
    """What comes before the work's first line is not its output."""
    banner = tmp_path / "banner"
    banner.write_text("Authorised use only\n")
    noisy = 'echo noise; echo more noise >&2; printf unfinished; eval "$SSH_ORIGINAL_COMMAND"'
    sshd = make_sshd(f"Banner {banner}", f"ForceCommand {noisy}")
    outcome, out, err = await ran(sshd.host(), text("echo out; echo err >&2"))
    assert (outcome, out, err) == (Exited(0), b"out\n", b"err\n")


async def test_a_forced_command_is_not_taken_for_the_work(make_sshd):
    """A host that ran something else has not run the work, whatever its exit code."""
    sshd = make_sshd("ForceCommand echo this account only prints; exit 0")
    with pytest.raises(HostFailure, match=r"before the work began.*only prints") as caught:
        await ran(sshd.host(), text("echo hello"))
    assert caught.value.reason is ReasonKind.REFUSED


async def test_an_account_without_a_shell_says_so(sshd):
    """Nologin's own words are the reason."""
    need_root("logging in as another user needs root")
    with pytest.raises(HostFailure, match="not available"):
        await ran(sshd.host(user="daemon"), text("echo hello"))
