"""A real gnome-keyring in a D-Bus session of its own."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from jeepney import DBusAddress, new_method_call
from jeepney.io.blocking import open_dbus_connection
from support.sshd import wait_for


class SecretService:
    """A D-Bus session bus with gnome-keyring on it, opened by a password."""

    PASSWORD = "opens-the-login-keyring"  # noqa: S105 - a test's own

    def __init__(self) -> None:
        # The path of a socket must stay short.
        self.folder = Path(tempfile.mkdtemp(prefix="rj-bus-"))
        self.environment = {
            **os.environ,
            "HOME": str(self.folder),
            "XDG_RUNTIME_DIR": str(self.folder),
            "XDG_DATA_HOME": str(self.folder / "data"),
        }
        self.bus = subprocess.Popen(
            [
                "dbus-daemon",
                "--session",
                "--nofork",
                "--print-address=1",
                f"--address=unix:dir={self.folder}",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=self.environment,
        )
        assert self.bus.stdout is not None
        assert select.select([self.bus.stdout], [], [], 30)[0], "the bus says no address"
        self.address = self.bus.stdout.readline().strip()
        self.environment["DBUS_SESSION_BUS_ADDRESS"] = self.address
        self.daemon = self._start_daemon()

    def _start_daemon(self):
        daemon = subprocess.Popen(
            ["gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self.environment,
        )
        assert daemon.stdin is not None
        daemon.stdin.write(self.PASSWORD.encode())
        daemon.stdin.close()
        wait_for(self._answers, "gnome-keyring is on the bus")
        return daemon

    def _answers(self):
        asked = subprocess.run(
            ["dbus-send", "--session", "--print-reply", "--dest=org.freedesktop.DBus", "/",
             "org.freedesktop.DBus.NameHasOwner", "string:org.freedesktop.secrets"],
            check=False,
            capture_output=True,
            env=self.environment,
        )  # fmt: skip
        return b"boolean true" in asked.stdout

    def hang(self):
        """Let the daemon answer nothing any more."""
        self.daemon.send_signal(signal.SIGSTOP)

    def wake(self):
        """Let it go on."""
        self.daemon.send_signal(signal.SIGCONT)

    def lock(self):
        """Lock the login collection, as a session that is left does."""
        subprocess.run(
            ["dbus-send", "--session", "--print-reply", "--dest=org.freedesktop.secrets",
             "/org/freedesktop/secrets", "org.freedesktop.Secret.Service.Lock",
             "array:objpath:/org/freedesktop/secrets/collection/login"],
            check=True,
            capture_output=True,
            env=self.environment,
        )  # fmt: skip

    def unlock(self):
        """Unlock it with its password, as whoever comes back does."""
        way = DBusAddress("/org/freedesktop/secrets", "org.freedesktop.secrets")
        service = way.with_interface("org.freedesktop.Secret.Service")
        theirs = way.with_interface("org.gnome.keyring.InternalUnsupportedGuiltRiddenInterface")
        with open_dbus_connection(self.address) as bus:
            opened = new_method_call(service, "OpenSession", "sv", ("plain", ("s", "")))
            _, session = bus.send_and_get_reply(opened).body
            login = "/org/freedesktop/secrets/collection/login"
            master = (session, b"", self.PASSWORD.encode(), "text/plain")
            words = (login, master)
            bus.send_and_get_reply(
                new_method_call(theirs, "UnlockWithMasterPassword", "o(oayays)", words)
            )

    def stop(self):
        """End both."""
        for process in (self.daemon, self.bus):
            process.kill()
            process.wait()
        assert self.bus.stdout is not None
        self.bus.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)
