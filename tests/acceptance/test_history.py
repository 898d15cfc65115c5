"""history, diff and prune as they are typed."""

import getpass
import json
import os
import sqlite3

from support.sshd import wait_for


def test_who_did_what_where_and_how_it_ended(cli, sshd):
    """Also when the job is gone, and by whom it was asked through sudo and over SSH."""
    environment = {"SUDO_USER": "ann", "SSH_CONNECTION": "10.0.0.7 50000 10.0.0.1 22"}
    cli(
        *("run", *sshd.options_for_cli(), "-t", "127.0.1.[1-2],127.0.2.9", "--name", "patch"),
        *("--", "uname"),
        **environment,
    )
    cli.ok("remove", "patch")
    cli.ok("run", "--", "echo", "second")
    assert "patch" not in cli.ok("list")
    first, second = cli.ok("history").splitlines()[1:]
    who = f"ann as {getpass.getuser()}@{os.uname().nodename} from 10.0.0.7"
    for told in (who, "Failed", "2 Completed, 1 Failed", "False", "127.0.1.[1-2]", "uname"):
        assert told in first
    assert "echo second" in second
    assert "True" in second
    assert cli.ok("history", "--host", "127.0.1.2", "--newest", "5").count("\n") == 2
    [entry] = json.loads(cli.ok("history", "patch", "--json"))
    assert entry["asker"] == {
        "user": getpass.getuser(),
        "sudo_user": "ann",
        "machine": os.uname().nodename,
        "came_from": "10.0.0.7",
    }
    assert entry["counts"] == {"Completed": 2, "Failed": 1}
    assert entry["submit_time"] < entry["begin_time"] < entry["end_time"] < entry["remove_time"]


def test_two_jobs_are_compared(cli, sshd):
    """On real servers: the exit code says whether they differ, the text on which hosts."""
    flag = cli.cwd.parent / "flag"
    work = (
        *("run", *sshd.options_for_cli(), "-t", "127.0.1.[1-3]", "--output", "quiet"),
        *("--command", f"case $SSH_CONNECTION in *127.0.1.2*) cat {flag}; esac; echo end"),
    )
    flag.parent.chmod(0o755)
    for text in ("one", "one", "two"):
        flag.write_text(f"{text}\n")
        flag.chmod(0o644)
        cli.ok(*work)
    same = cli("diff", "1", "5")
    assert (same.code, same.out) == (0, "")
    assert same.err == "remjobs: jobs 1 and 5: 3 hosts the same, 0 not\n"
    other = cli("diff", "5", "@last")
    assert (other.code, other.out) == (
        1,
        "---- 127.0.1.2 ----\n@@ -1,2 +1,2 @@\n-one\n+two\n end\n",
    )
    found = cli("diff", "5", "9", "--json").json
    assert (found["first"], found["second"]) == (5, 9)
    assert found["same"] == ["127.0.1.1", "127.0.1.3"]
    [difference] = found["differences"]
    assert difference["hosts"] == ["127.0.1.2"]
    assert difference["first"]["exit_code"] == 0
    assert difference["diff"] == ["@@ -1,2 +1,2 @@", "-one", "+two", " end"]
    assert cli("diff", "5", "99").code == 3


def test_prune_says_what_goes_and_takes_it(cli):
    """A dry run takes nothing, and what runs stays."""
    for _ in range(3):
        cli.ok("run", "--", "true")
    cli.ok("start", "--", "sleep", "60")
    would = cli("prune", "--keep", "1", "--dry-run")
    assert would.err == "remjobs: would remove 2 jobs\n"
    assert len(cli("list", "--json").json) == 4
    done = cli("prune", "--keep", "1")
    assert (done.out, done.err) == (would.out, "remjobs: removed 2 jobs\n")
    assert [job["id"] for job in cli("list", "--json").json] == [5, 7]
    assert [job["id"] for job in cli("prune", "--older-than", "0s", "--json").json] == [5]
    assert cli("prune", "--older-than", "0s").err == "remjobs: removed 0 jobs\n"
    assert len(cli("history", "--json").json) == 4
    cli.ok("stop", "7")


def test_the_controller_removes_what_ended_a_month_ago(cli):
    """Without being asked, and unless it was told to keep; its log says so."""
    cli.ok("start", "--", "echo", "old")
    cli.ok("start", "--", "echo", "young")
    cli.ok("wait", "1", "3")
    cli.ok("controller", "stop")
    with sqlite3.connect(cli.home / "catalog.db") as catalog:
        catalog.execute("UPDATE children SET end_time = end_time - 31 * 86400 WHERE job_id = 1")
    catalog.close()
    cli.ok("list", REMJOBS_KEEP_DAYS="never")
    cli.ok("list", REMJOBS_KEEP_DAYS="never")
    assert (cli.home / "output" / "1.db").exists()
    cli.ok("controller", "stop")
    cli.ok("list")
    wait_for(lambda: not (cli.home / "output" / "1.db").exists(), "the output is gone")
    assert [job["id"] for job in cli("list", "--json").json] == [3]
    assert [entry["id"] for entry in cli("history", "--json").json] == [1, 3]
    assert "jobs removed that ended long ago: 1" in (cli.home / "controller.log").read_text()
    wrong = cli("list", REMJOBS_KEEP_DAYS="a month")
    assert (wrong.code, wrong.err.count("\n")) == (2, 1)
