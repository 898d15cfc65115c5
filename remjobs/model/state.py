"""The state table and the parent rule, as pure functions.

Both follow the job model of PowerShell (about_Jobs, JobState) with the
departures that docs/states.md lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from remjobs.errors import IllegalTransition

__all__ = ["FINAL", "SETTLED", "TRANSITIONS", "JobState", "Request", "advance", "parent_state"]


class JobState(StrEnum):
    """The ten states of a job or a child job."""

    NOT_STARTED = "NotStarted"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPED = "Stopped"
    BLOCKED = "Blocked"
    SUSPENDED = "Suspended"
    DISCONNECTED = "Disconnected"
    SUSPENDING = "Suspending"
    STOPPING = "Stopping"


class Request(StrEnum):
    """What was last asked of a parent, beside what its children do."""

    NONE = "none"
    STOP = "stop"
    SUSPEND = "suspend"
    HOLD = "hold"
    """Made to wait before its first child: a queue, a controller not ready."""


FINAL: Final = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.STOPPED})

SETTLED: Final = FINAL | {JobState.BLOCKED, JobState.SUSPENDED, JobState.DISCONNECTED}
"""States that may last for ever without somebody's doing; they end a wait."""

_S = JobState
TRANSITIONS: Final[Mapping[JobState, frozenset[JobState]]] = MappingProxyType(
    {
        _S.NOT_STARTED: frozenset(
            {_S.RUNNING, _S.BLOCKED, _S.SUSPENDED, _S.STOPPED, _S.FAILED},
        ),
        _S.RUNNING: frozenset(
            {
                _S.COMPLETED,
                _S.FAILED,
                _S.BLOCKED,
                _S.SUSPENDING,
                _S.STOPPING,
                _S.DISCONNECTED,
            },
        ),
        _S.BLOCKED: frozenset({_S.RUNNING, _S.NOT_STARTED, _S.STOPPING, _S.FAILED}),
        _S.SUSPENDING: frozenset(
            {_S.SUSPENDED, _S.COMPLETED, _S.FAILED, _S.STOPPING, _S.DISCONNECTED},
        ),
        _S.SUSPENDED: frozenset({_S.RUNNING, _S.NOT_STARTED, _S.STOPPING, _S.STOPPED}),
        _S.STOPPING: frozenset({_S.STOPPED, _S.COMPLETED, _S.FAILED, _S.DISCONNECTED}),
        _S.DISCONNECTED: frozenset({_S.RUNNING, _S.STOPPING, _S.FAILED, _S.COMPLETED}),
        _S.COMPLETED: frozenset(),
        _S.FAILED: frozenset(),
        _S.STOPPED: frozenset(),
    },
)


def advance(current: JobState, to: JobState) -> JobState:
    """Return ``to``, the state after a legal change.

    Raises:
        IllegalTransition: The table has no way from ``current`` to ``to``.
    """
    if to not in TRANSITIONS[current]:
        msg = f"a child job cannot go from {current} to {to}"
        raise IllegalTransition(msg)
    return to


def parent_state(children: Iterable[JobState], request: Request = Request.NONE) -> JobState:
    """Say what state a parent is in, from its children and what was asked of it.

    Args:
        children: The states of all children, at least one; their order and
            multiplicity do not matter.
        request: What was last asked of the parent.
    """
    present = frozenset(children)
    if not present:
        msg = "a job has at least one child"
        raise ValueError(msg)
    if _S.BLOCKED in present:
        return _S.BLOCKED
    if present & {_S.RUNNING, _S.STOPPING, _S.SUSPENDING}:
        return {Request.STOP: _S.STOPPING, Request.SUSPEND: _S.SUSPENDING}.get(request, _S.RUNNING)
    if _S.NOT_STARTED in present:
        return _waiting(request)
    for state in (_S.SUSPENDED, _S.DISCONNECTED, _S.FAILED, _S.STOPPED):
        if state in present:
            return state
    return _S.COMPLETED


def _waiting(request: Request) -> JobState:
    return {
        Request.STOP: _S.STOPPING,
        Request.SUSPEND: _S.SUSPENDED,
        Request.HOLD: _S.NOT_STARTED,
    }.get(request, _S.RUNNING)
