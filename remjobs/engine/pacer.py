"""When the next host of a job may be begun: its pace, applied to how it stands."""

from __future__ import annotations

import asyncio
import random

from remjobs.model.job import Child
from remjobs.model.pace import Halt, Pace, Step, Tally, next_step, was_not_reached, went_wrong

__all__ = ["Pacer"]


class Pacer:
    """Keeps count of what went wrong, and of the time between starts."""

    def __init__(self, pace: Pace, total: int) -> None:
        """Begin with nothing wrong, for a job of so many hosts."""
        self.pace = pace
        self._total = total
        self._failed: set[int] = set()
        self._away: set[int] = set()
        self._next_at = 0.0
        self._canary_passed = False
        self._dropped = 0

    def step(self, *, waiting: int, active: int) -> Step | Halt:
        """Say whether one more may be begun, with so many waiting and at work."""
        begun = self._total - waiting - self._dropped
        so_far = Tally(
            total=self._total,
            begun=begun,
            ended=begun - active,
            failed=len(self._failed),
            unreachable=len(self._away),
        )
        return next_step(self.pace, so_far, canary_passed=self._canary_passed)

    def dropped(self, count: int) -> None:
        """Note that so many were stopped before it was their turn: none of them was begun."""
        self._dropped += count

    def ended(self, child: Child) -> None:
        """Take note of a child that nothing works on any more."""
        if went_wrong(child):
            (self._away if was_not_reached(child) else self._failed).add(child.id)

    def revived(self, child: Child) -> None:
        """Take back what was noted: the child is worked on again."""
        self._failed.discard(child.id)
        self._away.discard(child.id)

    def go_on(self) -> None:
        """Note that a person has gone on; the canary need not be waited for again."""
        self._canary_passed = True

    def begun(self) -> None:
        """Note that one was begun: the next one waits for the delay."""
        wait = self.pace.delay + random.uniform(0, self.pace.jitter)  # noqa: S311 - jitter
        self._next_at = asyncio.get_running_loop().time() + wait

    @property
    def left(self) -> float:
        """Seconds until the next may be begun; 0 or less: now."""
        return self._next_at - asyncio.get_running_loop().time()

    def pause_before(self, again: int) -> float:
        """Return the seconds before a host is tried for the ``again``-th time more."""
        whole = self.pace.retry_delay * 2 ** min(again, 6)
        return float(whole * random.uniform(0.5, 1))  # noqa: S311 - jitter
