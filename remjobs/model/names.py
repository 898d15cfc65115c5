"""The names that an inventory has."""

from __future__ import annotations

from dataclasses import dataclass

from remjobs.model.request import Caller

__all__ = ["Names", "NamesRequest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NamesRequest:
    """Which names."""

    beginning: str = ""
    """What they begin with."""
    inventories: tuple[str, ...] = ()
    """Paths of inventory files; none means the asker's usual ones."""
    limit: int = 1000
    """So many hosts and so many groups at most."""
    caller: Caller = Caller()


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Names of hosts and groups, in the order of the inventory."""

    hosts: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
