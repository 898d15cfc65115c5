"""Wakes those who follow a job when something of it changed."""

from __future__ import annotations

import asyncio
from collections import defaultdict

__all__ = ["Hub"]


class Hub:
    """Counts changes for each job; waiting for the next one polls nothing."""

    def __init__(self) -> None:
        """Begin with no change."""
        self._versions: defaultdict[int, int] = defaultdict(int)
        self._waiters: defaultdict[int, set[asyncio.Event]] = defaultdict(set)

    def notify(self, job_id: int) -> None:
        """Say that something of a job changed."""
        self._versions[job_id] += 1
        for waiter in self._waiters.pop(job_id, ()):
            waiter.set()

    def version(self, job_id: int) -> int:
        """Return how often the job changed; ask before you look at it."""
        return self._versions[job_id]

    async def changed(self, job_id: int, since: int) -> None:
        """Wait until the job has changed after version ``since``."""
        while self._versions[job_id] == since:
            waiter = asyncio.Event()
            self._waiters[job_id].add(waiter)
            try:
                await waiter.wait()
            finally:
                self._waiters[job_id].discard(waiter)

    def forget(self, job_id: int) -> None:
        """Drop a removed job; those who wait for it are woken."""
        self.notify(job_id)
        self._versions.pop(job_id, None)
