"""A host's files as a copy sees them: what every way to reach them must do."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from enum import Enum, auto
from stat import S_ISDIR, S_ISLNK, S_ISREG
from typing import Protocol

from remjobs.errors import RemjobsError

__all__ = [
    "CannotCopy",
    "Connected",
    "Files",
    "Gone",
    "Info",
    "Kind",
    "OpenFiles",
    "Source",
    "Target",
    "kind_of",
    "shown",
]


class CannotCopy(RemjobsError):
    """A file could not be read or written; the message names it and says why."""

    kind = "cannot-copy"


class Gone(RemjobsError):
    """The host cannot be asked any more: what it was told last may be done or not."""

    kind = "files-gone"


class Kind(Enum):
    """What a name stands for."""

    FILE = auto()
    FOLDER = auto()
    LINK = auto()
    OTHER = auto()
    """A device, a pipe, a socket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """What is known of a file without reading it."""

    kind: Kind
    size: int = 0
    mode: int = 0
    """Permission bits (0o777)."""
    modified: float = 0.0
    """Seconds since the epoch, as fine as the host tells it."""


class Source(Protocol):
    """A file on the host that is being read."""

    async def info(self) -> Info:
        """Return how it is now."""
        ...

    async def read(self, size: int, offset: int) -> bytes:
        """Return so many bytes from an offset; fewer only at its end."""
        ...

    async def close(self) -> None:
        """Let go of it."""
        ...


class Target(Protocol):
    """A new file on the host that is being written."""

    async def info(self) -> Info:
        """Return how it is now."""
        ...

    async def write(self, data: bytes, offset: int) -> None:
        """Write bytes at an offset; returns once the host has taken them all."""
        ...

    async def set_mode(self, mode: int) -> None:
        """Set its permission bits."""
        ...

    async def close(self) -> None:
        """Finish it."""
        ...


class Files(Protocol):
    """The files of one host. Relative paths are meant from the home there.

    Every method raises ``CannotCopy`` for what the host refuses, and ``Gone`` where
    it does not answer any more.
    """

    async def look(self, path: str, *, follow: bool) -> Info | None:
        """Return what is there, or None where nothing is.

        Args:
            path: Where.
            follow: Of a link, tell what it leads to.
        """
        ...

    def names(self, path: str) -> AsyncGenerator[tuple[str, Info], None]:
        """Yield what a folder holds, as the host says it: nothing of it is to be trusted."""
        ...

    async def make_folder(self, path: str) -> None:
        """Make a folder that only we may enter."""
        ...

    async def set_mode(self, path: str, mode: int) -> None:
        """Set the permission bits of a folder."""
        ...

    async def create(self, path: str) -> Target:
        """Make a file that was not there, readable by us alone; follows no link."""
        ...

    async def open(self, path: str) -> Source:
        """Open a file to read it."""
        ...

    async def replace(self, path: str, by: str) -> None:
        """Give the file ``by`` the name ``path``, whatever had it, in one step."""
        ...

    async def remove(self, path: str) -> None:
        """Remove a file, if it is there."""
        ...

    async def room(self, path: str) -> int | None:
        """Return the free bytes where this folder lies; None where nobody can say."""
        ...

    async def until_gone(self) -> None:
        """Return once the host cannot be asked any more; a copy that is held asks nothing."""
        ...

    async def close(self) -> None:
        """Let go of the host's files."""
        ...


OpenFiles = Callable[[], Awaitable[Files]]
"""Gives the files of a host; raises HostFailure where it cannot."""


@dataclass(frozen=True, slots=True)
class Connected:
    """A host's files, once they are needed, and what we call the host."""

    open: OpenFiles
    label: str


def kind_of(mode: int) -> Kind:
    """Return what a file is by its mode (stat(2))."""
    if S_ISREG(mode):
        return Kind.FILE
    if S_ISDIR(mode):
        return Kind.FOLDER
    return Kind.LINK if S_ISLNK(mode) else Kind.OTHER


def shown(name: str) -> str:
    """Return a path as it can stand in a message, whatever bytes a host put into it."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return text if text.isprintable() else ascii(text)
