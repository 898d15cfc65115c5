"""When to try a lost host again: pure rules."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final

__all__ = ["AFTER_STOP", "pauses"]

AFTER_STOP: Final = 30.0
"""Seconds for which a host that was lost is still sought once a stop was asked."""
_FIRST: Final = 0.5
_LONGEST: Final = 30.0


def pauses(spread: random.Random) -> Iterator[float]:
    """Yield the seconds to wait before each try, without end.

    The first try comes at once but for a little; then exponential back-off with
    full jitter between its half and its whole, so that a fleet that was cut off
    together does not come back together.
    """
    yield spread.uniform(0, _FIRST)
    longest = _FIRST
    while True:
        longest = min(_LONGEST, longest * 2)
        yield spread.uniform(longest / 2, longest)
