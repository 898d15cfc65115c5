"""Removing jobs: each one that was named is answered for on its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from remjobs.engine.engine import Engine
from remjobs.engine.select import Selected
from remjobs.errors import NoSuchJob, NotRemovable, RemjobsError
from remjobs.model.job import Job
from remjobs.model.state import FINAL, JobState

__all__ = ["remove"]

_REMOVABLE: Final = FINAL | {JobState.NOT_STARTED}


async def remove(
    engine: Engine,
    named: Sequence[Selected | NoSuchJob],
    *,
    force: bool,
) -> tuple[Job, ...]:
    """Remove what can be removed; return it as it stood at its end.

    Args:
        engine: Has the jobs.
        named: What each selector named, or that it named nothing.
        force: Stop what has not ended, then remove it.

    Raises:
        NoSuchJob: All that stands in the way: of what was named, some is not there.
        NotRemovable: Something was not removed; a line for each.
    """
    answers = [await _refusal(engine, item, force=force) for item in dict.fromkeys(named)]
    refused = [answer for answer in answers if isinstance(answer, RemjobsError)]
    taken = [answer for answer in answers if isinstance(answer, int)]
    removals = (engine.see_through(_remove(engine, job_id)) for job_id in taken)
    removed = await asyncio.gather(*removals)
    if refused:
        lines = [str(exc) for exc in refused] + [line for job in removed for line in _doubts(job)]
        only_missing = all(isinstance(exc, NoSuchJob) for exc in refused)
        raise (NoSuchJob if only_missing else NotRemovable)("\n".join(lines))
    return tuple(removed)


async def _refusal(
    engine: Engine, item: Selected | NoSuchJob, *, force: bool
) -> int | RemjobsError:
    """Return the id of a job that may be removed, or why it may not."""
    if isinstance(item, NoSuchJob):
        return item
    if item.child_id is not None:
        msg = f"{item.child_id} is a child of job {item.job_id}: remove the job"
        return NotRemovable(msg)
    state = (await engine.store.job(item.job_id)).state
    if force or state in _REMOVABLE:
        return item.job_id
    msg = f"not ended, so not removed: job {item.job_id} ({state}); --force stops and removes"
    return NotRemovable(msg)


async def _remove(engine: Engine, job_id: int) -> Job:
    await engine.stop(job_id)
    job = await engine.store.job(job_id)
    await engine.remove(job_id)
    return job


def _doubts(job: Job) -> list[str]:
    """Say what is not known of a job that is gone now."""
    return [
        f"job {job.id} is removed, but {child.host} was {child.state}: {child.reason.message}"
        for child in job.children or ()
        if child.state is JobState.DISCONNECTED and child.reason is not None
    ]
