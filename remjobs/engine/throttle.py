"""At most so many at a time, first come, first served."""

from __future__ import annotations

import asyncio

__all__ = ["Throttle"]


class Throttle:
    """A number of slots, and a way to wait for one that does not take it."""

    def __init__(self, limit: int) -> None:
        """Allow ``limit`` at a time."""
        self._limit = limit
        self._used = 0
        self._changed = asyncio.Event()

    def limit(self, limit: int) -> None:
        """Allow another number at a time; what is taken stays taken."""
        self._limit = limit
        self._changed.set()

    def take(self) -> bool:
        """Take a slot if one is free."""
        if self._used >= self._limit:
            return False
        self._used += 1
        return True

    def occupy(self) -> None:
        """Take a slot, free or not."""
        self._used += 1

    def give_back(self) -> None:
        """Free a slot that was taken."""
        self._used -= 1
        self._changed.set()

    async def changed(self) -> None:
        """Wait until a slot was freed or ``wake`` was called."""
        await self._changed.wait()
        self._changed.clear()

    def wake(self) -> None:
        """End a wait for another reason."""
        self._changed.set()
