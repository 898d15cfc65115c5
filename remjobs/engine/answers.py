"""What people were asked for, and answered: in memory only, as long as it is needed."""

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

    def get(self, child_id: int) -> Secret | None:
        """Return what was given for a child and not forgotten since."""
        return self._given.get(child_id)

    def give(self, child_id: int, answer: Secret) -> None:
        """Take an answer; whoever waits for it goes on."""
        self._given[child_id] = answer
        self._came[child_id].set()

    async def wait(self, child_id: int) -> None:
        """Wait until there is an answer."""
        await self._came[child_id].wait()

    def forget(self, child_id: int) -> None:
        """Keep a child's answer no longer."""
        self._given.pop(child_id, None)
        self._came.pop(child_id, None)
