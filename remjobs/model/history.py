"""The history: who asked for what, where and when, and how it ended, also of removed jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Final
from uuid import UUID

from remjobs.errors import UsageError
from remjobs.model.job import JobType
from remjobs.model.ranges import expand, matcher
from remjobs.model.state import JobState

__all__ = ["MOST_ENTRIES", "Asker", "HistoryQuery", "JobEntry"]

MOST_ENTRIES: Final = 100_000
"""Entries that are kept, where old ones are dropped at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asked for a job, as far as it is known."""

    user: str | None = None
    sudo_user: str | None = None
    """Who became ``user`` by sudo."""
    machine: str | None = None
    came_from: str | None = None
    """The address from which they were logged in there over SSH."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEntry:
    """One job in the history. It holds no output, no input and no script."""

    id: int
    instance_id: UUID
    name: str
    type: JobType
    command: str
    """Cut where it is very long."""
    location: str
    """The hosts, folded."""
    asker: Asker = Asker()
    submit_time: datetime | None = None
    begin_time: datetime | None = None
    end_time: datetime | None = None
    state: JobState
    """As it is now, or as it was when the job was removed."""
    counts: Mapping[JobState, int] = field(default_factory=dict)
    retry_of: int | None = None
    definition: str | None = None
    remove_time: datetime | None = None
    """When the job was removed, and its output with it; None while it is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryQuery:
    """Which entries: all, or those that every one of these keeps."""

    names: tuple[str, ...] = ()
    """Ids, or names and globs without regard to case."""
    states: frozenset[JobState] = frozenset()
    hosts: tuple[str, ...] = ()
    """Jobs on one of these hosts: names, globs or ranges."""
    command: str | None = None
    """A glob, without regard to case."""
    newest: int | None = None
    """So many that were asked for last."""
    after: datetime | None = None
    """Asked for after this."""
    before: datetime | None = None

    def __post_init__(self) -> None:
        """Refuse what keeps nothing by mistake."""
        if self.newest is not None and self.newest < 1:
            msg = f"--newest {self.newest}: expected 1 or more"
            raise UsageError(msg)
        matcher(self.hosts)

    def keeps(self, entry: JobEntry) -> bool:
        """Whether an entry is wanted, but for how many are."""
        if self.names and not any(_names(name, entry) for name in self.names):
            return False
        if self.states and entry.state not in self.states:
            return False
        if not self._keeps_time(entry.submit_time):
            return False
        if self.command is not None and not _matches(self.command, entry.command):
            return False
        return not self.hosts or self._has_host(entry.location)

    def _keeps_time(self, at: datetime | None) -> bool:
        if self.after is not None and (at is None or at <= self.after):
            return False
        return self.before is None or (at is not None and at < self.before)

    def _has_host(self, location: str) -> bool:
        is_meant = matcher(self.hosts)
        return any(is_meant(host) for host in _hosts(location))


def _names(text: str, entry: JobEntry) -> bool:
    return text == str(entry.id) or _matches(text, entry.name)


def _matches(pattern: str, text: str) -> bool:
    return fnmatchcase(text.casefold(), pattern.casefold())


def _hosts(location: str) -> list[str]:
    """Return the hosts of a folded list."""
    parts, depth = [""], 0
    for char in location:
        depth += (char == "[") - (char == "]")
        if char == "," and not depth:
            parts.append("")
        else:
            parts[-1] += char
    return [name for part in parts for name in expand(part)]
