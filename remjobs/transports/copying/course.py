"""How a copy goes: what it says of itself, and whether it may go on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from remjobs.model.copy import size_text
from remjobs.model.record import Stream
from remjobs.transports.copying.files import Gone
from remjobs.transports.flow import Flow

__all__ = ["Course", "Stopped"]

_INTERVAL: Final = 1.0
"""Seconds between two Progress records, at the least."""
_LOST: Final = "connection lost while the copy was held"


class Stopped(Exception):
    """A stop was asked, and the copy gives way to it."""


class Course:
    """Stands between a copy and those who watch and hold it."""

    def __init__(self, flow: Flow, clock: Callable[[], float] = time.monotonic) -> None:
        """Tell what happens through a flow; ``clock`` counts seconds."""
        self._flow = flow
        self._clock = clock
        self._told_at = clock()
        self._told = ""
        self._going = asyncio.Event()
        self._going.set()
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._parked = asyncio.Event()
        self._is_lost = False
        self.is_stopped = False
        self.size = 0
        """Bytes to be copied."""
        self.files = 0
        """Files to be copied."""
        self.bytes_done = 0
        self.files_done = 0
        """Files that are in place."""
        self.skipped = 0
        self.left: str | None = None
        """A file on the host that is ours and may not be finished, or not be removed."""
        self.is_cleaning = False
        """It is being brought to its end, and is not to be broken off any more."""
        flow.attach(self._set_paused)

    def _set_paused(self, paused: bool) -> None:
        (self._has_room.clear if paused else self._has_room.set)()

    # What the copy does

    def expects(self, size: int, files: int) -> None:
        """Take note of how much there is."""
        self.size, self.files = size, files

    async def advance(self, size: int = 0) -> None:
        """Take note of bytes that were copied; wait here while the copy is held.

        Raises:
            Stopped: A stop was asked.
            Gone: The host went meanwhile.
        """
        self.bytes_done += size
        if self._clock() - self._told_at >= _INTERVAL:
            self.tell_progress()
        await self._has_room.wait()
        if not self._going.is_set() and not self.is_stopped:
            self._parked.set()
            await self._going.wait()
            self._parked.clear()
        if self.is_stopped:
            raise Stopped
        if self._is_lost:
            raise Gone(_LOST)

    def tell_progress(self) -> None:
        """Say how far it is, unless that was said already."""
        # Files of /proc say that they have no bytes, and then have some.
        whole = max(self.size, self.bytes_done)
        share = f" ({self.bytes_done * 100 // whole}%)" if whole else ""
        text = (
            f"{size_text(self.bytes_done)} of {size_text(whole)}{share}, "
            f"{self.files_done} of {self.files} files"
        )
        if text != self._told:
            self._told, self._told_at = text, self._clock()
            self._say(Stream.PROGRESS, text)

    def skip(self, what: str) -> None:
        """Say what is not copied, and why."""
        self.skipped += 1
        self.warn(f"skipped: {what}")

    def warn(self, text: str) -> None:
        """Say what may not be as it was meant."""
        self._say(Stream.WARNING, text)

    def tell_result(self, where: str) -> None:
        """Say what is in place, and where."""
        what = "1 file" if self.files_done == 1 else f"{self.files_done} files"
        self._say(Stream.OUTPUT, f"{what}, {size_text(self.bytes_done)}, in {where}")

    def _say(self, stream: Stream, text: str) -> None:
        self._flow.feed(stream, text.encode("utf-8", "surrogateescape") + b"\n")

    # What is asked of it

    def stop(self) -> None:
        """Let it go no further than it is."""
        self.is_stopped = True
        self._going.set()

    def lose(self) -> None:
        """Wake it if it is held: its host has gone."""
        self._is_lost = True
        self._going.set()

    def resume(self) -> None:
        """Let it go on."""
        self._going.set()

    async def hold(self) -> None:
        """Hold it, and return once nothing of it is under way any more."""
        self._going.clear()
        await self._parked.wait()
