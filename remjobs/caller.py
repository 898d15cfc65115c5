"""What the asker's side reads before a request is sent: its surroundings and its files."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from remjobs.errors import UsageError
from remjobs.model.copy import MOST_FILES, Fetch, File, Folder, Push
from remjobs.model.request import Caller
from remjobs.model.work import Script
from remjobs.settings import Settings

__all__ = ["read_caller", "read_fetch", "read_file", "read_push", "read_script"]

_LONGEST: Final = 256
"""Characters of what says who asks: a name or an address has no more."""


def read_caller(
    environment: Mapping[str, str] = os.environ,
    *,
    insecure_keyring: bool = False,
) -> Caller:
    """Return what of this process belongs to a request.

    Args:
        environment: Usually ``os.environ``.
        insecure_keyring: A keyring that others can read is used all the same.

    Raises:
        UsageError: The working directory is gone, or a setting is wrong.
    """
    try:
        directory = str(Path.cwd())
    except OSError as exc:
        msg = "the working directory is gone; change to another"
        raise UsageError(msg) from exc
    settings = Settings.resolve(environment)
    return Caller(
        directory=directory,
        ssh_auth_sock=environment.get("SSH_AUTH_SOCK"),
        dbus_session_bus_address=environment.get("DBUS_SESSION_BUS_ADDRESS"),
        krb5ccname=environment.get("KRB5CCNAME"),
        insecure_keyring=insecure_keyring,
        user=_user(),
        sudo_user=environment.get("SUDO_USER", "")[:_LONGEST] or None,
        machine=os.uname().nodename,
        came_from=environment.get("SSH_CONNECTION", "").partition(" ")[0][:_LONGEST] or None,
        inventories=tuple(map(str, settings.inventory)),
        defaults=settings.connection,
    )


def _user() -> str:
    uid = os.getuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def read_script(path: str) -> Script:
    """Read a script.

    Raises:
        UsageError: It cannot be read, or is none.
    """
    return Script(name=path, content=read_file(path, "the script"))


def read_file(path: str, what: str) -> bytes:
    """Read a file.

    Raises:
        UsageError: It cannot be read; the message names ``what`` it is.
    """
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as exc:
        msg = f"{path}: cannot read {what}: {exc.strerror}"
        raise UsageError(msg) from exc


def read_push(paths: Sequence[str], to: str, mode: int | None = None) -> Push:
    """Look at files and folders that are to be pushed: what there is, not what is in it.

    Args:
        paths: Which; a link that is named is followed, others are not.
        to: Where to, on each host.
        mode: The files' mode there; None is each one's own.

    Raises:
        UsageError: One is not there, cannot be read, or has another one's name.
    """
    seen = _Seen()
    for path in paths:
        real = Path(os.path.realpath(Path(path).expanduser()))
        name = Path(os.path.abspath(Path(path).expanduser())).name  # noqa: PTH100 - no link followed
        seen.add_named(path, real, name)
    return Push(
        sources=tuple(paths),
        to=to,
        files=tuple(seen.files),
        folders=tuple(seen.folders),
        mode=mode,
        skipped=tuple(seen.skipped),
    )


def read_fetch(path: str, into: str) -> Fetch:
    """See that what is fetched can be put into a folder of ours, which is made if need be.

    Raises:
        UsageError: It cannot be written to, or the path has no name.
    """
    folder = Path(os.path.realpath(Path(into).expanduser()))
    wanted = Fetch(path=path, into=str(folder))
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as exc:
        msg = f"--into {into}: cannot make the folder: {exc.strerror}"
        raise UsageError(msg) from exc
    if not os.access(folder, os.W_OK | os.X_OK):
        msg = f"--into {into}: cannot write there: Permission denied"
        raise UsageError(msg)
    return wanted


class _Seen:
    """What was found of the files that are to be pushed."""

    def __init__(self) -> None:
        self.files: list[File] = []
        self.folders: list[Folder] = []
        self.skipped: list[str] = []
        self._names: set[str] = set()

    def add_named(self, path: str, real: Path, name: str) -> None:
        """Add what a person named."""
        if not name or name in self._names:
            msg = f"{path}: another one has that name already" if name else f"{path}: has no name"
            raise UsageError(msg)
        self._names.add(name)
        if not (real.is_file() or real.is_dir()) and real.exists():
            msg = f"{path}: it is neither a file nor a folder"
            raise UsageError(msg)
        try:
            self._add(real, name)
        except OSError as exc:
            where = path if exc.filename == str(real) else exc.filename
            msg = f"{where}: cannot read the file: {exc.strerror}"
            raise UsageError(msg) from exc

    def _add(self, real: Path, name: str) -> None:
        """Add a file, or a folder with all that is in it."""
        waiting = [(real, name)]
        while waiting:
            path, name = waiting.pop()
            self._check(path)
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                path.lstat()  # or it is not there
                self.skipped.append(str(path))
            elif path.is_dir():
                self.folders.append(Folder(name=name, mode=path.stat().st_mode & 0o777))
                inner = sorted(path.iterdir(), reverse=True)
                waiting += [(item, f"{name}/{item.name}") for item in inner]
            else:
                self.files.append(_file(path, name))

    def _check(self, path: Path) -> None:
        if len(self.files) + len(self.folders) >= MOST_FILES:
            msg = f"there are more than {MOST_FILES} files: push an archive of them"
            raise UsageError(msg)
        try:
            str(path).encode()
        except UnicodeEncodeError as exc:
            msg = f"{str(path)!a}: the name is not UTF-8"
            raise UsageError(msg) from exc


def _file(path: Path, name: str) -> File:
    with path.open("rb") as file:
        there = os.fstat(file.fileno())
    return File(
        path=str(path),
        name=name,
        size=there.st_size,
        modified=there.st_mtime_ns,
        inode=there.st_ino,
        mode=there.st_mode & 0o777,
    )
