"""What people answered, on its way to the children that asked: in memory only."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from remjobs.model.secret import Secret

__all__ = ["Answers"]


class Answers:
    """The secrets that were given for children which waited for them."""

    def __init__(self) -> None:
        """Begin with none."""
        self._given: dict[int, Secret] = {}
        self._came: defaultdict[int, asyncio.Event] = defaultdict(asyncio.Event)

    def take(self, child_id: int) -> Secret | None:
        """Return what was given for a child, and keep it no longer."""
        self._came.pop(child_id, None)
        return self._given.pop(child_id, None)

    def give(self, child_id: int, answer: Secret) -> None:
        """Take an answer; whoever waits for it goes on."""
        self._given[child_id] = answer
        self._came[child_id].set()

    async def wait(self, child_id: int) -> None:
        """Wait until there is an answer."""
        await self._came[child_id].wait()
