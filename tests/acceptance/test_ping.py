"""``remjobs ping``: each stage at which a host can fail, on real parts."""

import os
import socket
import subprocess
import threading

import pytest
from support.sshd import free_port, keygen, need_root

SYSTEM = " ".join(os.uname()[i] for i in (0, 2, 4))


def test_a_host_that_is_well_says_how_we_came_there(cli, sshd):
    """Transport, method, user, address and system, on one line; nothing is left running."""
    host = sshd.address()
    done = cli("ping", "-t", host, *sshd.options_for_cli())
    assert done.code == 0
    head, took, how, system = done.out.removesuffix("\n").split(", ")
    assert (head, system) == (f"{host}: ok", SYSTEM)
    assert took.endswith(" ms")
    assert how == f"ssh publickey as {sshd.user.name} at {host}:{sshd.port}"
    assert done.err == ""
    assert cli("list", "--json").json == []


def test_a_mechanism_that_is_named_is_the_only_one_tried(cli, sshd):
    """PublicKey is what these hosts take."""
    answer = ping(cli, sshd, "--authentication", "publickey")
    assert (answer["failed"], answer["authentication"]) == (None, "publickey")


def test_this_machine(cli):
    """Without targets there is nothing to connect to."""
    [answer] = cli("ping", "--json").json
    assert (answer["host"], answer["failed"], answer["system"]) == ("localhost", None, SYSTEM)


@pytest.fixture
def mute():
    """A port on which something takes connections and says nothing."""
    with socket.create_server(("127.0.1.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def web_server():
    """A port on which something speaks, and not SSH."""
    with socket.create_server(("127.0.1.1", 0)) as server:

        def serve():
            for _ in range(20):
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def ping(cli, sshd, *more, host=None):
    """Return the answer for one host, and the whole result."""
    options = [] if "--ssh-config" in more else sshd.options_for_cli()
    done = cli("ping", "-t", host or sshd.address(), *options, *more, "--json")
    [answer] = done.json
    assert done.code == (4 if answer["failed"] else 0)
    return answer


def failure(answer):
    return answer["failed"], answer["reason"]["kind"]


def test_the_name(cli, sshd):
    """It stands for nothing."""
    answer = ping(cli, sshd, host="no-such-host.invalid")
    assert failure(answer) == ("name", "unreachable")
    assert "is no-such-host.invalid spelled right?" in answer["remedy"]


def test_the_port(cli, sshd):
    """Nothing listens there."""
    port = free_port()
    answer = ping(cli, sshd, "-p", str(port))
    assert failure(answer) == ("tcp", "unreachable")
    assert "connection refused" in answer["reason"]["message"]
    assert f"nothing listens on port {port}" in answer["remedy"]


def test_what_listens_is_no_ssh_server(cli, sshd, mute, web_server):
    """It says nothing, or something else."""
    for port in (mute, web_server):
        answer = ping(cli, sshd, "-p", str(port), "--login-timeout", "1")
        assert answer["failed"] == "host-key", answer
        assert f"is it an SSH server that listens on port {port}?" in answer["remedy"]


def test_the_host_key(cli, sshd, tmp_path):
    """It is not known, or not the one that is known; the message says what to do."""
    known = tmp_path / "known_hosts"
    known.touch()
    answer = ping(cli, sshd, "--known-hosts", str(known))
    assert failure(answer) == ("host-key", "host-key")
    assert f"remjobs known-hosts accept -t {sshd.address()} " in answer["reason"]["message"]
    other = keygen(tmp_path / "other").with_suffix(".pub").read_text()
    known.write_text(f"[{sshd.address()}]:{sshd.port} {other}")
    answer = ping(cli, sshd, "--known-hosts", str(known))
    assert failure(answer) == ("host-key", "host-key")
    assert "host key CHANGED" in answer["reason"]["message"]


def test_the_login(cli, sshd, tmp_path):
    """The key is not one that the host takes."""
    answer = ping(cli, sshd, "--identity", str(keygen(tmp_path / "stranger")))
    assert failure(answer) == ("authentication", "authentication")
    assert "authorized_keys" in answer["remedy"]


def test_becoming_somebody(cli_of_user, other_user):
    """Sudo has no rule for it: its own words are told. With a question open, that is told."""
    done = cli_of_user("ping", "--credential", other_user.name, "--json")
    [answer] = done.json
    assert (done.code, answer["failed"]) == (4, "become")
    assert other_user.name in answer["reason"]["message"]


def test_a_shell_that_runs_nothing(cli, sshd):
    """nologin(8) says so itself; its words are told."""
    need_root("the account's login shell is changed")
    with login_shell(sshd.user, "/usr/sbin/nologin"):
        answer = ping(cli, sshd)
    assert failure(answer) == ("shell", "refused")
    assert "not available" in answer["reason"]["message"]
    assert "chsh" in answer["remedy"]


def test_a_shell_that_talks_is_noted(cli, sshd, tmp_path):
    """Text that start-up files print is no failure, and worth knowing."""
    need_root("the account's login shell is changed")
    shell = sshd.user.home / "talking"
    shell.write_text('#!/bin/sh\necho "Welcome to $0"\nexec /bin/sh "$@"\n')
    shell.chmod(0o755)
    with login_shell(sshd.user, str(shell)):
        done = cli("ping", "-t", sshd.address(), *sshd.options_for_cli())
    assert done.code == 0
    assert f"{sshd.address()}: its login shell prints text before" in done.err
    assert "Welcome to " in done.err


class login_shell:  # noqa: N801 - reads as a verb
    """Give an account another login shell for a while."""

    def __init__(self, user, shell):
        self.name, self.shell = user.name, shell

    def __enter__(self):
        subprocess.run(["usermod", "-s", self.shell, self.name], check=True)

    def __exit__(self, *_):
        subprocess.run(["usermod", "-s", "/bin/sh", self.name], check=True)


def test_many_hosts_are_summed_up(cli, sshd):
    """What is common to several stands once, with the hosts folded."""
    hosts = ",".join(sshd.addresses[:3])
    done = cli("ping", "-t", hosts, *sshd.options_for_cli())
    assert (done.code, len(done.out.splitlines())) == (0, 3)
    assert done.err == "remjobs: 3 of 3 hosts are well\n"
    done = cli("ping", "-t", hosts, *sshd.options_for_cli(), "-p", str(free_port()))
    assert done.code == 4
    assert done.err.startswith("remjobs: 127.0.1.[1-3]: the host is up and nothing listens")
    assert done.err.endswith("remjobs: 0 of 3 hosts are well\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-t", "h1", "-f", "0"], "throttle limit 0 is not 1 or more"),
        (["-t", "h1", "--credential", "-x"], "'-x' is not a credential's name"),
        (["-t", "h1", "--identity", "nokey"], "nokey: cannot read the key"),
        (["--credential", "no-such-user"], "no such user on this machine: no-such-user"),
        (["-x", "h1"], "-x and -i need -t"),
    ],
)
def test_bad_input(cli, words, message):
    """One line, exit 2."""
    done = cli("ping", *words)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert len(done.err.splitlines()) == 1
