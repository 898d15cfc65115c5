"""Fixtures that all kinds of tests share."""

from __future__ import annotations

import pytest
from support.cli import Cli
from support.sshd import Sshd, TestUser


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

    def make(*options, addresses=1, name="own"):
        folder = tmp_path / f"{name}{len(servers)}"
        server = Sshd(folder, user, options, addresses=addresses)
        servers.append(server)
        return server.start()

    yield make
    for server in servers:
        server.stop()


@pytest.fixture
def cli(tmp_path):
    """The CLI with a state directory of its own, and its controller ended afterwards."""
    folder = tmp_path / "work"
    folder.mkdir()
    shell = Cli(tmp_path / "home", folder)
    yield shell
    shell.end()
