"""Verbs and options around finished and running jobs, through the CLI."""

import os
from datetime import UTC, datetime

import pytest
from support.sshd import running, wait_for, world_writable


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


def test_local_jobs_have_no_label_however_many_there_are(cli, sshd):
    """Nor has one host in several jobs; where hosts differ, each line is told by its own."""
    for word in ("one", "two"):
        cli.ok("start", "--", "echo", word)
        cli.ok("start", *sshd.options_for_cli(), "-t", "127.0.1.1", "--", "echo", word)
    cli.ok("wait", "Job*")
    assert cli.ok("receive", "1", "5", "--keep") == "one\ntwo\n"
    assert cli.ok("receive", "3", "7", "--keep") == "one\ntwo\n"
    assert cli.ok("receive", "1", "3") == "localhost: one\n127.0.1.1: one\n"


def test_a_receive_of_what_is_suspended_says_so(cli):
    """It ends, since that may stay so for ever, and with 1; so does a run."""
    job = cli.ok("start", "--command", "echo a; exec sleep 60").strip()
    wait_for(lambda: cli.ok("receive", job, "--keep"), "it has begun")
    cli.ok("suspend", job)
    done = cli("receive", job, "--wait")
    assert (done.code, done.out) == (1, "a\n")
    assert done.err == f"remjobs: job {job} is Suspended and may stay so\n"
    assert cli("wait", job).err == done.err
    cli.ok("stop", job)
    process = cli.begin("run", "--", "sleep", "60")
    wait_for(lambda: cli("get", "3", "--json").out.count('"Running"') > 2, "it runs")
    cli.ok("suspend", "3")
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (1, "remjobs: job 3 is Suspended and may stay so\n")
    cli.ok("stop", "3")


def test_a_glob_that_matches_nothing_is_silent(cli):
    """For every verb that takes several jobs; one that takes one says that there is none."""
    cli.ok("start", "--name", "there", "--", "true")
    verbs = ["get", "list", "receive", "wait", "stop", "suspend", "resume", "remove", "answer"]
    for verb, *more in [*([verb] for verb in verbs), ["set", "-f", "2"], ["receive", "--wait"]]:
        done = cli(verb, "x*", *more)
        assert (verb, done.code, done.err) == (verb, 0, "")
        assert done.out.splitlines()[1:] == []
    assert cli("get", "x*", "--json").json == cli("list", "x*", "--json").json == []
    none = cli("retry", "x*")
    assert (none.code, none.err) == (2, "remjobs: 'x*' names 0 jobs; name one\n")


def test_nothing_is_asked_for_what_does_not_wait(cli):
    """No answer is typed in vain."""
    cli.ok("run", "--", "true")
    done = cli("answer", "1")
    assert (done.code, done.err) == (2, "remjobs: nothing of job 1 waits for an answer\n")


def test_two_receivers_at_once_share_the_output(cli, sshd):
    """Both follow to the end: each line comes to one of them, none to nobody."""
    options = [*sshd.options_for_cli(), "-w", "127.0.1.[1-3]"]
    work = "for n in $(seq 300); do echo $n; [ $((n % 30)) = 0 ] && sleep 0.1; done; true"
    job = cli.ok("start", *options, "--command", work).strip()
    both = [cli.begin("receive", job, "--wait") for _ in range(2)]
    outputs = [process.communicate(timeout=60)[0].splitlines() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    hosts = [f"127.0.1.{number}" for number in (1, 2, 3)]
    lines = [f"{host}: {number}" for host in hosts for number in range(1, 301)]
    assert sorted([*outputs[0], *outputs[1]]) == sorted(lines)
    assert cli.ok("receive", job) == ""
    assert not cli("get", job, "--json").json["has_more_data"]


def test_why_a_job_was_halted_is_told(cli, sshd):
    """By whatever followed it to its end, on one host and on several, with the exit code."""
    for targets in ([], [*sshd.options_for_cli(), "-t", "127.0.1.[1-2]"]):
        done = cli("run", "--total-timeout", "0.5", *targets, "--", "sleep", "60")
        assert done.code == 124
        assert done.err.splitlines()[-1].endswith("the job's time was up")
        for verb in (["wait"], ["receive", "--wait"]):
            after = cli(*verb, "@last")
            assert (after.code, after.err.count("Stopped: the job's time was up\n")) == (124, 1)


def host_states(cli, job):
    return {c["host"]: c["state"] for c in cli("get", job, "--json").json["children"]}


def test_one_host_is_stopped_and_the_others_go_on(cli, sshd):
    """Its processes are gone, the one that waited never began, the job goes on."""
    mark = f"9{os.getpid()}"
    options = [*sshd.options_for_cli(), "-t", "127.0.1.[1-4]", "-f", "3"]
    job = cli.ok("start", *options, "--", "sleep", mark).strip()
    wait_for(lambda: len(running(f"sleep\0{mark}")) == 3, "three run")
    done = cli("stop", job, "--child", "127.0.1.[2-2]", "--child", "*.4")
    assert done.code == 0, done
    rows = [line.split()[:4] for line in done.out.splitlines()[1:]]
    assert [(row[0], row[3]) for row in rows] == [
        ("1", "Running"),
        ("3", "Stopped"),
        ("5", "Stopped"),
    ]
    assert len(running(f"sleep\0{mark}")) == 2
    assert host_states(cli, job) == {
        "127.0.1.1": "Running",
        "127.0.1.2": "Stopped",
        "127.0.1.3": "Running",
        "127.0.1.4": "Stopped",
    }
    cli.ok("stop", "--state", "running")
    assert running(f"sleep\0{mark}") == []
    assert set(host_states(cli, job).values()) == {"Stopped"}


def test_hosts_of_a_job_are_targets(cli, sshd, tmp_path):
    """Those in one state, with the settings they had; a file is a file."""
    ok = tmp_path / "ok"
    options = [*sshd.options_for_cli(), "-t", "127.0.1.[1-4],127.0.1.250"]
    work = f"[ -e {ok} ] || case $SSH_CONNECTION in *127.0.1.3*) exit 7;; esac"
    first = cli("start", *options, "--name", "patch", "--command", work).out.strip()
    assert cli("wait", first).code == 5
    world_writable(ok)
    again = cli("run", "-t", f"@{first}:failed", "-x", "@patch:unreachable", "--command", work)
    assert again.code == 0, again
    assert host_states(cli, "@last") == {"127.0.1.3": "Completed"}
    away = cli("run", "-t", f"127.0.1.250,@{first}:unreachable", "--", "true")
    assert away.code == 4
    assert "127.0.1.250 is named more than once" in away.err
    assert "connection refused" in away.err.lower()
    (cli.cwd / "patch.txt").write_text("127.0.1.4\n")
    mixed = [*sshd.options_for_cli(), "-t", f"@patch.txt,@{first}:completed"]
    assert cli("run", *mixed, "--", "true").code == 0
    assert list(host_states(cli, "@last")) == ["127.0.1.4", "127.0.1.1", "127.0.1.2"]
    none = cli("run", "-t", "@last:failed", "--", "true")
    assert none.code == 2
    assert "is Failed: 3 Completed" in none.err


def test_a_wait_for_a_state_says_what_it_found(cli):
    """0 while it goes on in that state; how it ended, once it has; 124 without time."""
    done = cli.ok("start", "--", "true").strip()
    bad = cli.ok("start", "--", "false").strip()
    slow = cli.ok("start", "--", "sleep", "60").strip()
    assert cli("wait", slow, "--state", "RUNNING").code == 0
    assert cli("wait", done, bad, "--any", "--state", "failed").code == 1
    assert cli("wait", bad, "--state", "Failed").code == 1
    assert cli("wait", done, "--state", "completed", "--timeout", "0").code == 0
    missed = cli("wait", done, "--state", "stopped")
    assert (missed.code, missed.err) == (1, f"remjobs: job {done} is Completed, not Stopped\n")
    late = cli("wait", done, slow, "--state", "completed", "--timeout", "0")
    assert (late.code, late.out) == (124, "")
    assert late.err == f"remjobs: time-out: not Completed yet: job {slow}\n"
    cli.ok("suspend", slow)
    stuck = cli("wait", slow, "--state", "completed")
    assert stuck.code == 1
    assert "is Suspended, not Completed and may stay so; --force waits on" in stuck.err
    cli.ok("stop", "--state", "Suspended")
    assert cli("wait", slow).code == 1
    assert cli("wait").out == ""


def test_a_childs_id_is_waited_for_and_stopped_alone(cli, sshd):
    """With its own exit code, while its job goes on."""
    options = [*sshd.options_for_cli(), "-t", "127.0.1.[1-2]"]
    work = "case $SSH_CONNECTION in *127.0.1.1*) ;; *) sleep 60;; esac"
    job = int(cli.ok("start", *options, "--command", work))
    assert cli("wait", job + 1).code == 0
    assert [line.split()[0] for line in cli.ok("list", job + 2).splitlines()[1:]] == ["1", "3"]
    assert cli("wait", job + 2, "--timeout", "0").code == 124
    cli.ok("stop", job + 2)
    assert cli("wait", job + 2, job).code == 1


def test_each_removal_is_answered_for_on_its_own(cli):
    """A line for each that stays, the exit code tells, and the others are gone for good."""
    for words in (["true"], ["sleep", "60"], ["true"], ["false"]):
        cli.ok("start", "--", *words)
    cli("wait", "1", "5", "7")
    done = cli("remove", "99", "1", "3", "6", "nosuch")
    assert (done.code, done.out) == (2, "")
    assert [line.partition(";")[0] for line in done.err.splitlines()] == [
        "remjobs: no job 99",
        "remjobs: not ended, so not removed: job 3 (Running)",
        "remjobs: 6 is a child of job 5: remove the job",
        "remjobs: no job 'nosuch'",
    ]
    assert cli("remove", "99", "5").code == 3
    assert [job["id"] for job in cli("list", "--json").json] == [3, 7]
    cli.ok("remove", "--state", "failed")
    cli.ok("remove", "--force", "3")
    assert cli("list", "--json").json == []
    cli.ok("controller", "stop")
    assert cli.ok("start", "--", "true") == "9\n"
    assert cli("get", "3").code == 3


def test_every_property_is_shown(cli):
    """Those of a job and of a child, empty ones too, one a line."""
    work = "printf x\necho err >&2\nexit 3"
    job = cli("start", "--name", "n", "--command", work).out.strip()
    cli("wait", job)

    def shown(*words):
        pairs = (line.partition(":") for line in cli.ok("get", *words).splitlines())
        return {name.strip(): value.strip() for name, _, value in pairs}

    common = {
        *("Id", "InstanceId", "Name", "PSJobTypeName", "State", "HasMoreData", "Location"),
        *("Command", "StatusMessage", "JobStateInfo", "PSBeginTime", "PSEndTime", "Streams"),
    }
    parent, child = shown(job), shown("2")
    assert common | {"ChildJobs", "ThrottleLimit"} <= set(parent)
    assert (parent["ChildJobs"], parent["StatusMessage"]) == ("2: 1 Failed", "")
    own = {"Transport", "ExitCode", "Signal", "Attempt", "ParentId"}
    assert set(child) - {"exit 3", "echo err >&2"} == common | own
    assert child["Streams"] == parent["Streams"] == "Output 1 byte, Error 4 bytes"
    assert (child["ExitCode"], child["Attempt"], child["Location"]) == ("3", "1", "localhost")
    assert child["JobStateInfo"] == "Failed (exit): exit code 3"


def test_json_has_every_key_of_jobs_children_and_records(cli):
    """Stable keys, times in UTC; an object for the job that was named, else an array."""
    job = cli("start", "--command", "echo x; exit 3").out.strip()
    cli("wait", job)
    one = cli("get", job, "--json").json
    assert cli("get", "--json").json == cli("get", "--state", "failed", "--json").json == [one]
    [listed] = cli("list", "--json").json
    assert "children" not in listed
    assert listed == {k: v for k, v in one.items() if k not in {"children", "streams"}}
    assert one["streams"] == one["children"][0]["streams"] == {"Output": 2}
    keys = {
        *("id", "instance_id", "name", "type", "state", "reason", "has_more_data", "location"),
        *("command", "status_message", "begin_time", "end_time", "throttle_limit", "counts"),
    }
    assert set(listed) == keys | {"retry_of", "definition", "submit_time", "exclusive"}
    [child] = one["children"]
    own = {"parent_id", "host", "transport", "exit_code", "signal", "attempt", "sought_until"}
    own |= {"address", "streams"}
    assert (child["throttle_limit"], child["counts"]) == (32, {"Failed": 1})
    assert set(child) == keys | own
    assert (child["location"], child["type"]) == ("localhost", "BackgroundJob")
    assert child["reason"] == {"kind": "exit", "message": "exit code 3"}
    [record] = cli("receive", job, "--json").json
    assert set(record) == {"job_id", "child_id", "host", "stream", "seq", "time", "text"}
    for time in (one["begin_time"], child["end_time"], record["time"]):
        assert time.endswith("Z")
        assert datetime.fromisoformat(time).tzinfo is UTC


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
        (["stop"], 2, "which jobs? name them, or give --state"),
        (["stop", "--child", "h"], 2, "which jobs? name them, or give --state"),
        (["stop", "--state", "Sleeping"], 2, "no state 'Sleeping'; there are: NotStarted"),
        (["stop", "77", "--child", "h"], 3, "no job 77"),
        (["suspend"], 2, "which jobs? name them, or give --state"),
        (["resume"], 2, "which jobs? name them, or give --state"),
        (["remove", "--force"], 2, "which jobs? name them, or give --state"),
        (["remove", "--state", "x"], 2, "no state 'x'; there are: NotStarted"),
        (["wait", "--state", "Done"], 2, "no state 'Done'; there are: NotStarted, Running"),
        (["wait", "77", "--state", "Failed"], 3, "no job 77"),
        (["wait", "--timeout", "-1"], 2, "the time-out cannot be negative: -1"),
        (["wait", "--timeout", "nan"], 2, "the time-out is not a number of seconds"),
        (["start", "-t", "@77:failed", "--", "true"], 3, "no job 77"),
        (["start", "-t", "@last:failed", "--", "true"], 3, "no job '@last'"),
        (["start", "-t", "@77:faild", "--", "true"], 2, "no state 'faild'; there are:"),
        (["start", "-t", "@no:such", "--", "true"], 2, "no:such: cannot read the inventory"),
        (["hosts", "clean", "-t", "@77:failed"], 3, "no job 77"),
        (["receive", "77", "--host", "h"], 3, "no job 77"),
        (["receive", "1", "--stream", "Stdout"], 2, "no stream 'Stdout'; there are: Output"),
        (["get", "--newest", "0"], 2, "--newest 0: expected 1 or more"),
    ],
)
def test_bad_input_is_one_line(cli, words, code, message):
    """It names the thing and what to do."""
    done = cli(*words)
    assert done.code == code, done
    assert message in done.err
    assert done.err.count("\n") == 1
