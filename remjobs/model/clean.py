"""Cleaning hosts of what durable work left there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from remjobs.errors import UsageError
from remjobs.model.job import Reason
from remjobs.model.request import Caller, Connection, Targets, check_connection

__all__ = ["KEEP_DAYS", "CleanRequest", "Cleaned"]

KEEP_DAYS: Final = 14.0
"""What ended longer ago, and whose outcome nobody took, is swept by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanRequest:
    """Which hosts are to be cleaned, of what."""

    targets: Targets | None = None
    """None is this machine."""
    older_than: float = KEEP_DAYS
    """Days since the work ended."""
    connection: Connection = Connection()
    caller: Caller = Caller()

    def __post_init__(self) -> None:
        """Refuse an age that is none."""
        if self.older_than < 0:
            msg = f"--older-than {self.older_than:g}: it cannot be negative"
            raise UsageError(msg)
        check_connection(self.connection, self.targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """What was done on one host."""

    host: str
    swept: int = 0
    """Pieces of work whose traces were removed."""
    kept: int = 0
    """Pieces of work that run, or that are too young."""
    reason: Reason | None = None
    """Why it could not be done."""
    notes: tuple[str, ...] = ()
    """What is odd there, though it was done."""
