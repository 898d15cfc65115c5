"""The names that inventories have, without a pattern."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from remjobs.inventory.base import merge
from remjobs.inventory.files import InventoryFile
from remjobs.model.names import Names

__all__ = ["names"]


def names(paths: Iterable[Path], beginning: str, limit: int) -> Names:
    """Return the names of hosts and groups that begin so, at most ``limit`` of each.

    Raises:
        InventoryError: A file cannot be read.
    """
    inventory = merge(InventoryFile(path).load() for path in paths)

    def kept(known: Iterable[str]) -> tuple[str, ...]:
        return tuple(islice((name for name in known if name.startswith(beginning)), limit))

    return Names(hosts=kept(inventory.hosts), groups=kept(inventory.groups))
