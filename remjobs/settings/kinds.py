"""What kinds of values settings have, from TOML and from the text of a variable."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any, Final

from remjobs.errors import UsageError
from remjobs.model.credential import check_credential_name
from remjobs.model.host import check_user_name

__all__ = [
    "CREDENTIAL",
    "DAYS",
    "FILE",
    "FOLDER",
    "PATHS",
    "SECONDS",
    "USER",
    "WHOLE",
    "WHOLE_OR_NONE",
    "Kind",
    "one_of",
]


_NEVER: Final = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of value; both functions raise ValueError for what is none."""

    allowed: str
    """What a value may be, as messages say it."""
    of_value: Callable[[Any, Path], Any]
    """From a value of the file; relative paths are meant from the file's folder."""
    of_text: Callable[[str, Path], Any]
    """From a variable; relative paths are meant from the working directory."""


def _kind(
    allowed: str,
    of_value: Callable[[Any, Path], Any],
    parse: Callable[[str], Any] = str,
) -> Kind:
    return Kind(
        allowed=allowed,
        of_value=of_value,
        of_text=lambda text, base: of_value(parse(text), base),
    )


def _seconds(value: Any, _base: Path) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < inf:
        raise ValueError
    return float(value)


def _days(value: Any, base: Path) -> float | None:
    """Return a number of days; None for ever, which is ``never`` or 0."""
    never = isinstance(value, str) and value.casefold() == _NEVER
    return None if never or value == 0 else _seconds(value, base)


def _number_or_never(text: str) -> float | str:
    return text if text.casefold() == _NEVER else float(text)


def _whole(least: int) -> Callable[[Any, Path], int]:
    def check(value: Any, _base: Path) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError
        return value

    return check


def _path(value: Any, base: Path) -> Path:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError
    return (base / Path(value).expanduser()).absolute()


def _paths(value: Any, base: Path) -> tuple[Path, ...]:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not listed:
        raise ValueError
    return tuple(_path(item, base) for item in listed)


def _checked(check: Callable[[str], str]) -> Callable[[Any, Path], str]:
    def read(value: Any, _base: Path) -> str:
        try:
            return check(value)
        except (UsageError, TypeError) as exc:
            raise ValueError from exc

    return read


def one_of(names: Iterable[str]) -> Kind:
    """Return the kind of a value that is one of these words."""
    known = tuple(names)

    def check(value: Any, _base: Path) -> str:
        if value not in known:
            raise ValueError
        return str(value)

    return _kind(f"one of {', '.join(known)}", check)


DAYS = _kind("a number of days above 0, or never", _days, _number_or_never)
SECONDS = _kind("a number of seconds above 0", _seconds, float)
WHOLE = _kind("a whole number, 1 or more", _whole(1), int)
WHOLE_OR_NONE = _kind("a whole number, 0 or more", _whole(0), int)
FILE = _kind("a file's path", _path)
FOLDER = _kind("a folder's path", _path)
PATHS = _kind(
    "a path, or a list of paths",
    _paths,
    lambda text: [part for part in text.split(os.pathsep) if part],
)
USER = _kind("a user's name", _checked(check_user_name))
CREDENTIAL = _kind("a credential's name", _checked(check_credential_name))
