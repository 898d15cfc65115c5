"""Settings: flag, then environment (REMJOBS_*), then file, then default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import platformdirs

from remjobs.model.host import SshOptions, WinRmOptions
from remjobs.model.output import OutputForm
from remjobs.model.request import DEFAULT_THROTTLE, Connection
from remjobs.settings.sources import config_path, from_environment, from_file, unknown_variables
from remjobs.settings.table import TABLE, Setting

__all__ = ["TABLE", "Setting", "Settings", "config_path", "unknown_variables"]

_IDLE_SECONDS: Final = 900.0
_KEEP_DAYS: Final = 30.0
_HISTORY_DAYS: Final = 365.0
_CONFIRM_ABOVE: Final = 50
_INVENTORIES: Final = (".toml", ".yaml", ".yml", ".ini", ".csv", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a user set, or the defaults. docs/settings.md tells each."""

    home: Path
    """State directory: store, socket, lock and log."""
    inventory: tuple[Path, ...]
    """The inventories that are read where none is named, those of them that exist."""
    keyring_file: Path
    """The encrypted file for credentials, used if it exists."""
    key_file: Path | None = None
    """Holds the passphrase of that file, for machines without a person."""
    idle_timeout: float = _IDLE_SECONDS
    """Seconds without work or clients after which the controller ends."""
    keep_days: float | None = _KEEP_DAYS
    """Days after its end for which the controller keeps a job; None is for ever."""
    history_days: float | None = _HISTORY_DAYS
    """Days for which the history keeps the entry of a job that was removed; None is for
    ever."""
    throttle_limit: int = DEFAULT_THROTTLE
    confirm_above: int = _CONFIRM_ABOVE
    output: str = OutputForm.TEXT
    color: str = "auto"
    """``auto`` or ``never``."""
    user: str | None = None
    credential: str | None = None
    connect_timeout: float | None = None
    login_timeout: float | None = None
    keepalive: float | None = None
    origins: Mapping[str, str] = field(default_factory=dict)
    """For each setting that is not the default: a variable's name, or ``file:line``."""

    @classmethod
    def resolve(cls, environment: Mapping[str, str], home: Path | None = None) -> Settings:
        """Read the settings.

        Args:
            environment: Usually ``os.environ``.
            home: The state directory, if it was named in another way.

        Raises:
            UsageError: File or environment have what they cannot have.
        """
        given = from_file(environment) | from_environment(environment)
        values = {name: found.value for name, found in given.items()}
        origins = {name: found.origin for name, found in given.items()}
        if home is not None:
            values["home"] = home.expanduser().absolute()
            origins["home"] = "named by the caller"
        state = values.get("home", platformdirs.user_state_path("remjobs"))
        defaults = {
            "home": state,
            "inventory": (_default_inventory(),),
            "keyring_file": state / "keyring",
            "key_file": _key_of_systemd(environment),
        }
        return cls(**{**defaults, **values}, origins=origins)

    @property
    def connection(self) -> Connection:
        """How hosts are reached of which neither request nor inventory says otherwise."""
        return Connection(
            user=self.user,
            credential=self.credential,
            ssh=SshOptions(
                connect_timeout=self.connect_timeout,
                login_timeout=self.login_timeout,
                keepalive_interval=self.keepalive,
            ),
            winrm=WinRmOptions(connect_timeout=self.connect_timeout),
        )


def _default_inventory() -> Path:
    """Return the first inventory that is there, else where a plain one would be."""
    config = platformdirs.user_config_path("remjobs")
    named = (config / f"inventory{suffix}" for suffix in _INVENTORIES)
    return next((path for path in named if path.exists()), config / "inventory")


def _key_of_systemd(environment: Mapping[str, str]) -> Path | None:
    """Return what LoadCredential=remjobs-key:... gave us (systemd.exec(5))."""
    folder = environment.get("CREDENTIALS_DIRECTORY")
    path = Path(folder, "remjobs-key") if folder else None
    return path if path is not None and path.exists() else None
