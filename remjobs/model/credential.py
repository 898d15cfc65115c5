"""Credentials as they are named and shown: everything of them but the secret."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from remjobs.errors import UsageError

__all__ = ["CredentialInfo", "CredentialKind", "KeyringInfo", "check_credential_name"]

_NAME: Final = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.@\\+/ -]*")
_LONGEST: Final = 200


class CredentialKind(StrEnum):
    """What a credential's secret is for."""

    PASSWORD = "password"  # noqa: S105 - a kind's name
    """Logs in."""
    PASSPHRASE = "passphrase"  # noqa: S105
    """Opens private keys."""
    SUDO = "sudo"
    """Is what sudo (su, doas) asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialInfo:
    """A credential without its secret."""

    name: str
    user: str | None = None
    kind: CredentialKind = CredentialKind.PASSWORD


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyringInfo:
    """Where credentials are kept."""

    backend: str
    """The keyring's class, or the path of the encrypted file."""
    is_locked: bool = False


def check_credential_name(name: str) -> str:
    """Return the name if it can be a credential's.

    Raises:
        UsageError: It is empty, too long, or has other characters.
    """
    if len(name) > _LONGEST or not _NAME.fullmatch(name):
        msg = (
            f"{name!r} is not a credential's name: letters, digits, blanks and any of "
            "'_.@\\+/-' are allowed, and no '-' at the beginning"
        )
        raise UsageError(msg)
    return name
