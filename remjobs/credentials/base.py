"""The credentials seam: what the engine asks for secrets; see tests/contract/test_keyring.py."""

from __future__ import annotations

from typing import Protocol

from remjobs.credentials.credential import Credential
from remjobs.model.request import Caller
from remjobs.service import CredentialService

__all__ = ["Credentials"]


class Credentials(CredentialService, Protocol):
    """A CredentialService that gives secrets to those who log in with them."""

    async def get(self, name: str, caller: Caller) -> Credential:
        """Return a credential with its secret.

        Raises:
            NoSuchCredential: There is none; the message lists those that there are.
            KeyringLocked: It must be unlocked first.
            KeyringTrouble: There is no keyring that could be used.
        """
        ...

    async def unlocked(self, caller: Caller) -> None:
        """Wait until somebody unlocks what is locked to this caller."""
        ...
