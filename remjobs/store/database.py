"""One SQLite database: how it is opened, written and read, and how its errors read."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from remjobs.errors import StoreDamaged, StoreError, StoreFull

__all__ = ["Database"]

_BUSY_MS: Final = 10_000
_SETTINGS: Final = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    f"PRAGMA busy_timeout={_BUSY_MS}",
)


class Database:
    """A SQLite file in WAL mode: one writer at a time, readers beside it."""

    def __init__(self, path: Path) -> None:
        """Open the file when it is first used."""
        self.path = path
        self._engine = create_engine(f"sqlite:///{path}", pool_size=4, max_overflow=4)
        event.listen(self._engine, "connect", _configure)
        event.listen(self._engine, "begin", _begin)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Give a connection in a transaction that holds the write lock; commit it."""
        with self._translated(), self._engine.connect() as connection:
            held = connection.execution_options(immediate=True)
            with held.begin():
                yield held

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection in a transaction that sees one state."""
        with self._translated(), self._engine.connect() as connection:
            yield connection

    def close(self) -> None:
        """Close all connections; the last one folds the WAL into the file."""
        self._engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as exc:
            raise _translate(exc, self.path) from exc


def _configure(connection: Any, _entry: ConnectionPoolEntry) -> None:
    # Transactions are begun by _begin; the driver must not begin its own.
    connection.isolation_level = None
    for setting in _SETTINGS:
        connection.execute(setting)


def _begin(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _translate(exc: DBAPIError, path: Path) -> StoreError:
    """Say what a SQLite result code means here (sqlite.org/rescode.html)."""
    code = getattr(exc.orig, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return StoreFull(f"no space left on the disk of {path.parent}: free some and go on")
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return StoreDamaged(
            f"the job store is damaged: {path}: {exc.orig}; "
            f"restore it, or move {path.parent} aside to begin anew",
        )
    return StoreError(f"{path}: {exc.orig}")
