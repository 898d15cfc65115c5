"""Local work as another user, through a real sudo, and the questions that it asks."""

import os
import subprocess

import pytest
from support.sshd import running, wait_for, world_writable
from support.terminal import dialogue

PASSWORD = "correct horse 7"  # noqa: S105 - of an account that the test makes


@pytest.fixture
def rule(user, other_user):
    """The account may become the other one, with its password."""
    user.set_password(PASSWORD)
    with user.may(f"ALL=({other_user.name}) ALL") as path:
        yield path


def test_root_is_asked_nothing(cli, other_user):
    """The work has the user's name, home, directory and rights; exit code and signal pass."""
    home = other_user.home
    whoami = 'echo "$(id -un) $HOME $PWD"; exit 7'
    as_other = ("--credential", other_user.name)
    for durable in ("--attached", "--durable"):
        done = cli("run", durable, *as_other, "--command", whoami)
        assert (done.code, done.out) == (1, f"{other_user.name} {home} {home}\n")
        done = cli("run", durable, *as_other, "--command", "kill -TERM $$")
        assert "killed by signal TERM" in done.err
    assert cli.ok("run", *as_other, "--input", "-", "--", "cat", stdin=b"a\0b\n") == "a\0b\n"
    assert cli.ok("retry", "1", "--failed", "--json")


def test_a_question_blocks_the_job_until_it_is_answered(cli_of_user, other_user, rule):
    """The state says what it waits for and how to go on; the answer is nowhere afterwards."""
    as_other = ("--credential", other_user.name)
    done = cli_of_user("start", *as_other, "--command", "id -un; cat", "--input", "-", stdin=b"in")
    assert (done.code, done.out) == (0, "1\n")
    question = f"sudo asks for a password, to run as {other_user.name}; `remjobs answer 2`"
    assert question in done.err
    job = cli_of_user("get", "1", "--json").json
    assert (job["state"], job["children"][0]["state"]) == ("Blocked", "Blocked")
    assert job["children"][0]["status_message"] == question
    assert job["begin_time"] is None
    for verb in (["wait"], ["receive", "--wait"]):
        done = cli_of_user(*verb, "1")
        assert (done.code, question in done.err) == (1, True)
        assert "job 1 is Blocked and may stay so" in done.err
    assert cli_of_user("wait", "1", "--force", "--timeout", "0.1").code == 124
    cli_of_user.ok("answer", "1", stdin=PASSWORD.encode() + b"\n")
    assert cli_of_user("wait", "1").code == 0
    assert cli_of_user.ok("receive", "1") == f"{other_user.name}\nin"
    done = cli_of_user("answer", "1", stdin=b"x\n")
    assert (done.code, done.err) == (2, "remjobs: nothing of job 1 waits for an answer\n")
    found = subprocess.run(
        ["grep", "-rlF", PASSWORD, cli_of_user.home, user_home(cli_of_user), other_user.home],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (found.returncode, found.stdout) == (1, "")


def user_home(cli):
    return cli.environment["HOME"]


def test_a_wrong_answer_is_tried_once(cli_of_user, other_user, rule):
    """It fails at once with the reason; a retry asks anew, and the job never ran."""
    cli_of_user("start", "--credential", other_user.name, "--", "id", "-un")
    cli_of_user.ok("answer", "1", stdin=b"wrong\n")
    assert cli_of_user("wait", "1").code == 4
    child = cli_of_user("get", "1", "--json").json["children"][0]
    assert (child["state"], child["reason"]["kind"]) == ("Failed", "authentication")
    assert "sudo refused the password" in child["reason"]["message"]
    assert child["begin_time"] is None
    assert cli_of_user.ok("retry", "1") == "3\n"
    wait_for(lambda: cli_of_user("get", "3", "--json").json["state"] == "Blocked", "it asks")
    cli_of_user.ok("answer", "4", stdin=PASSWORD.encode())
    assert cli_of_user("wait", "3").code == 0


def test_whoever_may_not_is_told_so(cli_of_user, user, other_user):
    """Sudo's own words, after the one question."""
    user.set_password(PASSWORD)
    cli_of_user("start", "--credential", other_user.name, "--", "true")
    cli_of_user.ok("answer", "1", stdin=PASSWORD.encode())
    assert cli_of_user("wait", "1").code == 4
    reason = cli_of_user("get", "1", "--json").json["children"][0]["reason"]
    assert "is not in the sudoers file" in reason["message"]


@pytest.mark.parametrize("durable", ["--attached", "--durable"])
def test_stop_suspend_and_resume_reach_the_other_users_processes(
    cli_of_user, user, other_user, durable
):
    """Through sudo again, with what was answered; also where only that one user may be become."""
    user.set_password(PASSWORD)
    sleep = f"sleep 600.{os.getpid()}"
    with user.may(f"ALL=({other_user.name}) ALL"):
        started = ("start", durable, "--credential", other_user.name)
        cli_of_user(*started, "--command", f"{sleep} & {sleep}; wait")
        cli_of_user.ok("answer", "1", stdin=PASSWORD.encode())
        mark = sleep.replace(" ", "\0")
        wait_for(lambda: len(running(mark)) == 2, "the work runs")
        cli_of_user.ok("suspend", "1")
        assert cli_of_user("get", "1", "--json").json["state"] == "Suspended"
        cli_of_user.ok("resume", "1")
        assert cli_of_user("get", "1", "--json").json["state"] == "Running"
        cli_of_user.ok("stop", "1")
        assert cli_of_user("get", "1", "--json").json["state"] == "Stopped"
        assert running(mark) == []
        wait_for(lambda: not running(f"-u\0{other_user.name}"), "sudo has ended too")


@pytest.mark.parametrize("durable", ["--attached", "--durable"])
def test_work_that_was_held_ends_by_itself(cli_of_user, user, other_user, durable, tmp_path):
    """Sudo goes on as well, and tells how it ended; so does one that is stopped while held."""
    user.set_password(PASSWORD)
    go = world_writable(tmp_path / "go")
    work = f"echo a; while [ ! -s {go} ]; do sleep 0.1; done; echo b; kill -USR1 $$"
    with user.may(f"ALL=({other_user.name}) ALL"):
        for _ in range(2):
            started = ("start", durable, "--credential", other_user.name, "--command", work)
            job = cli_of_user(*started).out.strip()
            cli_of_user.ok("answer", job, stdin=PASSWORD.encode())
            wait_for(lambda id_=job: cli_of_user("receive", id_, "--all").out == "a\n", "it runs")
            cli_of_user.ok("suspend", job)
        cli_of_user.ok("stop", "3")
        assert cli_of_user("get", "3", "--json").json["state"] == "Stopped"
        cli_of_user.ok("resume", "1")
        go.write_text("go")
        assert cli_of_user("wait", "1", "--timeout", "20").code == 1
        child = cli_of_user("get", "1", "--json").json["children"][0]
        assert (child["state"], child["signal"]) == ("Failed", "USR1")
        assert cli_of_user.ok("receive", "1", "--all") == "a\nb\n"
        wait_for(lambda: not running(f"-u\0{other_user.name}"), "sudo has ended too")


def test_a_blocked_job_is_stopped_at_once(cli_of_user, other_user, rule):
    """Nothing ran, and nobody is asked any more."""
    cli_of_user("start", "--credential", other_user.name, "--", "true")
    cli_of_user.ok("stop", "1")
    child = cli_of_user("get", "1", "--json").json["children"][0]
    assert (child["state"], child["begin_time"], child["status_message"]) == ("Stopped", None, "")


def test_a_controller_that_was_killed_asks_again(cli_of_user, other_user, rule, tmp_path):
    """The answer was in its memory only; durable work that runs is found with a new one."""
    go = world_writable(tmp_path / "go")
    as_other = ("--credential", other_user.name)
    cli_of_user(
        "start", *as_other, "--command", f"echo a; while [ ! -s {go} ]; do sleep 0.1; done; echo b"
    )
    cli_of_user("start", *as_other, "--", "echo", "later")
    cli_of_user.ok("answer", "1", stdin=PASSWORD.encode())
    wait_for(lambda: cli_of_user("get", "1", "--json").json["state"] == "Running", "it runs")
    os.kill(cli_of_user.status()["pid"], 9)

    def is_lost():
        child = cli_of_user("get", "1", "--json").json["children"][0]
        return child["state"] == "Disconnected" and "remjobs answer 2" in child["reason"]["message"]

    wait_for(is_lost, "it is lost, and says what would find it")
    wait_for(lambda: cli_of_user("get", "3", "--json").json["state"] == "Blocked", "it asks again")
    cli_of_user.ok("answer", "1", "3", stdin=PASSWORD.encode())
    wait_for(lambda: cli_of_user("get", "1", "--json").json["state"] == "Running", "it is found")
    go.write_text("go")
    assert cli_of_user("wait", "1", "3").code == 0
    assert cli_of_user.ok("receive", "1") == "a\nb\n"
    assert cli_of_user.ok("receive", "3") == "later\n"


def test_run_on_a_terminal_asks_there(cli_of_user, other_user, rule):
    """Without echo; nothing else is typed for it."""
    said = dialogue(
        cli_of_user,
        ("run", "--credential", other_user.name, "--", "id", "-un"),
        "to run as",
        PASSWORD,
    )
    assert f"\r\n{other_user.name}\r\n" in said
    assert PASSWORD not in said


def test_start_on_a_terminal_asks_there(cli_of_user, other_user, rule):
    """And gives the prompt back with the job under way."""
    said = dialogue(
        cli_of_user,
        ("start", "--credential", other_user.name, "--", "id", "-un"),
        "to run as",
        PASSWORD,
    )
    assert "Blocked" not in said
    assert cli_of_user("wait", "1").code == 0
    assert cli_of_user.ok("receive", "1") == f"{other_user.name}\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--credential", "no-such-user-here"], "no such user on this machine: no-such-user-here"),
        (["--become-user", "no-such-user-here"], "no such user on this machine: no-such-user-here"),
        (["--become-user", "-x"], "'-x' is not a user name"),
    ],
)
def test_refusals(cli, words, message):
    """One line, exit 2, and no job."""
    done = cli("start", *words, "--", "true")
    assert (done.code, done.err) == (2, f"remjobs: {message}\n")
    assert cli("list", "--json").json == []
