"""Verbs and options around finished and running jobs, through the CLI."""

import pytest
from support.sshd import wait_for, world_writable


def test_retry_runs_the_same_work_where_it_did_not_succeed(cli, sshd, tmp_path):
    """Two hosts in five failed: they alone get a new job, linked to the first."""
    ok = tmp_path / "ok"
    options = [*sshd.options_for_cli(), "-t", "127.0.1.[1-4],127.0.1.250"]
    script = tmp_path / "work.sh"
    script.write_text(f"""
        [ -e {ok} ] && exec echo "again $1"
        case $SSH_CONNECTION in *127.0.1.3*) exit 7;; esac
    """)
    first = cli("start", *options, "--name", "patch", "--script", script, "--arg", "x y").out
    assert cli("wait", first.strip()).code == 5
    world_writable(ok)
    second = cli.ok("retry", "patch", "--failed").strip()
    assert cli("wait", second).code == 0
    shown = cli("get", second, "--json").json
    assert (shown["retry_of"], shown["name"]) == (int(first), "patch")
    assert [child["host"] for child in shown["children"]] == ["127.0.1.3"]
    assert cli.ok("receive", second) == "again x y\n"
    third = cli("retry", first.strip(), "--unreachable", "--json").json
    assert [child["host"] for child in third["children"]] == ["127.0.1.250"]
    assert cli("wait", third["id"]).code == 4
    nothing = cli("retry", second)
    assert nothing.code == 2
    assert f"no host of job {second} is to be tried again" in nothing.err


def test_the_throttle_limit_is_changed_while_a_job_runs(cli, sshd):
    """More hosts begin at once."""
    options = [*sshd.options_for_cli(), "-t", "127.0.1.[1-4]", "-f", "1"]
    job = cli.ok("start", *options, "--", "sleep", "60").strip()

    def running():
        return cli("get", job, "--json").json["counts"].get("Running", 0)

    wait_for(lambda: running() == 1, "one runs")
    assert cli("set", job, "-f", "3", "--json").json[0]["throttle_limit"] == 3
    wait_for(lambda: running() == 3, "three run")
    cli.ok("stop", job)


@pytest.fixture
def jobs(cli):
    """Three jobs: one that went well, one that failed, one that runs."""
    cli.ok("run", "--", "echo", "fine")
    assert cli("run", "--", "sh", "-c", "exit 3").code == 1
    cli.ok("start", "--", "sleep", "60")
    yield cli
    cli.ok("stop", "5")


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (["--state", "failed"], [3]),
        (["--newest", "1"], [3]),
        (["--after", "1h"], [1, 3]),
        (["--before", "1h"], []),
        (["--command", "echo*"], [1]),
        (["--has-more-data"], [5]),
        (["--no-more-data"], [1, 3]),
        (["--child-state", "running"], [5]),
        (["--child-state", "Completed", "--child-state", "Failed"], [1, 3]),
        (["1", "5", "--state", "Running"], [5]),
    ],
)
def test_list_filters(jobs, options, ids):
    """Each option keeps what it says, together with the others."""
    assert [job["id"] for job in jobs("list", *options, "--json").json] == ids


def test_list_shows_children_when_asked(jobs):
    """Below their jobs, in the table and in JSON."""
    rows = [line.split()[0] for line in jobs.ok("list", "--include-children").splitlines()]
    assert rows == ["Id", "1", "2", "3", "4", "5", "6"]
    [found] = jobs("list", "3", "--include-children", "--json").json
    assert [child["exit_code"] for child in found["children"]] == [3]
    [found] = jobs("list", "--child-state", "Failed", "--json").json
    assert [child["id"] for child in found["children"]] == [4]


def test_auto_remove_removes_what_was_received_to_its_end(cli):
    """With the job's exit code; a job that cannot be removed stays, and says so."""
    job = cli.ok("start", "--", "sh", "-c", "echo out; exit 3").strip()
    done = cli("receive", job, "--wait", "--auto-remove")
    assert (done.code, done.out) == (1, "out\n")
    assert cli("get", job).code == 3
    kept = cli.ok("start", "--", "echo", "kept").strip()
    child = str(int(kept) + 1)
    done = cli("receive", child, "--wait", "--auto-remove")
    assert (done.code, done.out) == (0, "kept\n")
    assert f"{child} (Completed) is not removed" in done.err
    assert cli("get", kept).code == 0


def test_an_initialization_comes_before_the_work(cli, tmp_path):
    """Given as a text or as a file; one that fails has its own reason."""
    file = tmp_path / "init.sh"
    file.write_text("greet() { echo hi $1; }\n")
    assert cli.ok("run", "--init-file", file, "--command", "greet you") == "hi you\n"
    assert cli.ok("run", "--durable", "--init", "x=1; cd /usr", "--command", "echo $x; pwd")
    done = cli("run", "--init", "false", "--", "echo", "never")
    assert (done.code, done.out) == (1, "")
    assert "Failed (initialization): initialization failed: exit code 1" in done.err


def test_since_is_a_look(cli):
    """It shows what came lately, and takes nothing."""
    cli.ok("run", "--durable", "--", "true")
    job = cli.ok("start", "--", "echo", "x").strip()
    cli.ok("wait", job)
    assert cli.ok("receive", job, "--since", "1h") == "x\n"
    assert cli.ok("receive", job, "--since", "2020-01-01") == "x\n"
    assert cli.ok("receive", job, "--no-recurse") == ""
    assert cli.ok("receive", job) == "x\n"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["list", "--state", "Sleeping"], 2, "no state 'Sleeping'; there are: NotStarted"),
        (["list", "--child-state", "x"], 2, "no state 'x'"),
        (["list", "--newest", "0"], 2, "--newest 0: expected 1 or more"),
        (["list", "--after", "soon"], 2, "'soon' is not a time; write 2026-01-31"),
        (["receive", "1", "--auto-remove"], 2, "--auto-remove needs --wait"),
        (["receive", "1", "--since", "1h", "--wait"], 2, "--since and --wait do not go together"),
        (["run", "--init", "a", "--init-file", "b", "--", "true"], 2, "not both"),
        (["run", "--init-file", "/no/file", "--", "true"], 2, "/no/file"),
        (["run", "--init", "a", "--shell", "perl", "--", "1"], 2, "--init needs a shell"),
        (["retry", "77"], 3, "77"),
        (["retry", "1", "-f", "0"], 2, "throttle limit 0 is not 1 or more"),
        (["set", "77", "-f", "2"], 3, "77"),
        (["set", "1", "-f", "0"], 2, "throttle limit 0 is not 1 or more"),
    ],
)
def test_bad_input_is_one_line(cli, words, code, message):
    """It names the thing and what to do."""
    done = cli(*words)
    assert done.code == code, done
    assert message in done.err
    assert done.err.count("\n") == 1
