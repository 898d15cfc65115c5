"""Reading a file's text, and what cannot be read at all."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final

from remjobs.errors import InventoryError

__all__ = ["LARGEST", "read_text"]

LARGEST: Final = 64 * 1024 * 1024
"""Bytes; no inventory is larger."""
_NOTHING: Final = Path("/dev/null")


def read_text(path: Path) -> str:
    """Return a file's text.

    Raises:
        InventoryError: It is not there, too large, a folder, or not UTF-8.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode) and path != _NOTHING and not path.is_dir():
            msg = f"{path}: cannot read the inventory: neither a file nor a folder"
            raise InventoryError(msg)
        if found.st_size > LARGEST:
            msg = f"{path}: too large for an inventory (over {LARGEST // 1024**2} MiB)"
            raise InventoryError(msg)
        return path.read_bytes().decode("utf-8-sig")
    except OSError as exc:
        msg = f"{path}: cannot read the inventory: {exc.strerror}"
        raise InventoryError(msg) from exc
    except UnicodeDecodeError as exc:
        line = exc.object[: exc.start].count(b"\n") + 1
        msg = f"{path}:{line}: not UTF-8 text; expected an inventory"
        raise InventoryError(msg) from exc
