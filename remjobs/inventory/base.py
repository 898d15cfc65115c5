"""The inventory seam, and what every reader gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from remjobs.model.host import Host

__all__ = ["Inventory", "InventorySource", "merge"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """Hosts and groups."""

    hosts: Mapping[str, Host] = field(default_factory=dict)
    """By name, in the order of the file."""
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """For each group its hosts' names, those of its children included."""


class InventorySource(Protocol):
    """Something that hosts can be read from; passes tests/contract/test_inventory.py."""

    @property
    def name(self) -> str:
        """What it is called in messages: usually a path."""
        ...

    def load(self) -> Inventory:
        """Read it.

        Raises:
            InventoryError: It cannot be read; the message names file, line and
                what was expected.
        """
        ...


def merge(inventories: Iterable[Inventory]) -> Inventory:
    """Return several inventories as one; of hosts and groups named twice the later wins."""
    hosts: dict[str, Host] = {}
    groups: dict[str, tuple[str, ...]] = {}
    for inventory in inventories:
        hosts |= inventory.hosts
        groups |= inventory.groups
    return Inventory(hosts=hosts, groups=groups)
