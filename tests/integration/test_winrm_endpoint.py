"""The WinRM endpoint's shells, as two clients that are not ours see them."""

import base64
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pypsrp.exceptions import WSManFaultError
from pypsrp.shell import Process, SignalCode, WinRS
from support.sshd import running, wait_for
from support.winrm import PASSWORD, TESTS, WinRmEndpoint
from support.winrm_clients import (
    Came,
    pypsrp_connection,
    pywinrm,
    run_pypsrp,
    run_pywinrm,
)
from winrm.exceptions import WinRMOperationTimeoutError
from winrm.exceptions import WSManFaultError as PywinrmFault

NO_SHELL = 2150858843
ALL = 'echo "<out> & $1"; echo err >&2; cat; exit 3 #'


@pytest.fixture
def host(tmp_path):
    with WinRmEndpoint(tmp_path / "host") as started:
        yield started


@pytest.fixture
def shell(host):
    """An open shell, by pypsrp."""
    with pypsrp_connection(host, timeout=1) as connection, WinRS(connection) as opened:
        yield opened


def begun(shell, command, *arguments):
    process = Process(shell, command, list(arguments))
    process.begin_invoke()
    return process


def refused(shell, command="true"):
    """Return the code of the fault that a command is answered with."""
    with pytest.raises(WSManFaultError) as raised:
        begun(shell, command)
    return raised.value.code


@pytest.mark.parametrize(
    ("run", "mechanism"),
    [(run_pywinrm, "ntlm"), (run_pypsrp, "negotiate")],
)
def test_a_command_runs_with_all_that_belongs_to_it(host, run, mechanism):
    """Both clients get output, errors and the code, and give input and arguments."""
    came = run(host, mechanism, ALL, ["a", "<b>"], sent=b"in\xff\n")
    assert came == Came(3, b"<out> & \nin\xff\n", b"err\n")
    seen = host.status()
    assert seen["command_lines"] == [f"{ALL} a <b>"]
    assert seen["actions"][:3] == ["Create", "Command", "Send"]
    assert seen["actions"][-1] == "Delete"
    assert {exchange["sealed"] for exchange in seen["exchanges"]} == {
        "application/HTTP-SPNEGO-session-encrypted",
    }
    assert (seen["shells"], seen["shells_opened"], seen["commands"]) == (0, 1, 1)


def test_a_shell_gives_its_commands_what_it_was_opened_with(host, tmp_path):
    """Environment, working directory and code page of Create reach every command."""
    with pywinrm(host) as protocol:
        opened = protocol.open_shell(
            working_directory=str(tmp_path),
            env_vars={"GREETING": "a & b"},
            codepage=65001,
        )
        key = protocol.run_command(opened, 'pwd; echo "$GREETING" $WINRS_CODEPAGE')
        output, _, code = protocol.get_command_output(opened, key)
        assert host.status()["codepages"] == ["65001"]
        protocol.close_shell(opened)
    assert (output.decode(), code) == (f"{tmp_path}\na & b 65001\n", 0)


def test_a_missing_working_directory_fails_the_command(host):
    """A directory that is not there is the command's fault, with Windows' code for it."""
    with (
        pypsrp_connection(host) as connection,
        WinRS(connection, working_directory="/not/there") as opened,
    ):
        assert refused(opened) == 2147942667


def test_receive_says_that_nothing_came_and_goes_on(host):
    """Without output in time there is the fault of a time-out; the command is as before."""
    with pywinrm(host, timeout=1) as protocol:
        opened = protocol.open_shell()
        key = protocol.run_command(opened, "read line; echo got $line")
        with pytest.raises(WinRMOperationTimeoutError):
            protocol.get_command_output_raw(opened, key)
        protocol.send_command_input(opened, key, b"it\n")
        assert protocol.get_command_output(opened, key) == (b"got it\n", b"", 0)
        protocol.close_shell(opened)


def test_output_comes_as_it_is_written(host, shell):
    """A Receive returns with the first output, long before the command ends."""
    process = begun(shell, "echo one; read line; echo two")
    process.poll_invoke()
    assert (process.stdout, process.rc) == (b"one\n", None)
    process.send(b"\n")
    process.end_invoke()
    assert (process.stdout, process.rc) == (b"one\ntwo\n", 0)


@pytest.mark.parametrize("way", ["terminate", "delete"])
def test_the_end_of_a_command_is_that_of_its_whole_group(host, way, tmp_path):
    """Terminate and Delete kill the command and what it began in the background."""
    word = f"100{os.getpid()}{tmp_path.stat().st_ino}"
    with pypsrp_connection(host, timeout=1) as connection:
        opened = WinRS(connection)
        opened.open()
        process = begun(opened, f"sleep {word} & sleep {word}")
        wait_for(lambda: len(running(f"sleep\0{word}")) == 2, "both run")
        if way == "terminate":
            process.signal(SignalCode.TERMINATE)
        else:
            opened.close()
        assert running(f"sleep\0{word}") == []
        assert host.status()["running"] == []
        opened.close()


def test_a_waiting_receive_ends_with_its_command(host, shell):
    """Whoever waits for output of a command that is terminated hears that it was aborted."""
    process = begun(shell, "sleep 100")
    with ThreadPoolExecutor(1) as pool, pypsrp_connection(host) as other:
        waiting = pool.submit(_receive, other, shell, process.id)
        wait_for(lambda: host.status()["actions"].count("Receive"), "it waits")
        process.signal(SignalCode.TERMINATE)
        assert waiting.result() == 995


def _receive(connection, shell, key):
    other = WinRS(connection)
    other._selector_set = shell._selector_set
    with pytest.raises(WSManFaultError) as raised:
        other.receive("stdout stderr", key, timeout=60)
    return raised.value.code


def test_ctrl_c_reaches_the_command(host, shell):
    """A command may catch Ctrl+C; one that does not ends with Windows' code for it."""
    catching = begun(shell, "trap 'echo caught; exit 7' INT; echo up; while :; do sleep 0.01; done")
    catching.poll_invoke()
    catching.signal(SignalCode.CTRL_C)
    catching.end_invoke()
    assert (catching.stdout, catching.rc) == (b"up\ncaught\n", 7)
    plain = begun(shell, "echo up; exec sleep 100")
    plain.poll_invoke()
    plain.signal(SignalCode.CTRL_C)
    plain.end_invoke()
    assert plain.rc == -1073741510


@pytest.mark.parametrize("code", [-1073741510, 4294967295, 256])
def test_exit_codes_have_32_bits(host, code):
    """A program may give any code that Windows has."""
    came = run_pypsrp(host, "ntlm", f"echo {code} > $WINRM_EXIT_CODE")
    assert came.code == code


def test_a_shell_that_is_gone_is_not_found(host):
    """After Delete, and after its idle time, a shell answers with the fault of no shell."""
    with pypsrp_connection(host) as connection:
        opened = WinRS(connection, idle_time_out=1)
        opened.open()
        wait_for(lambda: host.status()["shells"] == 0, "it is closed for idleness")
        assert refused(opened) == NO_SHELL
        with pytest.raises(WSManFaultError) as raised:
            opened.close()
        assert raised.value.code == NO_SHELL


def test_a_command_that_is_gone_is_told_from_a_shell(host, shell):
    """Shell and command have one code, as on Windows, and messages that tell them apart."""
    process = begun(shell, "true")
    process.end_invoke()
    process.signal(SignalCode.TERMINATE)
    with pytest.raises(WSManFaultError, match="command identifier that does not exist") as raised:
        process.poll_invoke()
    assert raised.value.code == NO_SHELL
    host.close_shells()
    with pytest.raises(WSManFaultError, match="the shell was not found") as raised:
        process.poll_invoke()
    assert raised.value.code == NO_SHELL
    shell.opened = False


def test_a_receive_for_no_command_is_a_wrong_parameter(shell):
    """It is told as the Shell's plug-in tells it: in an element of its own."""
    with pytest.raises(WSManFaultError) as raised:
        shell.receive()
    assert raised.value.code == 87
    assert (raised.value.provider, raised.value.provider_fault) == (
        "Shell cmd plugin",
        "The parameter is incorrect.",
    )


def test_a_shell_belongs_to_whoever_opened_it(tmp_path):
    """Another user may not use it, and one without rights may not open any."""
    users = {"alice": PASSWORD, "bob": PASSWORD, "mallory": PASSWORD}
    with (
        WinRmEndpoint(tmp_path / "host", users=users, denied=["mallory"]) as host,
        pypsrp_connection(host) as connection,
        WinRS(connection) as hers,
        pypsrp_connection(host, user="bob") as another,
        pypsrp_connection(host, user="mallory") as third,
    ):
        his = WinRS(another)
        his._selector_set = hers._selector_set
        assert refused(his) == 5
        with pytest.raises(WSManFaultError) as raised:
            WinRS(third).open()
        assert raised.value.code == 5


def test_quotas_have_their_faults(tmp_path):
    """One shell too many, and one command too many, are refused with their codes."""
    with (
        WinRmEndpoint(tmp_path / "host", shells_per_user=1, operations_per_user=1) as host,
        pypsrp_connection(host) as connection,
    ):
        with WinRS(connection) as opened:
            with pytest.raises(WSManFaultError) as raised:
                WinRS(connection).open()
            assert raised.value.code == 2150859173
            first = begun(opened, "true")
            assert refused(opened) == 2150859174
            first.signal(SignalCode.TERMINATE)
            begun(opened, "true").end_invoke()
        with WinRS(connection):
            assert host.status()["shells"] == 1


def test_envelopes_are_no_larger_than_asked_for(host, monkeypatch):
    """A Receive keeps to MaxEnvelopeSize, and takes the rest with the next ones."""
    sizes: list[int] = []
    with pypsrp_connection(host, max_envelope_size=32768) as connection:
        send = connection.transport.send

        def measured(message, **how):
            answer = send(message, **how)
            sizes.append(len(answer))
            return answer

        monkeypatch.setattr(connection.transport, "send", measured)
        with WinRS(connection) as opened:
            process = begun(opened, "head -c 200000 /dev/zero")
            process.end_invoke()
    assert len(process.stdout) == 200_000
    assert 20_000 < max(sizes) <= 32_768


def test_a_request_that_is_too_large_is_refused(tmp_path):
    """An envelope over the host's limit has its fault; the shell goes on."""
    with (
        WinRmEndpoint(tmp_path / "host", max_envelope=60_000) as host,
        pywinrm(host) as protocol,
    ):
        opened = protocol.open_shell()
        key = protocol.run_command(opened, "wc -c")
        with pytest.raises(PywinrmFault) as raised:
            protocol.send_command_input(opened, key, bytes(60_000))
        assert raised.value.wsman_fault_code == 2150858790
        protocol.send_command_input(opened, key, bytes(30_000), end=True)
        assert protocol.get_command_output(opened, key)[0].strip() == b"30000"
        protocol.close_shell(opened)


def test_programs_are_found_by_the_names_of_windows(tmp_path):
    """Stand-ins are on the PATH, and below drive C, with what cmd puts in for variables."""
    programs = tmp_path / "programs"
    old = programs / "Windows" / "SysWOW64"
    old.mkdir(parents=True)
    for folder, says in ((programs, "new"), (old, "old")):
        program = folder / "powershell.exe"
        program.write_text(f'#!/bin/sh\necho {says} "$@"\n')
        program.chmod(0o755)
    line = "-EncodedCommand " + base64.b64encode("exit".encode("utf-16-le")).decode()
    with WinRmEndpoint(tmp_path / "host", programs=programs) as host:
        came = run_pypsrp(host, "ntlm", "powershell.exe", line.split())
        assert came.output.decode() == f"new {line}\n"
        path = r"\SysWOW64\powershell.exe"
        for command in (f"%SystemRoot%{path} -x", f'"C:\\Windows{path}" -x'):
            assert run_pywinrm(host, "ntlm", command).output == b"old -x\n"


def test_without_cmd_there_is_no_shell(host):
    """With WINRS_SKIP_CMD_SHELL a program has its words as they are, and must be there."""
    with pywinrm(host) as protocol:
        opened = protocol.open_shell()
        key = protocol.run_command(opened, "echo", ['"a b"', "$HOME;x"], skip_cmd_shell=True)
        assert protocol.get_command_output(opened, key)[0] == b"a b $HOME;x\n"
        with pytest.raises(PywinrmFault) as raised:
            protocol.run_command(opened, "no-such-program", skip_cmd_shell=True)
        assert raised.value.wsman_fault_code == 2147942402
        protocol.close_shell(opened)


def test_command_lines_have_the_limits_of_windows(host):
    """What cmd cannot take fails, and what no process can take is not even begun."""
    assert run_pypsrp(host, "ntlm", "echo", ["x" * 8186]).output == b"x" * 8186 + b"\n"
    came = run_pypsrp(host, "ntlm", "echo", ["x" * 8187])
    assert came == Came(1, b"", b"The command line is too long.\n")
    with pytest.raises(WSManFaultError) as raised:
        run_pypsrp(host, "ntlm", "echo", ["x" * 32768])
    assert raised.value.code == 2147942606


def test_input_that_nobody_takes(host, shell):
    """A Send to what has ended breaks its pipe, and one to what does not read times out."""
    ended = begun(shell, "true")
    wait_for(lambda: not host.status()["running"], "it has ended")
    with pytest.raises(WSManFaultError) as raised:
        ended.send(b"it")
    assert raised.value.code == 109
    deaf = begun(shell, "sleep 100")
    with pytest.raises(WSManFaultError) as raised:
        deaf.send(bytes(100_000))
    assert raised.value.code == 2150858793


def test_a_hundred_clients_are_served_at_once(tmp_path):
    """A hundred commands run at the same time, each for a client of its own."""
    gate = tmp_path / "gate"
    command = f"while [ ! -e {gate} ]; do sleep 0.5; done; echo"
    with (
        WinRmEndpoint(tmp_path / "host", shells_per_user=100) as host,
        ThreadPoolExecutor(100) as pool,
    ):
        waiting = [pool.submit(run_pypsrp, host, "ntlm", command, [str(n)]) for n in range(100)]
        try:
            wait_for(lambda: len(host.status()["running"]) == 100, "all of them run", 60)
            assert host.status()["open_connections"] == 100
        finally:
            gate.touch()
        assert [came.result().output for came in waiting] == [b"%d\n" % n for n in range(100)]
        assert host.status()["shells"] == 0


def test_it_comes_back_where_it_was(tmp_path):
    """An endpoint that was stopped listens on the same port when it is started again."""
    host = WinRmEndpoint(tmp_path / "host", address="::1")
    with host:
        run_pywinrm(host, "ntlm", "true")
        port = host.port
    with host:
        assert run_pywinrm(host, "ntlm", "echo again").output == b"again\n"
        assert host.port == port
        assert host.status()["connections"] == 1


def test_nothing_is_left_when_it_is_ended(host):
    """Whoever ends an endpoint by a signal ends what runs there too."""
    with pywinrm(host) as protocol:
        protocol.run_command(protocol.open_shell(), "sleep 1000")
        (pid,) = host.status()["running"]
        host._process.terminate()
        wait_for(lambda: not Path("/proc", str(pid)).exists(), "the command is gone")


STARTER = """
import os, sys
from pathlib import Path
from support.winrm import WinRmEndpoint
from support.winrm_clients import pywinrm
host = WinRmEndpoint(Path(sys.argv[1])).start()
with pywinrm(host) as protocol:
    protocol.run_command(protocol.open_shell(), sys.argv[2])
    print(host._process.pid, *host.status()["running"], flush=True)
    sys.stdin.read()
"""


def test_nothing_is_left_when_its_parent_dies(tmp_path):
    """An endpoint ends with whoever started it, and what runs there ends with it."""
    with subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path / "host"), "sleep 1000 & sleep 1000"],
        cwd=TESTS,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout
        pids = parent.stdout.readline().split()
        assert len(pids) == 2
        assert all(Path("/proc", pid).exists() for pid in pids)
        parent.send_signal(signal.SIGKILL)
    wait_for(lambda: not any(Path("/proc", pid).exists() for pid in pids), "both are gone")
    assert not (tmp_path / "host" / "users").exists()
