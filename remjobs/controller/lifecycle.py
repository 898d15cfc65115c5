"""Reaching the controller, and starting it if there is none.

The one who starts it takes the lock, listens on the socket, and hands both
descriptors to the new process: the kernel queues early clients, and whoever
loses the race simply connects. Nothing is polled for readiness and no pid file
is trusted. Standard library only: every command goes through here.
"""

from __future__ import annotations

import fcntl
import os
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from remjobs.controller.paths import Paths
from remjobs.errors import AlreadyOwned, ControllerError

__all__ = ["connect", "connect_or_start", "holder", "take_lock", "wait_until_gone"]

_PATIENCE: Final = 15.0
"""Seconds for a controller that holds the lock, but does not listen, to go."""
_PAUSE: Final = 0.02
_BACKLOG: Final = 512
_INHERITED: Final = frozenset(
    {
        "HOME",
        "USER",
        "LOGNAME",
        "PATH",
        "SHELL",
        "LANG",
        "LANGUAGE",
        "TZ",
        "TMPDIR",
        "CREDENTIALS_DIRECTORY",
    },
)
_INHERITED_PREFIXES: Final = ("LC_", "REMJOBS_", "XDG_", "PYTHON", "KRB5")
_THE_CALLERS: Final = "KRB5CCNAME"
"""Comes with each request; that of whoever came first would be used for everybody."""


def connect(paths: Paths) -> socket.socket | None:
    """Return a connection to the controller, or None if none listens."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(str(paths.socket))
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    except OSError as exc:
        connection.close()
        msg = f"cannot reach the controller at {paths.socket}: {exc.strerror}"
        raise ControllerError(msg) from exc
    return connection


def connect_or_start(paths: Paths) -> socket.socket:
    """Return a connection to the controller, which is started if need be.

    Raises:
        ControllerError: Somebody holds the lock and does not listen.
    """
    deadline = time.monotonic() + _PATIENCE
    while True:
        if (connection := connect(paths)) is not None:
            return connection
        paths.prepare()
        if (lock := _try_lock(paths.lock)) is not None:
            _start(paths, lock)
            continue
        if time.monotonic() > deadline:
            msg = (
                f"the state directory {paths.home} is held by process {holder(paths)}, "
                "which does not answer as a controller; end it, or set REMJOBS_HOME"
            )
            raise ControllerError(msg)
        time.sleep(_PAUSE)


def take_lock(paths: Paths) -> int:
    """Take the state directory for this process; return the lock's descriptor.

    Raises:
        AlreadyOwned: A controller, or another process, has it.
    """
    paths.prepare()
    if (lock := _try_lock(paths.lock)) is None:
        msg = (
            f"the state directory {paths.home} belongs to the controller with pid "
            f"{holder(paths)}; stop it with `remjobs controller stop`, or use it"
        )
        raise AlreadyOwned(msg)
    sign(lock)
    return lock


def sign(lock: int) -> None:
    """Write our pid into the lock file, for messages only: a full disk hinders nothing."""
    with suppress(OSError):
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)


def holder(paths: Paths) -> str:
    """Return the pid that signed the lock last."""
    try:
        return paths.lock.read_text(encoding="ascii").strip() or "unknown"
    except (OSError, UnicodeDecodeError):
        return "unknown"


def wait_until_gone(paths: Paths, timeout: float) -> bool:
    """Wait until nobody holds the lock; False if that takes longer (seconds)."""
    deadline = time.monotonic() + timeout
    while (lock := _try_lock(paths.lock)) is None:
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE)
    os.close(lock)
    return True


def _try_lock(path: Path) -> int | None:
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        msg = f"cannot use {path}: {exc.strerror}; set REMJOBS_HOME to another place"
        raise ControllerError(msg) from exc
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _start(paths: Paths, lock: int) -> None:
    """Start a controller that inherits the lock and a socket that listens already."""
    try:
        with _listen(paths.socket) as listener:
            _spawn(paths, listener.fileno(), lock)
    except OSError as exc:
        msg = f"cannot start the controller in {paths.home}: {exc.strerror}"
        raise ControllerError(msg) from exc
    finally:
        os.close(lock)


def _listen(path: Path) -> socket.socket:
    """Listen on a new socket and put it in the place of a stale one, atomically."""
    fresh = path.with_name(f".{os.getpid()}.sock")
    fresh.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(fresh))
    fresh.chmod(0o600)
    listener.listen(_BACKLOG)
    fresh.replace(path)
    return listener


def _spawn(paths: Paths, listener: int, lock: int) -> None:
    arguments = [sys.executable, "-P", "-m", "remjobs.controller", str(paths.home)]
    os.set_inheritable(listener, True)
    os.set_inheritable(lock, True)
    log_flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    process = os.posix_spawn(
        sys.executable,
        [*arguments, str(listener), str(lock)],
        _environment(os.environ),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(paths.log), log_flags, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
    )
    # It forks at once, so that the controller is nobody's child; see __main__.
    os.waitpid(process, 0)


def _environment(ours: Mapping[str, str]) -> dict[str, str]:
    """Return what a long-lived process may keep of the environment of whoever came first."""
    kept = {
        name: value
        for name, value in ours.items()
        if name in _INHERITED or (name.startswith(_INHERITED_PREFIXES) and name != _THE_CALLERS)
    }
    if named := kept.get("REMJOBS_CONFIG"):
        # The controller's own working directory is another.
        kept["REMJOBS_CONFIG"] = str(Path(named).expanduser().absolute())
    return kept
