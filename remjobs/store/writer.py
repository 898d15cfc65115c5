"""One writer thread with group commit: what waits together is committed together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final, TypeVar

from sqlalchemy import Connection

from remjobs.errors import StoreFull

__all__ = ["Writer"]

T = TypeVar("T")
Begin = Callable[[], AbstractContextManager[Connection]]

_RETRY_SECONDS: Final = 1.0


@dataclass(slots=True, eq=False)
class _Write:
    """One change: in which database, what, and who waits for it."""

    target: int
    """A job's output database, or 0 for the catalogue."""
    apply: Callable[[Connection], Any]
    patient: bool
    """Waits for space on a full disk, rather than fail."""
    done: asyncio.Future[Any] = field(default_factory=asyncio.Future)


class Writer:
    """Takes changes from the event loop and commits them in batches on a thread.

    While one batch is being committed the next one gathers, so many children
    share one fsync. On a full disk patient changes are kept and tried again.
    """

    def __init__(self, begin: Callable[[int], Begin]) -> None:
        """Use ``begin(target)`` to open a transaction on a database."""
        self._begin = begin
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store-writer")
        self._waiting: list[_Write] = []
        self._flushing: asyncio.Task[None] | None = None
        self.trouble: str | None = None

    async def write(
        self,
        target: int,
        apply: Callable[[Connection], T],
        *,
        patient: bool = True,
    ) -> T:
        """Return what ``apply`` returned, once it is committed."""
        write = _Write(target, apply, patient)
        self._waiting.append(write)
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush())
        result: T = await asyncio.shield(write.done)
        return result

    async def close(self) -> None:
        """Commit what waits and end the thread; on a full disk, give up."""
        if self._flushing is not None and self.trouble is None:
            await self._flushing
        elif self._flushing is not None:
            self._flushing.cancel()
        await asyncio.to_thread(self._thread.shutdown)

    async def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch, self._waiting = self._waiting, []
            answers = await loop.run_in_executor(self._thread, self._commit, batch)
            kept = self._answer(batch, answers)
            self.trouble = str(kept[0][1]) if kept else None
            if kept:
                self._waiting = [write for write, _ in kept] + self._waiting
                await asyncio.sleep(_RETRY_SECONDS)

    @staticmethod
    def _answer(batch: list[_Write], answers: list[Any]) -> list[tuple[_Write, StoreFull]]:
        """Answer those who wait; return what is to be tried again, and why."""
        kept = []
        for write, answer in zip(batch, answers, strict=True):
            if write.patient and isinstance(answer, StoreFull):
                kept.append((write, answer))
            elif write.done.done():
                continue
            elif isinstance(answer, Exception):
                write.done.set_exception(answer)
            else:
                write.done.set_result(answer)
        return kept

    def _commit(self, batch: list[_Write]) -> list[Any]:
        """Commit each database's changes in one transaction; return an answer for each."""
        answers: dict[int, Any] = {}
        by_target = sorted(batch, key=lambda write: -write.target)
        for target, group in groupby(by_target, key=lambda write: write.target):
            writes = list(group)
            try:
                results = self._together(target, writes)
            except Exception:  # noqa: BLE001 - found out below, one by one
                results = [self._alone(write) for write in writes]
            answers |= {id(write): result for write, result in zip(writes, results, strict=True)}
        return [answers[id(write)] for write in batch]

    def _together(self, target: int, writes: list[_Write]) -> list[Any]:
        with self._begin(target)() as connection:
            return [write.apply(connection) for write in writes]

    def _alone(self, write: _Write) -> Any:
        """Commit one change by itself, so that its error is its own."""
        try:
            return self._together(write.target, [write])[0]
        except Exception as exc:  # noqa: BLE001 - handed to the one who waits
            return exc
