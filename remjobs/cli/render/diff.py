"""What differs between two jobs, as text: hosts with the same difference together."""

from __future__ import annotations

import os
import sys
from typing import Final

from remjobs.cli.boundary import complain
from remjobs.cli.render.text import escape
from remjobs.model.diff import Difference, JobDiff, Stand
from remjobs.model.job import ReasonKind
from remjobs.model.ranges import fold
from remjobs.model.state import JobState

__all__ = ["print_diff"]

_COLOURS: Final = {"+": 32, "-": 31, "@": 36}
"""Foreground colours (ECMA-48, SGR) of added and removed lines, and of places."""


def print_diff(found: JobDiff) -> None:
    """Print the differences, and on standard error how many hosts have none."""
    parts = []
    for difference in found.differences:
        body = [*difference.diff, *([f"({difference.note})"] if difference.note else [])]
        parts.append("\n".join([_heading(found, difference), *map(_shown, body)]) + "\n")
    sys.stdout.write("\n".join(parts))
    sys.stdout.flush()
    differ = sum(len(difference.hosts) for difference in found.differences)
    complain(f"jobs {found.first} and {found.second}: {_hosts(found.same)} the same, {differ} not")


def _hosts(hosts: tuple[str, ...]) -> str:
    return f"{len(hosts)} host{'' if len(hosts) == 1 else 's'}"


def _heading(found: JobDiff, difference: Difference) -> str:
    hosts = difference.hosts
    many = f" ({len(hosts)})" if len(hosts) > 1 else ""
    how = _how(found, difference)
    return f"---- {fold(hosts)}{many}{f': {how}' if how else ''} ----"


def _how(found: JobDiff, difference: Difference) -> str:
    if difference.first is None or difference.second is None:
        return f"only in job {found.second if difference.first is None else found.first}"
    if difference.first == difference.second:
        return ""
    return f"{_said(difference.first)} -> {_said(difference.second)}"


def _said(stand: Stand) -> str:
    if stand.signal is not None:
        return f"{stand.state}, signal {stand.signal}"
    if stand.exit_code or (stand.exit_code == 0 and stand.state is not JobState.COMPLETED):
        return f"{stand.state}, exit code {stand.exit_code}"
    if stand.reason in {None, ReasonKind.EXIT}:
        return stand.state.value
    return f"{stand.state}, {stand.reason}"


def _shown(line: str) -> str:
    """Return a line of output as it may be written here."""
    if not sys.stdout.isatty():
        return line
    safe = escape(line)
    colour = None if os.environ.get("NO_COLOR") else _COLOURS.get(safe[:1])
    return safe if colour is None else f"\x1b[{colour}m{safe}\x1b[0m"
