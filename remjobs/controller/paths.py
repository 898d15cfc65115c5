"""Where the controller's socket, lock and log lie."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from remjobs.errors import ControllerError

__all__ = ["Paths"]

_SOCKET_PATH_LIMIT: Final = 100
"""Bytes; the kernel takes 108 (unix(7)), macOS 104, and a temporary name is longer."""


@dataclass(frozen=True, slots=True)
class Paths:
    """The controller's files for one state directory.

    Socket and lock lie in the state directory itself rather than in
    XDG_RUNTIME_DIR: that variable is not set under cron, and gone after logout,
    and two places would mean two controllers on one store.
    """

    home: Path

    @property
    def runtime(self) -> Path:
        """The folder of socket and lock."""
        near = self.home / "run"
        if len(os.fsencode(near / "controller.sock")) <= _SOCKET_PATH_LIMIT:
            return near
        name = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:16]
        return Path(f"/tmp/remjobs-{os.getuid()}") / name  # noqa: S108 - checked in prepare

    @property
    def socket(self) -> Path:
        """The Unix socket that clients connect to."""
        return self.runtime / "controller.sock"

    @property
    def lock(self) -> Path:
        """The file whose lock is held as long as somebody owns the store."""
        return self.runtime / "controller.lock"

    @property
    def log(self) -> Path:
        """The controller's log."""
        return self.home / "controller.log"

    def prepare(self) -> None:
        """Make the folders, for this user alone.

        Raises:
            ControllerError: One cannot be made, or belongs to somebody else.
        """
        for folder in (self.home, self.runtime.parent, self.runtime):
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                status = folder.lstat()
            except OSError as exc:
                msg = f"cannot make {folder}: {exc.strerror}; set REMJOBS_HOME to another place"
                raise ControllerError(msg) from exc
            if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
                msg = f"{folder} is not a directory of yours; set REMJOBS_HOME to another place"
                raise ControllerError(msg)
            if stat.S_IMODE(status.st_mode) & 0o077:
                folder.chmod(0o700)
