"""The state directory: whose it is, what it lies on, and the room that is left there."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from remjobs.model.doctor import Finding, Verdict
from remjobs.store.filesystem import NETWORK, file_system

__all__ = ["examine"]

_CHECK: Final = "state directory"
_ANOTHER: Final = "set `home` (REMJOBS_HOME) to a folder of yours on a local disk"
_MIB: Final = 1024**2
_LEAST: Final = 64 * _MIB
_LITTLE: Final = 1024 * _MIB
_IN_MEMORY: Final = frozenset({"tmpfs", "ramfs"})


def examine(home: Path) -> Iterator[Finding]:
    """Yield what is found of the directory, or of where it would be made."""
    there = next(path for path in (home, *home.parents) if path.exists())
    if (trouble := _unusable(home, there)) is not None:
        yield _problem(trouble)
        return
    kind = file_system(there.resolve()) or "a file system that cannot be told"
    if kind in NETWORK:
        yield _problem(f"{home} is on {kind}, where neither SQLite nor locks work")
        return
    if kind in _IN_MEMORY:
        yield _finding(
            Verdict.WARNING, f"{home} is in memory ({kind}): gone at a restart", _ANOTHER
        )
    elif there == home and home.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        mode = stat.S_IMODE(home.stat().st_mode)
        message = f"{home}: others may look in (mode {mode:04o}): commands and output are there"
        yield _finding(
            Verdict.WARNING,
            message,
            f"run `chmod 700 {home}`; the next controller that is started does, too",
        )
    else:
        made = "" if there == home else ", not made yet"
        yield _finding(Verdict.OK, f"{home} ({kind}{made})")
    yield _room(there)


def _unusable(home: Path, there: Path) -> str | None:
    if not there.is_dir():
        return f"{there} is no folder"
    owner = there.stat().st_uid
    if there == home and owner != os.getuid():
        return f"{home} belongs to another user (uid {owner})"
    if not os.access(there, os.W_OK | os.X_OK):
        read_only = os.statvfs(there).f_flag & os.ST_RDONLY
        return f"{there} cannot be written{', being mounted read-only' if read_only else ''}"
    return None


def _room(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    nodes = os.statvfs(folder)
    full = nodes.f_files > 0 and nodes.f_favail == 0
    if free >= _LITTLE and not full:
        message = f"{free / _LITTLE:.1f} GiB free"
        return Finding(check="disk space", verdict=Verdict.OK, message=message)
    what = "no file can be made (no inodes left)" if full else f"only {free // _MIB} MiB free"
    return Finding(
        check="disk space",
        verdict=Verdict.PROBLEM if full or free < _LEAST else Verdict.WARNING,
        message=f"{what} where {folder} is; jobs wait when the disk is full",
        remedy="remove jobs that are no longer needed (`remjobs remove`), or make room there",
    )


def _problem(message: str) -> Finding:
    return _finding(Verdict.PROBLEM, message, _ANOTHER)


def _finding(verdict: Verdict, message: str, remedy: str = "") -> Finding:
    return Finding(check=_CHECK, verdict=verdict, message=message, remedy=remedy)
