"""Numbers of seconds, as people type them."""

from __future__ import annotations

from math import isfinite

from remjobs.errors import UsageError

__all__ = ["check_seconds"]


def check_seconds(what: str, seconds: float | None, *, may_be_negative: bool = True) -> None:
    """Refuse what is no number of seconds: a limit that is none would be no limit.

    Args:
        what: Names it in the message.
        seconds: The number; None is not looked at.
        may_be_negative: Whether the caller looks at that.

    Raises:
        UsageError: It is not finite, or negative.
    """
    if seconds is None:
        return
    if not isfinite(seconds):
        msg = f"{what} is {seconds:g}: write a number of seconds, or leave it out"
        raise UsageError(msg)
    if seconds < 0 and not may_be_negative:
        msg = f"{what} cannot be negative: {seconds:g}"
        raise UsageError(msg)
