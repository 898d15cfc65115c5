"""What a transport authenticates with."""

from __future__ import annotations

from dataclasses import dataclass

from remjobs.model.credential import CredentialInfo, CredentialKind
from remjobs.model.secret import Secret

__all__ = ["Credential"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """Who to be on a host, and how to prove it."""

    name: str = ""
    """What it is called in the keyring; empty where a person was asked instead."""
    user: str | None = None
    password: Secret | None = None
    kind: CredentialKind = CredentialKind.PASSWORD

    @property
    def info(self) -> CredentialInfo:
        """All of it but the secret."""
        return CredentialInfo(name=self.name, user=self.user, kind=self.kind)
