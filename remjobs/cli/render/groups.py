"""Children that are alike, added up: what a person can read of a job on 2,000 hosts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from remjobs.model.job import Child
from remjobs.model.ranges import fold
from remjobs.model.state import JobState

__all__ = ["Group", "groups", "shorten"]

_ORDER: Final = (
    JobState.BLOCKED,
    JobState.FAILED,
    JobState.DISCONNECTED,
    JobState.STOPPED,
    JobState.STOPPING,
    JobState.SUSPENDING,
    JobState.SUSPENDED,
    JobState.RUNNING,
    JobState.NOT_STARTED,
    JobState.COMPLETED,
)
"""What wants a person comes first, what went well last."""
_MOST: Final = 40
"""Groups; where there are more, only states and kinds of reason are told apart."""
_LONGEST: Final = 300
"""Characters of folded hosts that a person still reads."""
_GLANCE: Final = 80
"""Characters of folded hosts that nobody has to look after."""
_WELL: Final = frozenset({JobState.COMPLETED, JobState.RUNNING, JobState.NOT_STARTED})
_ANY_HOST: Final = "HOST"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Children of one job that are alike."""

    first: Child
    count: int
    hosts: str
    """Folded, and cut where that is too long."""
    why: str


def groups(children: Sequence[Child], why: Callable[[Child], str]) -> list[Group]:
    """Add up children that are alike; those that want a person first.

    Args:
        children: Of one job.
        why: Says why a child is in its state.
    """
    exact = _grouped(children, lambda child: _generally(child, why(child)))
    found = exact if len(exact) <= _MOST else _grouped(children, _kind)
    return [_group(members, why) for members in found]


def _grouped(children: Sequence[Child], key: Callable[[Child], object]) -> list[list[Child]]:
    found: dict[tuple[object, ...], list[Child]] = {}
    for child in sorted(children, key=lambda child: _ORDER.index(child.state)):
        alike = (child.state, child.exit_code, child.signal, child.has_more_data, key(child))
        found.setdefault(alike, []).append(child)
    return list(found.values())


def _group(members: Sequence[Child], why: Callable[[Child], str]) -> Group:
    first, *others = members
    said = why(first)
    if any(why(child) != said for child in others):
        said = _generally(first, said)
        if any(_generally(child, why(child)) != said for child in others):
            said = f"{why(first)}, and others"
    return Group(
        first=first,
        count=len(members),
        hosts=shorten(
            fold(child.host for child in members),
            _GLANCE if first.state in _WELL else _LONGEST,
        ),
        why=said,
    )


def _generally(child: Child, text: str) -> str:
    """Return a text without the name of the child's host."""
    return text.replace(child.host, _ANY_HOST)


def _kind(child: Child) -> object:
    return child.reason and child.reason.kind


def shorten(hosts: str, longest: int = _LONGEST) -> str:
    """Return folded hosts, cut where they are too many to be read."""
    return hosts if len(hosts) <= longest else f"{hosts[: longest - 1]}…"
