"""The mechanisms by which a host lets somebody in, by PowerShell's names and SSH's."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from remjobs.errors import UsageError

__all__ = [
    "OF_WINRM",
    "Authentication",
    "check_for_local",
    "check_for_ssh",
    "check_for_winrm",
    "parse_authentication",
]


class Authentication(StrEnum):
    """A mechanism. Which ones a host can have is its transport's to say."""

    DEFAULT = "Default"
    """What suits transport and host."""
    BASIC = "Basic"
    CERTIFICATE = "Certificate"
    CREDSSP = "Credssp"
    DIGEST = "Digest"
    KERBEROS = "Kerberos"
    NEGOTIATE = "Negotiate"
    NEGOTIATE_WITH_IMPLICIT_CREDENTIAL = "NegotiateWithImplicitCredential"
    NTLM = "Ntlm"
    PUBLIC_KEY = "PublicKey"
    PASSWORD = "Password"  # noqa: S105 - a mechanism's name
    KEYBOARD_INTERACTIVE = "KeyboardInteractive"
    GSSAPI = "Gssapi"


_OF_SSH = frozenset(
    {
        Authentication.PUBLIC_KEY,
        Authentication.PASSWORD,
        Authentication.KEYBOARD_INTERACTIVE,
        Authentication.GSSAPI,
    },
)
OF_WINRM: Final = tuple(name for name in Authentication if name not in _OF_SSH)


def parse_authentication(name: str) -> Authentication:
    """Return a mechanism by name, without regard to case.

    Raises:
        UsageError: It is none; the message lists those that there are.
    """
    for mechanism in Authentication:
        if mechanism.value.casefold() == name.casefold():
            return mechanism
    msg = f"no authentication {name!r}; there are: {', '.join(Authentication)}"
    raise UsageError(msg)


def check_for_ssh(mechanism: Authentication, host: str) -> None:
    """Refuse what an SSH host cannot have.

    Raises:
        UsageError: It names the host and what to do.
    """
    if mechanism is Authentication.DEFAULT or mechanism in _OF_SSH:
        return
    msg = (
        f"{host} is an SSH host, which has no authentication {mechanism}; "
        f"there are: Default, {', '.join(sorted(_OF_SSH))}"
    )
    raise UsageError(msg)


def check_for_winrm(mechanism: Authentication, host: str) -> None:
    """Refuse what a WinRM host cannot have.

    Raises:
        UsageError: It names the host and what to do.
    """
    if mechanism in OF_WINRM:
        return
    msg = (
        f"{host} is a WinRM host, which has no authentication {mechanism}; "
        f"there are: {', '.join(OF_WINRM)}"
    )
    raise UsageError(msg)


def check_for_local(mechanism: Authentication) -> None:
    """Refuse any mechanism where there is nobody to log in to.

    Raises:
        UsageError: It says what to do.
    """
    if mechanism is not Authentication.DEFAULT:
        msg = f"--authentication {mechanism} is for hosts: work on this machine logs in nowhere"
        raise UsageError(msg)
