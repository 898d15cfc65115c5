"""The options that say when a definition starts."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import typer

from remjobs.cli.options import parse_duration
from remjobs.errors import UsageError
from remjobs.model.trigger import (
    WEEKDAYS,
    At,
    AtStartup,
    Cron,
    Daily,
    Every,
    TimeOfDay,
    Trigger,
    Weekly,
)

__all__ = ["build_triggers"]

AtTime = Annotated[
    list[str] | None,
    typer.Option("--at", metavar="TIME", help="Once: 2026-01-31T14:30, or 14:30, the next one."),
]
Interval = Annotated[
    list[str] | None,
    typer.Option("--every", metavar="DURATION", help="Again and again: 90s, 15m, 2h, 1d."),
]
CronText = Annotated[
    list[str] | None,
    typer.Option("--cron", metavar="EXPR", help="As crontab(5) has it: '30 2 * * mon-fri'."),
]
DailyAt = Annotated[
    list[str] | None,
    typer.Option("--daily", metavar="HH:MM", help="Each day at this time."),
]
WeeklyAt = Annotated[
    list[str] | None,
    typer.Option("--weekly", metavar="'DAYS HH:MM'", help="On days: 'mon 06:00', 'sat,sun 22:30'."),
]
Startup = Annotated[
    bool,
    typer.Option("--at-startup", help="Whenever the controller starts."),
]
Timezone = Annotated[
    str | None,
    typer.Option(
        "--timezone", metavar="NAME", help="Clock of cron, daily, weekly. [default: ours]"
    ),
]

_CLOCK: Final = re.compile(r"(\d{1,2}):(\d{2})")
_DAY_LETTERS: Final = 3


def build_triggers(
    at: AtTime = None,
    every: Interval = None,
    cron: CronText = None,
    daily: DailyAt = None,
    weekly: WeeklyAt = None,
    at_startup: Startup = False,
    timezone: Timezone = None,
) -> tuple[Trigger, ...]:
    """Return the triggers that were typed.

    Raises:
        UsageError: One is none.
    """
    zone = timezone or (_local_zone() if cron or daily or weekly else "UTC")
    return (
        *(At(time=_moment(text)) for text in at or ()),
        *(Every(seconds=parse_duration(text)) for text in every or ()),
        *(Cron(expression=" ".join(text.split()), timezone=zone) for text in cron or ()),
        *(Daily(at=_clock(text), timezone=zone) for text in daily or ()),
        *(_weekly(text, zone) for text in weekly or ()),
        *([AtStartup()] if at_startup else []),
    )


def _local_zone() -> str:
    from tzlocal import get_localzone_name  # noqa: PLC0415 - only clock times need it

    try:
        return os.environ.get("TZ", "").removeprefix(":") or get_localzone_name()
    except Exception as exc:
        msg = f"this machine's time zone has no name ({exc}); give one with --timezone"
        raise UsageError(msg) from exc


def _moment(text: str) -> datetime:
    """Return a moment; a time of day alone is the next one on our clock."""
    now = datetime.now(UTC)
    if _CLOCK.fullmatch(text):
        clock = _clock(text)
        today = (
            datetime.now()
            .astimezone()
            .replace(  # local on purpose
                hour=clock.hour, minute=clock.minute, second=0, microsecond=0, tzinfo=None
            )
        )
        moments = ((today + timedelta(days=days)).astimezone().astimezone(UTC) for days in range(3))
        return next(moment for moment in moments if moment > now)
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        msg = f"--at {text}: write a time such as 2026-01-31T14:30, or 14:30"
        raise UsageError(msg) from exc


def _clock(text: str) -> TimeOfDay:
    match = _CLOCK.fullmatch(text.strip())
    if match is None:
        msg = f"{text!r} is not a time of day; write 02:30"
        raise UsageError(msg)
    return TimeOfDay(hour=int(match[1]), minute=int(match[2]))


def _weekly(text: str, zone: str) -> Weekly:
    days, _, clock = text.strip().rpartition(" ")
    if not days:
        msg = f"--weekly {text!r}: write days and a time, such as 'mon,thu 06:00'"
        raise UsageError(msg)
    names = [name.strip().casefold() for name in days.split(",") if name.strip()]
    return Weekly(days=tuple(map(_day, names)), at=_clock(clock), timezone=zone)


def _day(name: str) -> str:
    """Return a day's short name; the whole English one is taken too."""
    whole = {"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"}
    short = name[:_DAY_LETTERS]
    return short if name in whole and short in WEEKDAYS else name
