"""The answer of verbs that return the jobs they changed or waited for."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace

from remjobs.cli.render.json_ import item_json, print_json
from remjobs.cli.render.table import print_jobs
from remjobs.model.job import Job

__all__ = ["is_part", "show_jobs"]


def is_part(job: Job) -> bool:
    """Whether some of a job's children are here and the others are not."""
    return job.children is not None and len(job.children) < sum(job.counts.values())


async def show_jobs(answer: Awaitable[tuple[Job, ...]], *, json: bool) -> tuple[Job, ...]:
    """Print the jobs, once they are there, and return them.

    Where only some children were meant, these are shown below their job.
    """
    jobs = await answer
    if json:
        print_json([item_json(job) for job in jobs])
    elif jobs:
        shown = [job if is_part(job) else replace(job, children=None) for job in jobs]
        print_jobs(shown, children=True)
    return jobs
