"""Asking for secrets: without echo, or from standard input; never as an argument."""

from __future__ import annotations

import sys
from getpass import getpass

from remjobs.errors import UsageError
from remjobs.model.secret import Secret
from remjobs.secrecy import keep_memory_private

__all__ = ["ask_secret"]


def ask_secret(question: str, *, twice: bool = False) -> Secret:
    """Return what is typed without echo, or the first line of standard input.

    Args:
        question: What is asked on a terminal.
        twice: There, ask again, to see that it was typed as it was meant.

    Raises:
        UsageError: There is no answer, or the second one is another.
    """
    keep_memory_private()
    if not sys.stdin.isatty():
        return Secret(_first_line(question))
    typed = getpass(f"{question}: ")
    if twice and typed != getpass("Once more: "):
        msg = "that was not the same twice; nothing was changed"
        raise UsageError(msg)
    return Secret(typed)


def _first_line(question: str) -> str:
    line = sys.stdin.buffer.readline()
    if not line:
        msg = f"no answer ({question}): give it on standard input, or run this on a terminal"
        raise UsageError(msg)
    try:
        return line.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as exc:
        msg = f"standard input is not UTF-8 text ({question})"
        raise UsageError(msg) from exc
