"""Work on a Windows host, and everything that goes wrong on the way there."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import time
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from support.windows import SYSTEM_32, Password, Windows
from support.winrm import PASSWORD

from remjobs.model.authentication import Authentication
from remjobs.model.host import WinRmOptions
from remjobs.model.job import ReasonKind
from remjobs.model.ping import Stage
from remjobs.model.record import Stream
from remjobs.model.request import Caller
from remjobs.model.work import Command, Script, Work
from remjobs.transports.base import (
    Exited,
    HostFailure,
    Lost,
    NotInitialized,
    OutcomeUnknown,
    SecretUse,
    Signaled,
    Unknown,
)
from remjobs.transports.winrm import transport as transport_module
from remjobs.transports.winrm.transport import WinRmTransport

ACCEPTED, REFUSED = ("accepted", SecretUse.LOGIN), ("refused", SecretUse.LOGIN)

NO_INPUT = ("-InputFormat", "None")
"""Windows PowerShell leaves standard input to its command."""


@pytest.fixture
def make_windows(tmp_path):
    """Start Windows hosts with settings of a test's own."""
    hosts: list[Windows] = []

    def make(**settings):
        host = Windows(tmp_path / f"host{len(hosts)}", **settings)
        hosts.append(host)
        return host.__enter__()

    yield make
    for host in hosts:
        host.endpoint.stop()


@pytest.fixture
def windows(make_windows):
    """A Windows host."""
    return make_windows()


@asynccontextmanager
async def session(windows, access=None, **options):
    """Give a session; it and its transport are closed afterwards."""
    transport = WinRmTransport(Caller())
    try:
        opened = await transport.connect(windows.host(**options), access or Password())
        try:
            yield opened
        finally:
            await opened.close()
    finally:
        await transport.close()


def cmd(text, **more):
    """Return work for cmd, which is /bin/sh at the endpoint."""
    return Work(command=Command(text=text), shell="cmd", **more)


def powershell(text, **more):
    """Return work for PowerShell."""
    return Work(command=Command(text=text), **more)


class Ran:
    """Work, listened to until its end."""

    def __init__(self, execution):
        self.execution = execution
        self.streams = {}

    async def finish(self):
        async for chunk in self.execution:
            self.streams[chunk.stream] = self.streams.get(chunk.stream, b"") + chunk.data
        self.outcome = await self.execution.outcome()
        return self

    def __getitem__(self, stream):
        return self.streams.get(stream, b"").decode()


async def ran(opened, work):
    return await Ran(await opened.start(uuid4(), work)).finish()


async def run(windows, work, **options):
    """Run one work in a session of its own."""
    async with session(windows, **options) as opened:
        return await ran(opened, work)


# PowerShell


async def test_powershell_runs_work_and_has_seven_streams(windows):
    """It is what runs commands if nothing else is asked for."""
    kinds = ("Output", "Warning", "Verbose", "Error", "Debug", "Information", "Progress")
    text = "\n".join(f"Write-{kind} {kind[0].lower()}" for kind in kinds)
    result = await run(windows, powershell(f"{text}\nexit 7"))
    assert result.outcome == Exited(7)
    said = [result[stream].strip() for stream in Stream]
    assert sorted(filter(None, said)) == ["d", "e", "i", "o", "p: completed", "v", "w"]


async def test_what_belongs_to_the_work_arrives_as_it_is(windows, tmp_path):
    """Arguments, environment, directory, initialization, and input behind all of it."""
    arguments = ("a b", "", 'it\'s "q"', "%PATH% ^& | <x>", "two\nlines", "€ 😀", "-Name", "$x")
    text = "Get-Location\nGet-Env NAME\nDump-Arguments\nRead-Input"
    work = powershell(
        text,
        arguments=arguments,
        environment={"NAME": "é |"},
        directory=str(tmp_path),
        initialization="Write-Output first",
        input=b"typed\n",
    )
    lines = (await run(windows, work))[Stream.OUTPUT].splitlines()
    assert lines == ["first", str(tmp_path), "é |", json.dumps(list(arguments)), "typed"]


async def test_a_script_of_any_length_travels_on_standard_input(windows):
    """Its command line stays what it was, below cmd's limit; the input is whole."""
    content = "Write-Output line\n" * 40_000 + "Read-Input\n"
    work = Work(script=Script(name="big.ps1", content=content.encode()), input=b"x" * 500_000)
    result = await run(windows, work)
    assert result.outcome == Exited(0)
    assert result[Stream.OUTPUT] == "line\n" * 40_000 + "x" * 500_000
    [line] = windows.endpoint.status()["command_lines"]
    assert len(line) < 8000


async def test_a_failed_initialization_is_told(windows):
    """The work is not run."""
    work = powershell("Write-Output never", initialization="exit 3")
    result = await run(windows, work)
    assert (result.outcome, result[Stream.OUTPUT]) == (NotInitialized(3), "")


async def test_the_last_bytes_on_standard_error_are_kept(windows):
    """Also where they might begin a mark of ours."""
    result = await run(windows, cmd("printf 'fatal error' >&2"))
    assert (result.outcome, result[Stream.ERROR]) == (Exited(0), "fatal error")


async def test_a_directory_that_is_not_there_refuses_the_work(windows):
    """It did not begin."""
    with pytest.raises(HostFailure, match="cannot enter the working directory") as failure:
        await run(windows, powershell("Write-Output never", directory="/nowhere"))
    assert failure.value.reason is ReasonKind.REFUSED
    with pytest.raises(HostFailure, match="directory name is invalid"):
        await run(windows, cmd("echo never", directory="/nowhere"))


@pytest.mark.parametrize(
    ("options", "call"),
    [
        ({}, ["powershell.exe", *NO_INPUT]),
        ({"ps_version": "5.1"}, ["powershell.exe", *NO_INPUT]),
        ({"ps_version": "7"}, ["pwsh.exe"]),
        ({"shell": "pwsh"}, ["pwsh.exe"]),
        ({"ps_version": "3.0"}, ["powershell.exe", "-Version", "3.0", *NO_INPUT]),
        ({"ps_version": "2.0"}, ["powershell.exe", "-Version", "2.0", *NO_INPUT]),
        ({"run_as_32": True}, [f"{SYSTEM_32}/powershell.exe", *NO_INPUT]),
        (
            {"shell": r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe"},
            ["Windows/System32/WindowsPowerShell/v1.0/powershell.exe", *NO_INPUT],
        ),
        (
            {"shell": r"C:\Program Files (x86)\PowerShell\7\pwsh.exe"},
            ["Program Files (x86)/PowerShell/7/pwsh.exe"],
        ),
    ],
)
async def test_the_powershell_that_is_asked_for_is_called(windows, options, call):
    """By version, by bits, by its path."""
    result = await run(windows, powershell("Dump-Call", **options))
    program, *words = json.loads(result[Stream.OUTPUT])
    assert program.endswith(f"/{call[0]}")
    assert words == call[1:]


@pytest.mark.parametrize(
    ("code", "told"),
    [(0, 0), (3010, 3010), (3221225786, -1073741510), (-1073741510, -1073741510), (256, 256)],
)
async def test_exit_codes_are_whole(windows, code, told):
    """32 bits, signed as $LASTEXITCODE has them, however the host writes them."""
    work = cmd(f'echo {code} >"$WINRM_EXIT_CODE"')
    assert (await run(windows, work)).outcome == Exited(told)


async def test_a_host_says_what_it_is(windows):
    """To whoever greets it; one on which nothing runs is refused."""
    async with session(windows) as opened:
        assert (await opened.greet()).system == "Microsoft Windows [Version 10.0.20348.587]"
    windows.put("ver", "exit 1")
    async with session(windows) as opened:
        with pytest.raises(HostFailure, match="runs no programs") as failure:
            await opened.greet()
    assert failure.value.stage is Stage.SHELL


# Shells that are kept


async def test_a_shell_is_kept_for_the_next_command(windows):
    """One is opened for all; a warm command is a round trip to begin, feed, hear and clean up."""
    async with session(windows) as opened:
        for _ in range(3):
            assert (await ran(opened, powershell("exit 1"))).outcome == Exited(1)
        seen = windows.endpoint.status()
    assert (seen["shells_opened"], seen["connections"]) == (1, 1)
    assert seen["actions"].count("Command") == 3
    assert seen["actions"][-4:] == ["Signal", "Command", "Send", "Receive"]
    assert windows.endpoint.status()["shells"] == 0


async def test_work_in_other_surroundings_has_a_shell_of_its_own(windows, tmp_path):
    """Cmd gets directory and environment from its shell."""
    async with session(windows) as opened:
        work = cmd("pwd; echo $A", directory=str(tmp_path), environment={"A": "1"})
        for _ in range(2):
            assert (await ran(opened, work))[Stream.OUTPUT] == f"{tmp_path}\n1\n"
        assert (await ran(opened, cmd("echo -$A-")))[Stream.OUTPUT] == "--\n"
        assert windows.endpoint.status()["shells_opened"] == 2


async def test_a_shell_that_was_closed_meanwhile_is_replaced(windows):
    """The command is begun once, in a new one."""
    async with session(windows) as opened:
        assert (await ran(opened, cmd("echo 1")))[Stream.OUTPUT] == "1\n"
        windows.endpoint.close_shells()
        assert (await ran(opened, cmd("echo 2")))[Stream.OUTPUT] == "2\n"
        assert windows.endpoint.status()["command_lines"] == ["echo 1", "echo 2"]


async def test_a_shell_with_too_many_operations_is_replaced(windows):
    """Its quota is its own; a new one that has none left is told, and how to mend it."""
    async with session(windows) as opened:
        assert (await ran(opened, cmd("echo 1")))[Stream.OUTPUT] == "1\n"
        windows.endpoint.fault("status", action="Command", code=2150859174)
        assert (await ran(opened, cmd("echo 2")))[Stream.OUTPUT] == "2\n"
        windows.endpoint.fault("status", action="Command", code=2150859174, times=2)
        with pytest.raises(HostFailure, match="operations") as failure:
            await ran(opened, cmd("echo 3"))
        assert failure.value.reason is ReasonKind.REFUSED
        assert "MaxConcurrentOperationsPerUser" in failure.value.remedy
        assert windows.endpoint.status()["command_lines"] == ["echo 1", "echo 2"]


# Getting in


async def test_too_many_shells_are_told(make_windows):
    """With what to look at on the host."""
    windows = make_windows(shells_per_user=1)
    async with session(windows):
        with pytest.raises(HostFailure, match="shells") as failure:
            async with session(windows):
                pass
    assert failure.value.reason is ReasonKind.REFUSED
    assert "MaxShellsPerUser" in failure.value.remedy


async def test_who_may_not_use_winrm_is_told_so(make_windows):
    """The password was right all the same, and other hosts may be tried with it."""
    windows = make_windows(denied=["alice"])
    access = Password()
    with pytest.raises(HostFailure, match="access denied") as failure:
        async with session(windows, access):
            pass
    assert failure.value.reason is ReasonKind.REFUSED
    assert "Remote Management Users" in failure.value.remedy
    assert access.told == [ACCEPTED]


async def test_a_refused_password_is_tried_once(windows):
    """And the job is told, so that no other host gets it."""
    access = Password("wrong")
    with pytest.raises(HostFailure) as failure:
        async with session(windows, access):
            pass
    assert failure.value.reason is ReasonKind.AUTHENTICATION
    assert access.told == [REFUSED]
    assert windows.endpoint.status()["logins"]["alice"]["tried"] == 1


@pytest.mark.parametrize(
    ("authentication", "scheme", "told"),
    [
        (Authentication.BASIC, "https", []),
        (Authentication.DIGEST, "https", []),
        (Authentication.NTLM, "https", [ACCEPTED]),
        (Authentication.NEGOTIATE, "http", [ACCEPTED]),
    ],
)
@pytest.mark.parametrize("kind", ["reset-before", "empty"])
async def test_a_password_that_nobody_judged_is_not_called_right(
    make_windows, authentication, scheme, told, kind
):
    """One that went with the message; one that a login was completed with was right."""
    windows = make_windows(scheme=scheme)
    windows.endpoint.fault(kind, action="Create")
    access = Password()
    with pytest.raises(HostFailure):
        async with session(windows, access, authentication=authentication):
            pass
    assert access.told == told


HELD, LET_GO = ("held", SecretUse.LOGIN), ("let go", SecretUse.LOGIN)


@pytest.mark.parametrize(
    ("password", "told"),
    [("wrong", [HELD, REFUSED, LET_GO]), (PASSWORD, [HELD, LET_GO])],
    ids=["wrong", "right"],
)
async def test_who_is_stopped_in_its_login_still_hears_what_the_host_says(windows, password, told):
    """Until then no other host is shown the password."""
    windows.endpoint.fault("delay", action="Login", seconds=0.5)
    access = Password(password)
    transport = WinRmTransport(Caller())
    connecting = asyncio.create_task(transport.connect(windows.host(), access))
    async with asyncio.timeout(10):
        while not windows.endpoint.status()["connections"]:
            await asyncio.sleep(0.01)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        assert access.told == [HELD]
        while LET_GO not in access.told:
            await asyncio.sleep(0.01)
    assert access.told == told
    await transport.close()


async def test_a_password_that_was_changed_is_told(make_windows):
    """A host that took it and refuses it later counts among those that do."""
    windows = make_windows(scheme="https")
    access = Password()
    async with session(windows, access, authentication=Authentication.BASIC) as opened:
        windows.endpoint.fault("status", action="Login", status=401)
        with pytest.raises(HostFailure, match="authentication refused"):
            await opened.start(uuid4(), cmd("echo"))
    assert access.told == [ACCEPTED, REFUSED]


async def test_a_password_that_others_refuse_is_not_shown_again(windows):
    """A connection that stands is used; where it went, nobody logs in anew."""
    access = Password()
    async with session(windows, access) as opened:
        access.is_refused_elsewhere = True
        assert (await ran(opened, cmd("echo"))).outcome == Exited(0)
        windows.endpoint.cut()
        with pytest.raises(HostFailure, match="not tried"):
            await opened.start(uuid4(), cmd("echo"))
        assert windows.endpoint.status()["logins"]["alice"]["tried"] == 1


async def test_nobody_is_asked_for_a_password_of_nobody(windows):
    """A mechanism that needs one needs a user."""
    with pytest.raises(HostFailure, match="needs a user"):
        async with session(windows, Password(user=None), user=None):
            pass
    assert windows.endpoint.status()["connections"] == 0


@pytest.mark.parametrize("kind", ["empty", "truncated", "doctype", "redirect", "reset-middle"])
async def test_a_host_that_answers_nonsense_is_not_used(make_windows, kind):
    """The work has not begun; nobody follows it elsewhere."""
    windows, other = make_windows(), make_windows()
    details = {"url": other.endpoint.url} if kind == "redirect" else {}
    windows.endpoint.fault(kind, action="Create", **details)
    with pytest.raises(HostFailure):
        async with session(windows):
            pass
    assert other.endpoint.status()["connections"] == 0


# Going wrong while work runs


@pytest.mark.parametrize(
    ("kind", "perform"),
    [("reset-before", False), ("reset-before", True), ("reset-middle", True), ("empty", True)],
)
async def test_a_command_that_may_have_begun_is_never_sent_again(windows, kind, perform):
    """Its outcome is unknown; what is asked of the host later goes well."""
    async with session(windows) as opened:
        windows.endpoint.fault(kind, action="Command", perform=perform)
        with pytest.raises(OutcomeUnknown):
            await opened.start(uuid4(), cmd("echo once"))
        assert windows.endpoint.status()["actions"].count("Command") == 1
        assert (await ran(opened, cmd("echo next")))[Stream.OUTPUT] == "next\n"


@pytest.mark.parametrize("kind", ["reset-before", "reset-middle", "empty", "truncated", "doctype"])
async def test_a_cut_while_we_listen_loses_the_work(windows, kind):
    """It is not run again, and not taken for ended."""
    async with session(windows) as opened:
        windows.endpoint.fault(kind, action="Receive")
        result = await ran(opened, cmd("echo once; sleep 1000"))
        assert isinstance(result.outcome, Lost)
        assert windows.endpoint.status()["command_lines"] == ["echo once; sleep 1000"]


async def test_an_answer_without_end_is_no_output(windows):
    """It is let go of in time, not kept."""
    async with session(windows) as opened:
        windows.endpoint.fault("endless", action="Receive")
        async with asyncio.timeout(60):
            assert isinstance((await ran(opened, cmd("echo x"))).outcome, Lost)


async def test_silence_is_asked_again(windows):
    """The operation time-out of the host is no end: long work is waited for."""
    result = await run(windows, cmd("sleep 2.5; echo late"), operation_timeout=1)
    assert (result.outcome, result[Stream.OUTPUT]) == (Exited(0), "late\n")
    assert windows.endpoint.status()["actions"].count("Receive") >= 3


async def test_input_that_is_read_late_arrives_whole(windows):
    """However long the host has nothing to say to it; output is heard meanwhile."""
    work = cmd("echo first; sleep 2.5; wc -c", input=bytes(500_000))
    result = await run(windows, work, operation_timeout=1)
    assert (result.outcome, result.execution.notes) == (Exited(0), ())
    assert result[Stream.OUTPUT] == "first\n500000\n"


async def test_much_input_and_much_output_pass_each_other(windows):
    """Neither waits for the other's end."""
    async with asyncio.timeout(60):
        result = await run(windows, cmd("exec cat", input=bytes(range(256)) * 20_000))
    assert (result.outcome, result.execution.notes) == (Exited(0), ())
    assert result.streams == {Stream.OUTPUT: bytes(range(256)) * 20_000}


@pytest.mark.parametrize("code", [1726, 2150858793])
@pytest.mark.parametrize("size", [10, 500_000])
async def test_work_that_gets_no_input_is_ended(windows, code, size):
    """What it makes of a part of it is not what was asked for: its outcome is unknown."""
    async with session(windows) as opened:
        windows.endpoint.fault("status", action="Send", code=code)
        result = await asyncio.wait_for(ran(opened, cmd("cat; echo done", input=bytes(size))), 30)
        assert isinstance(result.outcome, Unknown)
        assert "did not take all of the standard input" in result.outcome.message
        assert result.execution.notes == ()
        assert result[Stream.OUTPUT] == ""
        assert windows.endpoint.status()["running"] == []
        assert (await ran(opened, cmd("echo next")))[Stream.OUTPUT] == "next\n"


async def test_a_program_that_starts_late_gets_what_to_do(windows):
    """All of it, though it is longer than a pipe holds and the host says that it takes long."""
    name = windows.programs / "powershell.exe"
    windows.put("powershell.exe", "sleep 2.5\n" + name.read_text().partition("\n")[2])
    async with session(windows, operation_timeout=1) as opened:
        work = powershell("Write-Output x\n" * 20_000 + "Read-Input", input=b"typed")
        result = await ran(opened, work)
    assert (result.outcome, result[Stream.OUTPUT]) == (Exited(0), "x\n" * 20_000 + "typed")


async def test_a_program_that_never_reads_what_to_do_is_ended(windows, monkeypatch):
    """The document is longer than a pipe holds, and nobody takes it in time."""
    monkeypatch.setattr(transport_module, "_PATIENCE", 1.0)
    windows.put("powershell.exe", "exec sleep 1000")
    async with session(windows, operation_timeout=1) as opened:
        work = powershell("#" * 200_000)
        result = await asyncio.wait_for(ran(opened, work), 30)
        assert isinstance(result.outcome, Unknown)
        assert windows.endpoint.status()["running"] == []


async def test_input_that_cannot_be_sent_on_ends_the_work(windows):
    """A line that breaks on the way as well."""
    async with session(windows) as opened:
        windows.endpoint.fault("reset-before", action="Send")
        work = cmd("cat >/dev/null; echo done", input=bytes(500_000))
        result = await asyncio.wait_for(ran(opened, work), 30)
        assert isinstance(result.outcome, Unknown)
        assert result[Stream.OUTPUT] == ""
        assert windows.endpoint.status()["running"] == []


@pytest.mark.parametrize(
    ("code", "notes"), [(109, 0), (232, 0), (995, 0), (2150858843, 0), (1726, 1)]
)
@pytest.mark.parametrize("size", [10, 500_000])
async def test_work_that_ends_without_its_input_has_its_own_end(windows, code, notes, size):
    """Its exit code is true, whatever the host says to input for it."""
    async with session(windows) as opened:
        windows.endpoint.fault("status", action="Send", code=code)
        result = await ran(opened, cmd("exit 3", input=bytes(size)))
        assert result.outcome == Exited(3)
        said = len(result.execution.notes)
        # What is sent beside the output may not be sent at all.
        assert said == notes or (size > 10 and not said)


@pytest.mark.parametrize("code", [995, 1726, 2150858793, 2150859180, 4294967295])
async def test_a_command_that_the_host_broke_off_may_have_begun(windows, code):
    """Whatever else it says, the outcome is unknown, and the command is not begun anew."""
    async with session(windows) as opened:
        windows.endpoint.fault("status", action="Command", code=code, perform=True)
        with pytest.raises(OutcomeUnknown):
            await opened.start(uuid4(), cmd("echo once"))
        assert windows.endpoint.status()["actions"].count("Command") == 1


@pytest.mark.parametrize("code", [5, 87, 2147942402, 2150858817, 2150859173])
async def test_a_command_that_the_host_refused_has_not_begun(windows, code):
    """It fails as refused: access, what was asked for, a program that is not there, a quota."""
    async with session(windows) as opened:
        windows.endpoint.fault("status", action="Command", code=code)
        with pytest.raises(HostFailure) as failure:
            await opened.start(uuid4(), cmd("echo never"))
        assert failure.value.reason is ReasonKind.REFUSED
        assert windows.endpoint.status()["commands"] == 0


async def test_a_host_that_says_nothing_at_all_is_lost(windows):
    """After the read time-out."""
    async with session(windows, operation_timeout=1, read_timeout=2) as opened:
        windows.endpoint.fault("delay", action="Receive", seconds=30)
        began = time.monotonic()
        assert isinstance((await ran(opened, cmd("sleep 1000"))).outcome, Lost)
        assert time.monotonic() - began < 10


async def test_work_whose_shell_was_closed_has_no_known_end(windows):
    """The host was asked, and cannot say."""
    async with session(windows) as opened:
        running = Ran(await opened.start(uuid4(), cmd("echo begun; sleep 1000")))
        listening = asyncio.create_task(running.finish())
        while not running.streams:
            await asyncio.sleep(0.01)
        windows.endpoint.close_shells()
        await asyncio.wait_for(listening, 10)
        assert isinstance(running.outcome, Unknown)


async def test_output_comes_as_it_is_printed(windows, tmp_path):
    """Each piece on its way, not at the end."""
    gate = tmp_path / "gate"
    async with session(windows) as opened:
        work = cmd(f"echo 1; until test -e {gate}; do sleep 0.05; done; echo 2")
        chunks = aiter(await opened.start(uuid4(), work))
        assert (await anext(chunks)).data == b"1\n"
        gate.touch()
        assert (await anext(chunks)).data == b"2\n"


async def test_output_that_nobody_takes_waits_at_the_host(windows):
    """No more of it is asked for than memory is meant for."""
    async with session(windows) as opened:
        execution = await opened.start(uuid4(), cmd("exec yes"))
        chunks = aiter(execution)
        await anext(chunks)
        seen = await settled(lambda: windows.endpoint.status()["actions"].count("Receive"))
        assert seen < 20
        assert (await execution.stop(1)).confirmed


async def settled(measure):
    """Return a number once it grows no more."""
    deadline = time.monotonic() + 20
    last, since = measure(), time.monotonic()
    while time.monotonic() - since < 0.5 and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
        if (now := measure()) != last:
            last, since = now, time.monotonic()
    return last


async def test_the_event_loop_goes_on_meanwhile(windows):
    """Nothing that blocks is in its thread."""
    async with session(windows, operation_timeout=1) as opened:
        listening = asyncio.create_task(ran(opened, cmd("sleep 1.5")))
        longest, before = 0.0, time.monotonic()
        while not listening.done():
            await asyncio.sleep(0.01)
            now = time.monotonic()
            longest, before = max(longest, now - before), now
        assert longest < 0.5


# Stopping


async def begun(opened, text="echo begun; exec sleep 1000"):
    """Start work, and wait for its first output."""
    execution = await opened.start(uuid4(), cmd(text))
    running = Ran(execution)
    listening = asyncio.create_task(running.finish())
    while not running.streams:
        await asyncio.sleep(0.01)
    return execution, listening


async def test_a_stop_ends_all_of_it(windows):
    """What the command began as well; the shell is closed, and the next work has a new one."""
    async with session(windows) as opened:
        execution, listening = await begun(opened, "echo begun; sleep 1000 & sleep 1000")
        report = await execution.stop(5)
        assert (report.confirmed, report.signalled) == (True, 1)
        assert (await asyncio.wait_for(listening, 5)).outcome == Signaled("TERM")
        seen = windows.endpoint.status()
        assert (seen["shells"], seen["running"]) == (0, [])
        assert (await ran(opened, cmd("echo next")))[Stream.OUTPUT] == "next\n"


async def test_a_stop_that_the_host_refuses_is_not_confirmed(windows):
    """It says why."""
    async with session(windows) as opened:
        execution, listening = await begun(opened)
        windows.endpoint.fault("status", action="Signal", code=5)
        report = await execution.stop(0)
        assert (report.confirmed, report.answered) == (False, True)
        assert "denied" in report.message.lower()
        assert not listening.done()
        execution.abandon()
        assert isinstance((await listening).outcome, Lost)


async def test_a_stop_in_a_shell_that_is_gone_is_not_confirmed(windows):
    """Nobody has seen the work end."""
    async with session(windows) as opened:
        execution, listening = await begun(opened)
        windows.endpoint.fault("status", action="Signal", code=2150858843)
        windows.endpoint.fault("status", action="Delete", code=2150858843)
        report = await execution.stop(0)
        assert (report.confirmed, report.answered) == (False, True)
        assert "no longer knows the shell" in report.message
        execution.abandon()
        await listening


@pytest.mark.parametrize("code", [995, 1726])
async def test_a_close_that_goes_wrong_is_not_confirmed(windows, code):
    """It may not have been done."""
    async with session(windows) as opened:
        execution, listening = await begun(opened)
        windows.endpoint.fault("status", action="Delete", code=code)
        assert not (await execution.stop(1)).confirmed
        await listening


async def test_a_stop_of_work_that_was_seen_to_end_is_confirmed(windows):
    """Though its shell is gone as well."""
    async with session(windows) as opened:
        execution, listening = await begun(opened)
        windows.endpoint.fault("status", action="Delete", code=2150858843)
        assert (await execution.stop(5)).confirmed
        assert (await listening).outcome == Signaled("TERM")


async def test_work_that_no_signal_ends_ends_with_its_shell(windows):
    """It is closed whatever comes of the signal."""
    async with session(windows) as opened:
        text = "trap '' TERM INT; echo begun; while :; do sleep 0.1; done"
        execution, listening = await begun(opened, text)
        windows.endpoint.fault("status", action="Signal", code=1726)
        report = await execution.stop(0.2)
        assert (report.confirmed, report.signalled) == (True, 1)
        assert (await asyncio.wait_for(listening, 10)).outcome == Signaled("TERM")
        assert windows.endpoint.status()["running"] == []


async def test_a_stop_that_does_not_arrive_is_not_confirmed(windows):
    """The host was not asked."""
    async with session(windows) as opened:
        execution, listening = await begun(opened)
        windows.endpoint.stop()
        assert isinstance((await asyncio.wait_for(listening, 10)).outcome, Lost)
        report = await execution.stop(0)
        assert (report.confirmed, report.answered) == (False, False)


async def test_a_stop_while_we_connect_leaves_no_shell(windows):
    """One that is opened too late for us is closed again."""
    windows.endpoint.fault("delay", action="Create", seconds=1)
    transport = WinRmTransport(Caller())
    connecting = asyncio.create_task(transport.connect(windows.host(), Password()))
    async with asyncio.timeout(20):
        while "Create" not in windows.endpoint.status()["actions"]:
            await asyncio.sleep(0.01)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        while "Delete" not in windows.endpoint.status()["actions"]:
            await asyncio.sleep(0.01)
    await transport.close()
    seen = windows.endpoint.status()
    assert (seen["shells_opened"], seen["shells"]) == (1, 0)


async def test_work_cannot_be_held(windows):
    """The report says so; it runs on."""
    async with session(windows) as opened:
        execution, listening = await begun(opened)
        report = await execution.suspend()
        assert not report.confirmed
        assert "runs to its end" in report.message
        assert (await execution.resume()).confirmed
        assert not listening.done()


async def test_work_ends_with_its_session(windows):
    """It hangs on the connection: nothing of it is left on the host."""
    async with session(windows) as opened:
        _, listening = await begun(opened)
    await listening
    seen = windows.endpoint.status()
    assert (seen["shells"], seen["running"]) == (0, [])


async def test_a_hundred_hosts_at_once_leave_no_thread_behind(make_windows):
    """Each has its own thread while it is asked, and none afterwards."""
    windows = make_windows(shells_per_user=1000)
    before = set(threading.enumerate())
    transport = WinRmTransport(Caller())

    async def one():
        opened = await transport.connect(windows.host(), Password())
        result = await ran(opened, cmd("sleep 0.2; echo done"))
        await opened.close()
        return result[Stream.OUTPUT]

    assert await asyncio.gather(*(one() for _ in range(100))) == ["done\n"] * 100
    await transport.close()
    left = [thread for thread in set(threading.enumerate()) - before if thread.name == "winrm"]
    assert left == []
    assert windows.endpoint.status()["shells"] == 0


async def test_certificates_are_read_once_for_all_hosts(make_windows, monkeypatch):
    """However many there are, and however many lines each has."""
    read = []
    load = ssl.SSLContext.load_verify_locations

    def noted(context, file):
        read.append(file)
        load(context, file)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", noted)
    windows = make_windows(scheme="https")
    transport = WinRmTransport(Caller())
    for name in ("one", "two"):
        opened = await transport.connect(windows.host(name=name), Password())
        works = [await opened.start(uuid4(), cmd("cat", input=b"x")) for _ in range(2)]
        for work in works:
            assert (await Ran(work).finish()).outcome == Exited(0)
        await opened.close()
    await transport.close()
    assert read == [str(windows.endpoint.ca_file)]


def test_options_of_a_host_are_its_own():
    """As typed into an inventory."""
    assert WinRmOptions(fingerprint="AB:" * 31 + "ab").fingerprint == "ab" * 32
