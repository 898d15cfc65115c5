"""Which children of a job are tried again: pure rules."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from remjobs.model.job import NOT_REACHED, Child
from remjobs.model.request import RetryRequest
from remjobs.model.state import JobState

__all__ = ["to_retry"]


def to_retry(children: Iterable[Child], request: RetryRequest) -> list[Child]:
    """Return the children that a request means, in their order.

    Without a kind and without hosts that is every one that failed, was not
    reached or was never begun. Disconnected ones only when they are asked for,
    since the work may have run there.
    """
    return [child for child in children if _is_meant(child, request)]


def _is_meant(child: Child, request: RetryRequest) -> bool:
    if request.hosts and not any(fnmatchcase(child.host, glob) for glob in request.hosts):
        return False
    if child.state is JobState.DISCONNECTED:
        return request.disconnected and child.sought_until is None
    if not child.is_final:
        return False
    kinds = (request.failed, request.unreachable, request.disconnected)
    if not any(kinds):
        return bool(request.hosts) or _failed(child) or _not_reached(child) or _not_begun(child)
    wanted = (request.failed and _failed(child)) or (request.unreachable and _not_reached(child))
    begun_later = (request.failed or request.unreachable) and _not_begun(child)
    return wanted or begun_later


def _not_reached(child: Child) -> bool:
    kind = child.reason.kind if child.reason is not None else None
    never = child.begin_time is None and child.state is JobState.FAILED
    return never and kind in NOT_REACHED


def _failed(child: Child) -> bool:
    return child.state is JobState.FAILED and not _not_reached(child)


def _not_begun(child: Child) -> bool:
    return child.state is JobState.STOPPED and child.begin_time is None
