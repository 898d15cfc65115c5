"""A host: a machine by name, with how to reach it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from remjobs.errors import UsageError
from remjobs.model.authentication import Authentication
from remjobs.model.seconds import check_seconds

__all__ = [
    "Become",
    "BecomeMethod",
    "Host",
    "HostKeyChecking",
    "SshOptions",
    "check_host_name",
    "check_user_name",
]

_HOST_NAME: Final = re.compile(r"[A-Za-z0-9_:][A-Za-z0-9_.:%-]{0,254}")
_USER_NAME: Final = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.@\\+$-]*")


def check_host_name(name: str) -> str:
    """Return the name if it is safe to hand to a resolver, a log or a ProxyCommand.

    A leading ``-`` would be read as an option, a blank would split in a
    ProxyCommand, a control character would forge output.

    Raises:
        UsageError: The name has a character that no host name has.
    """
    if not _HOST_NAME.fullmatch(name):
        msg = f"{name!r} is not a host name: letters, digits, '.', '-', '_' and ':' are allowed"
        raise UsageError(msg)
    return name


def check_user_name(name: str) -> str:
    """Return the user name if it is safe to hand on.

    Raises:
        UsageError: The name has a character that no user name has.
    """
    if not _USER_NAME.fullmatch(name):
        msg = f"{name!r} is not a user name"
        raise UsageError(msg)
    return name


class HostKeyChecking(StrEnum):
    """What is done about a host key that is not known."""

    STRICT = "strict"
    """The host is refused."""
    ACCEPT_NEW = "accept-new"
    """The first key that it shows is kept; another one later is refused."""
    OFF = "off"
    """Any key will do, a changed one too. For hosts that are named one by one only."""


class BecomeMethod(StrEnum):
    """The program by which one user becomes another."""

    SUDO = "sudo"
    SU = "su"
    DOAS = "doas"


@dataclass(frozen=True, slots=True, kw_only=True)
class Become:
    """Whom to be on a host, once logged in."""

    user: str | None = None
    """None: whoever logged in."""
    method: BecomeMethod = BecomeMethod.SUDO
    credential: str | None = None
    """What the program is answered, by its name in the keyring; None is the one that
    logged in, or a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SshOptions:
    """What only SSH hosts have. None means: as ~/.ssh/config or the default says."""

    identity_files: tuple[str, ...] = ()
    config_file: str | None = None
    known_hosts_file: str | None = None
    host_key_checking: HostKeyChecking | None = None
    connect_timeout: float | None = None
    """Seconds until the TCP connection stands; default 10."""
    login_timeout: float | None = None
    """Seconds for key exchange and authentication; default 30."""
    keepalive_interval: float | None = None
    """Seconds between keepalives; default 15. Three unanswered ones end the connection."""
    forward_agent: bool = False
    """Work on the host may use the caller's agent, while the connection stands."""

    def __post_init__(self) -> None:
        """Refuse times that are none."""
        check_seconds("the connect time-out", self.connect_timeout, may_be_negative=False)
        check_seconds("the login time-out", self.login_timeout, may_be_negative=False)
        check_seconds("the keepalive interval", self.keepalive_interval, may_be_negative=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A machine and how to reach it; everything but secrets."""

    name: str
    transport: str = "ssh"
    address: str | None = None
    """Where it is, if the name is not to be resolved itself."""
    port: int | None = None
    user: str | None = None
    authentication: Authentication = Authentication.DEFAULT
    credential: str | None = None
    """The credential that logs in, by its name in the keyring."""
    asks_for_password: bool = False
    """A person is asked for the password if the keyring has no such credential."""
    become: Become = Become()
    variables: Mapping[str, object] = field(default_factory=dict)
    ssh: SshOptions = SshOptions()
