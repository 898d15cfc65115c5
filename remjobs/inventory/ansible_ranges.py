"""Host names as Ansible's inventories write them: ``web[01:20:2]``, ``[a:c]``, ``name:port``."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Sequence
from typing import Final, NoReturn

from remjobs.errors import UsageError
from remjobs.model.ranges import MOST_NAMES

__all__ = ["expand_ansible"]

_PORT: Final = re.compile(
    r"(?:\[(?P<bare>[^\[\]]+)\]|(?P<name>(?:[^:\[\]]|\[[^\[\]]*\])+)):(?P<port>[0-9]+)"
)
_IPV6: Final = re.compile(r"\[([0-9A-Fa-f]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.%\w]*)\]")
_BRACKET: Final = re.compile(r"\[([^\[\]]*)\]")


def expand_ansible(text: str) -> tuple[Sequence[str], int | None]:
    """Return the names that an Ansible host pattern stands for, and its port.

    Raises:
        UsageError: A range is none, or stands for too many names.
    """
    if ":" not in text:
        port, pattern = None, text
    elif (bare := _IPV6.fullmatch(text)) is not None and "::" in text:
        return [bare[1]], None
    elif (match := _PORT.fullmatch(text)) is not None:
        port, pattern = int(match["port"]), match["bare"] or match["name"]
    else:
        port, pattern = None, text
    if "[" not in pattern:
        return [pattern], port
    return list(_expanded(pattern)), port


def _expanded(pattern: str) -> Iterator[str]:
    pieces: list[Sequence[str]] = []
    total, end = 1, 0
    for match in _BRACKET.finditer(pattern):
        numbers = _range(match[1], pattern)
        total *= len(numbers)
        if total > MOST_NAMES:
            msg = f"{pattern!r} stands for more than {MOST_NAMES} names"
            raise UsageError(msg)
        pieces += [[pattern[end : match.start()]], numbers]
        end = match.end()
    names = [""]
    for piece in [*pieces, [pattern[end:]]]:
        names = [name + part for name in names for part in piece]
    yield from names


def _range(text: str, pattern: str) -> Sequence[str]:
    """Return what ``[begin:end:step]`` stands for; of letters, A to Z come after a to z."""
    begin, _, rest = text.partition(":")
    end, _, step = rest.partition(":")
    begin = begin or "0"
    by = int(step) if step.isdecimal() else int(not step)
    letters = string.ascii_letters
    if by and begin.isdecimal() and end.isdecimal():
        return _numbers(begin, end, by, pattern) or _refuse(text, pattern)
    if by and len(begin) == len(end) == 1 and begin in letters and end in letters:
        found = letters[letters.index(begin) : letters.index(end) + 1 : by]
        return list(found) or _refuse(text, pattern)
    return _refuse(text, pattern)


def _numbers(begin: str, end: str, by: int, pattern: str) -> list[str]:
    width = len(begin) if begin.startswith("0") and len(begin) > 1 else 0
    if width not in {0, len(end)}:
        return []
    if (int(end) - int(begin)) // by >= MOST_NAMES:
        msg = f"{pattern!r} stands for more than {MOST_NAMES} names"
        raise UsageError(msg)
    return [str(number).zfill(width) for number in range(int(begin), int(end) + 1, by)]


def _refuse(text: str, pattern: str) -> NoReturn:
    msg = (
        f"{pattern!r}: [{text}] is not a range; expected [begin:end] or [begin:end:step], "
        "as [01:20] or [a:f]"
    )
    raise UsageError(msg)
