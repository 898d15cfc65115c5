"""Bringing files of a host to us.

What the host says is not trusted: not its names, not its sizes, and its links are
not followed. What is written here goes through ``Landing``.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from remjobs.model.copy import MOST_FILES, Fetch, size_text, unsafe
from remjobs.transports.copying.course import Course
from remjobs.transports.copying.files import CannotCopy, Files, Gone, Info, Kind, Source, shown
from remjobs.transports.copying.landing import Landing
from remjobs.transports.copying.push import CHUNK, temporary_name

__all__ = ["fetch"]

_DEEPEST: Final = 100
_UNSIZED: Final = 16 * CHUNK
"""Bytes taken of a file that has none, as it says: those of /proc do."""

_Names = tuple[str, ...]


@dataclass(slots=True)
class _Plan:
    """What is to be fetched: names below the label's folder, and how each one is."""

    files: list[tuple[_Names, Info]] = field(default_factory=list)
    folders: list[tuple[_Names, Info]] = field(default_factory=list)

    @property
    def size(self) -> int:
        return sum(info.size for _, info in self.files)

    def check(self) -> None:
        if len(self.files) + len(self.folders) > MOST_FILES:
            msg = f"there are more than {MOST_FILES} files: fetch a part, or an archive of them"
            raise CannotCopy(msg)


async def fetch(what: Fetch, label: str, files: Files, key: UUID, course: Course) -> None:
    """Bring a file or folder into the folder of a label.

    Raises:
        CannotCopy: Something stood in the way; what is in place by then stays so.
        Stopped: A stop was asked.
    """
    try:
        await _fetch(what, label, files, key, course)
    except Gone as exc:
        # All that a copy to us changes is here, and known.
        raise CannotCopy(str(exc)) from exc


async def _fetch(what: Fetch, label: str, files: Files, key: UUID, course: Course) -> None:
    landing = Landing(what.into, label)
    path = what.path.removeprefix("~/")
    plan = await _plan(path, what.name, files, course)
    course.expects(plan.size, len(plan.files))
    for names, _ in plan.folders:
        with landing.folder(names):
            pass
    for names, info in plan.files:
        await course.advance()
        taking = _Taking(files, course, _remote(path, names))
        await taking.take(landing, names, temporary_name(key), info.mode & 0o777)
        course.files_done += 1
    for names, info in reversed(plan.folders):
        landing.set_mode(names, info.mode)
    course.tell_result(shown(landing.path()))


def _remote(path: str, names: _Names) -> str:
    return "/".join((path.rstrip("/"), *names[1:]))


async def _plan(path: str, name: str, files: Files, course: Course) -> _Plan:
    """Find out what there is. The path that was asked for may be a link; no other one."""
    there = await files.look(path, follow=True)
    if there is None:
        msg = f"{shown(path)}: there is no such file on the host"
        raise CannotCopy(msg)
    plan = _Plan()
    if there.kind is Kind.FILE:
        plan.files.append(((name,), there))
    elif there.kind is Kind.FOLDER:
        plan.folders.append(((name,), there))
        await _walk(path, plan, files, course)
    else:
        msg = f"{shown(path)}: it is neither a file nor a folder on the host"
        raise CannotCopy(msg)
    return plan


async def _walk(path: str, plan: _Plan, files: Files, course: Course) -> None:
    """Add what is below the plan's first folder; the plan grows while it is gone through."""
    for above, _ in plan.folders:
        await course.advance()
        folder = _remote(path, above)
        async with aclosing(files.names(folder)) as entries:
            async for name, info in entries:
                if name in {".", ".."}:
                    continue
                if why := _left_out(name, info, len(above)):
                    course.skip(f"{shown(f'{folder}/{name}')}: {why}")
                elif info.kind is Kind.FILE:
                    plan.files.append(((*above, name), info))
                else:
                    plan.folders.append(((*above, name), info))
                plan.check()


def _left_out(name: str, info: Info, depth: int) -> str:
    """Say why something is not fetched; empty if it is."""
    if why := unsafe(name):
        return f"the name {why}"
    if info.kind is Kind.LINK:
        return "a link"
    if info.kind is Kind.OTHER:
        return "neither a file nor a folder"
    return "it is too deep" if info.kind is Kind.FOLDER and depth >= _DEEPEST else ""


class _Taking:
    """One file on its way to us."""

    def __init__(self, files: Files, course: Course, path: str) -> None:
        self._files = files
        self._course = course
        self._path = path

    async def take(self, landing: Landing, names: _Names, temporary: str, mode: int) -> None:
        """Bring it and put it in place."""
        source = await self._files.open(self._path)
        try:
            now = await source.info()
            with landing.file(names, temporary, mode) as target:
                size = await self._fill(source, now.size, target)
            if await source.info() != now:
                first = f"here are the first {size_text(size)}"
                self._course.warn(f"{shown(self._path)}: changed while it was read; {first}")
        finally:
            await source.close()

    async def _fill(self, source: Source, size: int, target: int) -> int:
        """Take as many bytes as the file had when it was opened; return how many."""
        limit = size or _UNSIZED
        got = 0
        while got < limit:
            data = await source.read(min(CHUNK, limit - got), got)
            if not data:
                break
            await asyncio.to_thread(_write, target, data)
            got += len(data)
            await self._course.advance(len(data))
        if got < size or os.fstat(target).st_size != got:
            msg = f"{shown(self._path)}: it became shorter while it was read"
            raise CannotCopy(msg)
        if not size and got == limit:
            msg = f"{shown(self._path)}: it has no size and no end; {size_text(limit)} are the most"
            raise CannotCopy(msg)
        return got


def _write(target: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(target, view) :]
