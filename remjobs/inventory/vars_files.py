"""Ansible's ``group_vars`` and ``host_vars``: folders of variables beside an inventory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from remjobs.inventory.base import Settings
from remjobs.inventory.draft import Draft
from remjobs.inventory.text import read_text
from remjobs.inventory.yaml_tree import is_null, parse_yaml

__all__ = ["VarsFolder"]

_SUFFIXES: Final = ("", ".yml", ".yaml", ".json")


class VarsFolder:
    """The variables beside one inventory, read when they are asked for."""

    def __init__(self, folder: Path) -> None:
        """Look in ``group_vars`` and ``host_vars`` of this folder."""
        self._folder = folder
        self._names: dict[str, frozenset[str]] = {}
        self.warnings: list[str] = []

    def of_group(self, name: str) -> Settings:
        """Return what is said of a group.

        Raises:
            InventoryError: A file cannot be read, or holds something else.
        """
        return self._read("group_vars", name)

    def of_host(self, name: str) -> Settings:
        """Return what is said of a host.

        Raises:
            InventoryError: A file cannot be read, or holds something else.
        """
        return self._read("host_vars", name)

    def _read(self, kind: str, name: str) -> Settings:
        there = self._there(kind)
        if not there:
            return {}
        found: Settings = {}
        for suffix in _SUFFIXES:
            if name + suffix in there:
                path = self._folder / kind / (name + suffix)
                for file in _within(path) if path.is_dir() else [path]:
                    for key, setting in self._file(file).items():
                        found.pop(key, None)
                        found[key] = setting
                break
        return found

    def _there(self, kind: str) -> frozenset[str]:
        if kind not in self._names:
            try:
                self._names[kind] = frozenset(os.listdir(self._folder / kind))  # noqa: PTH208
            except OSError:
                self._names[kind] = frozenset()
        return self._names[kind]

    def _file(self, path: Path) -> Settings:
        document = parse_yaml(read_text(path), str(path))
        root = document.root
        if root is None or is_null(root):
            return {}
        if root.tag == "!vault":
            self.warnings.append(
                f"{path}: encrypted by ansible-vault, and not read: remjobs keeps secrets in the "
                "keyring; what is no secret belongs in a file of its own",
            )
            return {}
        draft = Draft(str(path))
        found: Settings = {}
        for name, key, value in document.pairs(root, "a mapping of variables"):
            draft.variable(found, name, document.plain(value), key.line, path.name)
        self.warnings += draft.finish().warnings
        return found


def _within(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name.endswith("~"):
            continue
        if path.is_dir():
            if not path.suffix:
                yield from _within(path)
        elif path.suffix in _SUFFIXES:
            yield path
