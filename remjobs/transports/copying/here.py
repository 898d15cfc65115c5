"""The files of this machine, for copies that do not leave it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from remjobs.transports.copying.files import CannotCopy, Info, Kind, kind_of, shown

__all__ = ["FilesHere"]

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC


@contextmanager
def _told(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        why = (exc.strerror or str(exc)).lower()
        msg = f"{shown(path)}: {why}"
        raise CannotCopy(msg) from exc


class _Open:
    """A file of this machine, being read or written."""

    def __init__(self, path: str, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    async def info(self) -> Info:
        with _told(self._path):
            return _info(os.fstat(self._descriptor))

    async def read(self, size: int, offset: int) -> bytes:
        with _told(self._path):
            return await asyncio.to_thread(os.pread, self._descriptor, size, offset)

    async def write(self, data: bytes, offset: int) -> None:
        with _told(self._path):
            await asyncio.to_thread(self._write, data, offset)

    def _write(self, data: bytes, offset: int) -> None:
        view = memoryview(data)
        while view:
            written = os.pwrite(self._descriptor, view, offset)
            view, offset = view[written:], offset + written

    async def set_mode(self, mode: int) -> None:
        with _told(self._path):
            os.fchmod(self._descriptor, mode)

    async def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with _told(self._path):
                os.close(descriptor)


class FilesHere:
    """Files of this machine; relative paths are meant from the home."""

    def __init__(self, home: str) -> None:
        """Start from this folder."""
        self._home = home

    def _at(self, path: str) -> Path:
        return Path(self._home, path)

    async def look(self, path: str, *, follow: bool) -> Info | None:
        """Return what is there."""
        with _told(path):
            try:
                return _info(await asyncio.to_thread(self._at(path).stat, follow_symlinks=follow))
            except (FileNotFoundError, NotADirectoryError):
                return None

    async def names(self, path: str) -> AsyncGenerator[tuple[str, Info], None]:
        """Yield what a folder holds, by name."""
        with _told(path):
            for name in sorted(await asyncio.to_thread(os.listdir, self._at(path))):
                info = await self.look(f"{path}/{name}", follow=False)
                if info is not None:
                    yield name, info

    async def make_folder(self, path: str) -> None:
        """Make a folder."""
        with _told(path):
            self._at(path).mkdir(mode=0o700)

    async def set_mode(self, path: str, mode: int) -> None:
        """Set the permission bits of a folder."""
        with _told(path):
            self._at(path).chmod(mode)

    async def create(self, path: str) -> _Open:
        """Make a file that was not there."""
        with _told(path):
            return _Open(path, os.open(self._at(path), _NEW, 0o600))

    async def open(self, path: str) -> _Open:
        """Open a file to read it."""
        with _told(path):
            return _Open(path, os.open(self._at(path), _READ))

    async def replace(self, path: str, by: str) -> None:
        """Give a file its name."""
        with _told(path):
            self._at(by).replace(self._at(path))

    async def remove(self, path: str) -> None:
        """Remove a file, if it is there."""
        with _told(path):
            self._at(path).unlink(missing_ok=True)

    async def room(self, path: str) -> int | None:
        """Return the free bytes of a folder's file system."""
        with _told(path):
            there = os.statvfs(self._at(path))
            return there.f_bavail * there.f_frsize

    async def until_gone(self) -> None:
        """Never return: this machine is here as long as we are."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Have nothing to let go of."""


def _info(there: os.stat_result) -> Info:
    return Info(
        kind=kind_of(there.st_mode),
        size=there.st_size if kind_of(there.st_mode) is Kind.FILE else 0,
        mode=there.st_mode & 0o777,
        modified=there.st_mtime_ns / 1e9,
    )
