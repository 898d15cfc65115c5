"""A real keyring daemon, in a D-Bus session of its own."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager

from support.sshd import wait_for


@contextmanager
def keyring_session(folder, *, unlocked=True):
    """Run gnome-keyring; give the environment of its session, and the daemon's process."""
    runtime, home = folder / "runtime", folder / "keyring-home"
    for path in (runtime, home):
        path.mkdir(mode=0o700)
    environment = {
        **{name: value for name, value in os.environ.items() if name != "DISPLAY"},
        "XDG_RUNTIME_DIR": str(runtime),
        "XDG_DATA_HOME": str(home),
        "HOME": str(home),
    }
    bus = subprocess.Popen(
        ["dbus-daemon", "--session", "--nofork", "--nopidfile", "--print-address"],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    daemon: subprocess.Popen[bytes] | None = None
    try:
        assert bus.stdout is not None
        environment["DBUS_SESSION_BUS_ADDRESS"] = bus.stdout.readline().strip()
        daemon = subprocess.Popen(
            ["gnome-keyring-daemon", "--foreground", "--components=secrets"]
            + (["--unlock"] if unlocked else []),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        assert daemon.stdin is not None
        daemon.stdin.write(b"labpw" if unlocked else b"")
        daemon.stdin.close()
        wait_for(lambda: _answers(environment), "the keyring daemon is on its bus")
        yield environment, daemon
    finally:
        if daemon is not None:
            daemon.kill()
            daemon.wait()
        bus.kill()
        bus.communicate()


def _answers(environment):
    asked = subprocess.run(
        [
            *("dbus-send", "--session", "--print-reply", "--dest=org.freedesktop.DBus", "/"),
            *("org.freedesktop.DBus.NameHasOwner", "string:org.freedesktop.secrets"),
        ],
        check=False,
        capture_output=True,
        env=environment,
    )
    return b"true" in asked.stdout
