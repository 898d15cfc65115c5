"""Telling a program's own lines from the work's output, and from what a login prints."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from remjobs.model.job import ReasonKind
from remjobs.transports.base import Exited, HostFailure, Outcome

__all__ = ["Opening", "Scanner", "ended_early", "refusal"]

_NOISE_KEPT: Final = 400


class Opening:
    """Splits a stream into the noise before the program's first line, and the rest."""

    def __init__(self, word: bytes) -> None:
        """Wait for a line that begins with this word."""
        self._word = word
        self._held = b""
        self.line: bytes | None = None
        """What stands behind the word in that line."""

    @property
    def noise(self) -> str:
        """What came instead of the line, for a message."""
        return self._held[-_NOISE_KEPT:].decode("utf-8", "replace").strip()

    def feed(self, data: bytes) -> bytes:
        """Take bytes and return those that come after the line."""
        if self.line is not None:
            return data
        self._held += data
        start = self._held.find(self._word)
        end = self._held.find(b"\n", start)
        if start < 0 or end < 0:
            # A login message of any length stays noise; keep its last part only.
            if start < 0:
                self._held = self._held[-max(_NOISE_KEPT, len(self._word)) :]
            return b""
        self.line = self._held[start + len(self._word) : end].strip()
        rest, self._held = self._held[end + 1 :], b""
        return rest


class Scanner:
    """Takes the lines that begin with a word out of a stream. No I/O: fed, it answers."""

    def __init__(self, word: bytes) -> None:
        """Look for this word, which does not occur otherwise."""
        self._word = word
        self._held = b""
        self.lines: list[bytes] = []
        """What stood behind the word in each line that was found."""

    def feed(self, data: bytes) -> bytes:
        """Take bytes and return those that are not ours and complete."""
        data = self._held + data if self._held else data
        clean: list[bytes] = []
        while (start := data.find(self._word)) >= 0:
            clean.append(data[:start])
            end = data.find(b"\n", start)
            if end < 0:
                self._held = data[start:]
                return b"".join(clean)
            self.lines.append(data[start + len(self._word) : end].strip())
            data = data[end + 1 :]
        keep = self._begun(data)
        self._held = data[len(data) - keep :]
        clean.append(data[: len(data) - keep])
        return b"".join(clean)

    def close(self) -> bytes:
        """Return what was held back since it might have begun the word."""
        rest, self._held = self._held, b""
        return rest

    def _begun(self, data: bytes) -> int:
        """Return how many bytes at the end may begin the word."""
        for size in range(min(len(data), len(self._word) - 1), 0, -1):
            if data.endswith(self._word[:size]):
                return size
        return 0


def refusal(said: str) -> HostFailure:
    """Return a host's word on why it did not begin the work."""
    kind, _, rest = said.partition(" ")
    if kind == ReasonKind.LEASED:
        return HostFailure(ReasonKind.LEASED, rest)
    return HostFailure(ReasonKind.REFUSED, said)


def ended_early(outcome: Outcome | None, openings: Iterable[Opening]) -> HostFailure:
    """Say what a login said that ended without running our program."""
    how = f"exit {outcome.code}" if isinstance(outcome, Exited) else f"{outcome}"
    said = next((opening.noise for opening in openings if opening.noise), "")
    msg = f"the login shell ended before the work began ({how})"
    return HostFailure(ReasonKind.REFUSED, f"{msg}: {said}" if said else msg)
