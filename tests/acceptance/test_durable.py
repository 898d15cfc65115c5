"""Durable and attached work through the CLI, against a real sshd."""

import os
import shutil
import signal
from uuid import uuid4

import pytest
from support.sshd import need_root, running, wait_for


def test_start_outlives_a_cut_and_says_so_meanwhile(cli, make_sshd):
    """Get shows the reason and the next try; wait goes on; nothing is lost."""
    sshd = make_sshd()
    options = [*sshd.options_for_cli(), "-t", sshd.address()]
    job = cli.ok("start", *options, "--command", "echo a; sleep 3; echo b; exit 3").strip()
    wait_for(lambda: "a" in cli.ok("receive", job, "--keep"), "the work begins")
    sshd.stop()
    shown = wait_for(
        lambda: [c for c in cli("get", job, "--json").json["children"] if c["sought_until"]],
        "it is lost",
    )
    assert shown[0]["state"] == "Disconnected"
    assert "next try at" in cli.ok("get", job)
    sshd.start()
    assert cli("wait", job).code == 1
    assert cli.ok("receive", job) == "a\nb\n"


def test_attached_work_is_unknown_after_a_cut(cli, make_sshd):
    """Disconnected at once, for good, exit code 6."""
    sshd = make_sshd()
    options = [*sshd.options_for_cli(), "-t", sshd.address()]
    job = cli.ok("start", "--attached", *options, "--command", "echo a; sleep 60").strip()
    wait_for(lambda: "a" in cli.ok("receive", job, "--keep"), "the work begins")
    sshd.kill_connections()
    assert cli("wait", job).code == 6
    assert cli("get", job, "--json").json["children"][0]["sought_until"] is None


def test_run_durable_follows_through_a_cut(cli, sshd):
    """In the foreground: the output goes on where it was."""
    options = [*sshd.options_for_cli(), "-t", sshd.address()]
    run = cli.begin("run", "--durable", *options, "--command", "echo a; sleep 2; echo b; exit 4")
    assert run.stdout.readline() == "a\n"
    sshd.kill_connections()
    out, err = run.communicate(timeout=30)
    assert (out, run.returncode) == ("b\n", 1), err


def test_run_attached_is_the_default(cli, sshd):
    """Nothing is left on the host by it."""
    need_root("the spool belongs to the test user")
    before = set(sshd.user.home.glob(".remjobs/*/*"))
    cli.ok("run", *sshd.options_for_cli(), "-t", sshd.address(), "--", "true")
    assert set(sshd.user.home.glob(".remjobs/*/*")) == before


def test_a_host_that_stays_away_ends_the_wait_with_an_unknown_outcome(cli, make_sshd):
    """After --reconnect-for: exit code 6, and how to go on; stop makes sure later."""
    sshd = make_sshd()
    options = [*sshd.options_for_cli(), "-t", sshd.address(), "--reconnect-for", "1"]
    mark = f"8{os.getpid()}"
    job = cli.ok("start", *options, "--command", f"echo a; sleep {mark}").strip()
    wait_for(lambda: "a" in cli.ok("receive", job, "--keep"), "the work begins")
    sshd.stop()
    assert cli("wait", job).code == 6
    assert "`remjobs resume` looks for it again" in cli.ok("get", job)
    assert running(f"sleep\0{mark}")
    sshd.start()
    assert cli("stop", job).code == 0
    assert cli("get", job, "--json").json["state"] == "Stopped"
    assert not running(f"sleep\0{mark}")


def test_local_work_outlives_a_killed_controller(cli):
    """The same wrapper: its output and its end are found by the next command."""
    job = cli.ok("start", "--command", "echo a; sleep 2; echo b; exit 5").strip()
    wait_for(lambda: "a" in cli.ok("receive", job, "--keep"), "the work begins")
    os.kill(cli.status()["pid"], signal.SIGKILL)
    assert cli("wait", job).code == 1
    assert cli("get", job, "--json").json["children"][0]["exit_code"] == 5
    assert cli.ok("receive", job) == "a\nb\n"


def test_suspend_holds_and_resume_lets_go(cli, sshd):
    """The work stands still on the host, and ends after it goes on."""
    beat = cli.cwd.parent / "beat"
    options = [*sshd.options_for_cli(), "-t", sshd.address()]
    work = "while [ ! -e /tmp/remjobs-enough.$REMJOBS_KEY ]; do echo x; sleep 0.1; done"
    job = cli.ok("start", *options, "--command", work).strip()
    wait_for(lambda: "x" in cli.ok("receive", job, "--keep"), "the work begins")
    cli.ok("suspend", job)
    assert cli("get", job, "--json").json["state"] == "Suspended"
    held = cli.ok("receive", job, "--all", "--keep")
    assert cli.ok("receive", job, "--all", "--keep") == held
    cli.ok("resume", job)
    wait_for(lambda: len(cli.ok("receive", job, "--all", "--keep")) > len(held), "it goes on")
    cli.ok("stop", job)
    assert not beat.exists()


def test_hosts_clean_removes_what_was_left_and_leaves_what_runs(cli, sshd):
    """A line a host; a host that is away is named, exit code 4."""
    need_root("the spool belongs to the test user")
    options = [*sshd.options_for_cli(), "-t", sshd.address()]
    cli.ok("run", "--durable", *options, "--", "true")
    cli.ok("hosts", "clean", *options, "--older-than", "0")
    [place] = sshd.user.home.glob(f".remjobs/{os.uname().nodename}")
    left = place / str(uuid4())
    left.mkdir()
    (left / "rc.0").touch()
    shutil.chown(left, sshd.user.name)
    job = cli.ok("start", *options, "--command", "echo a; sleep 60").strip()
    wait_for(lambda: "a" in cli.ok("receive", job, "--keep"), "the work begins")
    [answer] = cli("hosts", "clean", *options, "--older-than", "0", "--json").json
    assert (answer["host"], answer["reason"]) == (sshd.address(), None)
    assert (answer["swept"], answer["kept"]) == (1, 1)
    assert [path.name for path in left.iterdir()] == ["swept"]
    assert cli.ok("hosts", "clean", *options) == f"{sshd.address()}: removed 0, kept 1\n"
    cli.ok("stop", job)
    away = cli("hosts", "clean", *sshd.options_for_cli(), "-t", "127.0.1.200")
    assert away.code == 4
    assert away.err.startswith("remjobs: 127.0.1.200: ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["hosts", "clean", "--older-than", "-1"], "--older-than -1: it cannot be negative"),
        (["hosts", "clean", "-x", "a"], "-x and -i need -t: which hosts?"),
        (["start", "--reconnect-for", "-1", "--", "true"], "reconnect time cannot be negative"),
    ],
)
def test_bad_input_is_one_line(cli, words, message):
    """It names the thing, exit code 2."""
    done = cli(*words)
    assert done.code == 2
    assert message in done.err
    assert done.err.count("\n") == 1
