"""Calls that block, beside an event loop."""

import asyncio
import threading
from functools import partial
from typing import Any

import pytest

from remjobs.transports.base import HostFailure
from remjobs.transports.windows.launch import Surroundings
from remjobs.transports.winrm.line import Line
from remjobs.transports.winrm.shell import RemoteShell
from remjobs.transports.winrm.shells import Kept, Shells
from remjobs.transports.winrm.threads import Threads


async def test_a_call_gives_what_it_returns_or_raises():
    """In a thread of its own, a daemon, which is gone afterwards."""
    threads = Threads()

    def who():
        return threading.current_thread()

    def fail():
        msg = "no"
        raise ValueError(msg)

    ran = await threads.run(who)
    assert ran is not threading.main_thread()
    assert ran.daemon
    with pytest.raises(ValueError, match="no"):
        await threads.run(fail)
    await threads.quiet(5)
    assert not ran.is_alive()


async def test_so_many_run_at_a_time_but_for_what_cannot_wait():
    """The others wait for their turn."""
    threads = Threads(2)
    gate = threading.Event()
    began: list[int] = []

    def wait(number):
        began.append(number)
        gate.wait()

    waiting = [asyncio.create_task(threads.run(partial(wait, n))) for n in range(4)]
    async with asyncio.timeout(10):
        while len(began) < 2:
            await asyncio.sleep(0.01)
    assert await threads.run(lambda: "now", at_once=True) == "now"
    assert began == [0, 1]
    gate.set()
    await asyncio.gather(*waiting)
    assert sorted(began) == [0, 1, 2, 3]
    await threads.quiet(5)


async def test_who_is_cancelled_leaves_the_call_to_itself():
    """Its place is free once it has ended, and its failure is nobody's any more."""
    threads = Threads(1)
    gate, ended = threading.Event(), threading.Event()

    def fail():
        gate.wait()
        ended.set()
        msg = "nobody hears this"
        raise ValueError(msg)

    task = asyncio.create_task(threads.run(fail))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.set()
    async with asyncio.timeout(10):
        assert await threads.run(lambda: "next") == "next"
    assert ended.is_set()
    await threads.quiet(5)


async def test_where_no_thread_can_be_had_nothing_is_kept_waiting(monkeypatch):
    """It is told as a failure, and the place is free for the next."""
    threads = Threads(1)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", _no_more)
        for at_once in (False, True, False):
            with pytest.raises(HostFailure, match="no thread can be had"):
                await threads.run(lambda: None, at_once=at_once)
    async with asyncio.timeout(10):
        assert await threads.run(lambda: "next") == "next"
        await threads.quiet(30)


def _no_more(_thread):
    msg = "can't start new thread"
    raise RuntimeError(msg)


class Far:
    """A host that opens shells once it may; ``did`` has what it did."""

    operation_timeout_sec = 20

    def __init__(self):
        self.may = threading.Event()
        self.asked = threading.Event()
        self.did = []

    def open_shell(self, **_):
        self.asked.set()
        self.may.wait(10)
        self.did.append("open")
        return "a"

    def close_shell(self, shell, **_):
        self.did.append(f"close {shell}")

    def close(self):
        self.did.append("hang up")

    def line(self, threads):
        """Return a line to it."""
        here: Any = self
        remote = RemoteShell(here, 20)
        remote._soap = here
        return Line(remote, threads, [], lambda: None)


async def test_a_line_is_free_again_where_no_thread_can_be_had(monkeypatch):
    """Its wire is closed with it, at once."""
    far = Far()
    line = far.line(Threads())
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", _no_more)
        with pytest.raises(HostFailure, match="no thread"):
            await line.ask(RemoteShell.open, Surroundings())
    line.close()
    assert far.did == ["hang up"]


async def test_a_shell_that_nobody_waits_for_is_closed_again():
    """Before the wire is, however early that is closed."""
    far, threads = Far(), Threads()
    line = far.line(threads)
    opening = asyncio.create_task(line.ask(RemoteShell.open, Surroundings()))
    async with asyncio.timeout(10):
        while not far.asked.is_set():
            await asyncio.sleep(0.01)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    line.close()
    far.may.set()
    await threads.quiet(10)
    assert far.did == ["open", "close a", "hang up"]


async def test_a_stop_waits_for_no_thread_to_end():
    """All others may be taken."""
    threads = Threads(1)
    busy, stopping = Far(), Far()
    listening = asyncio.create_task(busy.line(threads).ask(RemoteShell.open, Surroundings()))
    async with asyncio.timeout(10):
        while not busy.asked.is_set():
            await asyncio.sleep(0.01)
        await stopping.line(threads).ask_at_once(RemoteShell.close, "b")
    assert stopping.did == ["close b"]
    busy.may.set()
    await listening
    await threads.quiet(10)


def test_a_shell_is_kept_for_work_in_the_same_surroundings():
    """Each for one command at a time; what was closed is not kept."""
    shells = Shells()
    other = Surroundings(directory="x")
    shells.opened("a", Surroundings())
    shells.opened("b", other)
    assert shells.take(other) is None
    shells.keep("a")
    shells.keep("b", "last")
    assert shells.take(other) == Kept(id="b", last="last")
    assert shells.take(other) is None
    shells.closed("b")
    shells.keep("b")
    assert shells.take(other) is None
    assert list(shells) == ["a"]
    assert shells.take(Surroundings()) == Kept(id="a")
