"""The shells that we have open on one host, and which of them wait for a command."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from remjobs.transports.windows.launch import Surroundings

__all__ = ["Kept", "Shells"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A shell that waits for its next command."""

    id: str
    last: str | None = None
    """A command that has ended in it, and that the host still counts."""


class Shells:
    """Knows them by what surrounds work in them. No I/O."""

    def __init__(self) -> None:
        """Have none."""
        self._open: dict[str, Surroundings] = {}
        self._kept: dict[Surroundings, list[Kept]] = {}

    def __iter__(self) -> Iterator[str]:
        """Yield the ids of all that the host may still have."""
        return iter(tuple(self._open))

    def opened(self, shell: str, surroundings: Surroundings) -> None:
        """Note a new one."""
        self._open[shell] = surroundings

    def closed(self, shell: str) -> None:
        """Note that the host has one no more."""
        self._open.pop(shell, None)

    def keep(self, shell: str, last: str | None = None) -> None:
        """Let the next command have one, if it is still open."""
        if (surroundings := self._open.get(shell)) is not None:
            self._kept.setdefault(surroundings, []).append(Kept(id=shell, last=last))

    def take(self, surroundings: Surroundings) -> Kept | None:
        """Return one that was kept; the host may have closed it meanwhile."""
        kept = self._kept.get(surroundings)
        return kept.pop() if kept else None
