"""When triggers are due.

Clock times follow Debian's cron, in the definition's own time zone: what falls
into the hour that a clock skips is due at the end of the gap, and what falls
into the hour that it shows twice is due once, the first time. An interval is
counted in real time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from remjobs.errors import UsageError
from remjobs.model.definition import Definition
from remjobs.model.trigger import At, AtStartup, Cron, Daily, Every, TimeOfDay, Trigger, Weekly

__all__ = ["check", "due_between", "next_time", "zone"]

_FIELDS: Final = 5
_LAST: Final = datetime.max.replace(tzinfo=UTC)


def zone(name: str) -> tzinfo:
    """Return a time zone.

    Raises:
        UsageError: This machine knows none of that name.
    """
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        msg = f"no time zone {name!r} on this machine; write one such as Europe/Berlin, or UTC"
        raise UsageError(msg) from exc


def check(triggers: Sequence[Trigger], now: datetime) -> None:
    """Refuse triggers that can never fire.

    Raises:
        UsageError: A time has passed, an expression is none, or matches no date.
    """
    for trigger in triggers:
        if not isinstance(trigger, AtStartup) and _next(trigger, now, now) is None:
            msg = f"{trigger.text}: it will never be due"
            if isinstance(trigger, At):
                msg = f"{trigger.text}: that has passed; give a time to come"
            raise UsageError(msg)


def next_time(definition: Definition, after: datetime) -> datetime | None:
    """Return the first moment after ``after`` at which a trigger is due; None if there is none."""
    dues = [_next(trigger, after, definition.created) for trigger in definition.triggers]
    return min((due for due in dues if due is not None), default=None)


def due_between(
    definition: Definition,
    after: datetime,
    until: datetime,
    most: int,
) -> tuple[int, datetime | None, datetime | None]:
    """Count the moments after ``after`` and not after ``until`` at which it is due.

    Returns:
        How many there are, counted no further than ``most``; the first; the last.
    """
    dues = list(islice(_dues(definition, after, until), most))
    if not dues:
        return 0, None, None
    last = dues[-1] if len(dues) < most else _last_due(definition, until, dues[-1])
    return len(dues), dues[0], last


def _dues(definition: Definition, after: datetime, until: datetime) -> Iterator[datetime]:
    while (due := next_time(definition, after)) is not None and due <= until:
        yield due
        after = due


def _last_due(definition: Definition, until: datetime, known: datetime) -> datetime:
    """Look back from ``until`` in ever longer steps, rather than count through years."""
    step = timedelta(seconds=1)
    while (start := until - step) > known:
        if dues := list(islice(_dues(definition, start, until), 100_000)):
            return dues[-1]
        step *= 2
    return known


def _next(trigger: Trigger, after: datetime, origin: datetime) -> datetime | None:
    if isinstance(trigger, At):
        return trigger.time.astimezone(UTC) if trigger.time > after else None
    if isinstance(trigger, Every):
        return _next_interval(trigger.seconds, after, origin)
    if isinstance(trigger, Daily):
        return _next_cron(_expression(trigger.at, "*"), trigger.timezone, after)
    if isinstance(trigger, Weekly):
        return _next_cron(_expression(trigger.at, ",".join(trigger.days)), trigger.timezone, after)
    if isinstance(trigger, Cron):
        return _next_cron(trigger.expression, trigger.timezone, after)
    return None


def _expression(at: TimeOfDay, days: str) -> str:
    return f"{at.minute} {at.hour} * * {days}"


def _next_interval(seconds: float, after: datetime, origin: datetime) -> datetime | None:
    passed = (after - origin).total_seconds()
    number = max(1, math.floor(passed / seconds) + 1)
    try:
        due = origin + timedelta(seconds=number * seconds)
        # Rounding to microseconds must not give the same moment again.
        return due if due > after else origin + timedelta(seconds=(number + 1) * seconds)
    except OverflowError:
        return None


def _next_cron(expression: str, timezone: str, after: datetime) -> datetime | None:
    # With a sixth field, for seconds, it would not follow cron across a change of the clock.
    if len(expression.split()) != _FIELDS:
        raise _no_cron(expression, "five fields are expected")
    try:
        moments = CronSim(expression, after.astimezone(zone(timezone)))
    except CronSimError as exc:
        raise _no_cron(expression, str(exc).lower()) from exc
    # It begins at the clock time of ``after``, which in a repeated hour may be earlier.
    dues = (moment.astimezone(UTC) for moment in moments)
    return next((due for due in dues if due > after), None)


def _no_cron(expression: str, why: str) -> UsageError:
    return UsageError(
        f"{expression!r} is not a cron expression ({why}); write minute, hour, day of the month, "
        "month and day of the week, such as '30 2 * * mon-fri'",
    )
