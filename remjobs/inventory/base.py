"""The inventory seam, and what every reader gives: hosts and groups as they are written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple, Protocol

__all__ = [
    "ALL",
    "UNGROUPED",
    "Group",
    "Inventory",
    "InventorySource",
    "Place",
    "Setting",
    "printable",
]

ALL: Final = "all"
"""The group of every host."""
UNGROUPED: Final = "ungrouped"
"""The group of the hosts that no other group but ``all`` has."""


class Place(NamedTuple):
    """Where something is written."""

    file: str
    line: int = 0
    """Counted from 1; 0 where there are no lines."""

    def __str__(self) -> str:
        """Return ``file:line``."""
        return f"{self.file}:{self.line}" if self.line else self.file


class Setting(NamedTuple):
    """One value, and where it is written."""

    value: object
    place: Place


Settings = dict[str, Setting]
"""By name: a field of ``Host``, ``ssh.`` and a field of ``SshOptions``, or ``variables.``
and a variable's name. What was set last stands last."""


@dataclass(slots=True, kw_only=True)
class Group:
    """A group as it is written."""

    hosts: dict[str, None] = field(default_factory=dict)
    """Those that it names itself, in their order."""
    children: dict[str, Place] = field(default_factory=dict)
    settings: Settings = field(default_factory=dict)
    priority: int = 1
    """Of groups equally far from ``all``, the one with the highest wins."""


@dataclass(slots=True, kw_only=True)
class Inventory:
    """What one source says."""

    hosts: dict[str, Settings] = field(default_factory=dict)
    """Each host's own settings, in the order of the source."""
    places: dict[str, Place] = field(default_factory=dict)
    """Where each host is named first."""
    groups: dict[str, Group] = field(default_factory=dict)
    """``all`` among them, if anything is said of it."""
    aliases: dict[str, str] = field(default_factory=dict)
    """Further names of hosts."""
    folders: tuple[Path, ...] = ()
    """Where ``group_vars`` and ``host_vars`` may lie."""
    warnings: tuple[str, ...] = ()


def printable(text: str) -> str:
    """Return a text whose control characters are written out: files may hold anything."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


class InventorySource(Protocol):
    """Something that hosts can be read from; passes tests/contract/test_inventory.py."""

    @property
    def name(self) -> str:
        """What it is called in messages: usually a path."""
        ...

    def load(self) -> Iterable[Inventory]:
        """Read it; a folder is several inventories, of which later ones win.

        Raises:
            InventoryError: It cannot be read; the message names file, line and
                what was expected.
        """
        ...
