"""Command lines as a Windows host takes them, made into what runs here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from winrm_endpoint.codes import Code, WsmanFault

CMD_LIMIT = 8191
"""The longest line that cmd.exe takes, in characters; it says so and fails."""
TOO_LONG = "echo 'The command line is too long.' >&2; exit 1"
PROCESS_LIMIT = 32767
"""The longest line that a process may have, in characters."""
_VARIABLE = re.compile(r"%(\w+)%")
_FIRST = re.compile(r'\s*(?:"([^"]+)"|(\S+))')
_WORD = re.compile(r'(?:[^\s"]+|"[^"]*")+')


def command_line(
    words: Sequence[str],
    environment: Mapping[str, str],
    programs: Path | None,
    *,
    skip: bool,
) -> list[str]:
    """Return what to execute for a command and its arguments.

    They are joined with blanks, as the Shell does. With ``cmd`` (which is /bin/sh here)
    variables between per cent signs are put in; without, the line is only split.
    A program on drive C is one below the folder of programs.

    Raises:
        WsmanFault: The line is longer than that of a process may be.
    """
    line = " ".join(words)
    if len(line) > PROCESS_LIMIT:
        raise WsmanFault(Code.LINE_TOO_LONG)
    if len(line) > CMD_LIMIT and not skip:
        return ["/bin/sh", "-c", TOO_LONG]
    if skip:
        return [part.replace('"', "") for part in _WORD.findall(_found(line, programs))]
    if line.startswith('"'):
        line = _unquoted(line)
    return ["/bin/sh", "-c", _found(_expanded(line.removeprefix("call "), environment), programs)]


def _unquoted(line: str) -> str:
    """Take the first quote and the last away, as ``cmd /c`` does (``cmd /?``)."""
    first, _, last = line[1:].rpartition('"')
    return first + last


def _expanded(line: str, environment: Mapping[str, str]) -> str:
    known = {name.upper(): value for name, value in environment.items()}
    return _VARIABLE.sub(lambda found: known.get(found[1].upper(), found[0]), line)


def _found(line: str, programs: Path | None) -> str:
    first = _FIRST.match(line)
    path = (first[1] or first[2]) if first else ""
    if not first or not programs or not path.upper().startswith("C:\\"):
        return line
    here = programs.joinpath(*path[3:].split("\\"))
    return f'"{here}"{line[first.end() :]}'
