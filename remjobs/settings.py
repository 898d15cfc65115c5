"""Settings, resolved once: flag, then environment (REMJOBS_*), then default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Final

import platformdirs

from remjobs.errors import UsageError

__all__ = ["Settings"]

_IDLE_SECONDS: Final = 900.0
_KEEP_DAYS: Final = 30.0
_HISTORY_DAYS: Final = 365.0
_FOR_EVER: Final = frozenset({"0", "never"})
_INVENTORIES: Final = (".toml", ".yaml", ".yml", ".ini", ".csv", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where things lie, and how long the controller stays."""

    home: Path
    """State directory: store, socket, lock and log. ``REMJOBS_HOME``."""
    inventory: Path
    """The default inventory, used if it exists. ``REMJOBS_INVENTORY``."""
    idle_timeout: float = _IDLE_SECONDS
    """Seconds without work or clients after which the controller ends.
    ``REMJOBS_IDLE_TIMEOUT``."""
    keep_days: float | None = _KEEP_DAYS
    """Days after its end for which the controller keeps a job; None is for ever.
    ``REMJOBS_KEEP_DAYS``."""
    history_days: float | None = _HISTORY_DAYS
    """Days for which the history keeps the entry of a job that was removed; None is for
    ever. ``REMJOBS_HISTORY_DAYS``."""

    @classmethod
    def resolve(cls, environment: Mapping[str, str], home: Path | None = None) -> Settings:
        """Read the settings.

        Args:
            environment: Usually ``os.environ``.
            home: The state directory, if it was named in another way.

        Raises:
            UsageError: A variable's value is none that it can have.
        """
        named = environment.get("REMJOBS_HOME")
        state = home or (Path(named) if named else platformdirs.user_state_path("remjobs"))
        config = platformdirs.user_config_path("remjobs")
        listed = environment.get("REMJOBS_INVENTORY")
        return cls(
            home=state.expanduser().absolute(),
            inventory=Path(listed).expanduser().absolute() if listed else _default(config),
            idle_timeout=_seconds(environment, "REMJOBS_IDLE_TIMEOUT", _IDLE_SECONDS),
            keep_days=_days(environment, "REMJOBS_KEEP_DAYS", _KEEP_DAYS),
            history_days=_days(environment, "REMJOBS_HISTORY_DAYS", _HISTORY_DAYS),
        )


def _default(config: Path) -> Path:
    """Return the first inventory that is there, else where a plain one would be."""
    named = (config / f"inventory{suffix}" for suffix in _INVENTORIES)
    return next((path for path in named if path.exists()), config / "inventory")


def _seconds(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = -1
    if value <= 0:
        msg = f"{name} is {text!r}, but must be a number of seconds above 0"
        raise UsageError(msg)
    return value


def _days(environment: Mapping[str, str], name: str, default: float) -> float | None:
    text = environment.get(name)
    if not text:
        return default
    if text.casefold() in _FOR_EVER:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 < value < inf:
        msg = f"{name} is {text!r}, but must be a number of days above 0, or never"
        raise UsageError(msg)
    return value
