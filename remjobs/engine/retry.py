"""Which children of a job are tried again: pure rules."""

from __future__ import annotations

from collections.abc import Iterable

from remjobs.model.job import NOT_REACHED, Child
from remjobs.model.ranges import matcher
from remjobs.model.request import RetryRequest
from remjobs.model.state import JobState

__all__ = ["never_began", "not_reached", "to_retry"]


def to_retry(children: Iterable[Child], request: RetryRequest) -> list[Child]:
    """Return the children that a request means, in their order.

    Without a kind and without hosts that is every one that failed, was not
    reached or was never begun. Disconnected ones only when they are asked for,
    since the work may have run there.
    """
    is_named = matcher(request.hosts)
    named = (child for child in children if not request.hosts or is_named(child.host))
    return [child for child in named if _is_meant(child, request)]


def _is_meant(child: Child, request: RetryRequest) -> bool:
    if child.state is JobState.DISCONNECTED:
        return request.disconnected and child.sought_until is None
    if not child.is_final:
        return False
    kinds = (request.failed, request.unreachable, request.disconnected)
    if not any(kinds):
        return bool(request.hosts) or _failed(child) or not_reached(child) or never_began(child)
    wanted = (request.failed and _failed(child)) or (request.unreachable and not_reached(child))
    begun_later = (request.failed or request.unreachable) and never_began(child)
    return wanted or begun_later


def not_reached(child: Child) -> bool:
    """Whether its host could not be reached, or refused us."""
    kind = child.reason.kind if child.reason is not None else None
    never = child.begin_time is None and child.state is JobState.FAILED
    return never and kind in NOT_REACHED


def _failed(child: Child) -> bool:
    return child.state is JobState.FAILED and not not_reached(child)


def never_began(child: Child) -> bool:
    """Whether it was stopped before it was its turn."""
    return child.state is JobState.STOPPED and child.begin_time is None
