"""How a job stands, kept in the terminal's last lines while its output goes by."""

from __future__ import annotations

import asyncio
import io
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Self

from remjobs.cli.render.text import escape
from remjobs.model.job import Child
from remjobs.model.record import Record
from remjobs.model.state import FINAL, JobState

__all__ = ["Progress"]

_INTERVAL: Final = 0.2
"""Seconds between two drawings, at the least."""
_REST: Final = 1.0
"""Seconds after which it is drawn anew though nothing has changed but the time."""
_AFTER_CHANGE: Final = _REST - _INTERVAL
_SLOWEST: Final = 3
_MINUTE: Final = 60
_COLOURS: Final = {
    JobState.COMPLETED: "green",
    JobState.FAILED: "red",
    JobState.DISCONNECTED: "magenta",
    JobState.STOPPED: "yellow",
    JobState.BLOCKED: "yellow",
}


class Progress:
    """A bar, the counts by state, the time, and the hosts that run longest.

    On standard error, if that is a terminal and there are several children.
    """

    def __init__(self, label: str, children: Sequence[Child]) -> None:
        """Begin with the children as they are."""
        self._label = label
        self._children = {child.id: child for child in children}
        # A terminal that calls itself dumb (an editor's, a log's) could not take it away.
        dumb = os.environ.get("TERM", "") in {"", "dumb"}
        self._can_draw = sys.stderr.isatty() and not dumb
        self._active = self._can_draw and len(children) > 1
        self._said: dict[int, str] = {}
        self._began = time.monotonic()
        self._drawn = 0
        self._drawn_at = 0.0
        self._ticking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Draw it, and go on doing so."""
        if self._active:
            self._draw()
            self._ticking = asyncio.create_task(self._tick())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take it away."""
        if self._ticking is not None:
            self._ticking.cancel()
            with suppress(asyncio.CancelledError):
                await self._ticking
        self._clear()

    def change(self, child: Child) -> None:
        """Take a child as it is now."""
        self._children[child.id] = child
        self._drawn_at = min(self._drawn_at, time.monotonic() - _AFTER_CHANGE)

    def tell(self, record: Record) -> None:
        """Take a Progress record: what a host says of how far it is.

        From then on it is shown of a single host too.
        """
        text = record.data.decode("utf-8", "replace").strip("\r\n")
        self._said[record.child_id] = text.rpartition("\n")[2]
        if self._ticking is None and self._can_draw:
            self._active = True
            self._ticking = asyncio.create_task(self._tick())

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Make room for something that is written."""
        self._clear()
        yield
        if self._active and time.monotonic() - self._drawn_at > _INTERVAL:
            self._draw()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_INTERVAL)
            if not self._drawn or time.monotonic() - self._drawn_at >= _REST:
                self._clear()
                self._draw()

    def _clear(self) -> None:
        if self._drawn:
            up = f"\x1b[{self._drawn - 1}A" if self._drawn > 1 else ""
            sys.stderr.write(f"\r{up}\x1b[J")
            sys.stderr.flush()
            self._drawn = 0

    def _draw(self) -> None:
        lines = self.lines()
        sys.stderr.write("\n".join(lines))
        sys.stderr.flush()
        self._drawn = len(lines)
        self._drawn_at = time.monotonic()

    def lines(self) -> list[str]:
        """Return what is drawn, each line shorter than the terminal is wide."""
        from rich.console import Console  # noqa: PLC0415 - only a terminal pays for it
        from rich.progress_bar import ProgressBar  # noqa: PLC0415
        from rich.table import Table  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        # The terminal's own width and colours (NO_COLOR too) are those of standard error.
        screen = Console(stderr=True)
        page = Console(
            file=io.StringIO(),
            width=max(20, screen.width - 1),
            force_terminal=True,
            color_system=screen.color_system,  # type: ignore[arg-type]
            no_color=screen.no_color,
        )
        ended = sum(child.state in FINAL for child in self._children.values())
        grid = Table.grid(padding=(0, 1), expand=True)
        grid.add_column(no_wrap=True)
        grid.add_column(ratio=1, min_width=8)
        grid.add_column(no_wrap=True)
        bar = ProgressBar(total=len(self._children), completed=ended)
        grid.add_row(Text(self._label), bar, Text(self._times(ended)))
        page.print(grid, end="")
        page.print(self._counts(Text), no_wrap=True, overflow="ellipsis", crop=True)
        if slowest := self._slowest():
            page.print(Text(f"slowest: {slowest}"), no_wrap=True, overflow="ellipsis", crop=True)
        text = page.file.getvalue()  # type: ignore[attr-defined]
        return str(text).rstrip("\n").split("\n")

    def _times(self, ended: int) -> str:
        gone = time.monotonic() - self._began
        times = f"{ended}/{len(self._children)}  {_clock(gone)}"
        left = len(self._children) - ended
        return f"{times}, about {_clock(gone / ended * left)} left" if ended and left else times

    def _counts(self, text: type) -> object:
        counts = Counter(child.state for child in self._children.values())
        line = text("")
        for state in JobState:
            if counts[state]:
                line.append(", " if line.plain else "")
                line.append(f"{counts[state]} {state}", style=_COLOURS.get(state, ""))
        return line

    def _slowest(self) -> str:
        """Return the hosts that run longest, for how long, and how far they are."""
        now = datetime.now(UTC)
        running = sorted(
            (child.begin_time, child.host, child.id)
            for child in self._children.values()
            if child.begin_time is not None and child.state not in FINAL
        )
        parts = []
        for begun, host, child_id in running[:_SLOWEST]:
            said = self._said.get(child_id)
            how_far = f" [{escape(said)}]" if said else ""
            parts.append(f"{escape(host)} {_clock((now - begun).total_seconds())}{how_far}")
        return ", ".join(parts)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(max(0, round(seconds)), _MINUTE)
    hours, minutes = divmod(minutes, _MINUTE)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
