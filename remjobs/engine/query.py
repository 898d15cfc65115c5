"""Which jobs a query keeps: pure rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from remjobs.model.job import Job
from remjobs.model.request import JobQuery

__all__ = ["kept", "with_children_kept"]


def kept(jobs: Iterable[Job], query: JobQuery) -> list[Job]:
    """Return the parents that a query keeps, in their order."""
    return _newest([job for job in jobs if _is_kept(job, query)], query.newest)


def with_children_kept(jobs: Iterable[Job], query: JobQuery) -> list[Job]:
    """Return parents with the children that a query keeps; none without one."""
    if not query.child_states:
        return list(jobs)
    chosen = [
        replace(
            job,
            children=tuple(c for c in job.children or () if c.state in query.child_states),
        )
        for job in jobs
    ]
    return [job for job in chosen if job.children]


def _is_kept(job: Job, query: JobQuery) -> bool:
    if query.states and job.state not in query.states:
        return False
    if query.has_more_data is not None and job.has_more_data is not query.has_more_data:
        return False
    if query.after is not None and (job.end_time is None or job.end_time <= query.after):
        return False
    if query.before is not None and (job.end_time is None or job.end_time >= query.before):
        return False
    return query.command is None or fnmatchcase(job.command.casefold(), query.command.casefold())


def _newest(jobs: Sequence[Job], count: int | None) -> list[Job]:
    if count is None:
        return list(jobs)
    ended = sorted(
        (job for job in jobs if job.end_time is not None),
        key=lambda job: job.end_time.timestamp() if job.end_time else 0.0,
        reverse=True,
    )
    chosen = [*ended, *(job for job in jobs if job.end_time is None)][:count]
    return [job for job in jobs if job in chosen]
