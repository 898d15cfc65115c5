"""At most so many at a time, first come, first served."""

from __future__ import annotations

import asyncio
from contextlib import suppress

__all__ = ["Throttle"]


class Throttle:
    """A number of slots, and a way to wait for one that does not take it."""

    def __init__(self, limit: int) -> None:
        """Allow ``limit`` at a time."""
        self._limit = limit
        self._used = 0
        self._waiters: set[asyncio.Future[None]] = set()

    def limit(self, limit: int) -> None:
        """Allow another number at a time; what is taken stays taken."""
        self._limit = limit
        self.wake()

    def take(self) -> bool:
        """Take a slot if one is free."""
        if not self.is_free:
            return False
        self._used += 1
        return True

    @property
    def is_free(self) -> bool:
        """Whether a slot is free."""
        return self._used < self._limit

    def occupy(self) -> None:
        """Take a slot, free or not."""
        self._used += 1

    def give_back(self) -> None:
        """Free a slot that was taken."""
        self._used -= 1
        self.wake()

    async def changed(self, timeout: float | None = None) -> None:
        """Wait until a slot was freed, ``wake`` was called, or so many seconds are over.

        Nothing is missed that happens after the call.
        """
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await waiter
        finally:
            self._waiters.discard(waiter)

    def wake(self) -> None:
        """End the waits for another reason."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
