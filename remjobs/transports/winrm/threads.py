"""Calls that block, each in a thread of its own, so many at a time.

The threads end with their calls. One that hangs on a silent host keeps nobody from
ending: it is a daemon, and ends with its call's own time limit.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeVar
from weakref import WeakSet

from remjobs.model.job import ReasonKind
from remjobs.transports.base import HostFailure

__all__ = ["Threads"]

T = TypeVar("T")

_INSTANT: Final = 0.5
MOST: Final = 1024
"""Threads of one job; its throttle is the nearer bound."""


class Threads:
    """Runs calls for an event loop."""

    def __init__(self, most: int = MOST) -> None:
        """Run so many at a time; more wait for their turn."""
        self._places = asyncio.Semaphore(most)
        self._running: set[asyncio.Future[Any]] = set()
        self._threads: WeakSet[threading.Thread] = WeakSet()

    async def run(self, call: Callable[[], T], *, at_once: bool = False) -> T:
        """Return what a call returns; cancelled, it is left to end by itself.

        Args:
            call: Blocks.
            at_once: It has no time to wait for a turn: a stop, say.

        Raises:
            HostFailure: No thread can be had; besides what the call raises.
        """
        if at_once:
            return await asyncio.shield(self._begin(call))
        await self._places.acquire()
        try:
            running = self._begin(call)
        except BaseException:
            self._places.release()
            raise
        running.add_done_callback(lambda _done: self._places.release())
        return await asyncio.shield(running)

    def _begin(self, call: Callable[[], T]) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        work = partial(_work, call, loop, future)
        thread = threading.Thread(target=work, name="winrm", daemon=True)
        try:
            thread.start()
        except RuntimeError as exc:
            msg = f"no thread can be had for it here (see `ulimit -u`): {exc}"
            raise HostFailure(ReasonKind.UNREACHABLE, msg) from exc
        self._threads.add(thread)
        self._running.add(future)
        future.add_done_callback(self._ended)
        return future

    def _ended(self, future: asyncio.Future[Any]) -> None:
        self._running.discard(future)
        if not future.cancelled():
            future.exception()  # nobody may be left who asks for it

    async def quiet(self, seconds: float) -> None:
        """Wait until none runs any more, so long at most."""
        if self._running:
            await asyncio.wait(tuple(self._running), timeout=seconds)
        if not self._running:
            # They have told their results, and need but an instant more.
            for thread in tuple(self._threads):
                thread.join(_INSTANT)


def _work(
    call: Callable[[], T], loop: asyncio.AbstractEventLoop, future: asyncio.Future[T]
) -> None:
    try:
        result = call()
    except BaseException as exc:  # noqa: BLE001 - whatever it is, who waits is told
        tell = partial(_fail, future, exc)
    else:
        tell = partial(_settle, future, result)
    with suppress(RuntimeError):  # the loop was closed meanwhile
        loop.call_soon_threadsafe(tell)


def _settle(future: asyncio.Future[T], result: T) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[T], exc: BaseException) -> None:
    if not future.done():
        future.set_exception(exc)
