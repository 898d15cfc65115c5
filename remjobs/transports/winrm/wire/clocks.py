"""Clocks that differ, which Kerberos minds (RFC 4120, section 1.6)."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

__all__ = ["clock_words"]

_ALLOWED: Final = 300
"""Seconds."""


def clock_words(date: str | None, now: datetime | None = None) -> str:
    """Say how far a host's clock is off, if that is too far.

    Args:
        date: What it says in its Date field (RFC 9110, section 6.6.1).
        now: Our time; None: the clock's.
    """
    try:
        theirs = parsedate_to_datetime(date or "")
    except ValueError:
        return ""
    if theirs.tzinfo is None:
        theirs = theirs.replace(tzinfo=UTC)
    ahead = (theirs - (now or datetime.now(UTC))).total_seconds()
    if abs(ahead) <= _ALLOWED:
        return ""
    way = "ahead of" if ahead > 0 else "behind"
    return f"its clock is {abs(ahead):.0f} s {way} ours (clock skew)"
