"""Removing what has been kept long enough: when asked, and by the controller itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final

from remjobs.engine.engine import Engine
from remjobs.errors import NoSuchJob, StoreError
from remjobs.model.history import MOST_ENTRIES
from remjobs.model.job import Job
from remjobs.model.prune import PruneRequest, before_now, to_prune
from remjobs.model.state import JobState

__all__ = ["prune", "pruned"]

_log: Final = logging.getLogger(__name__)
_AT_A_TIME: Final = 64
"""Jobs whose removals share a commit, and beside which other verbs have their turn."""
_EVERY: Final = 3600.0
"""Seconds between two looks of the controller."""
_DAY: Final = 86400.0


@asynccontextmanager
async def pruned(
    engine: Engine,
    keep_days: float | None,
    history_days: float | None,
) -> AsyncIterator[None]:
    """Keep the store from growing for ever while this context lasts.

    Args:
        engine: Has the jobs.
        keep_days: Days after its end for which a job is kept; None is for ever.
        history_days: Days for which the entry of a removed job is; None is for ever.
    """
    task = asyncio.create_task(_keep_small(engine, keep_days, history_days))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _keep_small(
    engine: Engine,
    keep_days: float | None,
    history_days: float | None,
) -> None:
    try:
        while True:
            await _look(engine, keep_days, history_days)
            await asyncio.sleep(_EVERY)
    except Exception:
        _log.critical("old jobs are not removed any more", exc_info=True)
        raise


async def _look(engine: Engine, keep_days: float | None, history_days: float | None) -> None:
    try:
        if keep_days is not None:
            removed = await prune(engine, PruneRequest(older_than=keep_days * _DAY))
            if removed:
                _log.info("jobs removed that ended long ago: %d", len(removed))
        if history_days is not None:
            before = before_now(datetime.now(UTC), history_days * _DAY)
            await engine.store.drop_history(before, MOST_ENTRIES)
    except StoreError as exc:
        _log.warning("nothing was removed: %s", exc)


async def prune(engine: Engine, request: PruneRequest) -> tuple[Job, ...]:
    """Remove jobs that have ended, and return them without their children."""
    jobs = await engine.store.jobs()
    ended = [(job, at) for job in jobs if (at := await _ended_at(engine, job)) is not None]
    chosen = to_prune(ended, request, datetime.now(UTC))
    if request.dry_run:
        return tuple(chosen)
    for begin in range(0, len(chosen), _AT_A_TIME):
        some = chosen[begin : begin + _AT_A_TIME]
        await asyncio.gather(*(engine.see_through(engine.remove(job.id)) for job in some))
    return tuple(chosen)


async def _ended_at(engine: Engine, job: Job) -> datetime | None:
    """Return when a job ended; None where it has not, or where it may be found again.

    Attached work that was lost can be found by nobody: it has ended as far as anyone
    will ever know, with the last thing that is known of it.
    """
    if job.is_final:
        return job.end_time or job.submit_time
    if job.state is not JobState.DISCONNECTED or engine.run_of(job.id) is not None:
        return None
    try:
        stored = await engine.store.load(job.id)
    except NoSuchJob:
        return None
    children, bound = stored.job.children or (), engine.bound(stored)
    if any(c.state is JobState.DISCONNECTED and c.id not in bound for c in children):
        return None
    times = [t for c in children for t in (c.begin_time, c.end_time) if t]
    return max(times, default=job.submit_time)
