"""Definitions: work that is saved, to be started by triggers or by hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid5

from remjobs.errors import UsageError
from remjobs.model.request import Caller, StartRequest
from remjobs.model.state import JobState
from remjobs.model.trigger import AtStartup, Trigger

__all__ = [
    "DEFAULT_HISTORY",
    "ROOT",
    "DefineRequest",
    "Definition",
    "DefinitionName",
    "DefinitionStart",
    "HistoryEntry",
    "InstancePolicy",
    "Outcome",
    "clean_path",
    "definition_of",
    "instance_of",
]

DEFAULT_HISTORY: Final = 32
"""Entries that a definition's history keeps."""
ROOT: Final = "/"
"""The path of a definition that was given none."""


class InstancePolicy(StrEnum):
    """What is done when a trigger fires while an earlier instance runs."""

    IGNORE_NEW = "ignore-new"
    PARALLEL = "parallel"
    QUEUE = "queue"
    STOP_EXISTING = "stop-existing"


class Outcome(StrEnum):
    """What became of one firing."""

    QUEUED = "Queued"
    """Noted, and not started yet."""
    STARTED = "Started"
    IGNORED = "Ignored"
    MISSED = "Missed"
    """The controller did not run."""
    FAILED = "Failed"
    """It could not be started; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionName:
    """Which definition is meant."""

    name: str
    path: str | None = None
    """None where the name alone says it."""

    def __post_init__(self) -> None:
        """Bring the path into its one form; a name with slashes brings its own."""
        name = self.name.replace("\\", "/").strip()
        if "/" in name and self.path is None:
            before, _, name = name.rpartition("/")
            object.__setattr__(self, "path", before)
        object.__setattr__(self, "name", name)
        if self.path is not None:
            object.__setattr__(self, "path", clean_path(self.path))

    def is_under(self, path: str) -> bool:
        """Whether a definition of this path can be meant."""
        return self.path is None or self.path.casefold() == path.casefold()


@dataclass(frozen=True, slots=True, kw_only=True)
class DefineRequest:
    """Everything that makes a definition."""

    id: UUID
    """Made by the asker: adding the same id twice gives the same definition."""
    name: str
    path: str = ROOT
    start: StartRequest
    """What to start; each instance gets an id of its own."""
    triggers: tuple[Trigger, ...] = ()
    enabled: bool = True
    instances: InstancePolicy = InstancePolicy.IGNORE_NEW
    run_if_missed: bool = False
    """Run once when the controller starts after a time at which it should have run."""
    history_limit: int = DEFAULT_HISTORY

    def __post_init__(self) -> None:
        """Refuse what cannot be named or kept."""
        object.__setattr__(self, "path", clean_path(self.path))
        _check_name(self.name, "the definition's name")
        if "/" in self.name:
            msg = f"{self.name!r}: a definition's name has no '/'; folders belong into its path"
            raise UsageError(msg)
        if self.history_limit < 1:
            msg = f"a history of {self.history_limit} entries is not 1 or more"
            raise UsageError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionStart:
    """Starting a definition by hand."""

    instance_id: UUID
    """Made by the asker: starting the same id twice gives the same job."""
    definition: DefinitionName
    caller: Caller = Caller()


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One firing, and what became of it."""

    instance_id: UUID
    """That of the job, if it is started."""
    due: datetime
    """When it was to start; of several that were missed the first."""
    outcome: Outcome
    job_id: int | None = None
    count: int = 1
    """How many firings it stands for."""
    message: str = ""
    state: JobState | None = None
    """That of the job; None where there is none, or not any more."""

    def became(self, outcome: Outcome, message: str = "") -> HistoryEntry:
        """Return the entry with what became of it."""
        return replace(self, outcome=outcome, message=message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A definition as its users see it: an immutable snapshot."""

    id: UUID
    name: str
    path: str
    command: str
    location: str
    """The target expressions, as they were given; ``localhost`` for local work."""
    triggers: tuple[Trigger, ...]
    enabled: bool
    instances: InstancePolicy
    run_if_missed: bool
    history_limit: int
    created: datetime
    next_time: datetime | None = None
    """When it is due next; None where no time is to come, or it is disabled."""
    last: HistoryEntry | None = None
    """What became of the newest firing."""

    @property
    def is_timed(self) -> bool:
        """Whether a trigger depends on the time."""
        return any(not isinstance(trigger, AtStartup) for trigger in self.triggers)

    @property
    def full_name(self) -> str:
        """Path and name in one."""
        return f"{self.path.rstrip('/')}/{self.name}"


def definition_of(request: DefineRequest, created: datetime) -> Definition:
    """Return the definition that a request makes."""
    targets = request.start.targets
    hosts = [] if targets is None else [*targets.include, *(host.name for host in targets.hosts)]
    return Definition(
        id=request.id,
        name=request.name,
        path=request.path,
        command=request.start.work.display,
        location=",".join(hosts) or "localhost",
        triggers=request.triggers,
        enabled=request.enabled,
        instances=request.instances,
        run_if_missed=request.run_if_missed,
        history_limit=request.history_limit,
        created=created,
    )


def instance_of(definition: UUID, due: datetime, what: str = "due") -> UUID:
    """Return the id of the instance that is due at a moment: always the same one.

    This is what keeps a controller that was killed in the middle of a firing
    from running it twice.
    """
    return uuid5(definition, f"{what} {due.timestamp():.6f}")


def clean_path(path: str) -> str:
    """Return a path in its one form: ``/`` first, none last, none doubled.

    Raises:
        UsageError: It cannot be a path.
    """
    parts = [part.strip() for part in path.replace("\\", "/").split("/") if part.strip()]
    for part in parts:
        _check_name(part, "the definition's path")
    return ROOT + "/".join(parts)


def _check_name(text: str, what: str) -> None:
    if not text.strip():
        msg = f"{what} is empty"
        raise UsageError(msg)
    if not text.isprintable():
        msg = f"{what} {text!r} holds a character that cannot be printed"
        raise UsageError(msg)
    if text != text.strip():
        msg = f"{what} {text!r} begins or ends with a space"
        raise UsageError(msg)
