"""The hosts of an ssh_config(5): those that a ``Host`` line names without a wildcard.

Only names are taken. What is said of them SSH itself reads, when it connects.
"""

from __future__ import annotations

import glob
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from remjobs.inventory.base import Place, Setting
from remjobs.inventory.draft import Draft
from remjobs.inventory.text import read_text

__all__ = ["read_ssh_config"]

_LINE: Final = re.compile(r"\s*([A-Za-z0-9]+)(?:\s*=\s*|\s+)(.*?)\s*")
_WILD: Final = frozenset("*?!")
_DEEPEST: Final = 16
"""Files within files, as ssh has it."""
_STANDARD: Final = ("~/.ssh/config", "/etc/ssh/ssh_config")


def read_ssh_config(text: str, draft: Draft) -> None:
    """Read the hosts that are named in an SSH configuration, its Includes followed.

    Raises:
        InventoryError: A file cannot be read, or a line is no option.
    """
    path = Path(draft.name)
    standard = any(path.absolute() == Path(name).expanduser() for name in _STANDARD)
    for file, line, name in _names(text, path, 0):
        settings = draft.host(name, line, file=str(file))
        if not standard:
            settings.setdefault(
                "ssh.config_file",
                Setting(str(path.absolute()), Place(str(file), line)),
            )


def _names(text: str, path: Path, depth: int) -> Iterator[tuple[Path, int, str]]:
    for number, line in enumerate(text.split("\n"), start=1):
        content = line.strip()
        if not content or content.startswith("#"):
            continue
        match = _LINE.fullmatch(content)
        if match is None:
            Draft(str(path)).complain(number, f"{content[:60]!r} is not an option and its value")
        keyword = match[1].lower()
        if keyword == "host":
            names = _words(match[2], path, number)
            yield from ((path, number, name) for name in names if not _WILD & set(name))
        elif keyword == "include":
            if depth >= _DEEPEST:
                Draft(str(path)).complain(number, f"files include each other over {_DEEPEST} deep")
            for included in _included(_words(match[2], path, number), path):
                yield from _names(read_text(included), included, depth + 1)


def _words(text: str, path: Path, line: int) -> list[str]:
    try:
        return shlex.split(text, comments=True)
    except ValueError as exc:
        Draft(str(path)).complain(line, f"{exc}")


def _included(patterns: list[str], path: Path) -> Iterator[Path]:
    """Yield the files of an Include; a relative one is meant from ~/.ssh, or /etc/ssh."""
    folder = Path("/etc/ssh" if path.is_relative_to("/etc/ssh") else "~/.ssh").expanduser()
    for pattern in patterns:
        whole = str(folder / Path(pattern).expanduser())
        found = map(Path, sorted(glob.glob(whole)))  # noqa: PTH207 - any path may be named
        yield from (file for file in found if file.is_file())
