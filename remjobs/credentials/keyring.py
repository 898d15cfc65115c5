"""The keyring that credentials are kept in: the system's, or an encrypted file.

The file is used where it was created, and no other keyring then; who creates it
decides so once, instead of whatever D-Bus session a command happens to see. Every
request is carried out by a process of its own (``credentials.helper``) within a time
limit. Once unlocked, the file's key is kept in memory until ``lock``, or our end.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any, Final

from remjobs.credentials.credential import Credential
from remjobs.errors import InsecureKeyring, KeyringLocked, KeyringTrouble, NoSuchCredential
from remjobs.model.credential import (
    CredentialInfo,
    CredentialKind,
    KeyringInfo,
    check_credential_name,
)
from remjobs.model.host import check_user_name
from remjobs.model.request import Caller
from remjobs.model.secret import Secret

__all__ = ["Keyring", "KeyringPlace"]

_SECONDS: Final = 10.0
_LOOK_EVERY: Final = 5.0
_UNLOCKED_BY_HAND: Final = (
    "unlock it where you are logged in, or keep credentials in an encrypted file: "
    "`remjobs unlock --new`"
)
_ANOTHER: Final = (
    "name another with PYTHON_KEYRING_BACKEND or in keyringrc.cfg and start the controller anew, "
    "or keep credentials in an encrypted file: `remjobs unlock --new`"
)
_ERRORS: Final[Mapping[str, Callable[[str], KeyringTrouble]]] = {
    "none": NoSuchCredential,
    "locked": lambda said: KeyringLocked(f"the keyring is locked ({said})", _UNLOCKED_BY_HAND),
    "absent": lambda said: KeyringTrouble(
        f"{said} on this machine",
        "`remjobs unlock --new` makes an encrypted file for credentials",
    ),
    "insecure": lambda said: InsecureKeyring(
        said,
        "choose another, make an encrypted file (`remjobs unlock --new`), "
        "or give --insecure-keyring",
    ),
    "wrong": KeyringTrouble,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyringPlace:
    """Where the encrypted file is, and what opens it unattended."""

    file: Path
    key_file: Path | None = None
    """Its first line is the passphrase."""
    timeout: float = _SECONDS
    """Seconds for a keyring to answer."""
    look_every: float = _LOOK_EVERY
    """Seconds between two looks at a keyring that somebody waits for."""


class Keyring:
    """Keeps credentials, and gives them to who may have them."""

    def __init__(self, place: KeyringPlace) -> None:
        """Begin locked, if there is a file."""
        self._place = place
        self._key: Secret | None = None
        self._one_at_a_time = asyncio.Lock()
        self._unlocked = asyncio.Event()
        self._one_looks = asyncio.Lock()
        self._seen: dict[str | None, tuple[float, bool]] = {}

    async def get(self, name: str, caller: Caller) -> Credential:
        """Return a credential with its secret.

        Raises:
            NoSuchCredential: There is none; the message lists those that there are.
            KeyringLocked: It must be unlocked first.
            KeyringTrouble: There is no keyring that could be used.
        """
        check_credential_name(name)
        try:
            found = await self._ask("get", caller, name=name)
        except NoSuchCredential as exc:
            raise await self._unknown(name, caller) from exc
        return Credential(
            name=found["name"],
            user=found["user"],
            password=Secret(found["secret"]),
            kind=CredentialKind(found["kind"]),
        )

    async def set(self, info: CredentialInfo, secret: Secret, caller: Caller) -> CredentialInfo:
        """Keep a credential; one of the same name is replaced."""
        check_credential_name(info.name)
        if info.user is not None:
            check_user_name(info.user)
        async with self._one_at_a_time:
            await self._ask(
                "set",
                caller,
                name=info.name,
                user=info.user,
                kind=info.kind.value,
                secret=secret.reveal(),
            )
        return info

    async def list(self, caller: Caller) -> tuple[CredentialInfo, ...]:
        """Return all credentials by name, without their secrets."""
        return tuple(
            CredentialInfo(
                name=found["name"], user=found["user"], kind=CredentialKind(found["kind"])
            )
            for found in await self._ask("list", caller)
        )

    async def show(self, name: str, caller: Caller) -> CredentialInfo:
        """Return one credential, without its secret."""
        return (await self.get(name, caller)).info

    async def remove(self, name: str, caller: Caller) -> CredentialInfo:
        """Forget a credential."""
        info = await self.show(name, caller)
        async with self._one_at_a_time:
            await self._ask("remove", caller, name=name)
        return info

    async def probe(self, caller: Caller) -> KeyringInfo:
        """See whether the keyring keeps what it is given, and return which one it is."""
        backend = await self._ask("probe", caller)
        return KeyringInfo(backend=str(self._place.file) if self._has_file else backend)

    async def unlock(self, passphrase: Secret, caller: Caller, *, new: bool = False) -> KeyringInfo:
        """Open the encrypted file, or make a new one.

        Raises:
            KeyringTrouble: The passphrase is wrong; there is no file, or there is one.
        """
        if not (new or self._has_file):
            msg = (
                "there is no encrypted file to unlock: the system's keyring is used "
                "(`remjobs unlock --new` makes a file, which is used instead)"
            )
            raise KeyringTrouble(msg)
        verb = "create" if new else "unlock"
        asked = {"passphrase": passphrase.reveal()}
        self._opened(
            await self._helper({"verb": verb, "file": str(self._place.file), **asked}, caller)
        )
        return KeyringInfo(backend=str(self._place.file))

    async def lock(self) -> KeyringInfo:
        """Forget the encrypted file's key.

        Raises:
            KeyringTrouble: There is no such file.
        """
        if not self._has_file:
            msg = "there is no encrypted file to lock: the system's keyring is used"
            raise KeyringTrouble(msg)
        self._key = None
        self._unlocked.clear()
        return KeyringInfo(backend=str(self._place.file), is_locked=True)

    async def unlocked(self, caller: Caller) -> None:
        """Wait until somebody unlocks the file, or the system's keyring.

        That one tells nobody: it is looked at now and then, once for all who wait.
        """
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._place.look_every):
                    await self._unlocked.wait()
                return
            if not self._has_file and not await self._is_locked(caller):
                return

    async def _is_locked(self, caller: Caller) -> bool:
        """Return whether the system's keyring is locked, as it was seen a moment ago."""
        now, whose = asyncio.get_running_loop().time(), caller.dbus_session_bus_address
        async with self._one_looks:
            when, locked = self._seen.get(whose, (-inf, True))
            if now - when > self._place.look_every / 2:
                locked = await self._look(caller)
                self._seen[whose] = asyncio.get_running_loop().time(), locked
            return locked

    async def _look(self, caller: Caller) -> bool:
        try:
            return bool(await self._helper({"verb": "is-locked"}, caller))
        except KeyringTrouble:
            return True

    def _opened(self, key: str) -> None:
        self._key = Secret(key)
        self._unlocked.set()

    @property
    def _has_file(self) -> bool:
        return self._place.file.exists()

    async def _unknown(self, name: str, caller: Caller) -> NoSuchCredential:
        there = ", ".join(info.name for info in await self.list(caller)) or "none"
        return NoSuchCredential(
            f"no credential {name!r}; there are: {there} "
            f"(`remjobs credential set {name}` keeps one)",
        )

    async def _ask(self, verb: str, caller: Caller, **more: Any) -> Any:
        """Ask the keyring that is used."""
        request = {"verb": verb, "insecure": caller.insecure_keyring, **more}
        if self._has_file:
            key = await self._file_key(caller)
            request |= {"file": str(self._place.file), "key": key.reveal()}
        return await self._helper(request, caller)

    async def _file_key(self, caller: Caller) -> Secret:
        """Return the file's key; a key file opens it by itself, once."""
        if self._key is None and self._place.key_file is not None:
            asked = {"verb": "unlock", "key_file": str(self._place.key_file)}
            self._opened(await self._helper({**asked, "file": str(self._place.file)}, caller))
        if self._key is None:
            msg = f"the credentials in {self._place.file} are locked"
            raise KeyringLocked(msg, "`remjobs unlock`")
        return self._key

    async def _helper(self, request: Mapping[str, Any], caller: Caller) -> Any:
        """Let a process of its own carry a request out."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "remjobs.credentials.helper",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=_environment(caller),
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(self._place.timeout):
                said, _ = await process.communicate(json.dumps(request).encode())
        except TimeoutError as exc:
            msg = f"the keyring did not answer in {self._place.timeout:g} s: does its daemon hang?"
            raise KeyringTrouble(msg, _UNLOCKED_BY_HAND) from exc
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        return _taken(said)


def _taken(said: bytes) -> Any:
    try:
        answer = json.loads(said)
    except ValueError as exc:
        msg = "the keyring's backend ended our helper, without an answer"
        raise KeyringTrouble(msg, _ANOTHER) from exc
    if "error" in answer:
        make = _ERRORS.get(answer["error"], _trouble)
        raise make(answer["message"])
    return answer["ok"]


def _trouble(said: str) -> KeyringTrouble:
    return KeyringTrouble(f"the keyring cannot be used: {said}", _ANOTHER)


def _environment(caller: Caller) -> dict[str, str]:
    """Return our environment, with the D-Bus session of whoever asks."""
    ours = {name: value for name, value in os.environ.items() if name != _DBUS}
    address = caller.dbus_session_bus_address
    return ours | ({_DBUS: address} if address else {})


_DBUS: Final = "DBUS_SESSION_BUS_ADDRESS"
