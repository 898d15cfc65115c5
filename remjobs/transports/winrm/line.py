"""Lines to one host: wires that are opened as they are needed, each for one thread at a time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from remjobs.model.job import ReasonKind
from remjobs.transports.base import HostFailure
from remjobs.transports.winrm.faults import Fault
from remjobs.transports.winrm.shell import RemoteShell
from remjobs.transports.winrm.threads import Threads
from remjobs.transports.winrm.wire import ConnectionBroken, LoginRefused, Wire

__all__ = ["Connect", "Line", "Lines"]

P = ParamSpec("P")
T = TypeVar("T")

_CLOSED: Final = "the session with the host was closed"


_Undo = Callable[[RemoteShell, Any], None]
_UNDONE: Final[Mapping[object, _Undo]] = {RemoteShell.open: RemoteShell.close}
"""How what was asked for is undone if nobody waits for it any more when it is there."""

Connect = Callable[[bool], RemoteShell]
"""Makes a way to a host; what it is told is whether the host may take long to answer."""


class Line:
    """One wire, and whoever waits for its turn on it."""

    def __init__(
        self,
        remote: RemoteShell,
        threads: Threads,
        refusals: list[LoginRefused],
        refused: Callable[[], None],
    ) -> None:
        """Speak to this remote shell, in these threads.

        Args:
            remote: The host's shells, on a wire of this line's own.
            threads: Where it blocks.
            refusals: How the host refused us, on any line: then no other one tries.
            refused: Is called as often as it does, whoever still waits for the answer.
        """
        self._remote = remote
        self._threads = threads
        self._refusals = refusals
        self._refused = refused
        self._turn = asyncio.Lock()
        self._use = threading.Lock()
        self._is_used = False
        self._is_closed = False
        self._asking: set[asyncio.Task[object]] = set()

    @property
    def wire(self) -> Wire:
        """What it is made of."""
        return self._remote.wire

    @property
    def is_busy(self) -> bool:
        """Whether a thread is on it, perhaps one that nobody waits for any more."""
        return bool(self._asking)

    def when_free(self, act: Callable[[], None]) -> None:
        """Call this as soon as no request is under way that was made before."""
        waiting = asyncio.gather(*self._asking, return_exceptions=True)
        waiting.add_done_callback(lambda _: act())

    async def ask(
        self,
        request: Callable[Concatenate[RemoteShell, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Ask the host; who is cancelled leaves the line busy until the answer comes.

        Raises:
            Fault, HostFailure, ConnectionBroken: See ``RemoteShell``.
        """
        call = partial(request, self._remote, *args, **kwargs)
        return await self._asked(call, _UNDONE.get(request), at_once=False)

    async def ask_at_once(
        self,
        request: Callable[Concatenate[RemoteShell, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Ask the host, however many threads there are: a stop waits for none to end."""
        call = partial(request, self._remote, *args, **kwargs)
        return await self._asked(call, _UNDONE.get(request), at_once=True)

    async def _asked(self, call: Callable[[], T], undo: _Undo | None, *, at_once: bool) -> T:
        left = threading.Event()
        called = partial(self._called, call, undo, left)
        task = asyncio.create_task(self._in_turn(called, at_once=at_once))
        self._asking.add(task)
        task.add_done_callback(self._answered)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            left.set()
            raise

    async def _in_turn(self, called: Callable[[], T], *, at_once: bool) -> T:
        async with self._turn:
            if self._refusals:
                raise self._refusals[0]
            try:
                return await self._threads.run(called, at_once=at_once)
            except LoginRefused as exc:
                self._refusals.append(exc)
                self._refused()
                raise

    def _called(self, call: Callable[[], T], undo: _Undo | None, left: threading.Event) -> T:
        """Use the wire, in a thread; who closed it meanwhile left that to us."""
        with self._use:
            if self._is_closed:
                raise HostFailure(ReasonKind.UNREACHABLE, _CLOSED)
            self._is_used = True
        try:
            answer = call()
            if undo is not None and left.is_set():
                # What cannot be undone ends at the host by its idle time-out.
                with suppress(Fault, HostFailure, ConnectionBroken):
                    undo(self._remote, answer)
            return answer
        finally:
            with self._use:
                self._is_used = False
                if self._is_closed:
                    self.wire.close()

    def _answered(self, task: asyncio.Task[object]) -> None:
        self._asking.discard(task)
        if not task.cancelled():
            task.exception()  # nobody may be left who asks for it

    def close(self) -> None:
        """End the connection: at once, or when the thread that is on it has its answer."""
        with self._use:
            self._is_closed = True
            if not self._is_used:
                self.wire.close()


class Lines:
    """All lines to one host."""

    def __init__(self, connect: Connect, threads: Threads, refused: Callable[[], None]) -> None:
        """Make them with this, in these threads; tell of every refused login."""
        self._connect = connect
        self._threads = threads
        self._refused = refused
        self._idle: list[Line] = []
        self._all: list[Line] = []
        self._refusals: list[LoginRefused] = []

    def take(self) -> Line:
        """Return a line that nobody uses; its host is contacted by the first request on it."""
        while self._idle:
            line = self._idle.pop()
            if not line.is_busy:
                return line
        return self._made(is_patient=False)

    def patient(self) -> Line:
        """Return a line whose host may take long to answer: it is for one use."""
        return self._made(is_patient=True)

    def _made(self, *, is_patient: bool) -> Line:
        line = Line(self._connect(is_patient), self._threads, self._refusals, self._refused)
        self._all.append(line)
        return line

    def give_back(self, line: Line) -> None:
        """Let others have it."""
        self._idle.append(line)

    def close(self) -> None:
        """End all connections; none can be used any more."""
        for line in self._all:
            line.close()
