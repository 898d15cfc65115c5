"""Target expressions taken apart: terms with their operators, expressions, host numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from remjobs.errors import UsageError

__all__ = ["Numbers", "Term", "compile_regex", "is_glob", "numbers_of", "terms"]

_OPERATORS: Final = frozenset("!&")
_OPENS: Final = {"[": 1, "]": -1}
_OPENS_IN_REGEX: Final = {"[": 1, "]": -1, "(": 1, ")": -1, "{": 1, "}": -1}
_NUMBERS: Final = re.compile(
    r"(?P<group>.+)\[(?P<first>-?[0-9]+)?(?P<colon>:)?(?P<last>-?[0-9]+)?\]"
)
_BRACKETED_ADDRESS: Final = re.compile(r"\[[0-9A-Fa-f:.]*:[0-9A-Fa-f:.%\w]*\](?::[0-9]+)?")
_MOST_REPEATS: Final = 4


@dataclass(frozen=True, slots=True)
class Term:
    """One part of an expression."""

    text: str
    operator: str = ""
    """``&`` keeps only what it names, ``!`` leaves it out; otherwise it is added."""

    def __str__(self) -> str:
        """Return it as it was typed."""
        return self.operator + self.text


def terms(expression: str) -> Iterator[Term]:
    """Yield what commas outside brackets part; empty terms fall away.

    In a term that begins with ``~``, a regular expression, braces and parentheses
    hold commas together as well.
    """
    start = depth = 0
    opens = _OPENS
    for at, letter in enumerate([*expression, ","]):
        if letter == "," and (depth <= 0 or at == len(expression)):
            if text := expression[start:at].strip():
                yield _term(text)
            start, depth = at + 1, 0
        elif depth == 0 and not expression[start:at].strip(" !&"):
            opens = _OPENS_IN_REGEX if letter == "~" else _OPENS
            depth += opens.get(letter, 0)
        else:
            depth += opens.get(letter, 0)


def _term(text: str) -> Term:
    if text[0] not in _OPERATORS:
        return Term(text)
    rest = text[1:].strip()
    if not rest:
        msg = f"{text!r} stands alone; after it comes what is meant, as in 'web,{text}db'"
        raise UsageError(msg)
    return Term(rest, text[0])


def is_glob(text: str) -> bool:
    """Whether a term holds wildcards; an IPv6 address in brackets does not."""
    if "*" in text or "?" in text:
        return True
    return "[" in text and _BRACKETED_ADDRESS.fullmatch(text) is None


@dataclass(frozen=True, slots=True)
class Numbers:
    """Hosts of a group by their number, counted from 0 and from the end by -1."""

    group: str
    first: int
    last: int | None
    """Included, as Ansible has it; None is the first one alone."""

    def chosen(self, names: list[str]) -> list[str]:
        """Return the hosts that are meant."""
        count = len(names)
        first = self.first + count if self.first < 0 else self.first
        last = first if self.last is None else self.last
        last = last + count if last < 0 else last
        if not 0 <= first < count:
            msg = f"{self.group} has {count} hosts, and none of number {self.first}"
            raise UsageError(msg)
        return names[first : last + 1]


def numbers_of(text: str) -> Numbers | None:
    """Return what ``group[0]``, ``group[-1]``, ``group[2:]`` or ``group[0:4]`` asks for."""
    match = _NUMBERS.fullmatch(text)
    if match is None or not (match["first"] or match["colon"]):
        return None
    if not match["colon"]:
        padded = match["first"].startswith("0") and match["first"] != "0"
        return (
            None if match["last"] or padded else Numbers(match["group"], int(match["first"]), None)
        )
    return Numbers(match["group"], int(match["first"] or 0), int(match["last"] or -1))


def compile_regex(text: str) -> re.Pattern[str]:
    """Return a regular expression that cannot take for ever on a host's name.

    Python's matcher may try exponentially many ways where a repeated group holds a
    repetition or a choice, and very many where repetitions follow each other. Both
    are refused; host names have at most 255 characters.

    Raises:
        UsageError: It is none, or it could take too long.
    """
    try:
        compiled = re.compile(text)
    except (re.error, RecursionError, OverflowError) as exc:
        msg = f"~{text} is not a regular expression: {exc}"
        raise UsageError(msg) from exc
    bare = re.sub(r"\\.", "x", text)
    bare = re.sub(r"\[\^?\]?[^\]]*\]", "x", bare)
    bare = re.sub(r"\(\?(?:[:=!>]|<[=!]|P<\w+>|[a-zA-Z-]+:)", "(", bare)
    if len(re.findall(r"[*+]|\{\d*,\}", bare)) > _MOST_REPEATS:
        msg = f"~{text} repeats more than {_MOST_REPEATS} times without a limit; make it simpler"
        raise UsageError(msg)
    while (inner := re.search(r"\(([^()]*)\)([*+]|\{\d*,\})?", bare)) is not None:
        repeats = re.search(r"[*+?|]|\{\d*,", inner[1]) is not None
        if repeats and inner[2]:
            msg = f"~{text} repeats a group that holds a repetition or a choice; make it simpler"
            raise UsageError(msg)
        bare = bare[: inner.start()] + ("x*" if repeats else "x") + bare[inner.end() :]
    return compiled
