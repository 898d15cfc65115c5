"""The table of settings: names, kinds, and what each is for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from remjobs.model.output import OutputForm
from remjobs.settings.kinds import (
    CREDENTIAL,
    DAYS,
    FILE,
    FOLDER,
    PATHS,
    SECONDS,
    USER,
    WHOLE,
    WHOLE_OR_NONE,
    Kind,
    one_of,
)

__all__ = ["NOT_SETTINGS", "TABLE", "Setting"]


_AS_SSH: Final = "as ~/.ssh/config says"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting; its default is that of the field in Settings of this name."""

    name: str
    kind: Kind
    about: str
    unset: str = ""
    """What holds where nobody sets it and Settings has no default of its own."""

    @property
    def variable(self) -> str:
        """The environment variable that gives it."""
        return f"REMJOBS_{self.name.upper()}"


TABLE: Final = {
    setting.name: setting
    for setting in (
        Setting(name="home", kind=FOLDER, about="state directory: jobs, output, socket, log"),
        Setting(name="inventory", kind=PATHS, about="inventories that are read without -i"),
        Setting(name="idle_timeout", kind=SECONDS, about="seconds until an idle controller ends"),
        Setting(name="keep_days", kind=DAYS, about="days for which ended jobs are kept"),
        Setting(name="history_days", kind=DAYS, about="days for which removed jobs are remembered"),
        Setting(name="keyring_file", kind=FILE, about="the encrypted file for credentials"),
        Setting(
            name="key_file",
            kind=FILE,
            about="file with the passphrase of that one",
            unset="systemd's credential remjobs-key, else a person is asked",
        ),
        Setting(name="throttle_limit", kind=WHOLE, about="hosts at a time (-f)"),
        Setting(
            name="confirm_above",
            kind=WHOLE_OR_NONE,
            about="hosts above which a terminal is asked first (--confirm-above)",
        ),
        Setting(name="output", kind=one_of(OutputForm), about="how output is shown (--output)"),
        Setting(name="color", kind=one_of(("auto", "never")), about="colours on a terminal"),
        Setting(name="user", kind=USER, about="user to log in as (-u)", unset=_AS_SSH),
        Setting(
            name="credential",
            kind=CREDENTIAL,
            about="credential that logs in (--credential)",
            unset="none",
        ),
        Setting(
            name="connect_timeout",
            kind=SECONDS,
            about="seconds to connect",
            unset=_AS_SSH + ", else 10",
        ),
        Setting(name="login_timeout", kind=SECONDS, about="seconds to log in", unset="30"),
        Setting(
            name="keepalive",
            kind=SECONDS,
            about="seconds between keepalives",
            unset=_AS_SSH + ", else 15",
        ),
    )
}
NOT_SETTINGS: Final = frozenset({"REMJOBS_CONFIG", "REMJOBS_DEBUG", "REMJOBS_SPOOL"})
"""Variables that the environment alone can have."""
