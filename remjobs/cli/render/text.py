"""Records as text: ``host: line`` for several hosts, the bare bytes for one."""

from __future__ import annotations

import os
import re
import sys
import zlib
from typing import BinaryIO, Final

from remjobs.model.record import Record, Stream

__all__ = ["TextRenderer", "escape"]

_DANGEROUS: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]",
)
"""C0 but tab and newline, DEL, C1, and the controls of bidirectional text."""

_HUES: Final = (31, 32, 33, 34, 35, 36, 91, 92, 93, 94, 95, 96)
"""Foreground colours (ECMA-48, SGR) but black and white."""
_WORDS: Final = {
    Stream.WARNING: b"WARNING: ",
    Stream.VERBOSE: b"VERBOSE: ",
    Stream.DEBUG: b"DEBUG: ",
    Stream.PROGRESS: b"PROGRESS: ",
}


def escape(text: str) -> str:
    r"""Show control characters as ``\x1b`` and the like, so that none acts on a terminal."""
    return _DANGEROUS.sub(_visible, text)


def _visible(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"  # noqa: PLR2004


class TextRenderer:
    """Writes records line by line, each line told by its host.

    A line that has not ended waits for its end. Control characters are shown as text;
    without labels they are left alone where no terminal is, for those are bare data.
    Records of PowerShell's own streams are told by its words, such as ``WARNING:``.
    """

    def __init__(self, *, label_width: int | None, raw: bool = False) -> None:
        """Write to our standard streams.

        Args:
            label_width: Put the host's name before each line, on a terminal in so many
                columns and in a colour of its own; None for no label.
            raw: Escape nothing, even on a terminal.
        """
        self._labelled = label_width is not None
        self._width = label_width or 0
        self._held: dict[tuple[int, Stream], tuple[str, bytes]] = {}
        self._out = _Target(sys.stdout.buffer, labelled=self._labelled, raw=raw)
        self._err = _Target(sys.stderr.buffer, labelled=self._labelled, raw=raw)

    def record(self, record: Record) -> None:
        """Write a record, as far as its lines have ended."""
        target = self._target(record.stream)
        if not (self._labelled or target.escapes or record.stream in _WORDS):
            target.write(record.data)
            return
        key = (record.child_id, record.stream)
        data = self._held.pop(key, ("", b""))[1] + record.data
        *lines, rest = data.split(b"\n")
        if lines:
            label = self._label(record.host, record.stream, target)
            target.write(b"".join(label + target.shown(line) + b"\n" for line in lines))
        if rest:
            self._held[key] = (record.host, rest)

    def finish(self) -> None:
        """Write lines that never ended; with labels they get an end."""
        for (_, stream), (host, rest) in self._held.items():
            target = self._target(stream)
            end = b"\n" if self._labelled or target.escapes else b""
            target.write(self._label(host, stream, target) + target.shown(rest) + end)
        self._held.clear()

    def _label(self, host: str, stream: Stream, target: _Target) -> bytes:
        label = target.label(host, self._width) if self._labelled else b""
        return label + _WORDS.get(stream, b"")

    def _target(self, stream: Stream) -> _Target:
        return self._out if stream is Stream.OUTPUT else self._err


class _Target:
    """One of our two standard streams."""

    def __init__(self, file: BinaryIO, *, labelled: bool, raw: bool) -> None:
        self._file = file
        self._aligns = file.isatty()
        self.escapes = (self._aligns or labelled) and not raw
        self._colours = self._aligns and not os.environ.get("NO_COLOR")

    def label(self, host: str, width: int) -> bytes:
        """Return what stands before a host's line."""
        if not self._aligns:
            return f"{host}: ".encode()
        label = f"{host}:".ljust(width + 1)
        if self._colours:
            label = f"\x1b[{_HUES[zlib.crc32(host.encode()) % len(_HUES)]}m{label}\x1b[0m"
        return f"{label} ".encode()

    def shown(self, line: bytes) -> bytes:
        """Return a line as it may be written here."""
        if not self.escapes:
            return line
        # Bytes that are no text can stay as they are where no terminal is.
        odd = "replace" if self._aligns else "surrogateescape"
        return escape(line.decode("utf-8", odd).removesuffix("\r")).encode("utf-8", odd)

    def write(self, data: bytes) -> None:
        """Write at once: live output does not wait in a buffer."""
        self._file.write(data)
        self._file.flush()
