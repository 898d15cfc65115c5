"""The main job, as its users do it: the CLI against real OpenSSH servers."""

import json
import os
import re
import signal
import subprocess
from contextlib import contextmanager

import pytest
from support.sshd import running as processes_with
from support.sshd import wait_for, world_writable

from remjobs.model.ndjson import replay


@pytest.fixture
def remote(cli, sshd):
    """The CLI, told how to reach the test servers."""

    def call(verb, *words, **more):
        return cli(verb, *sshd.options_for_cli(), *words, **more)

    return call


def start(remote, *words):
    done = remote("start", *words)
    assert done.code == 0, done
    return done.out.strip()


def test_a_command_runs_on_a_list_of_servers_and_is_collected_under_one_job(cli, remote, tmp_path):
    """Start, get the prompt back while it runs, wait, receive each server's output, remove."""
    gate = world_writable(tmp_path / "wait")
    work = f"while [ -e {gate} ]; do sleep 0.05; done; echo $SSH_CONNECTION"
    job = start(remote, "-t", "127.0.1.[1-3]", "--", "sh", "-c", work)
    assert job == "1"
    assert cli("list", "--json").json[0]["state"] == "Running"
    gate.unlink()
    assert cli("wait", job).code == 0
    lines = cli.ok("receive", job).splitlines()
    assert [line.split(": ")[0] for line in lines] == ["127.0.1.1", "127.0.1.2", "127.0.1.3"]
    assert [line.split()[3] for line in lines] == ["127.0.1.1", "127.0.1.2", "127.0.1.3"]
    assert cli.ok("receive", job) == ""
    shown = cli("get", job, "--json").json
    assert (shown["state"], shown["counts"], shown["has_more_data"]) == (
        *("Completed", {"Completed": 3}, False),
    )
    assert [child["id"] for child in shown["children"]] == [2, 3, 4]
    assert shown["location"] == "127.0.1.[1-3]"
    cli.ok("remove", job)
    assert cli("list", "--json").json == []


def test_run_shows_output_as_it_comes_and_ends_as_the_job_ends(remote):
    """Labelled lines on standard output, errors on standard error, and the code."""
    done = remote("run", "-t", "127.0.1.[1-2]", "--", "sh", "-c", "echo out; echo err >&2; exit 3")
    assert done.code == 1
    assert sorted(done.out.splitlines()) == ["127.0.1.1: out", "127.0.1.2: out"]
    assert "127.0.1.1: err\n" in done.err
    assert "remjobs: 127.0.1.2: Failed (exit): exit code 3\n" in done.err
    assert "remjobs: job 1 Failed: 2 Failed\n" in done.err


def test_a_single_host_gives_the_bare_bytes(remote, sshd, cli):
    """No label, nothing escaped, nothing added: fit for a pipe."""
    done = remote("run", "-t", "127.0.1.1", "--command", r"printf 'a\033[31m\377\0b'")
    assert done.out.encode("utf-8", "surrogateescape") == b"a\x1b[31m\xff\0b"
    own = remote("run", "-t", "127.0.1.1", "--exit-code-of-work", "--command", "exit 42")
    assert own.code == 42


@pytest.mark.parametrize(
    ("targets", "command", "code"),
    [
        ("127.0.1.1", "true", 0),
        ("127.0.1.1", "false", 1),
        ("127.0.1.99", "true", 4),
        ("127.0.1.1,127.0.1.99", "true", 4),
        ("127.0.1.1,127.0.1.99", "false", 5),
    ],
)
def test_the_exit_code_tells_what_kind_of_failure_it_was(remote, cli, targets, command, code):
    """Of run, and of a wait for the same job afterwards."""
    assert remote("run", "-t", targets, "--command", command).code == code
    assert cli("wait", "@last").code == code


def test_a_cut_connection_is_an_unknown_outcome(make_sshd, cli):
    """Exit code 6, never success, and not run again."""
    sshd = make_sshd()
    mark = cli.cwd / "ran"
    mark.touch(mode=0o666)
    mark.chmod(0o666)
    cli.cwd.chmod(0o755)
    for folder in cli.cwd.parents:
        if folder.stat().st_uid == os.getuid() and str(folder).startswith("/tmp/"):
            folder.chmod(folder.stat().st_mode | 0o011)
    process = cli.begin(
        *("run", *sshd.options_for_cli(), "-t", "127.0.1.1"),
        *("--command", f"echo once >> {mark}; echo begun; sleep 60"),
    )
    assert process.stdout.readline() == "begun\n"
    sshd.kill_connections()
    _, err = process.communicate(timeout=20)
    assert process.returncode == 6
    assert "Disconnected (lost)" in err
    assert "outcome unknown" in err
    assert mark.read_text() == "once\n"


def test_stop_ends_the_work_on_the_host_too(cli, remote):
    """The processes are gone from the host, confirmed, and the state says Stopped."""
    mark = f"77{os.getpid()}"
    job = start(
        *(remote, "-t", "127.0.1.[1-2]", "--command"),
        f"(trap '' TERM; while :; do sleep 1{mark}; done) & sleep 2{mark}",
        *("--stop-grace", "0.3"),
    )
    wait_for(lambda: len(sleeping(mark)) == 4, "both hosts work")
    stopped = cli("stop", job, "--json").json[0]
    assert stopped["state"] == "Stopped"
    assert {child["state"] for child in stopped["children"]} == {"Stopped"}
    assert sleeping(mark) == []


def sleeping(mark):
    return processes_with(f"sleep\x001{mark}") + processes_with(f"sleep\x002{mark}")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_of_run_stops_the_job(cli, sshd, number, code):
    """Ctrl-C does not leave work behind on the hosts."""
    mark = f"66{os.getpid()}"
    process = cli.begin(
        *("run", *sshd.options_for_cli(), "-t", "127.0.1.[1-2]"),
        *("--command", f"echo begun; exec sleep {mark}"),
    )
    for _ in range(2):
        assert process.stdout.readline().endswith("begun\n")
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert "stopping job 1" in err
    assert processes_with(f"sleep\0{mark}") == []
    assert cli("get", "1", "--json").json["state"] == "Stopped"


def test_a_second_interrupt_leaves_the_job_to_itself(cli, sshd):
    """The prompt is back, and the stop goes on in the controller."""
    work = "trap '' TERM; echo begun; while :; do sleep 0.1; done"
    process = cli.begin(
        *("run", *sshd.options_for_cli(), "-t", "127.0.1.1", "--stop-grace", "3"),
        *("--command", work),
    )
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    wait_for(lambda: cli("get", "1", "--json").json["state"] == "Stopping", "it is stopping")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "left to itself" in err
    assert cli("wait", "1").code == 1
    assert cli("get", "1", "--json").json["state"] == "Stopped"


def test_output_is_live(cli, sshd):
    """A line is on the screen long before the work ends."""
    process = cli.begin(
        *("run", *sshd.options_for_cli(), "-t", "127.0.1.1"),
        *("--command", "echo early; sleep 3; echo late"),
    )
    assert process.stdout.readline() == "early\n"
    assert process.poll() is None
    assert process.stdout.readline() == "late\n"
    process.communicate(timeout=20)


def test_a_script_travels_with_its_arguments_and_input(cli, remote):
    """Read at the start: a later edit changes nothing, and both hosts get the same."""
    script = cli.cwd / "work.sh"
    script.write_text("#!/bin/sh\nprintf '%s|' \"$@\"; cat\n")
    (cli.cwd / "data").write_bytes(b"input\n")
    job = start(
        *(remote, "-t", "127.0.1.[1-2]", "--script", "work.sh", "--input", "data"),
        *("--arg", "a b", "--", "$c", ""),
    )
    script.write_text("exit 9")
    cli("wait", job)
    assert cli.ok("receive", job).splitlines() == [
        "127.0.1.1: a b|$c||input",
        "127.0.1.2: a b|$c||input",
    ]


def test_names_come_from_a_file_and_from_standard_input(cli, remote):
    """@file and - are plain lists; -x leaves out."""
    (cli.cwd / "servers.txt").write_text("# my servers\n127.0.1.1\n127.0.1.[2-3]  # more\n")
    done = remote("run", "-t", "@servers.txt", "-x", "127.0.1.2", "--", "echo", "x")
    assert sorted(done.out.splitlines()) == ["127.0.1.1: x", "127.0.1.3: x"]
    piped = remote("run", "-t", "-", "--", "echo", "y", stdin=b"127.0.1.4\n127.0.1.5\n")
    assert sorted(piped.out.splitlines()) == ["127.0.1.4: y", "127.0.1.5: y"]


def test_an_inventory_names_hosts_and_groups(cli, sshd):
    """Groups select, settings connect, and labels are the inventory's names."""
    (cli.cwd / "fleet.toml").write_text(
        f'[defaults]\nport = {sshd.port}\nuser = "{sshd.user.name}"\n'
        f'ssh = {{ identity_files = ["{sshd.key}"], known_hosts_file = "{sshd.known_hosts}" }}\n'
        '[hosts]\nweb1.address = "127.0.1.1"\nweb2.address = "127.0.1.2"\n'
        'db1.address = "127.0.1.3"\n[groups]\nweb = ["web1", "web2"]\n',
    )
    done = cli("run", "-i", "fleet.toml", "-t", "web", "--", "echo", "x")
    assert sorted(done.out.splitlines()) == ["web1: x", "web2: x"]
    unknown = cli("run", "-i", "fleet.toml", "-t", "wbe1", "--", "echo", "x")
    assert unknown.code == 2
    assert "no host or group 'wbe1'" in unknown.err
    assert "did you mean web1" in unknown.err


def test_hosts_with_the_same_output_fold(remote):
    """Three hosts say one thing, one says another: the odd one stands out."""
    command = 'case $SSH_CONNECTION in *" 127.0.1.3 "*) echo odd;; *) echo same;; esac'
    done = remote("run", "-t", "127.0.1.[1-4]", "--fold", "--command", command)
    assert done.out == "---- 127.0.1.[1-2,4] (3) ----\nsame\n\n---- 127.0.1.3 ----\nodd\n"


def test_output_as_json_and_as_json_lines(cli, remote):
    """Each record with its host; bytes that are no text as base64."""
    job = start(remote, "-t", "127.0.1.1", "--command", r"echo text; sleep 0.3; printf '\377' >&2")
    cli("wait", job)
    records = cli("receive", job, "--json", "--keep").json
    assert [(r["host"], r["stream"]) for r in records] == [
        ("127.0.1.1", "Output"),
        ("127.0.1.1", "Error"),
    ]
    assert records[0]["text"] == "text\n"
    assert records[1]["base64"] == "/w=="
    lines = cli.ok("receive", job, "--output", "ndjson").splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["job", "record", "record", "job"]


def test_json_lines_of_a_run_rebuild_it(cli, remote):
    """As they come: the job, each change, each record; at the end it stands as it stands."""
    work = 'echo out; echo err >&2; case $SSH_CONNECTION in *" 127.0.1.2 "*) exit 3;; esac'
    done = remote("run", "-t", "127.0.1.[1-3]", "--output", "ndjson", "--command", work)
    assert done.code == 1
    told = replay(done.out.splitlines())
    job = cli("get", "1", "--json").json
    assert [(c.host, str(c.state), c.exit_code) for c in told.children.values()] == [
        (c["host"], c["state"], c["exit_code"]) for c in job["children"]
    ]
    assert told.jobs[1].state == job["state"] == "Failed"
    assert {(child, str(stream)) for child, stream in told.output} == {
        (child, stream) for child in (2, 3, 4) for stream in ("Output", "Error")
    }
    assert set(told.output.values()) == {b"out\n", b"err\n"}
    events = [json.loads(line) for line in done.out.splitlines()]
    states = [e["state"] for e in events if e["event"] == "child" and e["id"] == 3]
    assert states[-1] == "Failed"


def test_forms_of_output(cli, remote, tmp_path):
    """Each is chosen by name; files are written beside it."""
    words = ("-t", "127.0.1.[1-2]", "--command", "echo some; echo more")
    table = remote("run", "--output", "table", *words).out.splitlines()
    assert [line.split()[:3] for line in table[1:]] == [
        ["127.0.1.1", "Completed", "0"],
        ["127.0.1.2", "Completed", "0"],
    ]
    assert all(line.endswith("some") for line in table[1:])
    assert remote("run", "--output", "quiet", *words).out == ""
    rows = remote("run", "--output", "csv", *words).out.splitlines()
    assert rows[0].startswith("job_id,child_id,host,state,exit_code")
    folder = tmp_path / "out"
    done = remote("run", "--output-dir", folder, "--output", "quiet", *words)
    assert (done.code, done.out) == (0, "")
    assert {file.name: file.read_text() for file in folder.iterdir()} == {
        f"127.0.1.{n}.output": "some\nmore\n" for n in (1, 2)
    }
    own = 'echo "$SSH_CONNECTION" | cut -d" " -f3; date'
    done = remote("run", "-t", "127.0.1.[1-2]", "--normalize", "--command", own)
    assert done.out == "---- 127.0.1.[1-2] (2) ----\n<host>\n<time>\n"


def test_a_folder_that_cannot_be_written_to_starts_nothing(cli, remote, tmp_path):
    """Known before the job is made."""
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "out"
    done = remote("run", "-t", "127.0.1.1", "--output-dir", folder, "--", "true")
    assert (done.code, done.out) == (2, "")
    assert done.err == f"remjobs: --output-dir {folder}: cannot write there: Not a directory\n"
    assert cli("list", "--json").json == []


def test_at_most_the_throttle_limit_run_at_a_time(cli, remote):
    """Counted on the hosts themselves, and in inventory order."""
    job = start(
        *(remote, "-t", "127.0.1.[1-6]", "-f", "2"),
        *("--command", "date +%s.%N; sleep 0.4; date +%s.%N"),
    )
    cli("wait", job)
    times: dict[str, list[float]] = {}
    for record in cli("receive", job, "--json").json:
        times.setdefault(record["host"], []).extend(map(float, record["text"].split()))
    spans = [tuple(times[f"127.0.1.{n}"]) for n in range(1, 7)]
    for moment, _ in spans:
        assert sum(start <= moment < end for start, end in spans) <= 2
    assert max(spans[:2]) < min(spans[2:4]) < min(spans[4:])


def test_a_receiver_that_is_killed_does_not_hold_the_next_one_back(cli, remote):
    """Its turn ends with its connection; what it was not sent is there for the next."""
    size = 30_000_000
    job = start(remote, "-t", "127.0.1.1", "--command", f"head -c {size} /dev/zero")
    cli("wait", job)
    first = cli.begin("receive", job)
    first.stdout.read(100)
    first.kill()
    first.wait()
    rest = cli.ok("receive", job, timeout=20)
    assert size - 5_000_000 < len(rest) < size
    assert cli.ok("receive", job) == ""


def test_local_jobs_need_no_target(cli):
    """One child, localhost, in the home directory, with the bare output."""
    done = cli("run", "--", "sh", "-c", "pwd; echo $1", "sh", "x")
    assert done.out.splitlines()[1] == "x"
    shown = cli("get", "1", "--json").json
    assert (shown["type"], shown["location"]) == ("BackgroundJob", "localhost")


def test_run_in_process_needs_no_controller(cli, remote):
    """The same engine, without the process behind it."""
    done = remote("run", "--in-process", "-t", "127.0.1.[1-2]", "--", "echo", "x")
    assert sorted(done.out.splitlines()) == ["127.0.1.1: x", "127.0.1.2: x"]
    assert cli.status() is None
    assert cli("list", "--json").json[0]["state"] == "Completed"
    refused = remote("run", "--in-process", "-t", "127.0.1.1", "--", "true")
    assert refused.code == 70
    assert re.search(r"belongs to the controller with pid \d+", refused.err)


@contextmanager
def agent(sshd, path):
    """Run an ssh-agent that holds the user's key; give its environment."""
    process = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
    environment = {"SSH_AUTH_SOCK": str(path)}
    try:
        wait_for(path.exists, "the agent's socket")
        subprocess.run(["ssh-add", "-q", sshd.key], check=True, env={**os.environ, **environment})
        yield environment
    finally:
        process.terminate()
        process.wait()


def config_without_keys(sshd, path):
    """Write an SSH config that leaves the agent as the only way in."""
    path.write_text(
        f"Host 127.0.1.*\n Port {sshd.port}\n User {sshd.user.name}\n"
        f" UserKnownHostsFile {sshd.known_hosts}\n IdentityFile /no/such/key\n",
    )
    return ["--ssh-config", path, "-t", sshd.address()]


def test_the_agent_of_each_command_is_used(cli, sshd, tmp_path):
    """The controller was started without one; a later command brings its own."""
    cli.ok("list")
    options = config_without_keys(sshd, tmp_path / "config")
    with agent(sshd, tmp_path / "agent.sock") as environment:
        assert cli.ok("run", *options, "--", "echo", "in", **environment) == "in\n"


def test_lost_work_is_found_with_the_agent_of_whoever_resumes(cli, sshd, tmp_path):
    """The agent that began it is gone, as after a logout; the next shell has another."""
    options = config_without_keys(sshd, tmp_path / "config")
    work = "echo a; sleep 2; echo b"
    with agent(sshd, tmp_path / "first.sock") as environment:
        job = cli.ok("start", *options, "--command", work, **environment).strip()
        wait_for(lambda: "a" in cli.ok("receive", job, "--keep"), "the work begins")
    sshd.kill_connections()
    assert cli("wait", job).code == 6
    with agent(sshd, tmp_path / "second.sock") as environment:
        cli.ok("resume", job, **environment)
        assert cli("wait", job).code == 0
    assert cli.ok("receive", job) == "a\nb\n"
