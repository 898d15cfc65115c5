"""Host names as ranges: ``web[01-03]`` to names and back, by ClusterShell's NodeSet."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Final

from remjobs.errors import UsageError

__all__ = ["MOST_NAMES", "expand", "fold", "matcher"]

MOST_NAMES: Final = 100_000
"""Names that one expression may stand for."""

_PART: Final = r"[0-9]+(?:-[0-9]+(?:[/:][0-9]+)?)?"
_BRACKET: Final = re.compile(rf"\[({_PART}(?:,{_PART})*)\]")
_GLOB: Final = frozenset("*?[")
_SIMPLE: Final = re.compile(r"[A-Za-z0-9_.-]+")


def expand(text: str) -> Iterator[str]:
    """Yield the names that an expression with ranges stands for, in order.

    Brackets that hold anything but numbers are left alone, so IPv6 addresses
    pass as they are. ``[01-20/2]`` and ``[01-20:2]`` take every second number.

    Raises:
        UsageError: A range runs backwards, or stands for too many names.
    """
    if not _BRACKET.search(text):
        yield text
        return
    from ClusterShell.RangeSet import RangeSet, RangeSetParseError  # noqa: PLC0415 - slow to load

    pieces: list[list[str]] = []
    total, end = 1, 0
    for match in _BRACKET.finditer(text):
        total *= sum(map(_size, match[1].split(",")))
        if total > MOST_NAMES:
            msg = f"{text!r} stands for more than {MOST_NAMES} names"
            raise UsageError(msg)
        try:
            numbers = [str(number) for number in RangeSet(match[1].replace(":", "/")).striter()]
        except RangeSetParseError as exc:
            msg = f"{text!r}: [{match[1]}] is not a range"
            raise UsageError(msg) from exc
        pieces += [[text[end : match.start()]], numbers]
        end = match.end()
    yield from _joined([*pieces, [text[end:]]])


def _size(part: str) -> int:
    """Return how many numbers ``5``, ``1-20`` or ``1-20/2`` stands for, at the most."""
    first, _, rest = part.partition("-")
    last = re.split("[/:]", rest)[0]
    return max(1, int(last) - int(first) + 1) if last else 1


def _joined(pieces: list[list[str]]) -> Iterator[str]:
    if not pieces:
        yield ""
        return
    for head in pieces[0]:
        for tail in _joined(pieces[1:]):
            yield head + tail


def fold(names: Iterable[str]) -> str:
    """Return names in short: ``web[01-20],db1``; one that ranges cannot hold stays itself."""
    distinct = list(dict.fromkeys(names))
    if len(distinct) <= 1:
        return ",".join(distinct)
    from ClusterShell.NodeSet import NodeSet  # noqa: PLC0415 - slow to load

    simple = [name for name in distinct if _SIMPLE.fullmatch(name)]
    odd = [name for name in distinct if not _SIMPLE.fullmatch(name)]
    folded = str(NodeSet.fromlist(simple)) if simple else ""
    return ",".join(filter(None, [folded, *odd]))


def matcher(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Return a test whether one of these patterns names a host.

    Args:
        patterns: Names, globs, or ranges such as ``web[01-20]``.

    Raises:
        UsageError: A range is none.
    """
    names = [name for pattern in patterns for name in expand(pattern)]
    literal = frozenset(names)
    globs = [name for name in literal if not _GLOB.isdisjoint(name)]
    return lambda host: host in literal or any(fnmatchcase(host, glob) for glob in globs)
