"""The answer of verbs that return the jobs they changed."""

from __future__ import annotations

from collections.abc import Awaitable

from remjobs.cli.render.json_ import item_json, print_json
from remjobs.cli.render.table import print_jobs
from remjobs.model.job import Job

__all__ = ["show_jobs"]


async def show_jobs(answer: Awaitable[tuple[Job, ...]], *, json: bool) -> None:
    """Print the jobs, once they are there."""
    jobs = await answer
    if json:
        print_json([item_json(job) for job in jobs])
    else:
        print_jobs(jobs)
