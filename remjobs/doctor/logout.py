"""What becomes of processes when their user logs out: systemd-logind, logind.conf(5)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from remjobs.model.doctor import Finding, Verdict

__all__ = ["examine"]

_CHECK: Final = "log-out"
_FOLDERS: Final = ("etc/systemd", "run/systemd", "usr/local/lib/systemd", "usr/lib/systemd")
"""The first has the last word."""
_KILL: Final = re.compile(r"^\s*KillUserProcesses\s*=\s*(\S+)", re.MULTILINE)
_EXCLUDE: Final = re.compile(r"^\s*KillExcludeUsers\s*=\s*(.*)$", re.MULTILINE)


def examine(root: Path, user: str) -> Finding:
    """Say whether controller and local durable work outlive a log-out.

    Args:
        root: The root of the file system.
        user: Whose.
    """
    if not (root / "run/systemd/system").is_dir():
        return _ok("no systemd that ends what a user left running")
    texts = [path.read_text(errors="replace") for path in _files(root)]
    kills = _last(_KILL, texts, "no").lower() in {"yes", "true", "on", "1"}
    excluded = _last(_EXCLUDE, texts, "root").split()
    if not kills or user in excluded:
        return _ok("what runs is left alone when you log out")
    if (root / "var/lib/systemd/linger" / user).exists():
        return _ok(f"{user} lingers: what runs is left alone when you log out")
    return Finding(
        check=_CHECK,
        verdict=Verdict.WARNING,
        message="KillUserProcesses=yes: when you log out, the controller and local work are ended",
        remedy=f"run `loginctl enable-linger {user}`; work on hosts goes on in any case",
    )


def _files(root: Path) -> Iterator[Path]:
    """Yield logind's files in the order in which they count, the strongest last."""
    mains = [root / folder / "logind.conf" for folder in _FOLDERS]
    yield from [path for path in mains if path.is_file()][:1]
    parts: dict[str, Path] = {}
    for folder in reversed(_FOLDERS):
        parts |= {path.name: path for path in (root / folder / "logind.conf.d").glob("*.conf")}
    yield from (parts[name] for name in sorted(parts))


def _last(setting: re.Pattern[str], texts: list[str], default: str) -> str:
    found = [value for text in texts for value in setting.findall(text)]
    return found[-1] if found else default


def _ok(message: str) -> Finding:
    return Finding(check=_CHECK, verdict=Verdict.OK, message=message)
