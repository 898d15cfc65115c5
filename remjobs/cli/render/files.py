"""Files: one for each host and stream in a folder, or one that is replaced whole."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final, Self
from uuid import uuid4

from remjobs.errors import UsageError
from remjobs.model.record import Record, Stream

__all__ = ["OutputFolder", "WholeFile"]

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]")
_OPEN_AT_ONCE: Final = 64


class OutputFolder:
    """Writes bytes as hosts sent them; names that no file can have are changed."""

    def __init__(self, path: Path) -> None:
        """Make the folder, and see that it can be written to.

        Raises:
            UsageError: It cannot.
        """
        self._path = path
        self._names: dict[int, str] = {}
        self._begun: set[tuple[int, Stream]] = set()
        self._open: dict[tuple[int, Stream], BinaryIO] = {}
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            probe = path / f".remjobs-{os.getpid()}"
            probe.touch(mode=0o600)
            probe.unlink()
        except OSError as exc:
            msg = f"--output-dir {path}: cannot write there: {exc.strerror}"
            raise UsageError(msg) from exc

    def record(self, record: Record) -> None:
        """Append a record to its file; the first one begins the file anew."""
        key = (record.child_id, record.stream)
        file = self._open.pop(key, None) or self._opened(record)
        # Most recently used last: the first one is closed when there are too many.
        self._open[key] = file
        file.write(record.data)
        if len(self._open) > _OPEN_AT_ONCE:
            self._open.pop(next(iter(self._open))).close()

    def _opened(self, record: Record) -> BinaryIO:
        key = (record.child_id, record.stream)
        path = self._path / f"{self._name(record)}.{record.stream.value.lower()}"
        again = os.O_APPEND if key in self._begun else os.O_TRUNC
        self._begun.add(key)
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | again
        try:
            return os.fdopen(os.open(path, flags, 0o600), "ab")
        except OSError as exc:
            msg = f"{path}: cannot write: {exc.strerror}"
            raise UsageError(msg) from exc

    def _name(self, record: Record) -> str:
        """Return a host's name as part of a file's, the same for no other child."""
        if record.child_id not in self._names:
            name = _UNSAFE.sub("_", record.host).lstrip(".") or "host"
            if name in self._names.values():
                name = f"{name}~{record.child_id}"
            self._names[record.child_id] = name
        return self._names[record.child_id]

    def close(self) -> None:
        """Write all that is left."""
        for file in self._open.values():
            file.close()
        self._open.clear()


class WholeFile:
    """A file that is there whole once it was written, and as it was before until then.

    A new one is readable by us alone. ``-`` is standard output; what is no ordinary
    file, such as a pipe, is written to as it is.
    """

    def __init__(self, name: str) -> None:
        """See that it can be written.

        Raises:
            UsageError: It cannot.
        """
        self._name = name
        self._path: Path | None = None
        self._beside: Path | None = None
        if name == "-":
            self._file: BinaryIO = sys.stdout.buffer
            return
        with self._told():
            path = Path(name).expanduser().resolve()
            if path.exists() and not path.is_file():
                self._file = path.open("wb")
                return
            beside = path.with_name(f".{path.name[:64]}.{uuid4()}")
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            self._file = os.fdopen(os.open(beside, flags, 0o600), "wb")
            self._path, self._beside = path, beside
            if path.exists():
                self._beside.chmod(path.stat().st_mode)

    def write(self, data: bytes) -> None:
        """Write all of it.

        Raises:
            UsageError: It cannot be written; the file is as it was.
        """
        with self._told():
            self._file.write(data)
            self._file.flush()
            if self._path is not None and self._beside is not None:
                os.fsync(self._file.fileno())
                self._beside.replace(self._path)
                self._beside = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not sys.stdout.buffer:
            # What was not flushed is told already.
            with suppress(OSError):
                self._file.close()
        if self._beside is not None:
            self._beside.unlink(missing_ok=True)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as exc:
            msg = f"{self._name}: cannot write: {exc.strerror}"
            raise UsageError(msg) from exc
