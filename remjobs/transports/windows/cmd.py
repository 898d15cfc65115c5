"""Command lines for cmd.exe, and what it cannot be trusted with.

It has no way of quoting: between double quotes it still puts in ``%VARIABLES%`` and takes
``!``, and what else means something to it gets its meaning back as soon as a program's own
reading of quotes differs from its. So words hold none of that, or are refused.
"""

from __future__ import annotations

import re
from typing import Final

from remjobs.errors import UsageError
from remjobs.model.work import Command

__all__ = ["LONGEST", "line_of"]

LONGEST: Final = 8000
"""Characters of a command line: cmd.exe takes 8,191, its own call among them."""
_UNSAFE: Final = re.compile(r'[%!^&|<>"\x00-\x1f\x7f]')
_BARE: Final = re.compile(r"[A-Za-z0-9_.:/\\+#@-]+")


def line_of(command: Command) -> str:
    """Return a command as cmd.exe reads it: a text as it is, words quoted.

    Raises:
        UsageError: It cannot be given to cmd.exe safely, or at all.
    """
    line = command.text if command.text is not None else _quoted(command.words)
    if "\n" in line.strip("\n") or "\r" in line.strip("\r\n"):
        msg = "cmd reads one line, and the command has several; PowerShell reads them all"
        raise UsageError(msg)
    line = line.strip("\r\n")
    if len(line) > LONGEST:
        msg = (
            f"cmd takes command lines of {LONGEST} characters, and this one has {len(line)}; "
            "PowerShell takes any"
        )
        raise UsageError(msg)
    return line


def _quoted(words: tuple[str, ...]) -> str:
    first, *others = (_word(word) for word in words)
    # Of a line that begins with a quote cmd /c takes the first and the last one away.
    begin = ["call", first] if first.startswith('"') else [first]
    if len(begin) > 1 and (asked := [word for word in words if word.startswith("/?")]):
        msg = (
            f"cmd takes {asked[0]!r} for itself where the program's path is quoted; "
            "PowerShell passes it on, or name the program without its path"
        )
        raise UsageError(msg)
    return " ".join([*begin, *others])


def _word(word: str) -> str:
    """Quote as programs read their command line: backslashes count only before a quote.

    Raises:
        UsageError: cmd.exe would make something else of it.
    """
    if found := _UNSAFE.search(word):
        msg = (
            f"cmd cannot be given {found[0]!r} in an argument safely ({word[:60]!r}); "
            "PowerShell can, or write the whole line with --command"
        )
        raise UsageError(msg)
    if _BARE.fullmatch(word):
        return word
    slashes = len(word) - len(word.rstrip("\\"))
    return f'"{word}{chr(92) * slashes}"'
