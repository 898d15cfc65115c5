"""Doctor as its users run it; what each check finds stands in integration/test_examine.py."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from support.sshd import keygen

import remjobs
from remjobs.model.doctor import Verdict

NO_KEYRING = {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}


@pytest.fixture
def home(cli):
    """A user for whom all is well but the keyring."""
    folder = cli.cwd / "user"
    ssh = folder / ".ssh"
    ssh.mkdir(mode=0o700, parents=True)
    key = keygen(ssh / "id_ed25519")
    public = Path(f"{key}.pub").read_text().split()[:2]
    (ssh / "known_hosts").write_text(f"web1 {' '.join(public)}\n")
    (cli.cwd / "inv.toml").write_text("[hosts.web1]\n")
    cli.environment |= {
        "HOME": str(folder),
        "REMJOBS_INVENTORY": str(cli.cwd / "inv.toml"),
        **NO_KEYRING,
    }
    return folder


def findings(cli, *, code, **environment):
    """Return what is not well, as check and message."""
    done = cli("doctor", "--json", **environment)
    assert (done.code, done.err) == (code, ""), done
    assert all(bool(f["remedy"]) == (f["verdict"] != "ok") for f in done.json)
    assert any(f["verdict"] == "problem" for f in done.json) == (code == 1)
    return {f["check"]: f["message"] for f in done.json if f["verdict"] != "ok"}


def test_all_is_well(cli, home, secret_service):
    """Every check is there, each is ok, with a real keyring: exit code 0."""
    session = secret_service.environment
    bus = {n: session[n] for n in ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")}
    backend = {"PYTHON_KEYRING_BACKEND": "keyring.backends.SecretService.Keyring"}
    done = cli("doctor", **bus, **backend)
    lines = done.out.splitlines()
    assert (done.code, {line.split()[0] for line in lines}) == (0, {"ok"}), done
    assert [line[9:25].strip() for line in lines] == [
        *("settings", "state directory", "disk space", "log-out", "controller", "clock"),
        *("file descriptors", "inventory", "ssh config", "ssh agent", "ssh keys", "known_hosts"),
        *("kerberos", "keyring"),
    ]
    assert done.err == "remjobs: 0 problem, 0 warning, 14 ok\n"


def test_warnings_alone_are_no_failure(cli, home):
    """Without a keyring, with variables that mean nothing: exit code 0, and a remedy each."""
    seen = findings(cli, code=0, REMJOBS_INVENTRY="x")
    assert set(seen) == {"settings", "keyring"}
    assert "REMJOBS_INVENTRY in the environment is no setting" in seen["settings"]
    text = cli("doctor").out
    assert "\n" + " " * 26 + "-> " in text


def test_what_is_wrong_at_the_callers_side_of_ssh_is_found(cli, home):
    """The agent is the caller's, the files those of the controller's home."""
    (home / ".ssh/id_ed25519").chmod(0o644)
    (home / ".ssh/config").write_text("Host a\n  RequiredRSASize 4096\n")
    seen = findings(cli, code=1, SSH_AUTH_SOCK="/nowhere/agent")
    assert "no agent answers at /nowhere/agent" in seen["ssh agent"]
    assert "RequiredRSASize has no effect" in seen["ssh config"]
    assert "others may read it" in seen["ssh keys"]
    cli.environment["SSH_AUTH_SOCK"] = ""
    assert "ssh agent" not in findings(cli, code=1)


def test_broken_settings_are_the_one_finding(cli, home):
    """Nothing is looked at by settings that are not meant so."""
    path = cli.cwd / "config.toml"
    path.write_text("throtle_limit = 3\n")
    seen = findings(cli, code=1, REMJOBS_CONFIG=str(path))
    assert list(seen) == ["settings"]
    assert f"{path}:1: no setting 'throtle_limit'" in seen["settings"]
    assert not cli.home.exists()
    path.write_text("throttle_limit = 3\n")
    path.chmod(0o666)
    seen = findings(cli, code=1, REMJOBS_CONFIG=str(path))
    assert "others may write it" in seen["settings"]


def test_inventories_that_cannot_be_used(cli, home):
    """One that is broken, one that is named and missing."""
    (cli.cwd / "inv.toml").write_text("hosts = [\n")
    both = f"{cli.cwd}/inv.toml:{cli.cwd}/gone"
    done = cli("doctor", "--json", REMJOBS_INVENTORY=both)
    seen = [f["verdict"] for f in done.json if f["check"] == "inventory"]
    assert (done.code, seen) == (1, ["problem", "warning"])


def test_too_few_descriptors_for_the_throttle_limit(cli, home):
    """A hard limit that the controller cannot raise."""
    limit = "import resource,os,sys; resource.setrlimit(resource.RLIMIT_NOFILE, (350, 350)); "
    cli.prefix = [sys.executable, "-c", f"{limit}os.execv(sys.argv[1], sys.argv[1:])"]
    seen = findings(cli, code=0, REMJOBS_THROTTLE_LIMIT="60")
    assert (
        "enough for 50 hosts at a time, fewer than the throttle limit of 60"
        in (seen["file descriptors"])
    )
    assert "file descriptors" not in findings(cli, code=0, REMJOBS_THROTTLE_LIMIT="50")


def test_a_controller_that_does_not_answer(cli, home, monkeypatch):
    """It is named, and the rest is said to be left out."""
    cli.ok("list")
    pid = cli.status()["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        seen = findings(cli, code=1)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert f"process {pid} does not answer within" in seen["controller"]
    assert "were not looked at" in seen["the rest"]


def test_a_store_that_is_damaged(cli, home):
    """What the controller says is told."""
    cli.ok("list")
    cli.ok("controller", "stop")
    (cli.home / "catalog.db").write_bytes(b"x" * 5000)
    seen = findings(cli, code=1)
    assert "the job store is damaged" in seen["controller"]


def test_a_state_directory_that_cannot_be_used_starts_no_controller(small_disk, cli, home):
    """A file is in its place; or it cannot be made."""
    cli.home.write_text("")
    seen = findings(cli, code=1)
    assert "is no folder" in seen["state directory"]
    assert "Not a directory" in seen["controller"]
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    seen = findings(cli, code=1, REMJOBS_HOME=str(small_disk / "home"))
    assert "mounted read-only" in seen["state directory"]
    assert seen["controller"] == "none runs, and none can"


def test_a_controller_with_another_clock(cli, home, tmp_path):
    """Its clock really is an hour late: times and triggers would be."""
    (tmp_path / "sitecustomize.py").write_text(
        "import time\nreal = time.time\ntime.time = lambda: real() - 3600\n",
    )
    cli.ok("list", PYTHONPATH=str(tmp_path))
    seen = findings(cli, code=1)
    assert "the controller's is -3600 s from ours" in seen["clock"]


def test_a_full_disk_under_a_running_controller(small_disk, cli, home):
    """The store says so itself, and there is no room left."""
    cli.home = small_disk / "state"
    cli.environment["REMJOBS_HOME"] = str(cli.home)
    cli.ok("list")
    seen = findings(cli, code=1)
    assert "MiB free where" in seen["disk space"]
    assert "in memory (tmpfs)" in seen["state directory"]


async def test_the_python_api_looks_through_the_same(cli, home, monkeypatch):
    """As the controller sees it."""
    for name, value in cli.environment.items():
        monkeypatch.setenv(name, value)
    (home / ".ssh/known_hosts").chmod(0o666)
    async with remjobs.open(cli.home) as jobs:
        found = [finding async for finding in jobs.examine()]
    bad = [finding.check for finding in found if finding.verdict is Verdict.PROBLEM]
    assert bad == ["known_hosts"]


def test_nothing_that_it_looks_with_is_left(cli, home):
    """No helper runs on, and the store holds no job."""
    findings(cli, code=0)
    assert cli("list", "--json").json == []
    left = subprocess.run(["ps", "-eo", "args"], check=True, capture_output=True, text=True)
    assert "remjobs.credentials.probe" not in left.stdout
    with sqlite3.connect(cli.home / "catalog.db") as store:
        assert store.execute("select count(*) from jobs").fetchone() == (0,)
