"""Where a store must not lie."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from remjobs.errors import StoreError

__all__ = ["NETWORK", "file_system", "refuse_network_folder"]

NETWORK: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "fuse.sshfs"},
)
_MOUNTS: Final = Path("/proc/self/mounts")


def refuse_network_folder(folder: Path, mounts: Path = _MOUNTS) -> None:
    """Refuse a folder on a network file system: SQLite's WAL and flock need a local one.

    Where the system has no table of mounts (proc(5)), nothing is refused.

    Raises:
        StoreError: It names the folder and what to do.
    """
    kind = file_system(folder.resolve(), mounts)
    if kind in NETWORK:
        msg = f"the state directory {folder} is on {kind}: set REMJOBS_HOME to a local disk"
        raise StoreError(msg)


def file_system(folder: Path, mounts: Path = _MOUNTS) -> str | None:
    """Return the type of the innermost mount that holds the folder."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    best, kind = "", None
    for line in lines:
        fields = line.split()
        point = fields[1].replace("\\040", " ")
        if folder.is_relative_to(point) and len(point) >= len(best):
            best, kind = point, fields[2]
    return kind
