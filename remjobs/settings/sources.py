"""Where settings come from: the configuration file and the environment."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from remjobs.errors import UsageError
from remjobs.settings.table import NOT_SETTINGS, TABLE

__all__ = ["Given", "config_path", "from_environment", "from_file", "near", "unknown_variables"]


@dataclass(frozen=True, slots=True)
class Given:
    """A setting's value, and where it stands."""

    value: Any
    origin: str
    """A variable's name, or ``file:line``."""


def config_path(environment: Mapping[str, str]) -> Path:
    """Return the configuration file's path, whether it is there or not."""
    named = environment.get("REMJOBS_CONFIG")
    if named:
        return Path(named).expanduser().absolute()
    return platformdirs.user_config_path("remjobs") / "config.toml"


def from_environment(environment: Mapping[str, str]) -> dict[str, Given]:
    """Return what variables say; an empty one says nothing.

    Raises:
        UsageError: A value is none that its setting can have.
    """
    found = {}
    for setting in TABLE.values():
        if text := environment.get(setting.variable):
            try:
                value = setting.kind.of_text(text, Path.cwd())
            except ValueError as exc:
                msg = f"{setting.variable} is {text!r}, but must be {setting.kind.allowed}"
                raise UsageError(msg) from exc
            found[setting.name] = Given(value, setting.variable)
    return found


def from_file(environment: Mapping[str, str]) -> dict[str, Given]:
    """Return what the configuration file says; the default one need not be there.

    Raises:
        UsageError: It cannot be read, is no TOML, or holds what is no setting, or a
            setting's value that it cannot have; file and line are named.
    """
    path = config_path(environment)
    try:
        data = path.read_bytes()
    except FileNotFoundError as exc:
        if not environment.get("REMJOBS_CONFIG"):
            return {}
        msg = f"{path}: no such file; REMJOBS_CONFIG names it"
        raise UsageError(msg) from exc
    except OSError as exc:
        msg = f"{path}: cannot read the configuration: {exc.strerror}"
        raise UsageError(msg) from exc
    return {name: _checked(name, value, data, path) for name, value in _parse(data, path).items()}


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Return the ``REMJOBS_*`` variables that mean nothing."""
    known = {setting.variable for setting in TABLE.values()} | NOT_SETTINGS
    return sorted(name for name in environment if name.startswith("REMJOBS_") and name not in known)


def near(name: str, known: Mapping[str, object]) -> str:
    """Return a hint at a known name that is like this one, or nothing."""
    found = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {found[0]}?)" if found else ""


def _parse(data: bytes, path: Path) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415 - only who has a file pays for it

    try:
        return tomllib.loads(data.decode())
    except UnicodeDecodeError as exc:
        line = data[: exc.start].count(b"\n") + 1
        msg = f"{path}:{line}: not UTF-8 text; expected TOML"
        raise UsageError(msg) from exc
    except tomllib.TOMLDecodeError as exc:
        what, _, where = str(exc).partition(" (at ")
        at = re.match(r"line (\d+)", where)
        line = int(at[1]) if at else data.count(b"\n") + 1
        msg = f"{path}:{line}: no TOML: {what[:1].lower()}{what[1:]}; expected `name = value`"
        raise UsageError(msg) from exc


def _checked(name: str, value: Any, data: bytes, path: Path) -> Given:
    where = f"{path}:{_line(name, data)}"
    if name not in TABLE:
        msg = f"{where}: no setting {name!r}{near(name, TABLE)}; allowed are: {', '.join(TABLE)}"
        raise UsageError(msg)
    kind = TABLE[name].kind
    try:
        return Given(kind.of_value(value, path.parent), where)
    except ValueError as exc:
        msg = f"{where}: {name} is {value!r}, but must be {kind.allowed}"
        raise UsageError(msg) from exc


def _line(name: str, data: bytes) -> int:
    """Return the line where a key, or the table of its name, stands first.

    Python's reader of TOML does not tell it.
    """
    key = re.escape(name)
    found = re.search(
        rf"""^\s*(\[+\s*)?["']?{key}["']?\s*[=.\]]""",
        data.decode(),
        re.MULTILINE,
    )
    return data.decode()[: found.end()].count("\n") + 1 if found else 1
