"""Seeing how far one gets on hosts, without running work there."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from remjobs.model.job import Reason
from remjobs.model.request import (
    DEFAULT_THROTTLE,
    Caller,
    Connection,
    Targets,
    check_connection,
    check_throttle,
)

__all__ = ["PingRequest", "Pinged", "Stage"]


class Stage(StrEnum):
    """What has to go well, one after the other, before work can begin on a host."""

    NAME = "name"
    """Its name stands for an address."""
    TCP = "tcp"
    """Something answers there."""
    HOST_KEY = "host-key"
    """It is the host that we know (SSH: RFC 4253)."""
    AUTHENTICATION = "authentication"
    """It lets us in (SSH: RFC 4252)."""
    BECOME = "become"
    """We may be who we want to be there."""
    SHELL = "shell"
    """It runs programs for us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PingRequest:
    """Which hosts are to be seen."""

    targets: Targets | None = None
    """None is this machine."""
    throttle_limit: int = DEFAULT_THROTTLE
    """Hosts at a time."""
    connection: Connection = Connection()
    caller: Caller = Caller()

    def __post_init__(self) -> None:
        """Refuse what can never be seen."""
        check_throttle(self.throttle_limit)
        check_connection(self.connection, self.targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinged:
    """How far we got on one host."""

    host: str
    transport: str
    seconds: float
    """From the first try to the answer."""
    failed: Stage | None = None
    """The first stage that did not go well; None if all did."""
    reason: Reason | None = None
    """What was in the way."""
    remedy: str = ""
    """How to mend it."""
    address: str = ""
    """Where it was reached, as ``address:port``."""
    user: str = ""
    """Who we are there."""
    authentication: str = ""
    """How we logged in."""
    system: str = ""
    """What the host says it is: name and release of its kernel, and its machine."""
    notes: tuple[str, ...] = ()
    """What is odd there, though it works."""
