"""What became of each host, gathered until all is known: output, state and exit code.

Pieces that several hosts sent are kept once, so that hosts with the same output cost
little more than one of them.
"""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from remjobs.model.job import Child, ReasonKind
from remjobs.model.record import Record, Stream
from remjobs.model.state import JobState

__all__ = ["Result", "Results", "how_of", "lines_of", "normalized", "unified"]

_MOST_LINES: Final = 20_000
"""Lines of both sides for which a diff is made."""
_TIMES: Final = re.compile(
    rb"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?)?"
    rb"|\b(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? +)?(?:\d{1,2} +)?"
    rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +(?:\d{1,2} +)?(?:\d{4} +)?"
    rb"\d\d:\d\d(?::\d\d)?(?: [AP]M)?(?: [A-Z]{3,4})?(?: \d{4})?\b"
    rb"|\b\d\d:\d\d:\d\d(?:[.,]\d+)?\b",
)
"""ISO 8601, date(1) and syslog, and a time of day with seconds."""


@dataclass(frozen=True, slots=True)
class Result:
    """One child as it stands at the end."""

    child: Child
    streams: dict[Stream, bytes]

    @property
    def seconds(self) -> float | None:
        """How long it ran; None where it never began, or has not ended."""
        child = self.child
        if child.begin_time is None or child.end_time is None:
            return None
        return (child.end_time - child.begin_time).total_seconds()

    def first_line(self) -> str:
        """Return the first line of the output, else of the errors."""
        for stream in (Stream.OUTPUT, Stream.ERROR):
            for line in self.streams.get(stream, b"").split(b"\n", 20):
                if line.strip():
                    return line.decode("utf-8", "replace").strip()
        return ""


class Results:
    """Takes records and changes of state."""

    def __init__(self, children: Sequence[Child]) -> None:
        """Begin with the children as they are."""
        self._children = {child.id: child for child in children}
        self._pieces: defaultdict[int, defaultdict[Stream, list[bytes]]] = defaultdict(
            lambda: defaultdict(list),
        )
        self._seen: dict[bytes, bytes] = {}

    def record(self, record: Record) -> None:
        """Take a record."""
        data = self._seen.setdefault(record.data, record.data)
        self._pieces[record.child_id][record.stream].append(data)

    def change(self, child: Child) -> None:
        """Take a child as it is now."""
        self._children[child.id] = child

    def __iter__(self) -> Iterator[Result]:
        """Yield each child's result, in inventory order."""
        for child_id in sorted(self._children):
            streams = self._pieces[child_id]
            joined = {stream: b"".join(pieces) for stream, pieces in streams.items()}
            yield Result(self._children[child_id], joined)


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


def lines_of(result: Result) -> list[str]:
    """Return the streams' lines, those of all but the output told by the stream's name."""
    found = []
    for stream in Stream:
        if data := result.streams.get(stream):
            label = "" if stream is Stream.OUTPUT else f"{stream.value}: "
            body = data.decode("utf-8", "replace").removesuffix("\n")
            found += [label + line for line in body.split("\n")]
    return found


def unified(common: list[str], other: list[str]) -> list[str] | None:
    """Return a unified diff without its file names; None where it would take too long."""
    if len(common) + len(other) > _MOST_LINES:
        return None
    return list(_without_names(difflib.unified_diff(common, other, lineterm="", n=2)))


def _without_names(lines: Iterator[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        if number > 1:
            yield line


def how_of(child: Child) -> str:
    """Say what became of a child that did not complete."""
    if child.state is JobState.COMPLETED:
        return "" if not child.exit_code else f"exit code {child.exit_code}"
    if child.reason is None:
        return child.state.value
    # Other reasons name the host and its address, which would tell all of them apart.
    by_itself = child.reason.kind in {ReasonKind.EXIT, ReasonKind.SIGNAL}
    return f"{child.state}, {child.reason.message if by_itself else child.reason.kind}"
