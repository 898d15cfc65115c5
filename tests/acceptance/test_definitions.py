"""Definitions: saved, fired by a real controller, started by hand, refused."""

import os
import re
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.sshd import wait_for


def history(cli, name="d"):
    return cli("definition", "history", name, "--json").json


def has(cli, count, outcome, name="d"):
    """Wait until the history has so many of an outcome; return them all."""

    def enough():
        entries = history(cli, name)
        return entries if [e["outcome"] for e in entries].count(outcome) >= count else None

    return wait_for(enough, f"{count} are {outcome}", 20)


def kill_controller(cli):
    """Kill it, and return its pid."""
    pid = cli.status()["pid"]
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not Path("/proc", str(pid)).exists(), "it is gone")
    return pid


def test_a_saved_command_is_listed_shown_started_and_removed(cli):
    """Its jobs are jobs like any other."""
    words = ("--path", "/ops", "--daily", "02:30", "--timezone", "Europe/Berlin")
    assert cli.ok("definition", "add", "nightly", *words, "--", "echo", "a b") == "/ops/nightly\n"
    header, row = cli.ok("definition", "list").splitlines()
    assert header.split() == ["Name", "Enabled", "Triggers", "Next", "Last"]
    assert row.startswith("/ops/nightly  yes      daily 02:30 (Europe/Berlin)  ")
    shown = cli.ok("definition", "show", "nightly")
    assert re.search(r"^Command +: echo 'a b'$", shown, re.MULTILINE)
    assert re.search(r"^IfRunning +: ignore-new$", shown, re.MULTILINE)
    assert cli.ok("start", "--definition", "NIGHTLY") == "1\n"
    assert cli("wait", "1").code == 0
    assert cli.ok("receive", "1") == "a b\n"
    job = cli("get", "1", "--json").json
    assert (job["type"], job["name"], job["definition"]) == (
        "ScheduledJob",
        "nightly",
        "/ops/nightly",
    )
    assert "Definition     : /ops/nightly\n" in cli.ok("get", "1")
    assert cli.ok("definition", "start", "/ops/nightly") == "3\n"
    words = ("--definition", "nightly", "--definition-path", "/ops", "--type", "scheduledjob")
    assert cli.ok("start", *words) == "5\n"
    assert [entry["job_id"] for entry in history(cli, "nightly")] == [1, 3, 5]
    assert "job 5" in cli.ok("definition", "list")
    cli.ok("definition", "remove", "nightly")
    assert cli("definition", "list", "--json").json == []
    assert len(cli("list", "--json").json) == 3


def test_what_is_due_is_fired_by_the_controller(cli, sshd):
    """At its moment, on hosts that are looked up then; the script was read when it was saved."""
    (cli.cwd / "script.sh").write_text('echo "$1 here"\n')
    inventory = cli.cwd / "servers.txt"
    inventory.write_text(sshd.address(1) + "\n")
    moment = datetime.now().astimezone() + timedelta(seconds=6)
    options = ["-t", "@servers.txt", *sshd.options_for_cli(), "--at", moment.isoformat()]
    done = cli.ok(
        "definition", "add", "d", *options, "--script", "script.sh", "--", "really", "--json"
    )
    assert done == "/d\n"
    (cli.cwd / "script.sh").unlink()
    inventory.write_text(f"{sshd.address(2)}\n{sshd.address(3)}\n")
    [entry] = has(cli, 1, "Started")
    assert cli("wait", entry["job_id"]).code == 0
    assert cli.ok("receive", entry["job_id"]) == "".join(
        f"{sshd.address(n)}: really here\n" for n in (2, 3)
    )
    assert abs(datetime.fromisoformat(entry["due"]) - moment) < timedelta(milliseconds=1)
    shown = cli("definition", "show", "d", "--json").json
    assert (shown["next_time"], shown["last"]["state"]) == (None, "Completed")


def test_definitions_outlive_a_controller_that_is_killed(cli):
    """The next command starts another one, which goes on firing."""
    cli.ok("definition", "add", "d", "--every", "1s", "--if-running", "Parallel", "--", "true")
    has(cli, 1, "Started")
    first = kill_controller(cli)
    before = len(history(cli))
    assert cli.status()["pid"] != first
    entries = has(cli, before + 2, "Started")
    ids = [entry["instance_id"] for entry in entries]
    assert len(ids) == len(set(ids))


def test_at_start_up_fires_once_each_time_the_controller_starts(cli):
    """And not when it is added."""
    cli.ok("definition", "add", "d", "--at-startup", "--", "echo", "up")
    assert history(cli) == []
    for count in (1, 2):
        cli.ok("controller", "stop")
        cli.ok("controller", "start")
        assert len(has(cli, count, "Started")) == count


def test_only_the_controller_fires(cli):
    """A command that runs the engine itself leaves triggers alone, and starts by hand."""
    cli.ok("definition", "add", "d", "--at-startup", "--", "echo", "up")
    cli.ok("controller", "stop")
    assert cli.ok("run", "--in-process", "--", "echo", "own") == "own\n"
    afterwards = datetime.now(UTC)
    [entry] = has(cli, 1, "Started")
    assert datetime.fromisoformat(entry["due"]) > afterwards, "the controller's own start"


def test_what_was_missed_is_told_and_runs_late_if_it_was_asked_to(cli):
    """No controller ran at that time."""
    far = f"{datetime.now(UTC) + timedelta(hours=12):%H:%M}"
    when = ("--daily", far, "--timezone", "UTC")
    for name, more in (("strict", []), ("late", ["--run-if-missed"])):
        cli.ok("definition", "add", name, *when, *more, "--", "true")
    kill_controller(cli)
    # As if all had been saved two days ago, and nobody had looked since then.
    age = "UPDATE definitions SET settled_until = settled_until - 2 * 86400"
    with_sqlite(cli.home / "catalog.db", age)
    missed = {name: has(cli, 1, "Missed", name) for name in ("strict", "late")}
    for entries in missed.values():
        assert [e["count"] for e in entries if e["outcome"] == "Missed"] == [2]
    assert "controller did not run" in missed["strict"][0]["message"]
    [job] = [entry["job_id"] for entry in has(cli, 1, "Started", "late") if entry["job_id"]]
    assert cli("wait", job).code == 0
    assert [e["outcome"] for e in history(cli, "strict")] == ["Missed"]


def with_sqlite(path, statement):
    import sqlite3  # noqa: PLC0415 - only this test reaches below

    connection = sqlite3.connect(path)
    with connection:
        assert connection.execute(statement).rowcount > 0
    connection.close()


def test_the_controller_stays_for_what_is_due_and_leaves_without_it(cli):
    """Idle or not, a trigger that waits keeps it; a disabled one does not."""
    cli.environment["REMJOBS_IDLE_TIMEOUT"] = "0.5"
    cli.ok("definition", "add", "d", "--daily", "00:00", "--", "true")
    pid = cli.status()["pid"]
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        assert Path("/proc", str(pid)).exists()
        time.sleep(0.1)
    assert cli.status()["waits_for_definitions"] is True
    cli.ok("definition", "disable", "d")
    wait_for(lambda: not Path("/proc", str(pid)).exists(), "it has left")
    cli.ok("definition", "enable", "d")
    assert cli("definition", "show", "d", "--json").json["enabled"] is True


def test_local_work_as_another_user_asks_when_it_is_started(cli_of_user, other_user):
    """A definition with a credential is saved without the secret."""
    done = cli_of_user("definition", "add", "d", "--credential", other_user.name, "--", "id", "-un")
    assert (done.code, done.out) == (0, "/d\n")


DEFINED = [
    (["definition", "add", "d", "--", "true"], 2, "there is a definition /d already; remove it"),
    (["definition", "add", "x"], 2, "what shall run?"),
    (["definition", "add", "x", "--at", "2020-01-01", "--", "true"], 2, "that has passed"),
    (["definition", "add", "x", "--at", "soon", "--", "true"], 2, "--at soon: write a time"),
    (["definition", "add", "x", "--every", "0", "--", "true"], 2, "0 s is too short"),
    (["definition", "add", "x", "--every", "now", "--", "true"], 2, "'now' is not a duration"),
    (["definition", "add", "x", "--cron", "1 2", "--", "true"], 2, "five fields are expected"),
    (["definition", "add", "x", "--daily", "25:00", "--", "true"], 2, "25:00 is not a time of"),
    (["definition", "add", "x", "--daily", "noon", "--", "true"], 2, "'noon' is not a time of"),
    (["definition", "add", "x", "--weekly", "6:00", "--", "true"], 2, "write days and a time"),
    (["definition", "add", "x", "--weekly", "moon 6:00", "--", "true"], 2, "'moon' is not a day"),
    (
        ["definition", "add", "x", "--daily", "6:00", "--timezone", "Mars", "--", "true"],
        2,
        "no time zone 'Mars'",
    ),
    (["definition", "add", "x", "--if-running", "Wait", "--", "true"], 2, "there are ignore-new"),
    (["definition", "add", "x", "--keep-history", "0", "--", "true"], 2, "is not 1 or more"),
    (["definition", "add", "x", "-t", "all", "--", "true"], 2, "'all' needs an inventory"),
    (["definition", "add", " ", "--", "true"], 2, "the definition's name is empty"),
    (["definition", "add", "a\x07b", "--", "true"], 2, "cannot be printed"),
    (["definition", "add", "x", "--cwd", "/no/such", "--", "true"], 2, "no such directory"),
    (["definition", "show", "nosuch"], 3, "no definition 'nosuch'"),
    (["definition", "history", "nosuch"], 3, "no definition 'nosuch'"),
    (["definition", "remove", "d", "nosuch"], 3, "no definition 'nosuch'"),
    (["definition", "enable", "nosuch"], 3, "no definition 'nosuch'"),
    (["definition", "start", "nosuch"], 3, "no definition 'nosuch'"),
    (["start", "--definition", "nosuch"], 3, "no definition 'nosuch'"),
    (["start", "--definition", "twice"], 2, "2 definitions have the name 'twice': /a/twice"),
    (["start", "--definition", "d", "--definition-path", "/x"], 3, "under /x; there is /d"),
    (["start", "--definition", "d", "--arg", "x"], 2, "--arg does not go with --definition"),
    (["start", "--definition", "d", "--", "true"], 2, "a command does not go with --definition"),
    (["start", "--definition", "d", "-t", "h"], 2, "--target does not go with --definition"),
    (["start", "--definition", "d", "-f", "3"], 2, "--throttle-limit does not go with"),
    (["start", "--definition", "d", "--attached"], 2, "--durable does not go with --definition"),
    (["start", "--definition-path", "/x", "--", "true"], 2, "--definition-path needs --definition"),
    (["start", "--definition", "d", "--type", "RemoteJob"], 2, "is a ScheduledJob"),
    (["start", "--type", "Foo", "--", "true"], 2, "no job type 'Foo'; there are: BackgroundJob"),
    (["start", "--type", "RemoteJob", "--", "true"], 2, "work on hosts: which? -t names them"),
    (["start", "--type", "ScheduledJob", "--", "true"], 2, "--definition names it"),
]


@pytest.fixture(scope="module")
def with_definitions(tmp_path_factory):
    """A user who has saved three definitions, two of the same name."""
    from support.cli import Cli  # noqa: PLC0415 - the function-scoped fixture will not do

    folder = tmp_path_factory.mktemp("defined")
    user = Cli(folder / "home", folder)
    user.ok("definition", "add", "d", "--", "true")
    for path in ("/a", "/b"):
        user.ok("definition", "add", "twice", "--path", path, "--", "true")
    yield user
    user.end()


@pytest.mark.parametrize(("words", "code", "message"), DEFINED)
def test_bad_input(with_definitions, words, code, message):
    """One line that names the thing; nothing is saved, removed or started."""
    done = with_definitions(*words)
    assert (done.code, done.out) == (code, "")
    assert message in done.err
    assert len(done.err.splitlines()) == 1
    assert done.err.startswith("remjobs: ")
    names = [d["name"] for d in with_definitions("definition", "list", "--json").json]
    assert names == ["d", "twice", "twice"]
    assert with_definitions("list", "--json").json == []
