"""Inventory files and folders of them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from remjobs.errors import InventoryError
from remjobs.inventory.base import Inventory
from remjobs.inventory.draft import Draft
from remjobs.inventory.kinds import READERS, WITH_VARS_FOLDERS, Kind, kind_of
from remjobs.inventory.text import read_text

__all__ = ["InventoryFile"]

_NOT_READ: Final = re.compile(
    r"^\.|^(?:host_vars|group_vars|vars_plugins)$"
    r"|(?:\.pyc|\.pyo|\.swp|\.bak|~|\.rpm|\.md|\.txt|\.rst|\.orig|\.cfg|\.retry)$",
)
"""What Ansible passes over in a folder."""
_DEEPEST: Final = 20


class InventoryFile:
    """An inventory in a file, or in the files of a folder."""

    def __init__(self, path: Path, kind: Kind | None = None) -> None:
        """Read it when it is asked for.

        Args:
            path: Where it is.
            kind: What form it has; None is found by its name, or by what stands in it.
        """
        self._path = path
        self._kind = kind

    @property
    def name(self) -> str:
        """The path."""
        return str(self._path)

    def load(self) -> Iterable[Inventory]:
        """Read the file, or the files of the folder in alphabetical order.

        Raises:
            InventoryError: It cannot be read, or holds something else.
        """
        if not self._path.is_dir():
            return [_read(self._path, self._kind, self._path.absolute().parent)]
        try:
            found = list(_within(self._path, self._kind, self._path.absolute(), 0))
        except OSError as exc:
            msg = f"{self._path}: cannot read the inventory: {exc.strerror}"
            raise InventoryError(msg) from exc
        if not found:
            msg = f"{self._path}: no inventory in this folder that Ansible would read"
            raise InventoryError(msg)
        return found


def _read(path: Path, kind: Kind | None, beside: Path) -> Inventory:
    text = read_text(path)
    if kind is None and text.startswith("#!") and os.access(path, os.X_OK):
        msg = f"{path}:1: a program is run only where it is named by --inventory-script {path}"
        raise InventoryError(msg)
    chosen = kind or kind_of(path, text)
    draft = Draft(str(path))
    READERS[chosen](text, draft)
    return draft.finish([beside] if chosen in WITH_VARS_FOLDERS else [])


def _within(folder: Path, kind: Kind | None, top: Path, depth: int) -> Iterator[Inventory]:
    if depth > _DEEPEST:
        msg = f"{folder}: folders are read at most {_DEEPEST} deep"
        raise InventoryError(msg)
    for path in sorted(folder.iterdir()):
        if _NOT_READ.search(path.name) is None:
            if path.is_dir():
                yield from _within(path, kind, top, depth + 1)
            else:
                yield _read(path, kind, top)
