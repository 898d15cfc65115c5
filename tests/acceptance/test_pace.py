"""Rolling runs over real servers."""

import os
import signal

import pytest
from support.sshd import running, wait_for, world_writable


@pytest.fixture
def fleet(sshd):
    """The options that name three servers."""
    return [*sshd.options_for_cli(), "-t", "127.0.1.[1-3]"]


def test_a_canary_that_fails_halts_the_run(cli, fleet):
    """Exit code 8, the reason, and nothing on the other hosts."""
    done = cli("run", *fleet, "--canary", "1", "--command", "echo here; exit 3")
    assert (done.code, done.out) == (8, "127.0.1.1: here\n")
    last = "job 1 Failed: 1 Failed, 2 Stopped; halted: 1 of 1 canary hosts did not complete"
    assert last in done.err
    job = cli("get", "1", "--json").json
    assert [child["attempt"] for child in job["children"]] == [1, 0, 0]
    assert job["children"][1]["reason"]["kind"] == "halted"


def test_batches_and_a_limit(cli, fleet):
    """One host at a time, the second failure halts; a retry keeps the pace."""
    pace = ["--batch", "1", "--max-failures", "1"]
    done = cli("run", *fleet, *pace, "--", "false")
    assert done.code == 8
    assert "halted: 2 of 3 failed" in done.err
    again = cli.ok("retry", "1", "--failed").strip()
    assert cli("wait", again).code == 8


def test_a_canary_that_waits_for_a_person(cli, fleet):
    """Without a terminal the job is left Suspended, and says how to go on."""
    done = cli("run", *fleet, "--canary", "1", "--pause", "--", "echo", "here")
    assert done.out == "127.0.1.1: here\n"
    assert "job 1: the canary has ended; `remjobs resume 1` goes on" in done.err
    cli.ok("resume", "1")
    assert cli("wait", "1").code == 0


@pytest.mark.parametrize("way", ["--attached", "--durable"])
def test_a_time_out_ends_the_work_on_the_host(cli, fleet, way):
    """Nothing of it is left there."""
    sleep = f"sleep 600.{os.getpid()}"
    done = cli("run", way, *fleet, "--timeout", "1", "--command", f"{sleep} & {sleep}")
    assert done.code == 1
    assert done.err.count("Failed (timeout): timed out after 1 s") == 3
    assert running(sleep.replace(" ", "\0")) == []


def test_the_time_of_the_whole_job(cli, fleet):
    """Exit code 124."""
    done = cli("run", *fleet, "-f", "1", "--total-timeout", "1", "--", "sleep", "60")
    assert done.code == 124
    assert "the job's time was up" in done.err


def test_a_host_that_comes_back_is_reached(cli, make_sshd):
    """Tried again, it runs once."""
    server = make_sshd()
    address = server.address()
    options = [*server.options_for_cli(), "-t", address]
    server.stop()
    job = cli.ok("start", *options, "--retries", "20", "--retry-delay", "0.2", "--", "true").strip()

    def rests():
        return "more tries" in cli("get", job, "--json").json["children"][0]["status_message"]

    wait_for(rests, "it is tried again")
    server.start()
    assert cli("wait", job).code == 0
    assert cli("get", job, "--json").json["children"][0]["attempt"] == 1


def test_work_is_run_again_until_it_goes_well(cli, sshd):
    """Also by the next controller, if one is killed in between; each try runs once."""
    log = world_writable(cli.cwd.parent / "tries")
    work = f"echo $REMJOBS_KEY >>{log}; n=$(wc -l <{log}); echo try $n; [ $n -ge 3 ]"
    pace = ["--retries", "5", "--retry-on", "exit", "--retry-delay", "1"]
    target = [*sshd.options_for_cli(), "-t", sshd.address()]
    job = cli.ok("start", *target, *pace, "--command", work).strip()

    def rests():
        return "4 more tries" in cli("get", job, "--json").json["children"][0]["status_message"]

    wait_for(rests, "it rests after the second try")
    os.kill(cli.status()["pid"], signal.SIGKILL)
    assert cli("wait", job, "--timeout", "30").code == 0
    child = cli("get", job, "--json").json["children"][0]
    assert (child["state"], child["attempt"], child["exit_code"]) == ("Completed", 3, 0)
    assert cli.ok("receive", job) == "try 1\ntry 2\ntry 3\n"
    keys = log.read_text().split()
    assert len(keys) == len(set(keys)) == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--batch", "x"], "'x' is not a number of hosts such as 10, or a share such as 10%"),
        (["--batch", "1,0"], "a batch is 1 host or more"),
        (["--max-failures", "200%"], "'200%' is not a number of hosts"),
        (["--pause"], "--pause waits after the canary: give --canary too"),
        (["--timeout", "0"], "the time-out is 0 s; it must be above 0"),
        (["--total-timeout", "-1"], "the job's time-out is -1 s; it must be above 0"),
        (["--retries", "-1"], "cannot be negative"),
        (["--order", "up"], "--order"),
    ],
)
def test_bad_input(cli, words, message):
    """Exit code 2, a line that names it, and no job."""
    done = cli("start", *words, "--", "true")
    assert done.code == 2
    assert message in done.err
    assert cli("list", "--json").json == []
