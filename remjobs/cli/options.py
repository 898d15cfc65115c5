"""Options that several verbs share."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Annotated, Final, TypeVar

import typer

from remjobs.cli.completing import jobs, states
from remjobs.errors import UsageError
from remjobs.model.job import JobType
from remjobs.model.record import Stream
from remjobs.model.state import JobState

__all__ = [
    "InState",
    "Json",
    "Selectors",
    "SomeSelectors",
    "parse_duration",
    "parse_size",
    "parse_state",
    "parse_states",
    "parse_streams",
    "parse_time",
    "parse_type",
]

_SELECTOR_HELP: Final = "Id, name, glob, UUID or the beginning of one, or @last."
SomeSelectors = Annotated[
    list[str],
    typer.Argument(metavar="JOB...", help=_SELECTOR_HELP, autocompletion=jobs),
]
Selectors = Annotated[
    list[str] | None,
    typer.Argument(metavar="[JOB]...", help=_SELECTOR_HELP, autocompletion=jobs),
]
InState = Annotated[
    list[str] | None,
    typer.Option(
        "--state",
        help="Only jobs in this state; all, if none is named (repeatable).",
        autocompletion=states,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

Item = TypeVar("Item")

_SIZE: Final = re.compile(r"(\d+)([KMG]?)i?B?", re.IGNORECASE)
_AGE: Final = re.compile(r"(\d+)([smhd])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_FACTORS: Final = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}


def parse_size(text: str) -> int:
    """Return a size in bytes from ``64M`` and the like.

    Raises:
        UsageError: It is no size.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        msg = f"{text!r} is not a size; write 500000, 64K, 64M or 1G"
        raise UsageError(msg)
    return int(match[1]) * _FACTORS[match[2].upper()]


def parse_time(text: str) -> datetime:
    """Return a moment from a date, a date and time, a time of today, or an age.

    Local time where no zone is given. An age is ``90s``, ``15m``, ``2h`` or ``3d``.

    Raises:
        UsageError: It is none of these.
    """
    now = datetime.now(UTC)
    if match := _AGE.fullmatch(text.strip().removesuffix("ago").strip()):
        try:
            return now - timedelta(seconds=int(match[1]) * _SECONDS[match[2]])
        except OverflowError as exc:
            msg = f"{text!r} is longer ago than there are dates"
            raise UsageError(msg) from exc
    for whole in (text, f"{now.astimezone():%Y-%m-%d}T{text}"):
        try:
            return datetime.fromisoformat(whole).astimezone(UTC)
        except (ValueError, OverflowError):
            continue
    msg = f"{text!r} is not a time; write 2026-01-31, 2026-01-31T14:30, 14:30 or 2h"
    raise UsageError(msg)


def parse_duration(text: str) -> float:
    """Return seconds from ``90s``, ``15m``, ``2h``, ``3d`` or a plain number of them.

    Raises:
        UsageError: It is no duration.
    """
    if match := _AGE.fullmatch(text.strip()):
        return float(int(match[1]) * _SECONDS[match[2]])
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds < inf:
        msg = f"{text!r} is not a duration; write 90s, 15m, 2h or 3d"
        raise UsageError(msg)
    return seconds


def parse_state(name: str) -> JobState:
    """Return a state by name, without regard to case.

    Raises:
        UsageError: It is no state's.
    """
    known = {state.value.casefold(): state for state in JobState}
    return _known(name, known, "state")


def parse_states(names: list[str]) -> frozenset[JobState]:
    """Return states by name, without regard to case.

    Raises:
        UsageError: A name is no state's.
    """
    return frozenset(map(parse_state, names))


def parse_type(name: str) -> JobType:
    """Return a job type by name, without regard to case.

    Raises:
        UsageError: It is no type's.
    """
    return _known(name, {kind.value.casefold(): kind for kind in JobType}, "job type")


def parse_streams(names: list[str]) -> frozenset[Stream]:
    """Return streams by name, without regard to case.

    Raises:
        UsageError: A name is no stream's.
    """
    known = {stream.value.casefold(): stream for stream in Stream}
    return frozenset(_known(name, known, "stream") for name in names)


def _known(name: str, known: dict[str, Item], what: str) -> Item:
    if name.casefold() not in known:
        names = ", ".join(str(item) for item in known.values())
        msg = f"no {what} {name!r}; there are: {names}"
        raise UsageError(msg)
    return known[name.casefold()]
