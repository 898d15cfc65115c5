"""When triggers are due: with a clock of our own, in zones that change theirs."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remjobs.engine.times import check, due_between, next_time
from remjobs.errors import UsageError
from remjobs.model.definition import DefineRequest, definition_of
from remjobs.model.request import StartRequest
from remjobs.model.trigger import At, AtStartup, Cron, Daily, Every, TimeOfDay, Weekly
from remjobs.model.work import Command, Work

BERLIN = "Europe/Berlin"
NAMESAKE = UUID(int=7)


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def defined(*triggers, created="2026-01-01T00:00:00"):
    """Return a definition with these triggers."""
    start = StartRequest(instance_id=NAMESAKE, work=Work(command=Command(text=":")))
    request = DefineRequest(id=NAMESAKE, name="d", start=start, triggers=triggers)
    return definition_of(request, utc(created))


def dues(definition, after, count):
    """Return the next moments, in UTC."""
    found = []
    after = utc(after)
    for _ in range(count):
        after = next_time(definition, after)
        if after is None:
            break
        found.append(f"{after:%m-%d %H:%M}")
    return found


def daily(clock, zone=BERLIN):
    hour, minute = map(int, clock.split(":"))
    return Daily(at=TimeOfDay(hour=hour, minute=minute), timezone=zone)


@pytest.mark.parametrize(
    ("trigger", "after", "expected"),
    [
        (daily("02:30"), "2026-03-27T12:00", ["03-28 01:30", "03-29 01:00", "03-30 00:30"]),
        (daily("02:30"), "2026-10-24T12:00", ["10-25 00:30", "10-26 01:30", "10-27 01:30"]),
        (daily("12:00"), "2026-03-28T00:00", ["03-28 11:00", "03-29 10:00", "03-30 10:00"]),
        (
            Cron(expression="*/30 * * * *", timezone=BERLIN),
            "2026-10-25T00:10",
            ["10-25 00:30", "10-25 01:00", "10-25 01:30", "10-25 02:00"],
        ),
        (
            Cron(expression="15 * * * *", timezone=BERLIN),
            "2026-03-29T00:20",
            ["03-29 01:15", "03-29 02:15"],
        ),
        (Every(seconds=3600), "2026-10-25T00:30", ["10-25 01:00", "10-25 02:00", "10-25 03:00"]),
        (daily("02:30", "UTC"), "2026-03-28T12:00", ["03-29 02:30", "03-30 02:30"]),
    ],
    ids=["gap", "overlap", "far from both", "each half hour", "hourly gap", "interval", "utc"],
)
def test_a_clock_that_is_changed(trigger, after, expected):
    """A time in the gap is due at its end, one that comes twice once; intervals are real time."""
    assert dues(defined(trigger), after, len(expected)) == expected


@pytest.mark.parametrize(
    ("trigger", "expected"),
    [
        (Weekly(days=("mon", "thu"), at=TimeOfDay(hour=6), timezone="UTC"), ["11-26", "11-30"]),
        (Weekly(days=("sun",), at=TimeOfDay(), timezone="UTC"), ["11-29", "12-06"]),
        (Cron(expression="0 0 * * 1", timezone="UTC"), ["11-30", "12-07"]),
        (Cron(expression="0 0 13 * fri", timezone="UTC"), ["11-27", "12-04", "12-11", "12-13"]),
    ],
)
def test_days(trigger, expected):
    """Monday is 1, Sunday 0; a day of the month and one of the week are either of them."""
    found = dues(defined(trigger), "2026-11-23T12:00", len(expected))
    assert [text.partition(" ")[0] for text in found] == expected


def test_a_moment_is_due_once():
    """Afterwards there is none."""
    assert dues(defined(At(time=utc("2026-05-01T10:00"))), "2026-04-01T00:00", 3) == ["05-01 10:00"]


def test_several_triggers_are_due_together():
    """The next one counts; what coincides is one moment."""
    both = defined(daily("10:00", "UTC"), daily("10:00", "UTC"), daily("09:00", "UTC"))
    assert dues(both, "2026-04-01T00:00", 3) == ["04-01 09:00", "04-01 10:00", "04-02 09:00"]


def test_start_up_has_no_time():
    """Nothing to wait for."""
    assert next_time(defined(AtStartup()), utc("2026-01-01T00:00")) is None


@given(
    st.floats(1, 1e6),
    st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)),  # noqa: DTZ001 - made UTC below
)
def test_an_interval_moves_on(seconds, after):
    """The next moment is later, by no more than the interval."""
    after = after.replace(tzinfo=UTC)
    definition = defined(Every(seconds=seconds), created="2020-01-01T00:00:00")
    due = next_time(definition, after)
    assert due > after
    assert due - max(after, definition.created) <= timedelta(seconds=seconds + 0.001)


def test_what_was_due_meanwhile_is_counted():
    """Up to a limit; the first and the last are known even then."""
    every = defined(Every(seconds=1), created="2026-01-01T00:00:00")
    after, until = utc("2026-01-01T00:00:00"), utc("2026-01-01T00:00:10")
    assert due_between(every, after, until, 100) == (10, after + timedelta(seconds=1), until)
    until = utc("2027-01-01T00:00:00")
    assert due_between(every, after, until, 5) == (5, after + timedelta(seconds=1), until)
    assert due_between(every, until, until, 5) == (0, None, None)


@pytest.mark.parametrize(
    ("trigger", "message"),
    [
        (At(time=utc("2025-12-31T23:00")), "that has passed; give a time to come"),
        (Cron(expression="0 0 30 2 *", timezone="UTC"), "bad day-of-month"),
        (Cron(expression="61 * * * *", timezone="UTC"), "is not a cron expression"),
        (Cron(expression="* * * *", timezone="UTC"), "five fields are expected"),
        (Cron(expression="0 * * * * *", timezone="UTC"), "five fields are expected"),
        (Cron(expression="0 0 * * *", timezone="Mars/Base"), "no time zone 'Mars/Base'"),
    ],
)
def test_what_can_never_fire_is_refused(trigger, message):
    """The message names it and says what to write."""
    with pytest.raises(UsageError, match=message):
        check([trigger], utc("2026-01-01T00:00"))
