"""Host keys: what hosts offer, what is known of them, and what a person accepts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from remjobs.model.job import Reason
from remjobs.model.request import (
    DEFAULT_THROTTLE,
    Caller,
    Connection,
    Targets,
    check_throttle,
)

__all__ = [
    "AcceptRequest",
    "AcceptedKeys",
    "ChosenKeys",
    "KeyStanding",
    "KnownKey",
    "OfferedKey",
    "ScanRequest",
    "ScannedHost",
]


class KeyStanding(StrEnum):
    """What is known of a key that a host offers."""

    KNOWN = "known"
    NEW = "new"
    """Nothing that is known speaks against it, and nothing for it."""
    CHANGED = "CHANGED"
    """Another one is known instead."""
    REVOKED = "revoked"
    CERTIFIED = "certified"
    """It has a certificate of an authority that is trusted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownKey:
    """A key that stands in a known_hosts file."""

    type: str
    """As ``ssh-ed25519``."""
    fingerprint: str
    place: str = ""
    """``FILE:LINE``."""

    def __str__(self) -> str:
        return f"{self.fingerprint} ({self.type})"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedKey:
    """A key that a host offers."""

    type: str
    fingerprint: str
    """Of a certificate, that of the authority that signed it."""
    standing: KeyStanding
    public: str = ""
    """The key as known_hosts has it: type and base64; empty for a certificate."""
    known: tuple[KnownKey, ...] = ()
    """What is known instead, where it has changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanRequest:
    """Whose keys are to be seen."""

    targets: Targets
    throttle_limit: int = DEFAULT_THROTTLE
    """Hosts at a time."""
    connection: Connection = Connection()
    caller: Caller = Caller()

    def __post_init__(self) -> None:
        """Refuse what can never be seen."""
        check_throttle(self.throttle_limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannedHost:
    """The keys of one host."""

    host: str
    name: str = ""
    """What known_hosts calls it: ``name`` or ``[name]:port``."""
    file: str = ""
    """The known_hosts file that an accepted key is written to; empty if there is none."""
    keys: tuple[OfferedKey, ...] = ()
    reason: Reason | None = None
    """Why they could not be seen."""
    remedy: str = ""
    """How to mend that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenKeys:
    """What a person accepts for one host."""

    host: str
    public: tuple[str, ...]
    """Keys as they were offered."""
    replaces: tuple[str, ...] = ()
    """Fingerprints of known keys that they stand for from now on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptRequest:
    """Keys that a person has looked at, to be kept."""

    targets: Targets
    chosen: tuple[ChosenKeys, ...]
    connection: Connection = Connection()
    caller: Caller = Caller()


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedKeys:
    """What was done about one host's keys."""

    host: str
    file: str = ""
    """Where they are kept."""
    added: tuple[str, ...] = ()
    """Fingerprints; a key that was known already is not among them."""
    removed: tuple[str, ...] = ()
    reason: Reason | None = None
    """Why nothing was kept."""
