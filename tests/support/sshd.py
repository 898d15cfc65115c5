"""Real OpenSSH servers on loopback addresses, with throw-away keys and users."""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from string import ascii_letters
from typing import Any

import pytest

from remjobs.model.host import Host, SshOptions

SSHD = "/usr/sbin/sshd"
USER_PREFIX = "remjobs-t"
ADDRESSES = 16
"""sshd takes no more ListenAddress lines than this."""


def wait_for(condition, what, timeout=30.0):
    """Poll until a condition holds and return what it gave."""
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        if time.monotonic() > deadline:
            message = f"still not so after {timeout} s: {what}"
            raise AssertionError(message)
        time.sleep(0.02)
    return found


def world_writable(path):
    """Make a file that work under any account can write to."""
    path.touch()
    path.chmod(0o666)
    for folder in path.parents:
        if str(folder).startswith("/tmp/"):
            folder.chmod(folder.stat().st_mode | 0o011)
    return path


def need_root(why):
    """Leave a test out, and say so, where only root could run it."""
    if os.getuid() != 0:
        pytest.skip(f"needs root: {why}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.1.1", 0))
        return probe.getsockname()[1]


def keygen(path, kind="ed25519", *more):
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(path), *more],
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return path


class TestUser:
    """An account that tests log in to or act as: one of their own as root, else ours."""

    __test__ = False

    def __init__(self, role: str = "") -> None:
        own = f"{USER_PREFIX}{os.getpid()}{role}"
        self.name = own if os.getuid() == 0 else getpass.getuser()

    def make(self) -> TestUser:
        if os.getuid() != 0:
            return self
        self._sweep()
        subprocess.run(["useradd", "-m", "-s", "/bin/sh", self.name], check=True)
        # An account without a password counts as locked where PAM is off.
        subprocess.run(["usermod", "-p", "*", self.name], check=True)
        return self

    @staticmethod
    def _sweep():
        """Remove the accounts of test runs that were killed."""
        for entry in pwd.getpwall():
            number = entry.pw_name.removeprefix(USER_PREFIX).rstrip(ascii_letters)
            if entry.pw_name.startswith(USER_PREFIX) and not Path("/proc", number).exists():
                subprocess.run(["userdel", "-r", entry.pw_name], check=False, capture_output=True)
                Path("/etc/sudoers.d", entry.pw_name).unlink(missing_ok=True)

    @property
    def home(self):
        return Path(pwd.getpwnam(self.name).pw_dir)

    @property
    def uid(self):
        return pwd.getpwnam(self.name).pw_uid

    def set_password(self, password):
        """Give it a password, as sudo asks for it."""
        subprocess.run(["chpasswd"], input=f"{self.name}:{password}\n", text=True, check=True)

    @contextmanager
    def may(self, rule):
        """Let it do what a sudo rule says (sudoers(5)); give the rule's file."""
        need_root("sudo rules need root")
        path = Path("/etc/sudoers.d", self.name)
        path.write_text(f"{self.name} {rule}\n")
        path.chmod(0o440)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def remove(self) -> None:
        if os.getuid() != 0:
            return
        wait_for(self._runs_nothing, f"nothing of {self.name} runs")
        subprocess.run(["userdel", "-r", self.name], check=False, capture_output=True)

    def _runs_nothing(self):
        """Kill what runs under it; return whether all of that is gone."""
        left = [process for process in processes() if _owner(process) == self.uid]
        for process in left:
            with suppress(OSError):
                os.kill(int(process.name), signal.SIGKILL)
        return not left


def _owner(process):
    with suppress(OSError):
        return process.stat().st_uid
    return None


def processes():
    return [path for path in Path("/proc").iterdir() if path.name.isdigit()]


def running(word):
    """Return the pids of live processes whose command line holds a word."""
    found = []
    for process in processes():
        with suppress(OSError, IndexError):
            line = (process / "cmdline").read_bytes()
            state = (process / "stat").read_text().rpartition(")")[2].split()[0]
            if word.encode() in line and state not in "ZX" and int(process.name) != os.getpid():
                found.append(int(process.name))
    return found


class Sshd:
    """One sshd on several loopback addresses."""

    def __init__(
        self,
        folder: Path | str,
        user: TestUser,
        options: Sequence[str] = (),
        addresses: int | Sequence[str] = ADDRESSES,
        wrapper: Sequence[str] = (),
        *,
        program: Path | str = SSHD,
    ) -> None:
        self.program = program
        if not Path(SSHD).exists():
            message = f"{SSHD} is missing: install openssh-server (make test does, as root)"
            raise RuntimeError(message)
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.user = user
        self.options = tuple(options)
        if isinstance(addresses, int):
            addresses = [f"127.0.1.{1 + n}" for n in range(addresses)]
        self.addresses = list(addresses)
        self.wrapper = list(wrapper)
        self.port = free_port()
        self.key = keygen(self.folder / "user_key")
        self.host_key = keygen(self.folder / "host_key")
        self.authorized = self.folder / "authorized_keys"
        shutil.copy(self.key.with_suffix(".pub"), self.authorized)
        self.known_hosts = self.folder / "known_hosts"
        self.ssh_config = self.folder / "ssh_config"
        self.log = self.folder / "sshd.log"
        self.process: Any = None
        self.write_known_hosts()
        self.write_ssh_config()

    def start(self) -> Sshd:
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        # sshd re-reads these as the user who logs in.
        for path in (self.folder, *self.folder.parents):
            with suppress(PermissionError):
                if path.stat().st_uid == os.getuid() and path != Path("/"):
                    path.chmod(path.stat().st_mode | 0o011)
        self.authorized.chmod(0o644)
        config = self.folder / "sshd_config"
        lines = [
            f"Port {self.port}",
            *(f"ListenAddress {address}" for address in self.addresses),
            f"HostKey {self.host_key}",
            f"AuthorizedKeysFile {self.authorized}",
            "StrictModes no",
            "UsePAM no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PidFile none",
            "LogLevel VERBOSE",
        ]
        # The first value of a keyword counts, so a test's options stand first.
        defaults = ["MaxStartups 500:30:1000", "MaxSessions 64", "PermitRootLogin yes"]
        if not any(option.startswith("Subsystem") for option in self.options):
            defaults.append("Subsystem sftp internal-sftp")
        config.write_text("\n".join([*self.options, *lines, *defaults]) + "\n")
        command = [str(self.program), "-D", "-f", str(config), "-E", str(self.log)]
        self.process = subprocess.Popen([*self.wrapper, *command], stdin=subprocess.DEVNULL)
        wait_for(self._listens, f"sshd on port {self.port}: {self._said()}")
        return self

    def _listens(self):
        if self.process.poll() is not None:
            message = f"sshd ended: {self._said()}"
            raise AssertionError(message)
        with socket.socket() as probe:
            return probe.connect_ex((self.addresses[-1], self.port)) == 0

    def _said(self):
        return self.log.read_text() if self.log.exists() else ""

    def stop(self) -> None:
        """End sshd and all its connections."""
        if self.process is None:
            return
        self.kill_connections()
        self.process.terminate()
        self.process.wait()
        self.process = None

    def connections(self):
        """Return the pids of the processes that serve connections."""
        return descendants(self.process.pid, name=Path(self.program).name)

    def freeze_connections(self):
        """Let every connection stand still, as if the host hung."""
        for pid in self.connections():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    def kill_connections(self):
        """Cut every connection, as if the link had gone.

        They are held first, until no new one shows: a login that is just being let in
        hands its connection to a child, which would live on without its parent.
        """
        held: set[int] = set()
        while new := set(self.connections()) - held:
            _signal(new, signal.SIGSTOP)
            held |= new
        _signal(held, signal.SIGKILL)

    def write_known_hosts(self, key=None):
        public = Path(f"{key or self.host_key}.pub").read_text().split(None, 2)[:2]
        self.known_hosts.write_text(
            "".join(f"[{address}]:{self.port} {' '.join(public)}\n" for address in self.addresses),
        )

    def write_ssh_config(self):
        self.ssh_config.write_text(
            "Host 127.0.1.* sshd-*\n"
            f"    Port {self.port}\n    User {self.user.name}\n    IdentityFile {self.key}\n"
            f"    UserKnownHostsFile {self.known_hosts}\n",
        )

    def address(self, number: int = 1) -> str:
        return self.addresses[number - 1]

    def host(self, number=1, *, ssh=None, **settings):
        """Return a host that can be connected to as it is."""
        options = {
            "identity_files": (str(self.key),),
            "known_hosts_file": str(self.known_hosts),
            "config_file": "none",
        }
        return Host(
            **{
                "name": self.address(number),
                "port": self.port,
                "user": self.user.name,
                "ssh": SshOptions(**{**options, **(ssh or {})}),
                **settings,
            },
        )

    def options_for_cli(self):
        """Return what the CLI needs to reach these hosts."""
        return ["--ssh-config", str(self.ssh_config)]


def _signal(pids, number):
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def descendants(root, name=None):
    """Return the pids below a process, with a command name if one is given."""
    parents, names = {}, {}
    for process in processes():
        with suppress(OSError, IndexError):
            text = (process / "stat").read_text()
            pid = int(process.name)
            names[pid] = text[text.index("(") + 1 : text.rindex(")")]
            parents[pid] = int(text.rpartition(")")[2].split()[1])
    below, grown = {root}, True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in below} - below
        below |= more
        grown = bool(more)
    return [pid for pid in below - {root} if name is None or names[pid] == name]
