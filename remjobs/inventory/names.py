"""The names that inventories have, without a pattern."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from remjobs.inventory.select import Sources
from remjobs.model.names import Names

__all__ = ["names"]


def names(sources: Sources, beginning: str, limit: int) -> Names:
    """Return the names of hosts and groups that begin so, at most ``limit`` of each."""
    inventory = sources.inventory
    if inventory is None:
        return Names()

    def kept(known: Iterable[str]) -> tuple[str, ...]:
        return tuple(islice((name for name in known if name.startswith(beginning)), limit))

    return Names(hosts=kept(inventory.hosts), groups=kept(inventory.own_groups))
