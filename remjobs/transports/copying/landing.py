"""Our folder that fetched files land in: written through descriptors, no link followed.

Names come from hosts and whoever can write into the folder may put links there, so
no path is ever handed to the system as a whole: each folder is opened in the one
above it (openat(2)) with O_NOFOLLOW, and a file is made anew (O_EXCL) and renamed.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from remjobs.model.copy import unsafe
from remjobs.transports.copying.files import CannotCopy, shown

__all__ = ["Landing"]

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_IS_LINK: Final = frozenset({errno.ELOOP, errno.ENOTDIR})


class Landing:
    """``into/LABEL`` on this machine."""

    def __init__(self, into: str, label: str) -> None:
        """Use the folder of this label, which is ours, never the host's.

        Raises:
            CannotCopy: The label would lead elsewhere.
        """
        _check(label)
        self._into = into
        self._label = label

    def path(self, names: Sequence[str] = ()) -> str:
        """Return where something lies, for people."""
        return str(Path(self._into, self._label, *names))

    @contextmanager
    def folder(self, names: Sequence[str]) -> Iterator[int]:
        """Give the descriptor of a folder in it; what is missing on the way is made.

        Raises:
            CannotCopy: A link or a file is in the way, or the system refuses.
        """
        for name in names:
            _check(name)
        with self._told(names):
            descriptor = os.open(self._into, _FOLDER)
            try:
                for name in (self._label, *names):
                    with suppress(FileExistsError):
                        os.mkdir(name, 0o700, dir_fd=descriptor)
                    below = os.open(name, _FOLDER, dir_fd=descriptor)
                    os.close(descriptor)
                    descriptor = below
                yield descriptor
            finally:
                os.close(descriptor)

    @contextmanager
    def file(self, names: Sequence[str], temporary: str, mode: int) -> Iterator[int]:
        """Give the descriptor of a new file, which gets its name at the end; else it goes.

        Args:
            names: The folders on the way, and the file's name.
            temporary: Its name until then.
            mode: Its permission bits.
        """
        *above, name = names
        _check(name)
        with self.folder(above) as folder, self._told(names):
            descriptor = os.open(temporary, _NEW, 0o600, dir_fd=folder)
            try:
                try:
                    yield descriptor
                    os.fchmod(descriptor, mode)
                finally:
                    os.close(descriptor)
                self._replace(folder, temporary, name)
            except BaseException:
                with suppress(OSError):
                    os.unlink(temporary, dir_fd=folder)
                raise

    def _replace(self, folder: int, temporary: str, name: str) -> None:
        with suppress(FileNotFoundError):
            there = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
            if not (stat.S_ISREG(there) or stat.S_ISLNK(there)):
                msg = f"{shown(name)}: what is there is no file, and is not replaced"
                raise CannotCopy(msg)
        os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)

    def set_mode(self, names: Sequence[str], mode: int) -> None:
        """Set the permission bits of a folder; its owner can always go on writing there."""
        with self.folder(names) as descriptor, self._told(names):
            os.fchmod(descriptor, mode | 0o700)

    @contextmanager
    def _told(self, names: Sequence[str]) -> Iterator[None]:
        """Translate what the system refuses."""
        try:
            yield
        except OSError as exc:
            where = shown(self.path(names))
            why = "a link or a file is in the way" if exc.errno in _IS_LINK else exc.strerror
            msg = f"cannot write {where} here: {why}"
            raise CannotCopy(msg) from exc


def _check(name: str) -> None:
    """Refuse a name that could lead out of the folder it is used in."""
    if why := unsafe(name):
        msg = f"{shown(name)}: the name {why}"
        raise CannotCopy(msg)
