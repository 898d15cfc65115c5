"""A known secret goes through every path, and is then looked for everywhere.

In the state directory with store and log, in homes on both sides, in the command line and
environment of every process there is meanwhile, and in all that a terminal was shown: as it
is, in UTF-16, in hex and in base64.
"""

import os
import signal
import socket
import subprocess
import textwrap
from pathlib import Path

import pytest
from support.canary import Canary
from support.sshd import keygen, need_root, running, wait_for
from support.terminal import dialogue
from support.windows import Windows

PHRASE = "opens the file"


class Ground:
    """The CLI with a keyring file, an account on an SSH server, and what was said so far."""

    def __init__(self, cli, sshd, account, folder, outside):
        self.cli = cli
        self.sshd = sshd
        self.account = account
        self.folder = folder
        self.outside = outside
        """For hosts that must know the secret."""
        self.canary = Canary()
        self.said: list[str] = []
        config = folder / "config"
        config.write_text(
            f"Host *\n Port {sshd.port}\n IdentityFile none\n"
            f" UserKnownHostsFile {sshd.known_hosts}\n",
        )
        self.hosts = ["-t", sshd.address(), "--ssh-config", config]

    def type(self, *words, stdin="", code=0):
        """Type a command, and keep what it shows."""
        done = self.cli(*words, stdin=stdin.encode())
        self.said += [done.out, done.err]
        assert done.code == code, done
        return done.out

    def keep(self, *more):
        """Keep the canary as a credential."""
        self.type("credential", "set", "c", *more, stdin=self.canary.text)

    def blocked(self, *words):
        """Start a job, and see it wait for a person."""
        job = self.type("start", *self.hosts, *words, "--", "id").strip()
        wait_for(lambda: self.cli("get", job, "--json").json["state"] == "Blocked", "it waits")
        return job


@pytest.fixture
def ground(cli, user, make_sshd, tmp_path, tmp_path_factory):
    need_root("an account with a password needs root")
    home = tmp_path / "home-of-user"
    home.mkdir()
    cli.environment |= {"HOME": str(home), "REMJOBS_DEBUG": "1", "PYTHONFAULTHANDLER": "1"}
    cli.environment.pop("DBUS_SESSION_BUS_ADDRESS", None)
    cli.ok("unlock", "--new", stdin=f"{PHRASE}\n{PHRASE}\n".encode())
    outside = tmp_path_factory.mktemp("outside")
    return Ground(cli, make_sshd("PasswordAuthentication yes"), user, tmp_path, outside)


def right_password(ground):
    """It logs in, and answers sudo."""
    ground.account.set_password(ground.canary.text)
    ground.keep("--user", ground.account.name)
    with ground.account.may("ALL=(ALL) ALL"):
        for how in ("--attached", "--durable"):
            words = [*ground.hosts, "--credential", "c", "--become"]
            assert "root" in ground.type("run", how, *words, "--command", "id -un; env")
        ground.type("ping", *words)
    for verb in ("list", "show", "test", "remove"):
        ground.type("credential", verb, *([] if verb == "list" else ["c"]))
    ground.type("history", "--json")
    ground.type("get", "1", "--json")


def wrong_password(ground):
    """The host refuses it."""
    ground.account.set_password("another one")
    ground.keep("--user", ground.account.name)
    ground.type("run", *ground.hosts, "--credential", "c", "--", "id", code=4)
    ground.type("receive", "1", "--json")


def password_that_cannot_be_sent(ground):
    """RFC 4013 forbids a sign in it."""
    ground.type("credential", "set", "c", "-u", "root", stdin=f"{ground.canary.text}\u200e")
    done = ground.cli("run", *ground.hosts, "--credential", "c", "--", "id")
    ground.said += [done.out, done.err]
    assert done.code == 4, done


def wrong_password_of_sudo(ground):
    """Sudo refuses it; so do su and doas what they never asked for."""
    ground.account.set_password("another one")
    ground.type("credential", "set", "in", "--user", ground.account.name, stdin="another one")
    ground.keep("--kind", "sudo")
    words = [*ground.hosts, "--credential", "in", "--become-credential", "c"]
    for method in ("sudo", "su"):
        ground.type("run", *words, "--become-method", method, "--", "id", code=4)


def wrong_passphrase(ground):
    """A key cannot be opened with it."""
    key = keygen(ground.folder / "locked", "ed25519", "-N", "another one")
    ground.keep("--kind", "passphrase")
    words = [*ground.hosts, "-u", ground.account.name, "--identity", key]
    ground.type("run", *words, "--credential", "c", "--", "id", code=4)


def wrong_passphrase_of_the_file(ground):
    """The encrypted file is not opened by it; it may open another one."""
    ground.type("lock")
    ground.type("unlock", stdin=ground.canary.text, code=2)
    ground.cli.environment["REMJOBS_KEYRING_FILE"] = str(ground.folder / "second")
    ground.type("controller", "stop")
    ground.type("unlock", "--new", stdin=f"{ground.canary.text}\n{ground.canary.text}\n")
    ground.type("lock")
    ground.type("unlock", stdin=ground.canary.text)


def wrong_answer(ground):
    """A person types it where a password was asked for, and it is refused."""
    ground.account.set_password("another one")
    job = ground.blocked("--credential", ground.account.name)
    ground.type("answer", job, stdin=ground.canary.text)
    ground.type("wait", job, code=4)


def typed_at_a_terminal(ground):
    """Without an echo."""
    ground.account.set_password(ground.canary.text)
    words = ("run", *ground.hosts, "--credential", ground.account.name, "--", "id", "-un")
    ground.said.append(dialogue(ground.cli, words, "password", ground.canary.text))
    assert ground.account.name in ground.said[-1]


def refused_connection(ground):
    """Nobody listens there."""
    ground.keep()
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        words = ["-t", "127.0.0.1", "-p", unused.getsockname()[1], "--credential", "c"]
        ground.type("run", *words, "--", "id", code=4)


def silent_server(ground):
    """The time for the login runs out."""
    ground.keep()
    with socket.create_server(("127.0.0.1", 0)) as server:
        words = ["-t", "127.0.0.1", "-p", server.getsockname()[1], "--credential", "c"]
        ground.type("run", *words, "--login-timeout", "0.5", "--", "id", code=4)


def _ended_controller(ground, number):
    ground.account.set_password(ground.canary.text)
    ground.keep("--user", ground.account.name)
    words = [*ground.hosts, "--credential", "c", "--attached"]
    ground.type("start", *words, "--", "sleep", "600")
    wait_for(lambda: ground.cli("get", "1", "--json").json["state"] == "Running", "it runs")
    for pid in running(f"{ground.cli.home}"):
        if b"remjobs.controller" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, number)
            wait_for(lambda pid=pid: not Path(f"/proc/{pid}").exists(), "the controller has gone")
    ground.type("list")
    ground.type("unlock", stdin=PHRASE)
    ground.type("stop", "1", code=6)


def killed_controller(ground):
    """It has no time to tidy up."""
    _ended_controller(ground, signal.SIGKILL)


def crashed_controller(ground):
    """It leaves no picture of its memory, and no traceback with values."""
    _ended_controller(ground, signal.SIGSEGV)


def keyring_that_breaks(ground):
    """A backend that tells in its errors what it was given."""
    (ground.folder / "babbler.py").write_text(
        textwrap.dedent("""
            from keyring.backend import KeyringBackend

            class Keyring(KeyringBackend):
                priority = 1

                def get_password(self, service, name):
                    return None

                def set_password(self, service, name, password):
                    raise RuntimeError(f"cannot keep {password!r}")
        """),
    )
    ground.cli.environment |= {
        "PYTHONPATH": str(ground.folder),
        "PYTHON_KEYRING_BACKEND": "babbler.Keyring",
        "REMJOBS_KEYRING_FILE": str(ground.folder / "none"),
    }
    ground.type("controller", "stop")
    ground.type("credential", "set", "c", stdin=ground.canary.text, code=2)
    assert "cannot keep" in ground.said[-1]


def fault_of_ours(ground):
    """A bug, while the secret is in use: it is logged with a traceback."""
    ground.account.set_password(ground.canary.text)
    ground.keep("--user", ground.account.name)
    (ground.folder / "sitecustomize.py").write_text(
        textwrap.dedent("""
            from remjobs.transports.ssh.passwords import Passwords

            taken = Passwords.password

            async def break_off(self):
                password = await taken(self)
                raise TypeError(f"no bug but this: {len(password)} of {self}")

            Passwords.password = break_off
        """),
    )
    ground.type("controller", "stop")
    ground.cli.environment["PYTHONPATH"] = str(ground.folder)
    ground.type("unlock", stdin=PHRASE)
    ground.type("run", *ground.hosts, "--credential", "c", "--", "id", code=70)
    log = (ground.cli.home / "controller.log").read_text()
    assert "Traceback" in log
    assert "no bug but this" in log


def _work_on(windows, authentication, *, trusted=True):
    """Return a command that logs in to a Windows host by the credential."""
    scheme, port = windows.endpoint.scheme, windows.endpoint.port
    words = ["run", "-t", "localhost", "--transport", "winrm", "-p", port, "--credential", "c"]
    words += ["--authentication", authentication, "--winrm-scheme", scheme, "--shell", "cmd"]
    if scheme == "https" and trusted:
        words += ["--ca-file", windows.endpoint.ca_file]
    return [*words, "--command", "echo in; env"]


def _windows(ground, scheme, password=None):
    users = {"alice": password or "another one"}
    return Windows(ground.outside / scheme, scheme=scheme, users=users)


def right_password_of_windows(ground):
    """It logs in, by every mechanism that is given it, sealed and in TLS."""
    ground.keep("--user", "alice")
    for scheme, mechanisms in (
        ("https", ("Basic", "Digest", "Negotiate", "Credssp")),
        ("http", ("Ntlm", "Negotiate", "Credssp")),
    ):
        with _windows(ground, scheme, ground.canary.text) as windows:
            for mechanism in mechanisms:
                assert "in\n" in ground.type(*_work_on(windows, mechanism))


def wrong_password_of_windows_in_basic(ground):
    """The host refuses it, over https."""
    ground.keep("--user", "alice")
    with _windows(ground, "https") as windows:
        ground.type(*_work_on(windows, "Basic"), code=4)
        assert windows.endpoint.status()["logins"]["alice"]["refused"] == 1
    ground.type("receive", "1", "--json")


def wrong_password_of_windows_in_ntlm(ground):
    """The host refuses it over http, by its own name and by that of Negotiate."""
    ground.keep("--user", "alice")
    with _windows(ground, "http") as windows:
        for mechanism in ("Ntlm", "Negotiate"):
            ground.type(*_work_on(windows, mechanism), code=4)
        assert windows.endpoint.status()["logins"]["alice"]["refused"] == 2
    ground.type("receive", "1", "--json")


def windows_that_breaks_off(ground):
    """The connection goes while we log in, and where the password came with the message."""
    ground.keep("--user", "alice")
    for scheme, mechanism, action in (("http", "Negotiate", "Login"), ("https", "Basic", "Create")):
        with _windows(ground, scheme, ground.canary.text) as windows:
            for kind in ("reset-before", "reset-middle"):
                windows.endpoint.fault(kind, action=action)
                ground.type(*_work_on(windows, mechanism), code=4)
            assert windows.endpoint.status()["faults"] == 0


def windows_of_an_untrusted_certificate(ground):
    """It is shown nothing."""
    ground.keep("--user", "alice")
    with _windows(ground, "https", ground.canary.text) as windows:
        for mechanism in ("Basic", "Negotiate"):
            ground.type(*_work_on(windows, mechanism, trusted=False), code=4)
            assert "certificate is not trusted" in ground.said[-1]
        assert windows.endpoint.status()["requests"] == 0


PATHS = (
    right_password,
    wrong_password,
    password_that_cannot_be_sent,
    wrong_password_of_sudo,
    wrong_passphrase,
    wrong_passphrase_of_the_file,
    wrong_answer,
    typed_at_a_terminal,
    refused_connection,
    silent_server,
    killed_controller,
    crashed_controller,
    keyring_that_breaks,
    fault_of_ours,
    right_password_of_windows,
    wrong_password_of_windows_in_basic,
    wrong_password_of_windows_in_ntlm,
    windows_that_breaks_off,
    windows_of_an_untrusted_certificate,
)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.__name__)
def test_a_secret_is_nowhere_afterwards(ground, path):
    """Not in a file, a process, a log or on the screen, whichever way it went."""
    canary = ground.canary
    with canary.watched():
        path(ground)
        logs = ground.cli("controller", "logs")
        ground.said += [logs.out, logs.err]
    assert not canary.sings_in("\n".join(ground.said).encode())
    assert not canary.seen
    assert not canary.files_with_it(ground.folder, Path(ground.account.home))
    assert not list(ground.folder.rglob("core*"))


def test_nobody_but_root_can_look_into_the_controller(cli_of_user):
    """Not even the account that it runs as: no memory, no environment."""
    cli_of_user.ok("list")
    pid = cli_of_user.status()["pid"]
    as_user = [word for word in cli_of_user.prefix if "caps" not in word]
    for name in ("environ", "mem", "maps"):
        looked = subprocess.run(
            [*as_user, "head", "-c", "1", f"/proc/{pid}/{name}"],
            check=False,
            capture_output=True,
        )
        assert b"Permission denied" in looked.stderr, name
