"""The settings: those that say something, and those that only seem to."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping

from remjobs.model.doctor import Finding, Verdict
from remjobs.settings import Settings, config_path, unknown_variables

__all__ = ["examine"]

_CHECK = "settings"


def examine(environment: Mapping[str, str], resolved: Settings) -> Iterator[Finding]:
    """Yield what is odd about settings that could be read."""
    path = config_path(environment)
    well = True
    if path.exists() and path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        well = False
        yield Finding(
            check=_CHECK,
            verdict=Verdict.PROBLEM,
            message=f"{path}: others may write it, and so say who you log in as",
            remedy=f"run `chmod 600 {path}`, and look through it",
        )
    for name in unknown_variables(environment):
        well = False
        yield Finding(
            check=_CHECK,
            verdict=Verdict.WARNING,
            message=f"{name} in the environment is no setting, and has no effect",
            remedy="take it away; `remjobs config show` lists the settings",
        )
    if well:
        where = str(path) if path.exists() else "no file"
        named = ", ".join(resolved.origins) or "nothing"
        yield Finding(check=_CHECK, verdict=Verdict.OK, message=f"{where}; set: {named}")
