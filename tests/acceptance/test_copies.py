"""push and fetch as their users type them, against real OpenSSH servers."""

import json
import os
import re
import signal

import pytest
from support.copies import BIG, temporary, tree
from support.sshd import wait_for


@pytest.fixture
def remote(cli, sshd):
    """The CLI, told how to reach the test servers."""

    def call(verb, *words, **more):
        return cli(verb, *sshd.options_for_cli(), *words, **more)

    return call


@pytest.fixture
def folders(open_folder):
    """A folder for each of two hosts, which are one machine here, and links to tell them apart."""
    for number in (1, 2):
        (open_folder / f"127.0.1.{number}").mkdir()
        (open_folder / f"127.0.1.{number}").chmod(0o777)
    return open_folder


@pytest.fixture
def big(cli):
    """A file that takes a while."""
    file = cli.cwd / "big"
    file.write_bytes(os.urandom(1024 * 1024) * (BIG // 1024 // 1024))
    return file


def test_files_go_to_hosts_and_come_back(cli, remote, folders):
    """Two hosts side by side: push, look, fetch; relative paths are the caller's."""
    (cli.cwd / "conf").mkdir()
    (cli.cwd / "conf" / "app.conf").write_text("threads = 4\n")
    (cli.cwd / "run.sh").write_text("#!/bin/sh\necho pushed\n")
    (cli.cwd / "run.sh").chmod(0o755)
    done = remote("push", "conf", "run.sh", "-t", "127.0.1.[1-2]", "--to", str(folders))
    assert (done.code, done.err) == (0, "remjobs: job 1 Completed: 2 Completed\n")
    line = f"2 files, 34 B, in {folders}"
    assert sorted(done.out.splitlines()) == [f"127.0.1.1: {line}", f"127.0.1.2: {line}"]
    ran = remote("run", "-t", "127.0.1.1", "--", f"{folders}/run.sh")
    assert ran.out == "pushed\n"
    done = remote("fetch", f"{folders}/conf", "-t", "127.0.1.[1-2]", "--into", "got/here")
    assert done.code == 0
    assert tree(cli.cwd / "got" / "here") == {
        "127.0.1.1": None,
        "127.0.1.1/conf": None,
        "127.0.1.1/conf/app.conf": b"threads = 4\n",
        "127.0.1.2": None,
        "127.0.1.2/conf": None,
        "127.0.1.2/conf/app.conf": b"threads = 4\n",
    }
    commands = [job["command"] for job in cli("list", "--json").json]
    assert commands[0] == f"push conf run.sh to {folders}"
    assert commands[2] == f"fetch {folders}/conf into {cli.cwd}/got/here"
    assert f"Command        : {commands[2]}" in cli.ok("get", "@last")


def test_progress_is_a_stream_and_data(cli, remote, folders, big):
    """In bytes, as a record; people see it when they ask for it."""
    done = remote("push", "big", "-t", "127.0.1.1", "--to", str(folders), "--output", "ndjson")
    records = [json.loads(line) for line in done.out.splitlines()]
    last = [r["text"] for r in records if r.get("stream") == "Progress"][-1]
    assert last == "25.2 MB of 25.2 MB (100%), 1 of 1 files\n"
    shown = cli("receive", "@last", "--all", "--stream", "Progress")
    assert "PROGRESS: 25.2 MB of 25.2 MB (100%), 1 of 1 files\n" in shown.err


def test_a_copy_in_the_background_is_waited_for_and_received(cli, remote, folders, big):
    """Push gives the id alone in a script."""
    done = remote("push", "big", "-t", "127.0.1.1", "--to", str(folders), "--background")
    assert done.out == "1\n"
    assert cli("wait", "1").code == 0
    assert cli.ok("receive", "1") == f"1 file, 25.2 MB, in {folders}\n"
    assert (folders / "big").stat().st_size == BIG


def held(cli, remote, folders, *words):
    """Begin a push, and suspend it while a part of the file is on the host."""
    done = remote("push", "big", "-t", "127.0.1.1", "--to", str(folders), "--background", *words)
    job = done.out.strip()
    wait_for(lambda: temporary(folders), "the copy has begun")
    cli.ok("suspend", job)
    assert cli("get", job, "--json").json["state"] == "Suspended"
    return job


def huge(big):
    """Make a file of it that is not sent before a command can be typed; it takes no space."""
    os.truncate(big, 16 * 1024**3)


def test_a_copy_is_suspended_resumed_and_stopped(cli, remote, folders, big):
    """Through the CLI; no part is left, and the state says Stopped."""
    huge(big)
    (folders / "big").write_text("old")
    job = held(cli, remote, folders)
    cli.ok("resume", job)
    stopped = cli("stop", job, "--json").json[0]
    assert stopped["state"] == "Stopped"
    assert tree(folders)["big"] == b"old"
    assert temporary(folders) == []


def test_a_copy_that_takes_too_long_has_failed(cli, remote, folders, big):
    """It is stopped there."""
    huge(big)
    done = remote("push", "big", "-t", "127.0.1.1", "--to", str(folders), "--timeout", "0.5")
    assert done.code == 1
    assert "Failed (timeout): timed out after 0.5 s" in done.err
    assert "big" not in tree(folders)
    assert temporary(folders) == []


def test_an_interrupt_of_push_stops_it(cli, sshd, folders, big):
    """Ctrl-C leaves no part behind."""
    huge(big)
    process = cli.begin(
        *("push", *sshd.options_for_cli(), "big", "-t", "127.0.1.1"), *("--to", str(folders))
    )
    wait_for(lambda: temporary(folders), "the copy has begun")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "stopping job 1" in err
    assert temporary(folders) == []


def test_a_cut_is_an_unknown_outcome(cli, make_sshd, folders, big):
    """Exit code 6; what may be left on the host is named, and it is not done again."""
    huge(big)
    sshd = make_sshd()
    process = cli.begin(
        *("push", *sshd.options_for_cli(), "big", "-t", "127.0.1.1"), *("--to", str(folders))
    )
    [part] = wait_for(lambda: temporary(folders), "the copy has begun")
    sshd.kill_connections()
    _, err = process.communicate(timeout=30)
    assert process.returncode == 6
    assert "127.0.1.1: Disconnected (lost): connection lost" in err
    assert f"{part} may be left there" in err
    assert "big" not in tree(folders)


def test_a_controller_that_is_killed_leaves_an_unknown_outcome(cli, remote, folders, big):
    """Disconnected, the old file untouched; nothing is copied again by itself."""
    huge(big)
    (folders / "big").write_text("old")
    job = held(cli, remote, folders)
    os.kill(cli.status()["pid"], signal.SIGKILL)
    assert cli("wait", job).code == 6
    [child] = cli("get", job, "--json").json["children"]
    assert (child["state"], child["attempt"]) == ("Disconnected", 1)
    assert tree(folders)["big"] == b"old"


def test_a_canary_that_fails_halts_the_copy(remote, folders, big):
    """The pace is that of any job."""
    words = ("-t", "127.0.1.99,127.0.1.1", "--canary", "1", "--to", str(folders))
    done = remote("push", "big", *words)
    assert done.code == 8
    assert "1 Failed, 1 Stopped; halted: " in done.err
    assert "big" not in tree(folders)


def test_what_went_wrong_has_its_exit_code(cli, remote, folders, big):
    """A copy that failed is 1, a host that is not reached 4, both 5; retry does the rest."""
    nosuch = f"{folders}/127.0.1.1/new/"
    done = remote("push", "big", "-t", "127.0.1.1,127.0.1.99", "--to", nosuch)
    assert done.code == 5
    assert "127.0.1.1: Failed (copy): " in done.err
    assert "there is no such folder on the host" in done.err
    assert "127.0.1.99: Failed (unreachable)" in done.err
    made = folders / "127.0.1.1" / "new"
    made.mkdir()
    made.chmod(0o777)
    retried = cli.ok("retry", "1", "--host", "127.0.1.1").strip()
    assert cli("wait", retried).code == 0
    assert (made / "big").read_bytes() == big.read_bytes()
    big.write_text("edited")
    again = cli.ok("retry", "1", "--host", "127.0.1.1").strip()
    assert cli("wait", again).code == 1
    assert re.search("big: it was changed here since the job", cli("receive", again).err)


def test_a_local_copy_needs_no_server(cli):
    """One child, localhost; links that are left out are told."""
    (cli.cwd / "top").mkdir()
    (cli.cwd / "top" / "a").write_text("a")
    (cli.cwd / "top" / "link").symlink_to("a")
    (cli.cwd / "to").mkdir()
    done = cli("push", "top", "--to", cli.cwd / "to")
    assert (done.code, done.out) == (0, f"1 file, 1 B, in {cli.cwd}/to\n")
    assert done.err == f"remjobs: {cli.cwd}/top/link: skipped, neither a file nor a folder\n"
    assert tree(cli.cwd / "to") == {"top": None, "top/a": b"a"}
    done = cli("fetch", cli.cwd / "top", "--into", "in")
    assert done.code == 0
    assert f"WARNING: skipped: {cli.cwd}/top/link: a link" in done.err
    assert "remjobs: localhost: 1 skipped, see the Warning records" in done.err
    assert tree(cli.cwd / "in" / "localhost") == {"top": None, "top/a": b"a"}
