"""Inventory files: which reader a file is for, and what cannot be read at all."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from remjobs.errors import InventoryError
from remjobs.inventory.base import Inventory
from remjobs.inventory.plain import parse_plain
from remjobs.inventory.yaml_file import parse_inventory_yaml

__all__ = ["InventoryFile", "read_text"]

_YAML: Final = frozenset({".yaml", ".yml"})
_LARGEST: Final = 32 * 1024 * 1024


class InventoryFile:
    """An inventory in a file: YAML by its name, else a plain list."""

    def __init__(self, path: Path) -> None:
        """Read this file when it is asked for."""
        self._path = path

    @property
    def name(self) -> str:
        """The path."""
        return str(self._path)

    def load(self) -> Inventory:
        """Read the file.

        Raises:
            InventoryError: It cannot be read, or holds something else.
        """
        text = read_text(self._path)
        if self._path.suffix.lower() in _YAML:
            return parse_inventory_yaml(text, self.name)
        return parse_plain(text, self.name)


def read_text(path: Path) -> str:
    """Return a file's text.

    Raises:
        InventoryError: It is not there, too large, a folder, or not UTF-8.
    """
    try:
        if path.stat().st_size > _LARGEST:
            msg = f"{path}: too large for an inventory (over {_LARGEST // 1024**2} MiB)"
            raise InventoryError(msg)
        return path.read_bytes().decode("utf-8-sig")
    except OSError as exc:
        msg = f"{path}: cannot read the inventory: {exc.strerror}"
        raise InventoryError(msg) from exc
    except UnicodeDecodeError as exc:
        line = exc.object[: exc.start].count(b"\n") + 1
        msg = f"{path}:{line}: not UTF-8 text; expected an inventory"
        raise InventoryError(msg) from exc
