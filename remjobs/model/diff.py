"""Two jobs compared host by host: pure rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from remjobs.model.job import Job, ReasonKind
from remjobs.model.results import Result, Results, lines_of, normalized, unified
from remjobs.model.state import JobState

__all__ = ["Difference", "JobDiff", "Stand", "compare"]

_BYTES_ONLY: Final = "the lines are the same, their bytes are not"
_TOO_LONG: Final = "too long to compare line by line: {0} and {1} lines"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """How a host stands in a job, but for its output."""

    state: JobState
    exit_code: int | None = None
    signal: str | None = None
    reason: ReasonKind | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What is not the same on these hosts, and is so on all of them in the same way."""

    hosts: tuple[str, ...]
    first: Stand | None
    """In the first job; None where it has no such host."""
    second: Stand | None
    diff: tuple[str, ...] = ()
    """The output as a unified diff, without the names of files; empty where it is the same."""
    note: str = ""
    """What the diff cannot say."""


_Change = tuple[Stand | None, Stand | None, tuple[str, ...], str]
"""A Difference but for its hosts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDiff:
    """What two jobs have in common, and what not."""

    first: int
    second: int
    same: tuple[str, ...]
    """Hosts with the same state, exit code and output in both."""
    differences: tuple[Difference, ...]
    """What many hosts have in common comes first; hosts of one job alone come last."""


def compare(
    first: tuple[Job, Results],
    second: tuple[Job, Results],
    *,
    normalize: bool = False,
) -> JobDiff:
    """Compare two jobs.

    Args:
        first: A job and what its hosts sent.
        second: Another.
        normalize: Mind no host's own name or address, and no time.
    """
    ones, others = _by_host(first[1]), _by_host(second[1])
    texts = _Texts(normalize=normalize)
    same: list[str] = []
    found: dict[_Change, list[str]] = {}
    for place in dict.fromkeys([*ones, *others]):
        change = texts.change(ones.get(place), others.get(place))
        (same if change is None else found.setdefault(change, [])).append(place[0])
    differences = [
        Difference(hosts=tuple(hosts), first=one, second=other, diff=diff, note=note)
        for (one, other, diff, note), hosts in found.items()
    ]
    differences.sort(key=lambda d: (None in {d.first, d.second}, -len(d.hosts)))
    return JobDiff(
        first=first[0].id,
        second=second[0].id,
        same=tuple(same),
        differences=tuple(differences),
    )


def _by_host(results: Iterable[Result]) -> dict[tuple[str, int], Result]:
    """Return results by host; where a job has one several times, also by which."""
    seen: Counter[str] = Counter()
    found = {}
    for result in results:
        host = result.child.host
        found[host, seen[host]] = result
        seen[host] += 1
    return found


class _Texts:
    """Compares outputs; the same two texts once, however many hosts have them."""

    def __init__(self, *, normalize: bool) -> None:
        self._normalize = normalize
        self._known: dict[tuple[bytes, bytes], tuple[tuple[str, ...], str]] = {}

    def change(self, one: Result | None, other: Result | None) -> _Change | None:
        """Return what is not the same; None where all is."""
        if one is None or other is None:
            return _stand(one), _stand(other), (), ""
        if self._normalize:
            one, other = normalized(one), normalized(other)
        stands = _stand(one), _stand(other)
        diff, note = ((), "") if one.streams == other.streams else self._diff(one, other)
        if stands[0] == stands[1] and not (diff or note):
            return None
        return *stands, diff, note

    def _diff(self, one: Result, other: Result) -> tuple[tuple[str, ...], str]:
        key = _digest(one), _digest(other)
        if key not in self._known:
            self._known[key] = _diff(lines_of(one), lines_of(other))
        return self._known[key]


def _diff(one: list[str], other: list[str]) -> tuple[tuple[str, ...], str]:
    if one == other:
        return (), _BYTES_ONLY
    lines = unified(one, other)
    if lines is None:
        return (), _TOO_LONG.format(len(one), len(other))
    return tuple(lines), ""


def _digest(result: Result) -> bytes:
    digest = blake2b()
    for stream, data in sorted(result.streams.items()):
        digest.update(b"%s %d\0" % (stream.value.encode(), len(data)))
        digest.update(data)
    return digest.digest()


def _stand(result: Result | None) -> Stand | None:
    if result is None:
        return None
    child = result.child
    return Stand(
        state=child.state,
        exit_code=child.exit_code,
        signal=child.signal,
        reason=None if child.reason is None else child.reason.kind,
    )
