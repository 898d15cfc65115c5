"""A host: a machine by name, with how to reach it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from remjobs.errors import UsageError
from remjobs.model.authentication import Authentication
from remjobs.model.seconds import check_seconds

__all__ = [
    "Become",
    "BecomeMethod",
    "Host",
    "HostKeyChecking",
    "SshOptions",
    "WinRmOptions",
    "WinRmScheme",
    "check_host_name",
    "check_user_name",
    "fingerprint_of",
]

_HOST_NAME: Final = re.compile(r"[A-Za-z0-9_:][A-Za-z0-9_.:%-]{0,254}")
_USER_NAME: Final = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.@\\+$-]*")
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}")
_PATH: Final = re.compile(r"/?[A-Za-z0-9_.~/-]{1,200}")
_PROXY: Final = re.compile(r"http://[A-Za-z0-9_.:\[\]-]+/?")
_LONGEST: Final = 24 * 60 * 60
_SERVICE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")


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


def fingerprint_of(text: str) -> str:
    """Return a certificate's SHA-256 as 64 small hexadecimal digits.

    Raises:
        UsageError: It is none; blanks, colons, large letters and ``sha256:`` are allowed.
    """
    plain = text.strip().lower().removeprefix("sha256:")
    digits = re.sub(r"[\s:]", "", plain)
    if not _FINGERPRINT.fullmatch(digits):
        msg = f"{text!r} is not a certificate's SHA-256 fingerprint: 64 hexadecimal digits"
        raise UsageError(msg)
    return digits


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


class WinRmScheme(StrEnum):
    """What carries WinRM's messages."""

    HTTPS = "https"
    HTTP = "http"
    """Every message is encrypted by the login's own means, or the login is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WinRmOptions:
    """What only WinRM hosts have. None means the default."""

    scheme: WinRmScheme | None = None
    """Default https on port 5986; http is on 5985."""
    path: str | None = None
    """The last part of the URL; default wsman."""
    ca_file: str | None = None
    """Certificates (PEM) that the host's is checked against; default the system's."""
    fingerprint: str | None = None
    """The one certificate that is taken, by its SHA-256."""
    insecure_tls: bool = False
    """Any certificate will do. For hosts that are named one by one only."""
    allow_plaintext: bool = False
    """Basic may send the password over http, where anybody on the way can read it."""
    certificate_file: str | None = None
    """What the mechanism Certificate logs in with (PEM)."""
    certificate_key_file: str | None = None
    """Its key; default the same file."""
    delegate: bool = False
    """Kerberos hands the host a ticket of ours, to reach further hosts as us."""
    service: str | None = None
    """The service part of the host's Kerberos name; default HTTP."""
    proxy: str | None = None
    """``http://NAME:PORT`` of a proxy; None: none, whatever the environment says."""
    connect_timeout: float | None = None
    """Seconds until the TCP connection stands; default 10."""
    operation_timeout: float | None = None
    """Seconds after which the host answers that there is nothing new; default 20."""
    read_timeout: float | None = None
    """Seconds without an answer after which the host is lost; default 10 more."""

    def __post_init__(self) -> None:
        """Refuse what is no path, fingerprint, service or time."""
        if self.path is not None and not _PATH.fullmatch(self.path):
            msg = f"{self.path!r} is not a WinRM path, such as wsman"
            raise UsageError(msg)
        if self.service is not None and not _SERVICE.fullmatch(self.service):
            msg = f"{self.service!r} is not a Kerberos service, such as HTTP"
            raise UsageError(msg)
        if self.proxy is not None and not _is_proxy(self.proxy):
            msg = "the proxy must be http://NAME:PORT, without a password"
            raise UsageError(msg)
        if self.fingerprint is not None:
            object.__setattr__(self, "fingerprint", fingerprint_of(self.fingerprint))
        check_seconds("the connect time-out", self.connect_timeout, may_be_negative=False)
        check_seconds("the operation time-out", self.operation_timeout, may_be_negative=False)
        check_seconds("the read time-out", self.read_timeout, may_be_negative=False)
        self._check_times()

    def _check_times(self) -> None:
        """Refuse to wait for less than what the host is asked to take."""
        operation, read = self.operation_timeout, self.read_timeout
        if max(operation or 0, read or 0) > _LONGEST:
            msg = f"the operation and the read time-out are {_LONGEST} s at most"
            raise UsageError(msg)
        # A host is told whole seconds, one at least.
        told = max(1, round(operation or 0), operation or 0)
        if read is not None and read <= told:
            msg = f"the read time-out ({read:g} s) must be above the operation's ({told:g} s)"
            raise UsageError(msg)


def _is_proxy(url: str) -> bool:
    try:
        said = urlsplit(url)
        return bool(_PROXY.fullmatch(url) and said.hostname and said.port)
    except ValueError:
        return False


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
    winrm: WinRmOptions = WinRmOptions()
