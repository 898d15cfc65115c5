"""Which jobs a selector names: id, UUID or a unique beginning, name, glob, @last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final
from uuid import UUID

from remjobs.errors import NoSuchJob
from remjobs.model.job import Job

__all__ = ["Selected", "concerns_children", "select"]

_GLOB: Final = frozenset("*?[")
_SHORTEST_PREFIX: Final = 4
"""Fewer characters of a UUID are more likely a mistyped name."""


@dataclass(frozen=True, slots=True)
class Selected:
    """What a selector named: a parent, or one child of it."""

    job_id: int
    child_id: int | None = None


def select(
    selectors: Sequence[str],
    jobs: Sequence[Job],
    children: Mapping[int, tuple[int, UUID]],
) -> tuple[Selected, ...]:
    """Return what the selectors name, each thing once, in their order.

    Args:
        selectors: As typed; none at all selects every parent.
        jobs: All parents, by id.
        children: For each child's id its parent's id and its own UUID.

    Raises:
        NoSuchJob: A literal selector matches nothing, or a UUID's beginning
            matches several.
    """
    if not selectors:
        return tuple(Selected(job.id) for job in jobs)
    found = [hit for text in selectors for hit in _one(text, jobs, children)]
    return tuple(dict.fromkeys(found))


def concerns_children(selectors: Sequence[str], jobs: Sequence[Job]) -> bool:
    """Whether children must be looked at to know what is named; there may be very many."""
    return not all(_names_parents(text, jobs) for text in selectors)


def _names_parents(text: str, jobs: Sequence[Job]) -> bool:
    if text.isdecimal():
        # A child's id comes before a name that is a number.
        return any(job.id == int(text) for job in jobs)
    if text == "@last":
        return bool(jobs)
    return not _GLOB.isdisjoint(text) or any(_names(text, job.name) for job in jobs)


def _one(
    text: str,
    jobs: Sequence[Job],
    children: Mapping[int, tuple[int, UUID]],
) -> Iterable[Selected]:
    if text == "@last" and jobs:
        return [Selected(jobs[-1].id)]
    if text.isdecimal() and (found := _by_id(int(text), jobs, children)) is not None:
        return [found]
    if named := [Selected(job.id) for job in jobs if _names(text, job.name)]:
        return named
    if _GLOB & set(text):
        return []
    return [_by_uuid(text, jobs, children)]


def _names(text: str, name: str) -> bool:
    pattern = text.casefold()
    # A name with brackets in it is also found as it is written.
    return name.casefold() == pattern or bool(
        _GLOB & set(text) and fnmatchcase(name.casefold(), pattern)
    )


def _by_id(
    number: int,
    jobs: Sequence[Job],
    children: Mapping[int, tuple[int, UUID]],
) -> Selected | None:
    if any(job.id == number for job in jobs):
        return Selected(number)
    return Selected(children[number][0], number) if number in children else None


def _by_uuid(
    text: str,
    jobs: Sequence[Job],
    children: Mapping[int, tuple[int, UUID]],
) -> Selected:
    beginning = text.casefold()
    hits = []
    if len(beginning) >= _SHORTEST_PREFIX:
        hits = [Selected(job.id) for job in jobs if str(job.instance_id).startswith(beginning)]
        hits += [
            Selected(parent, child)
            for child, (parent, instance) in children.items()
            if str(instance).startswith(beginning)
        ]
    if len(hits) > 1:
        msg = f"{text!r} begins the UUIDs of {len(hits)} jobs; give more of it"
        raise NoSuchJob(msg)
    if not hits:
        named = text if text.isdecimal() else repr(text)
        msg = f"no job {named}; `remjobs list` shows what there is"
        raise NoSuchJob(msg)
    return hits[0]
