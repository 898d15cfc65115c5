"""What became of each host, gathered until all is known: output, state and exit code.

Pieces that several hosts sent are kept once, so that hosts with the same output cost
little more than one of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from remjobs.model.job import Child
from remjobs.model.record import Record, Stream

__all__ = ["Result", "Results"]


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
