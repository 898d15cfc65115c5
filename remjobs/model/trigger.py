"""What makes a definition start: times, an interval, the controller's start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, Literal

from remjobs.errors import UsageError

__all__ = [
    "KINDS",
    "LEAST_INTERVAL",
    "WEEKDAYS",
    "At",
    "AtStartup",
    "Cron",
    "Daily",
    "Every",
    "TimeOfDay",
    "Trigger",
    "Weekly",
]

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LEAST_INTERVAL: Final = 1.0
"""Seconds; a shorter interval is a loop rather than a schedule."""

_HOURS: Final = 24
_MINUTES: Final = 60


class Trigger:
    """One of ``KINDS``; in JSON their ``kind`` tells them apart."""

    __slots__ = ()

    @property
    def text(self) -> str:
        """The trigger as a person would say it."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeOfDay:
    """A time on the clock of a time zone."""

    hour: int = 0
    minute: int = 0

    def __post_init__(self) -> None:
        """Refuse what no clock shows."""
        if not (0 <= self.hour < _HOURS and 0 <= self.minute < _MINUTES):
            msg = f"{self} is not a time of day: 00:00 to 23:59"
            raise UsageError(msg)

    def __str__(self) -> str:
        """Return it as ``02:30``."""
        return f"{self.hour:02}:{self.minute:02}"


@dataclass(frozen=True, slots=True, kw_only=True)
class At(Trigger):
    """Once, at a moment."""

    kind: Literal["at"] = "at"
    time: datetime

    def __post_init__(self) -> None:
        """Refuse a time that could mean several moments."""
        if self.time.tzinfo is None:
            msg = f"{self.time} has no time zone"
            raise UsageError(msg)

    @property
    def text(self) -> str:
        """The moment, on the clock of whoever reads it."""
        return f"at {self.time.astimezone().isoformat(sep=' ', timespec='seconds')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Every(Trigger):
    """At a fixed interval, counted from when the definition was added."""

    kind: Literal["every"] = "every"
    seconds: float

    def __post_init__(self) -> None:
        """Refuse an interval that is none."""
        if not self.seconds >= LEAST_INTERVAL:
            msg = f"an interval of {self.seconds:g} s is too short: 1 s is the least"
            raise UsageError(msg)
        try:
            timedelta(seconds=self.seconds)
        except (OverflowError, ValueError) as exc:
            msg = f"an interval of {self.seconds:g} s is too long"
            raise UsageError(msg) from exc

    @property
    def text(self) -> str:
        """The interval in the largest unit that fits."""
        for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
            if self.seconds % length == 0:
                return f"every {self.seconds / length:.0f}{unit}"
        return f"every {self.seconds:g}s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron(Trigger):
    """When the clock of a time zone matches a cron expression (crontab(5))."""

    kind: Literal["cron"] = "cron"
    expression: str
    """Minute, hour, day of the month, month, day of the week."""
    timezone: str
    """A name such as ``Europe/Berlin``."""

    @property
    def text(self) -> str:
        """The expression and its zone."""
        return f"cron {self.expression} ({self.timezone})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Daily(Trigger):
    """Each day at a time on the clock of a time zone."""

    kind: Literal["daily"] = "daily"
    at: TimeOfDay
    timezone: str

    @property
    def text(self) -> str:
        """The time and its zone."""
        return f"daily {self.at} ({self.timezone})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Weekly(Trigger):
    """On some days of the week at a time on the clock of a time zone."""

    kind: Literal["weekly"] = "weekly"
    days: tuple[str, ...]
    """Some of ``WEEKDAYS``."""
    at: TimeOfDay
    timezone: str

    def __post_init__(self) -> None:
        """Refuse no day, and days that are none."""
        if not self.days:
            msg = "a weekly trigger needs a day"
            raise UsageError(msg)
        if unknown := [day for day in self.days if day not in WEEKDAYS]:
            msg = f"{unknown[0]!r} is not a day of the week; there are: {', '.join(WEEKDAYS)}"
            raise UsageError(msg)

    @property
    def text(self) -> str:
        """The days, the time and its zone."""
        return f"weekly {','.join(self.days)} {self.at} ({self.timezone})"


@dataclass(frozen=True, slots=True, kw_only=True)
class AtStartup(Trigger):
    """Whenever the controller starts."""

    kind: Literal["at-startup"] = "at-startup"

    @property
    def text(self) -> str:
        """The trigger's name."""
        return "at startup"


KINDS: Final[Mapping[str, type[Trigger]]] = MappingProxyType(
    {
        "at": At,
        "every": Every,
        "cron": Cron,
        "daily": Daily,
        "weekly": Weekly,
        "at-startup": AtStartup,
    },
)
"""The classes by ``kind``."""
