"""Settings, resolved once: flag, then environment (REMJOBS_*), then default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import platformdirs

from remjobs.errors import UsageError

__all__ = ["Settings"]

_IDLE_SECONDS: Final = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where things lie, and how long the controller stays."""

    home: Path
    """State directory: store, socket, lock and log. ``REMJOBS_HOME``."""
    inventory: Path
    """The default inventory, used if it exists. ``REMJOBS_INVENTORY``."""
    keyring_file: Path
    """The encrypted file for credentials, used if it exists. ``REMJOBS_KEYRING_FILE``."""
    key_file: Path | None = None
    """Holds the passphrase of that file, for machines without a person.
    ``REMJOBS_KEY_FILE``; else ``remjobs-key`` among systemd's credentials."""
    idle_timeout: float = _IDLE_SECONDS
    """Seconds without work or clients after which the controller ends.
    ``REMJOBS_IDLE_TIMEOUT``."""

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
        home_path = state.expanduser().absolute()
        return cls(
            home=home_path,
            inventory=_path(environment, "REMJOBS_INVENTORY") or _default(config),
            keyring_file=_path(environment, "REMJOBS_KEYRING_FILE") or home_path / "keyring",
            key_file=_path(environment, "REMJOBS_KEY_FILE") or _systemds(environment),
            idle_timeout=_seconds(environment, "REMJOBS_IDLE_TIMEOUT", _IDLE_SECONDS),
        )


def _path(environment: Mapping[str, str], name: str) -> Path | None:
    named = environment.get(name)
    return Path(named).expanduser().absolute() if named else None


def _systemds(environment: Mapping[str, str]) -> Path | None:
    """Return what LoadCredential=remjobs-key:... gave us (systemd.exec(5))."""
    folder = environment.get("CREDENTIALS_DIRECTORY")
    path = Path(folder, "remjobs-key") if folder else None
    return path if path is not None and path.exists() else None


def _default(config: Path) -> Path:
    """Return the structured inventory if there is one, else where a plain one would be."""
    structured = config / "inventory.yaml"
    return structured if structured.exists() else config / "inventory"


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
