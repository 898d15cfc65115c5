"""Seeing whether the usual inventories can be read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from remjobs.errors import InventoryError
from remjobs.inventory.files import InventoryFile
from remjobs.inventory.merged import Merged
from remjobs.model.doctor import Finding, Verdict

__all__ = ["examine"]


def examine(paths: Iterable[Path], *, named: bool) -> tuple[Finding, ...]:
    """Read each; one that is missing matters only where somebody ``named`` it."""
    return tuple(_one(path, named=named) for path in paths)


def _one(path: Path, *, named: bool) -> Finding:
    if not path.exists():
        if not named:
            return _finding(Verdict.OK, "none: names are hosts as they are")
        return _finding(
            Verdict.WARNING,
            f"{path}: no such file; the setting `inventory` names it, and it is skipped",
            "make it, or mend the setting (`remjobs config show`)",
        )
    try:
        inventory = Merged(InventoryFile(path).load(), path.parent)
    except InventoryError as exc:
        return _finding(Verdict.PROBLEM, str(exc), "mend it there: no target can be looked up")
    counts = f"{len(inventory.hosts)} hosts, {len(inventory.own_groups)} groups"
    return _finding(Verdict.OK, f"{path}: {counts}")


def _finding(verdict: Verdict, message: str, remedy: str = "") -> Finding:
    return Finding(check="inventory", verdict=verdict, message=message, remedy=remedy)
