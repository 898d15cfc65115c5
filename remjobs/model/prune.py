"""Which jobs have been kept long enough: pure rules."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from remjobs.errors import UsageError
from remjobs.model.job import Job

__all__ = ["PruneRequest", "before_now", "to_prune"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneRequest:
    """Which of the jobs that have ended are to be removed: what both of these leave over."""

    older_than: float | None = None
    """Seconds since the end; what ended later is kept."""
    keep: int | None = None
    """So many are kept, those that ended last."""
    dry_run: bool = False
    """Only say which."""

    def __post_init__(self) -> None:
        """Refuse to take all jobs unasked."""
        if self.older_than is None and self.keep is None:
            msg = "which jobs? give --older-than, --keep, or both"
            raise UsageError(msg)
        if self.keep is not None and self.keep < 0:
            msg = f"--keep {self.keep}: expected 0 or more"
            raise UsageError(msg)
        if self.older_than is not None and not self.older_than >= 0:
            msg = f"--older-than {self.older_than:g}: expected 0 or more"
            raise UsageError(msg)


def to_prune(
    ended: Iterable[tuple[Job, datetime]],
    request: PruneRequest,
    now: datetime,
) -> list[Job]:
    """Return the jobs that are to be removed, by id.

    Args:
        ended: The jobs that have ended, and when.
        request: What is to be kept.
        now: Ages are counted to this moment.
    """
    newest_first = sorted(ended, key=lambda item: (item[1], item[0].id), reverse=True)
    surplus = newest_first[request.keep or 0 :]
    if request.older_than is not None:
        latest = before_now(now, request.older_than)
        surplus = [item for item in surplus if item[1] < latest]
    return sorted((job for job, _ in surplus), key=lambda job: job.id)


def before_now(now: datetime, seconds: float) -> datetime:
    """Return the moment so many seconds ago; nothing of ours is older than the epoch."""
    return now - timedelta(seconds=min(seconds, now.timestamp()))
