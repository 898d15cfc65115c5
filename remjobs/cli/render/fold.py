"""Folded output: hosts with the same result are shown once, the most common first."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from remjobs.cli.render.results import Result
from remjobs.cli.render.text import escape
from remjobs.model.job import Child, ReasonKind
from remjobs.model.ranges import fold
from remjobs.model.record import Stream
from remjobs.model.state import JobState

__all__ = ["Group", "groups", "normalized", "text"]

_MOST_LINES: Final = 20_000
"""Lines for which a diff is made; longer outputs are shown whole."""
_TIMES: Final = re.compile(
    rb"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?)?"
    rb"|\b(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? +)?(?:\d{1,2} +)?"
    rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +(?:\d{1,2} +)?(?:\d{4} +)?"
    rb"\d\d:\d\d(?::\d\d)?(?: [AP]M)?(?: [A-Z]{3,4})?(?: \d{4})?\b"
    rb"|\b\d\d:\d\d:\d\d(?:[.,]\d+)?\b",
)
"""ISO 8601, date(1) and syslog, and a time of day with seconds."""


@dataclass(slots=True)
class Group:
    """Hosts with the same result."""

    result: Result
    """That of the first of them."""
    hosts: list[str] = field(default_factory=list)

    @property
    def heading(self) -> str:
        """The hosts, how many, and what became of them if that was no success."""
        many = f" ({len(self.hosts)})" if len(self.hosts) > 1 else ""
        how = _how(self.result.child)
        return f"---- {fold(self.hosts)}{many}{f': {how}' if how else ''} ----"


def normalized(result: Result) -> Result:
    """Return a result with a mark for the host's own name and address, and for each time."""
    own = {result.child.host, result.child.host.partition(".")[0], result.child.address or ""}
    names = sorted((re.escape(name.encode()) for name in own if name), key=len, reverse=True)
    pattern = re.compile(rb"(?<![\w.-])(?:%s)(?![\w-])" % b"|".join(names))
    streams = {
        stream: _TIMES.sub(b"<time>", pattern.sub(b"<host>", data))
        for stream, data in result.streams.items()
    }
    return Result(result.child, streams)


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
    return sorted(found.values(), key=lambda group: -len(group.hosts))


def _digest(result: Result) -> bytes:
    digest = hashlib.blake2b(_how(result.child).encode())
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
            lines = _diff(_lines(found[0].result), _lines(group.result))
        body = _lines(group.result) if lines is None else lines
        parts.append("\n".join([group.heading, *body]) + "\n")
    whole = "\n".join(parts)
    return escape(whole) if escaped else whole


def _lines(result: Result) -> list[str]:
    """Return the streams' lines, those of all but the output told by the stream's name."""
    found = []
    for stream in Stream:
        if data := result.streams.get(stream):
            label = "" if stream is Stream.OUTPUT else f"{stream.value}: "
            body = data.decode("utf-8", "replace").removesuffix("\n")
            found += [label + line for line in body.split("\n")]
    return found


def _diff(common: list[str], other: list[str]) -> list[str] | None:
    """Return a unified diff without its file names; None where it would take too long."""
    if len(common) + len(other) > _MOST_LINES:
        return None
    return list(_without_names(difflib.unified_diff(common, other, lineterm="", n=2)))


def _without_names(lines: Iterator[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        if number > 1:
            yield line


def _how(child: Child) -> str:
    """Say what became of a child that did not complete."""
    if child.state is JobState.COMPLETED:
        return "" if not child.exit_code else f"exit code {child.exit_code}"
    if child.reason is None:
        return child.state.value
    # Other reasons name the host and its address, which would tell all of them apart.
    by_itself = child.reason.kind in {ReasonKind.EXIT, ReasonKind.SIGNAL}
    return f"{child.state}, {child.reason.message if by_itself else child.reason.kind}"
