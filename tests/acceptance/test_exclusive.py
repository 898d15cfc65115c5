"""--exclusive, as two admins type it: two controllers, one fleet."""

import re
import sys

import pytest
from support.cli import Cli
from support.sshd import wait_for


@pytest.fixture
def fleet(make_sshd, leases):
    """The options that name a server with leases of its own."""
    sshd = make_sshd(f"SetEnv REMJOBS_LEASES={leases}")
    return [*sshd.options_for_cli(), "-t", sshd.address()]


@pytest.fixture
def colleague(tmp_path):
    """Another admin's shell: a state directory and a controller of its own."""
    folder = tmp_path / "colleague"
    folder.mkdir()
    shell = Cli(folder / "home", folder)
    yield shell
    shell.end()


def test_the_second_admin_is_told_who_is_at_work(leases, cli, colleague, fleet):
    """Exit code 4 and the reason; the job shows its lease, and a retry keeps it."""
    first = cli.ok("start", *fleet, "--name", "patch", "--exclusive", "sleep", "60").strip()
    wait_for(lambda: list(leases.glob("*/*/beat.*")), "it holds the lease")
    done = colleague("run", *fleet, "--exclusive", "echo", "ran")
    assert (done.code, done.out) == (4, "")
    who = rf'127.0.1.1: Failed \(leased\): held by \S+@\S+ for job {first} "patch" since '
    assert re.search(who + r"\d\d:\d\d UTC, last heartbeat \d+ s ago", done.err)
    assert colleague.ok("run", *fleet, "--exclusive=other", "echo", "ran") == "ran\n"
    job = cli("get", first, "--json").json
    assert job["exclusive"] == "default"
    assert re.search(r"^Exclusive +: default$", cli.ok("get", first), re.MULTILINE)
    cli.ok("stop", first)
    again = colleague.ok("retry", "1", "--unreachable").strip()
    assert colleague("wait", again).code == 0
    assert colleague("get", again, "--json").json["exclusive"] == "default"


def test_definitions_and_local_work_take_leases_too(leases, cli, colleague):
    """On this machine in the same way, and what is saved keeps the name."""
    held = cli.begin("run", "--exclusive=x", "--", "sh", "-c", "echo begun; exec sleep 60")
    assert held.stdout.readline() == "begun\n"
    colleague.ok("definition", "add", "mine", "--exclusive=x", "--", sys.executable, "-c", "")
    job = colleague.ok("start", "--definition", "mine").strip()
    assert colleague("wait", job).code == 4
    assert colleague("get", job, "--json").json["reason"]["kind"] == "leased"


def test_a_name_that_is_none_is_refused(cli):
    """Before anything starts; the command is never taken for the name."""
    done = cli("run", "--exclusive=", "true")
    assert (done.code, done.out) == (2, "")
    assert "'' is not a lease's name: up to 64 letters" in done.err
    assert cli.ok("list", "--json") == "[]\n"
