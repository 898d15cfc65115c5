"""Waiting until jobs, or single children, are so far."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from enum import Enum, auto

from remjobs.engine.engine import Engine
from remjobs.engine.select import Selected
from remjobs.errors import WaitTimeout
from remjobs.model.request import WaitOptions
from remjobs.model.state import FINAL, SETTLED

__all__ = ["wait"]


class _Look(Enum):
    """How something that is waited for stands."""

    NOT_YET = auto()
    REACHED = auto()
    NEVER = auto()
    """It has ended, or may stay as it is for ever, in another state than the wanted one."""


async def wait(
    engine: Engine,
    awaited: Sequence[Selected],
    options: WaitOptions,
) -> tuple[Selected, ...]:
    """Return what is so far; all of it where nothing can get there any more.

    What ended before the call is seen even if there is no time to wait.

    Raises:
        WaitTimeout: The time ran out.
    """
    looks = {item: await _look(engine, item, options) for item in awaited}
    tasks = {
        asyncio.create_task(_until_known(engine, item, options)): item
        for item, look in looks.items()
        if look is _Look.NOT_YET
    }
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(options.timeout):
                while tasks and not _is_enough(looks, options):
                    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                    looks |= {tasks.pop(task): task.result() for task in done}
    finally:
        for task in tasks:
            task.cancel()
    if not _is_enough(looks, options):
        raise WaitTimeout(_still_running(looks, options))
    reached = tuple(item for item in awaited if looks[item] is _Look.REACHED)
    return reached if options.any_ and reached else tuple(awaited)


def _is_enough(looks: Mapping[Selected, _Look], options: WaitOptions) -> bool:
    if options.any_ and _Look.REACHED in looks.values():
        return True
    return _Look.NOT_YET not in looks.values()


async def _until_known(engine: Engine, item: Selected, options: WaitOptions) -> _Look:
    while True:
        version = engine.hub.version(item.job_id)
        if (look := await _look(engine, item, options)) is not _Look.NOT_YET:
            return look
        await engine.hub.changed(item.job_id, version)


async def _look(engine: Engine, item: Selected, options: WaitOptions) -> _Look:
    settled = await engine.has_settled(
        item.job_id,
        FINAL if options.force else SETTLED,
        item.child_id,
    )
    if options.state is None:
        return _Look.REACHED if settled else _Look.NOT_YET
    if await engine.state(item.job_id, item.child_id) is options.state:
        return _Look.REACHED
    return _Look.NEVER if settled else _Look.NOT_YET


def _still_running(looks: Mapping[Selected, _Look], options: WaitOptions) -> str:
    late = [item for item, look in looks.items() if look is _Look.NOT_YET]
    names = ", ".join(str(item.child_id or item.job_id) for item in late)
    what = "still running" if options.state is None else f"not {options.state} yet"
    return f"time-out: {what}: job {names}"
