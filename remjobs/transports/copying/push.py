"""Sending files of ours to a host.

Each one is written under a name of its own beside its place, compared by size, and
put in place by one rename: there is the old file or the new one, never a part. Of
ours, the file must be the one that was there when the job was submitted, before it
is read and after.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from stat import S_ISREG
from typing import Final
from uuid import UUID

from remjobs.model.copy import File, Folder, Push
from remjobs.transports.copying.course import Course
from remjobs.transports.copying.files import CannotCopy, Files, Gone, Kind, Target, shown

__all__ = ["CHUNK", "push", "temporary_name"]

CHUNK: Final = 1024 * 1024
"""Bytes read at a time; so much of each child is in memory, and once more on its way."""
_REMOVE_SECONDS: Final = 5.0
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class _Place:
    """Where files go on the host."""

    folder: str
    renamed: str | None = None
    """The new name of the one file."""

    def of(self, item: File | Folder) -> str:
        name = item.name if self.renamed is None else self.renamed
        return f"{self.folder.rstrip('/')}/{name}"


def temporary_name(key: UUID) -> str:
    """Return the name that a file has until it is whole: no other copy has the same."""
    return f".remjobs-{key}"


async def push(what: Push, files: Files, key: UUID, course: Course) -> None:
    """Send files and folders.

    Raises:
        CannotCopy: Something stood in the way; what is in place by then stays so.
        Gone: The host does not answer any more.
        Stopped: A stop was asked.
    """
    course.expects(what.size, len(what.files))
    place = await _place(what, files)
    missing = [folder for folder in what.folders if await _is_missing(place.of(folder), files)]
    for folder in missing:
        await _make(place.of(folder), files)
    for file in what.files:
        await course.advance()
        mode = file.mode if what.mode is None else what.mode
        await _Sending(files, key, course, file, place.of(file)).send(mode)
        course.files_done += 1
    for folder in reversed(missing):
        await files.set_mode(place.of(folder), folder.mode)
    course.tell_result(shown(what.to))


async def _place(what: Push, files: Files) -> _Place:
    """Find out whether the target is a folder, or the new name of the one file."""
    to = what.to.removeprefix("~/") if what.to not in {"~", "~/"} else "."
    there = await files.look(to, follow=True)
    if there is not None and there.kind is Kind.FOLDER:
        return _Place(to)
    if to.endswith("/") or len(what.files) != 1 or what.folders:
        why = "there is no such folder on the host" if there is None else "it is no folder there"
        msg = f"{shown(what.to)}: {why}"
        raise CannotCopy(msg)
    folder, slash, name = to.rpartition("/")
    folder = folder or slash or "."
    around = await files.look(folder, follow=True)
    if around is None or around.kind is not Kind.FOLDER:
        msg = f"{shown(what.to)}: there is no folder {shown(folder)} on the host"
        raise CannotCopy(msg)
    return _Place(folder, name)


async def _make(path: str, files: Files) -> None:
    """Make a folder, unless somebody else was quicker."""
    try:
        await files.make_folder(path)
    except CannotCopy:
        if await _is_missing(path, files):
            raise


async def _is_missing(path: str, files: Files) -> bool:
    """Return whether a folder must be made; one that is a link is not gone through."""
    there = await files.look(path, follow=False)
    if there is not None and there.kind is not Kind.FOLDER:
        msg = f"{shown(path)}: something that is no folder is in the way on the host"
        raise CannotCopy(msg)
    return there is None


class _Sending:
    """One file on its way to its place."""

    def __init__(self, files: Files, key: UUID, course: Course, file: File, path: str) -> None:
        self._files = files
        self._course = course
        self._file = file
        self._path = path
        self._folder = path.rpartition("/")[0] or "/"
        self._temporary = f"{self._folder.rstrip('/')}/{temporary_name(key)}"

    async def send(self, mode: int) -> None:
        """Send it and put it in place."""
        there = await self._files.look(self._path, follow=False)
        if there is not None and there.kind in {Kind.FOLDER, Kind.OTHER}:
            msg = f"{shown(self._path)}: what is there is no file, and is not replaced"
            raise CannotCopy(msg)
        with _opened(self._file) as source:
            async with self._landing() as target:
                await self._fill(source, target)
                await target.set_mode(mode)

    async def _fill(self, source: int, target: Target) -> None:
        file, sent = self._file, 0
        while sent < file.size:
            data = await asyncio.to_thread(_read, source, min(CHUNK, file.size - sent))
            if not data:
                raise _changed(file)
            try:
                await target.write(data, sent)
            except CannotCopy as exc:
                raise CannotCopy(await self._why(exc, file.size - sent)) from exc
            sent += len(data)
            await self._course.advance(len(data))
        if _is_changed(file, source):
            raise _changed(file)
        if (arrived := (await target.info()).size) != file.size:
            msg = f"{shown(file.path)}: {file.size} bytes were sent, {arrived} are on the host"
            raise CannotCopy(msg)

    async def _why(self, exc: CannotCopy, wanted: int) -> str:
        """Explain a refused write where the host's disk does."""
        room = await self._files.room(self._folder)
        if room is None or room >= wanted:
            return str(exc)
        return f"{shown(self._path)}: no space is left on the host"

    @asynccontextmanager
    async def _landing(self) -> AsyncIterator[Target]:
        """Give a new file, and put it in place at the end; else remove it."""
        self._course.left = self._temporary
        target = None
        try:
            target = await self._files.create(self._temporary)
            yield target
            await target.close()
        except BaseException:
            await self._remove(target)
            raise
        try:
            # One that is broken off here may be done or not: nothing is removed then.
            await self._files.replace(self._path, self._temporary)
        except CannotCopy:
            await self._remove(None)
            raise
        self._course.left = None

    async def _remove(self, target: Target | None) -> None:
        """Remove what is not finished, as far as the host lets us."""
        self._course.is_cleaning = True
        try:
            async with asyncio.timeout(_REMOVE_SECONDS):
                if target is not None:
                    with suppress(CannotCopy):
                        await target.close()
                await self._files.remove(self._temporary)
        except (CannotCopy, Gone, TimeoutError):
            return
        self._course.left = None


@contextmanager
def _opened(file: File) -> Iterator[int]:
    """Give a descriptor of our file, which must be as it was."""
    try:
        source = os.open(file.path, _READ)
    except OSError as exc:
        msg = f"{shown(file.path)}: it cannot be read here any more: {exc.strerror}"
        raise CannotCopy(msg) from exc
    try:
        if _is_changed(file, source):
            raise _changed(file)
        yield source
    finally:
        os.close(source)


def _read(source: int, size: int) -> bytes:
    try:
        return os.read(source, size)
    except OSError as exc:
        msg = f"a file of ours cannot be read: {exc.strerror}"
        raise CannotCopy(msg) from exc


def _is_changed(file: File, source: int) -> bool:
    now = os.fstat(source)
    seen = (now.st_size, now.st_mtime_ns, now.st_ino)
    return not S_ISREG(now.st_mode) or seen != (file.size, file.modified, file.inode)


def _changed(file: File) -> CannotCopy:
    return CannotCopy(f"{shown(file.path)}: it was changed here since the job was started")
