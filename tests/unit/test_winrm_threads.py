"""Calls that block, beside an event loop."""

import asyncio
import threading
from functools import partial

import pytest

from remjobs.transports.windows.launch import Surroundings
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
