"""A known secret, and looking for it everywhere that it must not come to."""

from __future__ import annotations

import base64
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_EVERY = 0.02
"""Seconds between two looks at all processes; what remjobs starts lives much longer."""


class Canary:
    """A secret that nothing else in the world is."""

    def __init__(self) -> None:
        self.text = f"Canary7-{secrets.token_hex(8)}"
        self._forms = tuple(_forms(self.text.encode()))
        self.seen: set[str] = set()

    def sings_in(self, data: bytes) -> bool:
        """Whether it is there: as it is, in UTF-16, in hex, or in base64 at any offset."""
        return any(form in data for form in self._forms)

    def files_with_it(self, *folders: Path) -> list[Path]:
        """Return the files under these folders that hold it, in their name or content."""
        return [path for folder in folders for path in _files(folder) if self._is_in(path)]

    def _is_in(self, path: Path) -> bool:
        if self.sings_in(str(path).encode()):
            return True
        with suppress(OSError):
            return self.sings_in(path.read_bytes())
        return False

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look at command line and environment of every process, for as long as this lasts."""
        over = threading.Event()
        watcher = threading.Thread(target=self._watch, args=[over])
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()

    def _watch(self, over: threading.Event) -> None:
        while not over.wait(_EVERY):
            for process in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    if self._is_in(process / name):
                        self.seen.add(f"{name} of {_read(process / 'cmdline')!r}")


def _forms(text: bytes) -> Iterator[bytes]:
    for plain in (text, text.decode().encode("utf-16-le"), text.decode().encode("utf-16-be")):
        yield plain
        yield plain.hex().encode()
        for shift in range(3):
            # What stands before and behind it changes the first and last signs only.
            encoded = base64.b64encode(b"\0" * shift + plain)
            yield encoded[4 if shift else 0 : len(encoded) // 4 * 4 - 4]


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            yield path


def _read(path: Path) -> bytes:
    with suppress(OSError):
        return path.read_bytes()
    return b""
