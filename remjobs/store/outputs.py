"""Output databases: one file a job, so that removing a job is unlinking a file."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Final

from sqlalchemy import Connection, Row, func, insert, select, update

from remjobs.errors import StoreDamaged, StoreFenced
from remjobs.store.base import Piece
from remjobs.store.database import Database
from remjobs.store.tables import fence, output, outputs

__all__ = ["Outputs"]

_OPEN_FILES: Final = 64
"""Output databases kept open; each costs a few file descriptors."""
_VERSION: Final = 1
_PAGE_BYTES: Final = 1024 * 1024


class Outputs:
    """The output databases of one store, opened as they are needed."""

    def __init__(self, folder: Path, fence_value: int) -> None:
        """Use this folder; write under this fence."""
        self._folder = folder
        self._fence = fence_value
        self._open: OrderedDict[int, Database] = OrderedDict()
        self._lock = Lock()

    @contextmanager
    def write(self, job_id: int) -> Iterator[Connection]:
        """Give a connection that may append to a job's output.

        Raises:
            StoreFenced: A newer owner has written to it.
        """
        with self._database(job_id).write() as connection:
            _prepare(connection)
            claimed = connection.execute(
                update(fence).where(fence.c.value <= self._fence).values(value=self._fence),
            )
            if claimed.rowcount != 1:
                msg = "another controller has taken this job over"
                raise StoreFenced(msg)
            yield connection

    @staticmethod
    def append(connection: Connection, pieces: Sequence[Piece]) -> None:
        """Insert pieces; one whose offset is there already changes nothing."""
        rows = [
            {
                "child": piece.child_id,
                "stream": piece.stream.value,
                "off": piece.offset,
                "at": piece.time.timestamp(),
                "data": piece.data,
            }
            for piece in pieces
        ]
        if rows:
            connection.execute(insert(output).prefix_with("OR IGNORE"), rows)

    def read(
        self,
        job_id: int,
        *,
        after: int,
        child_id: int | None,
        limit: int,
    ) -> list[Row[Any]]:
        """Return rows in order, a page of at most ``limit`` and about 1 MiB."""
        if not self.path(job_id).exists():
            return []
        query = select(output).where(output.c.id > after).order_by(output.c.id).limit(limit)
        if child_id is not None:
            query = query.where(output.c.child == child_id)
        with self._database(job_id).read() as connection:
            if not _is_prepared(connection):
                return []
            return _page(iter(connection.execution_options(yield_per=16).execute(query)))

    def last(self, job_id: int) -> int:
        """Return the sequence number of a job's last record; 0 if it has none."""
        if not self.path(job_id).exists():
            return 0
        with self._database(job_id).read() as connection:
            if not _is_prepared(connection):
                return 0
            return connection.execute(select(func.max(output.c.id))).scalar() or 0

    def ends(self, job_id: int, children: Collection[int]) -> dict[int, dict[str, int]]:
        """Return the last sequence number of each stream of these children."""
        found: dict[int, dict[str, int]] = {child: {} for child in children}
        if not self.path(job_id).exists():
            return found
        last = func.max(output.c.id)
        with self._database(job_id).read() as connection:
            if not _is_prepared(connection):
                return found
            for child in children:
                query = select(output.c.stream, last).where(output.c.child == child)
                rows = connection.execute(query.group_by(output.c.stream))
                found[child] = {stream: seq for stream, seq in rows}  # noqa: C416 - rows, not pairs
        return found

    def offsets(self, job_id: int, child_id: int) -> dict[str, int]:
        """Return where each stream of a child goes on behind what is stored."""
        if not self.path(job_id).exists():
            return {}
        behind = func.max(output.c.off + func.length(output.c.data))
        query = select(output.c.stream, behind).where(output.c.child == child_id)
        with self._database(job_id).read() as connection:
            if not _is_prepared(connection):
                return {}
            rows = connection.execute(query.group_by(output.c.stream))
            return {stream: behind for stream, behind in rows}  # noqa: C416 - rows, not pairs

    def sizes(self, job_id: int) -> list[tuple[int, str, int]]:
        """Return child, stream and bytes of every stream that has any."""
        if not self.path(job_id).exists():
            return []
        streams = (output.c.child, output.c.stream)
        query = select(*streams, func.sum(func.length(output.c.data))).group_by(*streams)
        with self._database(job_id).read() as connection:
            if not _is_prepared(connection):
                return []
            rows = connection.execute(query.order_by(output.c.child))
            return [(child, stream, size) for child, stream, size in rows if size]

    def path(self, job_id: int) -> Path:
        """Return where a job's output lies."""
        return self._folder / f"{job_id}.db"

    def remove(self, job_id: int) -> None:
        """Unlink a job's output."""
        with self._lock:
            database = self._open.pop(job_id, None)
        if database is not None:
            database.close()
        for suffix in ("", "-wal", "-shm"):
            self.path(job_id).with_name(f"{job_id}.db{suffix}").unlink(missing_ok=True)

    def sweep(self, known: Collection[int]) -> None:
        """Unlink the output of jobs that are not known: a removal was cut short."""
        for path in self._folder.glob("*.db"):
            if path.stem.isdigit() and int(path.stem) not in known:
                self.remove(int(path.stem))

    def close(self) -> None:
        """Close every database."""
        for database in self._open.values():
            database.close()

    def _database(self, job_id: int) -> Database:
        with self._lock:
            if job_id not in self._open:
                self._open[job_id] = Database(self.path(job_id))
            self._open.move_to_end(job_id)
            if len(self._open) > _OPEN_FILES:
                # Its pool gives up idle connections; those in use close as they come back.
                self._open.popitem(last=False)[1].close()
            return self._open[job_id]


def _is_prepared(connection: Connection) -> bool:
    found = connection.exec_driver_sql("PRAGMA user_version").scalar()
    if found not in {0, _VERSION}:
        msg = f"the output database is of a newer remjobs (version {found})"
        raise StoreDamaged(msg)
    return bool(found == _VERSION)


def _prepare(connection: Connection) -> None:
    if _is_prepared(connection):
        return
    outputs.create_all(connection)
    connection.execute(insert(fence).values(id=1, value=0))
    connection.exec_driver_sql(f"PRAGMA user_version={_VERSION}")


def _page(rows: Iterator[Row[Any]]) -> list[Row[Any]]:
    page, size = [], 0
    for row in rows:
        page.append(row)
        size += len(row.data)
        if size >= _PAGE_BYTES:
            break
    return page
