"""Copies: files that are pushed to hosts, or fetched from them. Pure data and rules."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Final

from remjobs.errors import UsageError

__all__ = ["MOST_FILES", "Fetch", "File", "Folder", "Push", "size_text", "unsafe"]

MOST_FILES: Final = 100_000
"""Files and folders that one copy may hold."""
_LAST_MODE: Final = 0o7777
_LONGEST_NAME: Final = 255
"""Bytes, NAME_MAX of Linux."""
_CONTROL: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
"""What would act on a terminal, or show a name as another one."""
_UNITS: Final = ("kB", "MB", "GB", "TB", "PB")
_STEP: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file of ours as it was when the job was submitted; its content is not kept."""

    path: str
    """Where it is, absolute and without links."""
    name: str
    """Where it goes, below the target."""
    size: int
    modified: int
    """Nanoseconds since the epoch."""
    inode: int
    mode: int
    """Permission bits (0o777)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A folder of ours."""

    name: str
    """Where it goes, below the target; parents come before what is in them."""
    mode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """Files of ours that go to hosts."""

    sources: tuple[str, ...]
    """What was named, for display."""
    to: str
    """A folder on the host; for one file also its new name. Relative to the home there."""
    files: tuple[File, ...] = ()
    folders: tuple[Folder, ...] = ()
    mode: int | None = None
    """The files' mode on the host; None is each one's own."""
    skipped: tuple[str, ...] = ()
    """What is no file and no folder, and does not go."""

    def __post_init__(self) -> None:
        """Refuse what cannot be pushed."""
        _check_path(self.to, "--to")
        if self.mode is not None and not 0 <= self.mode <= _LAST_MODE:
            msg = f"mode {self.mode:o} is not between 0 and 7777"
            raise UsageError(msg)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def display(self) -> str:
        """What ``list`` shows as the command."""
        return f"push {shlex.join(self.sources)} to {shlex.quote(self.to)}"

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is to be told when the job starts."""
        return tuple(f"{path}: skipped, neither a file nor a folder" for path in self.skipped)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """A file or folder of each host that comes to us."""

    path: str
    """On the host, relative to the home there."""
    into: str
    """A folder of ours, absolute and without links. What comes lies in ``into/HOST/``."""

    def __post_init__(self) -> None:
        """Refuse what has no name that it could have here."""
        _check_path(self.path, "the path to fetch")
        if why := unsafe(self.name):
            msg = f"{self.path!r} cannot be fetched: its name {why}"
            raise UsageError(msg)

    @property
    def name(self) -> str:
        """What it is called here, in the host's folder."""
        return self.path.rstrip("/").rpartition("/")[2]

    @property
    def display(self) -> str:
        """What ``list`` shows as the command."""
        return f"fetch {shlex.quote(self.path)} into {shlex.quote(self.into)}"


def unsafe(name: str) -> str:
    """Say why a name that a host gave cannot be a file's name here; empty if it can.

    One that passes names something in the folder it is used in, and nothing else.
    """
    if name in {"", ".", "..", "~"}:
        return "names no file"
    if "/" in name:
        return "holds a slash"
    if _CONTROL.search(name):
        return "holds control characters"
    if len(name.encode("utf-8", "surrogateescape")) > _LONGEST_NAME:
        return "is too long"
    return ""


def size_text(size: int) -> str:
    """Return a number of bytes as people read it: ``12.3 MB``."""
    if size < _STEP:
        return f"{size} B"
    value = float(size)
    for unit in _UNITS:
        value /= _STEP
        if round(value, 1) < _STEP:
            return f"{value:.1f} {unit}"
    return f"{value:.0f} {_UNITS[-1]}"


def _check_path(path: str, what: str) -> None:
    if not path.strip() or "\0" in path:
        msg = f"{what} is empty or holds a NUL byte"
        raise UsageError(msg)
