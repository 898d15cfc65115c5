"""Jobs and child jobs as their users see them: immutable snapshots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from remjobs.model.record import Stream
from remjobs.model.state import FINAL, JobState

__all__ = ["NOT_REACHED", "Child", "Job", "JobType", "Reason", "ReasonKind"]


class JobType(StrEnum):
    """PSJobTypeName: what kind of job it is."""

    BACKGROUND = "BackgroundJob"
    """Local work: one child, ``localhost``."""
    REMOTE = "RemoteJob"
    """Work on hosts: one child each."""
    SCHEDULED = "ScheduledJob"
    """What a definition started, by a trigger or by hand."""


class ReasonKind(StrEnum):
    """Why a child failed or was lost, as a word that scripts can test."""

    EXIT = "exit"
    SIGNAL = "signal"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    AUTHENTICATION = "authentication"
    HOST_KEY = "host-key"
    REFUSED = "refused"
    LEASED = "leased"
    """Another job has the lease that this one wants on the host."""
    INITIALIZATION = "initialization"
    COPY = "copy"
    """A copy had begun, and could not be finished."""
    LOST = "lost"
    HALTED = "halted"
    """Not begun: too many others failed, or the canary did."""
    INTERNAL = "internal"


NOT_REACHED: Final = frozenset(
    {
        ReasonKind.UNREACHABLE,
        ReasonKind.AUTHENTICATION,
        ReasonKind.HOST_KEY,
        ReasonKind.REFUSED,
        ReasonKind.LEASED,
    },
)
"""Kinds of a host that could not be reached, or refused us: its work never began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a job is in its state: a kind and a sentence."""

    kind: ReasonKind
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """One host's part of a job."""

    id: int
    instance_id: UUID
    parent_id: int
    name: str
    type: JobType = JobType.REMOTE
    """As its parent's."""
    host: str
    transport: str
    address: str | None = None
    """Where it is, if that was said apart from its name."""
    state: JobState
    reason: Reason | None = None
    status_message: str = ""
    has_more_data: bool = True
    command: str = ""
    exit_code: int | None = None
    signal: str | None = None
    """Name of the signal that ended the work, without ``SIG``."""
    attempt: int = 0
    """How many times the work was sent to the host."""
    begin_time: datetime | None = None
    """When the work was sent; None where it never began."""
    end_time: datetime | None = None
    sought_until: datetime | None = None
    """While Disconnected: until when its host is tried again; None when it is not."""
    throttle_limit: int = 32
    """As its parent's."""
    streams: Mapping[Stream, int] | None = field(default=None, compare=False)
    """Bytes that are kept of each stream that has any; None where ``get`` was not asked."""

    @property
    def is_final(self) -> bool:
        """Whether the state can change no more."""
        return self.state in FINAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A parent job. Its state is computed from its children's."""

    id: int
    instance_id: UUID
    name: str
    type: JobType
    state: JobState
    reason: Reason | None = None
    has_more_data: bool = True
    location: str = ""
    """The hosts, folded: ``web[01-20],db1``."""
    command: str = ""
    status_message: str = ""
    submit_time: datetime | None = None
    """When it was stored, before anything of it began; None where that was not noted yet."""
    begin_time: datetime | None = None
    end_time: datetime | None = None
    throttle_limit: int = 32
    retry_of: int | None = None
    """The job whose hosts this one tries again."""
    exclusive: str | None = None
    """The lease that its work holds on each host."""
    definition: str | None = None
    """Path and name of the definition that it is an instance of."""
    counts: Mapping[JobState, int] = field(default_factory=dict)
    children: tuple[Child, ...] | None = None
    """In inventory order; None where only the parent was asked for."""
    warnings: tuple[str, ...] = ()
    """What was noticed while the job was started, for the one who started it."""
    streams: Mapping[Stream, int] | None = field(default=None, compare=False)
    """Bytes that are kept of each stream, over all children; None as in a child."""

    @property
    def is_final(self) -> bool:
        """Whether every child has ended."""
        return self.state in FINAL
