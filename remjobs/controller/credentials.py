"""Credentials over the socket: the client's side, and the verbs that answer it.

The socket is its owner's alone, and secrets go one way: into the keyring.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from msgspec import to_builtins

from remjobs.model.credential import CredentialInfo, KeyringInfo
from remjobs.model.request import Caller
from remjobs.model.secret import Secret
from remjobs.model.wire import decode
from remjobs.service import CredentialService

__all__ = ["ClientCredentials", "credential_verbs"]

Call = Callable[[str, object], Awaitable[Any]]
Verb = Callable[[Mapping[str, Any]], Awaitable[Any]]


class ClientCredentials:
    """A CredentialService that asks the controller."""

    def __init__(self, call: Call) -> None:
        """Ask through this function: a verb and its body."""
        self._call = call

    async def set(self, info: CredentialInfo, secret: Secret, caller: Caller) -> CredentialInfo:
        """Keep a credential."""
        body = {"info": info, "secret": secret.reveal(), "caller": caller}
        return decode(await self._call("credential-set", body), CredentialInfo)

    async def list(self, caller: Caller) -> tuple[CredentialInfo, ...]:
        """Return all credentials."""
        answer = await self._call("credential-list", {"caller": caller})
        return decode(answer, tuple[CredentialInfo, ...])

    async def show(self, name: str, caller: Caller) -> CredentialInfo:
        """Return one credential."""
        body = {"name": name, "caller": caller}
        return decode(await self._call("credential-show", body), CredentialInfo)

    async def remove(self, name: str, caller: Caller) -> CredentialInfo:
        """Forget a credential."""
        body = {"name": name, "caller": caller}
        return decode(await self._call("credential-remove", body), CredentialInfo)

    async def probe(self, caller: Caller) -> KeyringInfo:
        """See whether the keyring keeps what it is given."""
        return decode(await self._call("credential-probe", {"caller": caller}), KeyringInfo)

    async def unlock(self, passphrase: Secret, caller: Caller, *, new: bool = False) -> KeyringInfo:
        """Open the encrypted file."""
        body = {"passphrase": passphrase.reveal(), "caller": caller, "new": new}
        return decode(await self._call("unlock", body), KeyringInfo)

    async def lock(self) -> KeyringInfo:
        """Forget the encrypted file's key."""
        return decode(await self._call("lock", {}), KeyringInfo)


def credential_verbs(service: CredentialService) -> dict[str, Verb]:
    """Return the verbs that answer the client, by name."""

    async def set_(body: Mapping[str, Any]) -> Any:
        info = decode(body["info"], CredentialInfo)
        return to_builtins(await service.set(info, _secret(body, "secret"), _caller(body)))

    async def list_(body: Mapping[str, Any]) -> Any:
        return to_builtins(await service.list(_caller(body)))

    async def show(body: Mapping[str, Any]) -> Any:
        return to_builtins(await service.show(decode(body["name"], str), _caller(body)))

    async def remove(body: Mapping[str, Any]) -> Any:
        return to_builtins(await service.remove(decode(body["name"], str), _caller(body)))

    async def probe(body: Mapping[str, Any]) -> Any:
        return to_builtins(await service.probe(_caller(body)))

    async def unlock(body: Mapping[str, Any]) -> Any:
        passphrase, new = _secret(body, "passphrase"), decode(body["new"], bool)
        return to_builtins(await service.unlock(passphrase, _caller(body), new=new))

    async def lock(_body: Mapping[str, Any]) -> Any:
        return to_builtins(await service.lock())

    return {
        "credential-set": set_,
        "credential-list": list_,
        "credential-show": show,
        "credential-remove": remove,
        "credential-probe": probe,
        "unlock": unlock,
        "lock": lock,
    }


def _caller(body: Mapping[str, Any]) -> Caller:
    return decode(body["caller"], Caller)


def _secret(body: Mapping[str, Any], name: str) -> Secret:
    return Secret(decode(body[name], str))
