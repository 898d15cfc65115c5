"""Parts of jobs: what was named, as jobs with all or with some of their children."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from remjobs.engine.select import Selected
from remjobs.errors import UsageError
from remjobs.model.job import Child, Job
from remjobs.model.ranges import matcher
from remjobs.model.record import Stream
from remjobs.store.base import Store

__all__ = ["by_job", "on_hosts", "shown", "with_streams"]


def by_job(hits: Sequence[Selected]) -> dict[int, frozenset[int] | None]:
    """Return for each job the children that were named; None is the whole job."""
    found: dict[int, frozenset[int] | None] = {}
    for hit in hits:
        before = found.get(hit.job_id, frozenset())
        whole = hit.child_id is None or before is None
        found[hit.job_id] = None if whole else (before or frozenset()) | {hit.child_id or 0}
    return found


async def shown(store: Store, hits: Sequence[Selected]) -> tuple[Job, ...]:
    """Return jobs in the order they were named; where children were, with these alone."""
    return tuple(
        [_with(await store.job(job_id), ids) for job_id, ids in by_job(hits).items()],
    )


async def with_streams(store: Store, job: Job) -> Job:
    """Return a job that says, as its children do, how much of each stream is kept."""
    sizes = await store.sizes(job.id)
    total: Counter[Stream] = Counter()
    for streams in sizes.values():
        total.update(streams)
    children = tuple(
        replace(child, streams=_in_order(sizes.get(child.id, {}))) for child in job.children or ()
    )
    return replace(job, children=children, streams=_in_order(total))


def _in_order(sizes: Mapping[Stream, int]) -> dict[Stream, int]:
    return {stream: sizes[stream] for stream in Stream if sizes.get(stream)}


def _with(job: Job, ids: frozenset[int] | None) -> Job:
    if ids is None:
        return job
    return replace(job, children=tuple(c for c in job.children or () if c.id in ids))


async def on_hosts(
    store: Store,
    hits: Sequence[Selected],
    patterns: Sequence[str],
) -> tuple[Selected, ...]:
    """Return the children on these hosts (names, globs or ranges) of what was named.

    Raises:
        UsageError: A literal name is no host's: a typo must not look like silence.
    """
    children = [child for job in await shown(store, hits) for child in job.children or ()]
    for pattern in patterns:
        _refuse_stranger(pattern, children)
    is_meant = matcher(patterns)
    return tuple(Selected(child.parent_id, child.id) for child in children if is_meant(child.host))


def _refuse_stranger(pattern: str, children: Sequence[Child]) -> None:
    if set(pattern) & set("*?") or any(map(matcher([pattern]), (c.host for c in children))):
        return
    msg = f"no such host in these jobs: {pattern}"
    raise UsageError(msg)
