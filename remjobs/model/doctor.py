"""What is found when the set-up on our side is looked through."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from remjobs.model.request import DEFAULT_THROTTLE, Caller

__all__ = ["ExamineRequest", "Finding", "Verdict"]


class Verdict(StrEnum):
    """How well something is."""

    OK = "ok"
    WARNING = "warning"
    """It works, and may not do what is expected."""
    PROBLEM = "problem"
    """It does not work, or is not safe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    check: str
    """What was looked at."""
    verdict: Verdict
    message: str
    """What was found."""
    remedy: str = ""
    """How to mend it, as a sentence; empty where all is well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExamineRequest:
    """Whose set-up is looked through."""

    throttle_limit: int = DEFAULT_THROTTLE
    """Hosts that are to run at a time."""
    inventory_named: bool = False
    """Whether a setting says which inventories are the usual ones."""
    caller: Caller = Caller()
