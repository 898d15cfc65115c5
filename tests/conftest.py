"""Fixtures that all kinds of tests share."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile

import pytest
from support.cli import Cli
from support.secret_service import SecretService
from support.sshd import Sshd, TestUser, need_root, running, wait_for


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    """Give each run, and each worker of one, temporary folders of its own.

    pytest shuts the folder that all runs of one user share to everybody else
    whenever another run begins, and the account that tests log in to could not
    enter it any more. Paths are short: that of a socket has room for 107 characters.
    """
    os.environ["PYTEST_DEBUG_TEMPROOT"] = root = tempfile.mkdtemp(prefix="rj-")
    config.option.basetemp = f"{root}/t"


def pytest_unconfigure():
    """Leave nothing behind."""
    shutil.rmtree(os.environ.pop("PYTEST_DEBUG_TEMPROOT"), ignore_errors=True)


@pytest.fixture(autouse=True)
def spool(tmp_path, monkeypatch):
    """Where local durable work is kept: not in the home of whoever runs the tests."""
    folder = tmp_path / "spool"
    monkeypatch.setenv("REMJOBS_SPOOL", str(folder))
    yield folder
    if folder.exists() or (tmp_path / "work" / "spool").exists():
        wait_for(lambda: not running(f"{tmp_path}/"), f"nothing runs out of {tmp_path}")


@pytest.fixture
def leases(tmp_path, monkeypatch):
    """Where leases are taken on this machine, and on hosts with a test's own option."""
    folder = tmp_path / "l"
    folder.mkdir()
    folder.chmod(0o1777)
    monkeypatch.setenv("REMJOBS_LEASES", str(folder / "leases"))
    return folder / "leases"


@pytest.fixture(scope="session")
def user():
    """The account that tests log in to over SSH."""
    account = TestUser().make()
    yield account
    account.remove()


@pytest.fixture(scope="session")
def sshd(user, tmp_path_factory):
    """A real OpenSSH server on 127.0.1.1 to 127.0.1.16."""
    server = Sshd(tmp_path_factory.mktemp("sshd"), user).start()
    yield server
    server.stop()


@pytest.fixture
def make_sshd(user, tmp_path):
    """Start further servers with options of a test's own."""
    servers: list[Sshd] = []

    def make(*options, addresses=1, name="own", **more):
        folder = tmp_path / f"{name}{len(servers)}"
        server = Sshd(folder, user, options, addresses=addresses, **more)
        servers.append(server)
        return server.start()

    yield make
    for server in servers:
        server.stop()


@pytest.fixture
def make_agent(tmp_path):
    """Start a real ssh-agent that holds these keys, and give its socket."""
    agents: list[subprocess.Popen] = []

    def make(*keys, passphrase=""):
        path = tmp_path / f"agent{len(agents)}.sock"
        words = ["ssh-agent", "-D", "-a", path]
        agents.append(subprocess.Popen(words, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL))
        wait_for(path.exists, "the agent's socket")
        asked = tmp_path / "askpass"
        asked.write_text(f"#!/bin/sh\necho '{passphrase}'\n")
        asked.chmod(0o700)
        own = {"SSH_AUTH_SOCK": str(path), "SSH_ASKPASS": str(asked)}
        own["SSH_ASKPASS_REQUIRE"] = "force"
        words = ["ssh-add", "-q", *keys]
        subprocess.run(words, check=True, env={**os.environ, **own}, capture_output=True)
        return str(path)

    yield make
    for process in agents:
        process.terminate()
        process.wait()


@pytest.fixture
def open_folder(tmp_path):
    """A folder that the account which tests log in to may write to."""
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    for path in folder.parents:
        if str(path).startswith("/tmp/"):
            path.chmod(path.stat().st_mode | 0o011)
    return folder


@pytest.fixture
def sudoer(user):
    """Let the test user become root without a password."""
    with user.may("ALL=(ALL) NOPASSWD: ALL") as rule:
        yield rule


@pytest.fixture
def other_user():
    """A second account."""
    need_root("a second account needs root")
    account = TestUser("b").make()
    yield account
    account.remove()


@pytest.fixture
def secret_service():
    """A real gnome-keyring in a D-Bus session of its own."""
    service = SecretService()
    yield service
    service.stop()


@pytest.fixture
def cli(tmp_path):
    """The CLI with a state directory of its own, and its controller ended afterwards."""
    folder = tmp_path / "work"
    folder.mkdir()
    shell = Cli(tmp_path / "home", folder)
    yield shell
    shell.end()


@pytest.fixture
def cli_of_user(tmp_path, user):
    """The CLI as the test account types it: not root, whoever runs the tests."""
    need_root("acting as another account needs root")
    folder = tmp_path / "user"
    folder.mkdir()
    for path in (tmp_path, folder):
        os.chown(path, user.uid, -1)
    shell = Cli(folder / "home", folder, account=user)
    yield shell
    shell.end()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MiB of its own."""
    need_root("a full disk is a tmpfs")
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", folder], check=True)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)
