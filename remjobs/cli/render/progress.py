"""One line on the terminal that says how a job stands while its output goes by."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence

from remjobs.model.job import Child
from remjobs.model.state import JobState

__all__ = ["Progress"]


class Progress:
    """Draws ``job 5: 3 Running, 10 Completed`` on standard error, if that is a terminal."""

    def __init__(self, label: str, children: Sequence[Child]) -> None:
        """Begin with the children as they are."""
        self._label = label
        self._states = {child.id: child.state for child in children}
        self._active = sys.stderr.isatty() and len(children) > 1
        self._drawn = False

    def change(self, child: Child) -> None:
        """Take a child's new state."""
        self._states[child.id] = child.state

    def clear(self) -> None:
        """Take the line away, before something else is written."""
        if self._drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._drawn = False

    def draw(self) -> None:
        """Draw the line anew."""
        if not self._active:
            return
        counts = Counter(self._states.values())
        parts = [f"{counts[state]} {state}" for state in JobState if counts[state]]
        sys.stderr.write(f"\r\x1b[K{self._label}: {', '.join(parts)}")
        sys.stderr.flush()
        self._drawn = True
