"""Folded output: hosts with the same result are shown once, the most common first."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from remjobs.cli.render.text import escape
from remjobs.model.ranges import fold
from remjobs.model.record import Stream
from remjobs.model.results import Result, how_of, lines_of, unified

__all__ = ["Group", "groups", "text"]


@dataclass(slots=True)
class Group:
    """Hosts with the same result."""

    result: Result
    """That of the first of them."""
    hosts: list[str] = field(default_factory=list)
    children: list[int] = field(default_factory=list)
    """Their ids."""

    @property
    def heading(self) -> str:
        """The hosts, how many, and what became of them if that was no success."""
        many = f" ({len(self.hosts)})" if len(self.hosts) > 1 else ""
        how = how_of(self.result.child)
        return f"---- {fold(self.hosts)}{many}{f': {how}' if how else ''} ----"


def groups(
    results: Iterable[Result],
    seen_as: Callable[[Result], Result] = lambda result: result,
) -> list[Group]:
    """Gather the results that are the same, the largest group first.

    Args:
        results: One for each host.
        seen_as: Leaves out what is not to tell them apart.
    """
    found: dict[bytes, Group] = {}
    for result in map(seen_as, results):
        group = found.setdefault(_digest(result), Group(result))
        group.hosts.append(result.child.host)
        group.children.append(result.child.id)
    return sorted(found.values(), key=lambda group: -len(group.hosts))


def _digest(result: Result) -> bytes:
    digest = hashlib.blake2b(how_of(result.child).encode())
    for stream in Stream:
        if data := result.streams.get(stream):
            digest.update(b"\0%s %d\0" % (stream.value.encode(), len(data)))
            digest.update(data)
    return digest.digest()


def text(found: list[Group], *, diff: bool, escaped: bool) -> str:
    """Return groups as text, each under its hosts.

    Args:
        found: The groups.
        diff: All but the first as a diff to it.
        escaped: Show control characters as text.
    """
    parts = []
    for group in found:
        lines = None
        if diff and group is not found[0]:
            lines = unified(lines_of(found[0].result), lines_of(group.result))
        body = lines_of(group.result) if lines is None else lines
        parts.append("\n".join([group.heading, *body]) + "\n")
    whole = "\n".join(parts)
    return escape(whole) if escaped else whole
