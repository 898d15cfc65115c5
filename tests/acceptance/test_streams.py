"""PowerShell as the program that runs work: its streams, and how work reaches it.

A stand-in answers (tests/support/pwsh.py); what it writes is PowerShell's own format.
"""

import json
import os
import signal
from pathlib import Path

import pytest
from support import pwsh
from support.sshd import wait_for

ALL = """\
Write-Progress Preparing modules for first use.
Write-Output out
Write-Error it is broken
Write-Warning careful & slow
Write-Verbose in words
Write-Debug deep down
Write-Information for you
native echo plain bytes >&2
"""


@pytest.fixture
def shell(tmp_path, sshd):
    """The stand-in, as a program that every account may run."""
    program = sshd.folder / "pwsh"
    # The system's own Python: ours may be where other accounts cannot read.
    program.write_text("#!/usr/bin/python3 -IS\n" + Path(pwsh.__file__).read_text())
    program.chmod(0o755)
    return str(program)


@pytest.fixture(params=["--attached", "--durable"])
def way(request):
    return request.param


@pytest.fixture
def on_host(sshd, shell):
    return ["-t", sshd.address(), *sshd.options_for_cli(), "--shell", shell]


def test_records_come_in_their_streams_and_never_as_xml(cli, on_host, way):
    """Text is told by PowerShell's words; progress only where it is asked for."""
    done = cli("run", way, *on_host, "--command", ALL)
    assert (done.code, done.out) == (0, "out\n")
    assert sorted(done.err.splitlines()) == [
        "DEBUG: deep down",
        "VERBOSE: in words",
        "WARNING: careful & slow",
        "for you",
        "it is broken",
        "plain bytes",
    ]
    records = cli("receive", "1", "--all", "--json").json
    streams: dict[str, str] = {}
    for record in records:
        streams[record["stream"]] = streams.get(record["stream"], "") + record["text"]
    assert sorted(streams.pop("Error").splitlines()) == ["it is broken", "plain bytes"]
    assert streams == {
        "Output": "out\n",
        "Warning": "careful & slow\n",
        "Verbose": "in words\n",
        "Debug": "deep down\n",
        "Information": "for you\n",
        "Progress": "Preparing modules for first use.: completed\n",
    }
    assert len(cli("get", "1", "--json").json["streams"]) == 7
    assert cli("receive", "1", "--all", "--stream", "Warning").err == "WARNING: careful & slow\n"
    only = cli("receive", "1", "--all", "--stream", "Progress")
    assert (only.out, only.err) == ("", "PROGRESS: Preparing modules for first use.: completed\n")
    folded = cli("receive", "1", "--all", "--fold").out
    assert "Warning: careful & slow\n" in folded
    assert "CLIXML" not in folded + done.err + json.dumps(records)


def test_several_hosts_are_told_apart(cli, sshd, shell):
    """The host's name stands before the word."""
    hosts = ",".join(sshd.addresses[:2])
    words = ("-t", hosts, *sshd.options_for_cli(), "--shell", shell)
    done = cli("run", *words, "--command", "Write-Warning slow")
    told = [f"{host}: WARNING: slow" for host in sshd.addresses[:2]]
    assert sorted(done.err.splitlines()) == [*told, "remjobs: job 1 Completed: 2 Completed"]


def test_arguments_input_and_scripts_of_any_length_arrive(cli, on_host, way, tmp_path):
    """As data: whatever is in them, nothing is code."""
    arguments = ["a b", "", "'$(x)'", "\u2019; exit 9 #", '"', "ä\n\U0001f600", "-Force", "`$x"]
    script = tmp_path / "long.ps1"
    script.write_text("\ufeff" + "Write-Verbose x\n" * 20_000 + "Dump-Arguments\nRead-Input\n")
    words = [word for argument in arguments for word in ("--arg", argument)]
    done = cli("run", way, *on_host, "--script", script, *words, "--input", "-", stdin=b"in\n")
    assert done.code == 0, done.err[-300:]
    first, second = done.out.splitlines()
    assert (json.loads(first), second) == (arguments, "in")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("exit 3", "exit code 3"),
        ("native exit 7", "exit code 7"),
        ("throw no more", "exit code 1"),
        ("Write-Error only told", ""),
    ],
)
def test_how_it_ends(cli, on_host, way, text, told):
    """`exit` and the last program's code count, an error that is only written does not."""
    done = cli("run", way, *on_host, "--command", text)
    assert done.code == (1 if told else 0)
    [child] = cli("get", "@last", "--json").json["children"]
    assert (child["reason"] or {"message": ""})["message"] == told


def test_an_initialization_that_fails_runs_no_work(cli, on_host, way):
    """With the reason `initialization`; one that goes well carries over."""
    text = ("--command", "Write-Output work")
    done = cli("run", way, *on_host, "--init", "Write-Output first", *text)
    assert (done.code, done.out) == (0, "first\nwork\n")
    done = cli("run", way, *on_host, "--init", "Write-Warning w\nthrow away", *text)
    assert (done.code, done.out) == (1, "")
    assert "initialization failed" in done.err
    assert "remjobs-" not in done.err


def test_streams_go_on_after_the_controller_was_killed(cli, on_host, tmp_path):
    """They are made anew from the beginning, and nothing comes twice or is lost."""
    text = "Write-Warning one\nWrite-Error e1\nStart-Sleep 4\nWrite-Warning two\nWrite-Output end"
    cli.ok("start", *on_host, "--command", text)

    def has_begun():
        return cli("receive", "1", "--all", "--json").json

    wait_for(has_begun, "the first records are here")
    os.kill(cli.status()["pid"], signal.SIGKILL)
    assert cli("wait", "1").code == 0
    streams: dict[str, str] = {}
    for record in cli("receive", "1", "--all", "--json").json:
        streams[record["stream"]] = streams.get(record["stream"], "") + record["text"]
    assert streams == {"Warning": "one\ntwo\n", "Error": "e1\n", "Output": "end\n"}


def test_a_stop_in_the_middle_shows_no_xml(cli, on_host):
    """What was written whole is there."""
    cli.ok("start", *on_host, "--command", "Write-Warning one\nStart-Sleep 60")
    wait_for(lambda: cli("receive", "1", "--all", "--json").json, "it has begun")
    cli.ok("stop", "1")
    done = cli("receive", "1", "--all")
    assert (done.out, done.err) == ("", "WARNING: one\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--run-as-32"], "--run-as-32 needs PowerShell on a Windows host"),
        (["--ps-version", "7"], "--ps-version 7 needs PowerShell as the shell (--shell pwsh)"),
        (["--ps-version", "6"], "--ps-version 6: there are 2.0, 3.0, 4.0, 5.0, 5.1, 7"),
        (["--shell", "pwsh", "--run-as-32"], "--run-as-32 needs a Windows host"),
        (["--shell", "pwsh", "--ps-version", "5.1"], "Windows PowerShell, which only Windows"),
        (["--shell", "python3", "--init", "x"], "--init needs a shell that can go on after it"),
    ],
)
@pytest.mark.parametrize("where", [[], ["-t", "h1,h2"]], ids=["here", "hosts"])
def test_what_is_refused(cli, words, message, where):
    """Before anything starts, in one line."""
    done = cli("start", *where, *words, "--command", "x")
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert len(done.err.splitlines()) == 1
    assert cli("list", "--json").json == []


def test_a_script_that_is_no_text_is_refused(cli, tmp_path):
    """PowerShell's scripts are UTF-8, or UTF-16 with its mark."""
    script = tmp_path / "x.ps1"
    script.write_bytes(b"Write-Output gr\xfc\xdfe\n")
    done = cli("start", "--script", script)
    assert (done.code, done.err) == (
        2,
        f"remjobs: {script}: for PowerShell a script must be UTF-8: invalid start byte\n",
    )


def test_version_7_is_pwsh(cli, on_host):
    """On a host that is not Windows."""
    assert cli.ok("run", *on_host, "--ps-version", "7", "--command", "Write-Output x") == "x\n"
