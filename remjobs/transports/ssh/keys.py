"""Private keys and their certificates, each file read once for a job."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, cast

import asyncssh

from remjobs.model.job import ReasonKind
from remjobs.model.ping import Stage
from remjobs.model.secret import Secret
from remjobs.transports.base import Access, HostFailure, NeedsAnswer, SecretUse, UnfitHost
from remjobs.transports.ssh.config import Identity

__all__ = ["KeyPair", "Keys", "Loaded"]

KeyPair = asyncssh.SSHKey | tuple[asyncssh.SSHKey, asyncssh.SSHCertificate]
_NO_PASSPHRASE: Final = "Passphrase must be specified"  # noqa: S105 - an error's words
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What there is to log in with."""

    pairs: tuple[KeyPair, ...]
    public: tuple[bytes, ...]
    """The public keys of all files, also of those that are left to the agent."""
    notes: tuple[str, ...]
    """What else there is, and why it cannot be used."""


@dataclass(frozen=True, slots=True)
class _Opened:
    key: asyncssh.SSHKey | None
    """None: the agent has it."""
    public: bytes | None = None
    note: str = ""


class Keys:
    """Key files by path, opened with passphrases where they need one."""

    def __init__(self) -> None:
        """Read nothing yet."""
        self._opened: dict[str, _Opened] = {}
        self._opening = asyncio.Lock()
        self._wrong: dict[str, list[Secret]] = {}

    def check(self, path: str) -> None:
        """Refuse a file that can never be a key, before anything starts.

        Raises:
            UnfitHost: It names the file and what is wrong with it.
        """
        try:
            self._opened.setdefault(path, _read(path, None))
        except _Encrypted:
            return
        except _Unusable as exc:
            raise UnfitHost(str(exc)) from exc

    async def load(
        self,
        identities: Sequence[Identity],
        certificates: Sequence[str],
        agent: str,
        access: Access | None,
    ) -> Loaded:
        """Return the keys of these files, with their certificates.

        Raises:
            NeedsAnswer: One needs a passphrase, and there is none.
            HostFailure: One that is wanted cannot be used.
        """
        async with self._opening:
            opened = {each.path: await self._load(each, agent, access) for each in identities}
        found = [*certificates, *(f"{path}-cert.pub" for path in opened)]
        certified, notes = await asyncio.to_thread(_certificates, found)
        pairs: list[KeyPair] = []
        for key in (each.key for each in opened.values() if each.key is not None):
            own = [cert for cert in certified if cert.key.public_data == key.public_data]
            pairs += [(key, cert) for cert in own] or [key]
        public = [each.public for each in opened.values() if each.public is not None]
        notes = [*filter(None, (each.note for each in opened.values())), *notes]
        return Loaded(pairs=tuple(pairs), public=tuple(public), notes=tuple(notes))

    async def _load(self, identity: Identity, agent: str, access: Access | None) -> _Opened:
        path = identity.path
        if path in self._opened:
            return self._opened[path]
        try:
            opened = await self._open(path, agent, access, wanted=identity.is_wanted)
        except _Unusable as exc:
            if identity.is_wanted:
                raise _failure(str(exc)) from exc
            opened = _Opened(None, note=str(exc))
        if opened.key is not None or opened.note:
            self._opened[path] = opened
        return opened

    async def _open(self, path: str, agent: str, access: Access | None, *, wanted: bool) -> _Opened:
        try:
            return await asyncio.to_thread(_read, path, None)
        except _Encrypted:
            public = await asyncio.to_thread(_public, path)
            if public is not None and public in await _held_by(agent):
                return _Opened(None, public)
        question = f"passphrase of {path}"
        if access is None or not await access.ready(SecretUse.KEY, question):
            if wanted:
                raise NeedsAnswer(question, SecretUse.KEY, is_shared=True)
            return _Opened(None, public, f"{path} has a passphrase, and is in no agent")
        return await self._decrypt(path, await access.secret(SecretUse.KEY, question))

    async def _decrypt(self, path: str, passphrase: Secret) -> _Opened:
        wrong = self._wrong.setdefault(path, [])
        msg = f"wrong passphrase for {path}"
        if passphrase in wrong:
            raise _failure(msg)
        try:
            return await asyncio.to_thread(_read, path, passphrase)
        except asyncssh.KeyEncryptionError as exc:
            wrong.append(passphrase)
            raise _failure(msg) from exc


class _Encrypted(Exception):
    """The key needs a passphrase."""


class _Unusable(Exception):
    """The key cannot be used; the message says why."""


def _read(path: str, passphrase: Secret | None) -> _Opened:
    place = Path(path).expanduser()
    text = None if passphrase is None else passphrase.reveal()
    try:
        key = asyncssh.read_private_key(place, text)
    except asyncssh.KeyEncryptionError:
        raise
    except (asyncssh.KeyImportError, ValueError) as exc:
        if passphrase is None and _NO_PASSPHRASE in str(exc):
            _check_mode(place)
            raise _Encrypted from exc
        msg = f"{path}: not a usable private key: {exc}"
        raise _Unusable(msg) from exc
    except OSError as exc:
        msg = f"{path}: cannot read the key: {exc.strerror}"
        raise _Unusable(msg) from exc
    _check_mode(place)
    return _Opened(_supported(path, key), key.public_data)


def _check_mode(place: Path) -> None:
    """Refuse a key of ours that others may read, as OpenSSH does."""
    found = place.stat()
    if found.st_uid == os.geteuid() and found.st_mode & _OTHERS:
        mode = stat.S_IMODE(found.st_mode)
        msg = f"{place}: others may read this key (mode {mode:04o}): `chmod 600 {place}`"
        raise _Unusable(msg)


def _supported(path: str, key: asyncssh.SSHKey) -> asyncssh.SSHKey:
    algorithm = key.get_algorithm()
    if algorithm.startswith("sk-"):
        msg = f"{path}: a FIDO key works through an agent only: `ssh-add {path}`"
        raise _Unusable(msg)
    if algorithm == "ssh-dss":
        msg = f"{path}: DSA keys are refused by servers: make an ed25519 key"
        raise _Unusable(msg)
    return key


def _public(path: str) -> bytes | None:
    """Return the public half of a key that cannot be opened, from the file beside it."""
    with suppress(OSError, asyncssh.KeyImportError):
        return asyncssh.read_public_key(Path(f"{path}.pub").expanduser()).public_data
    return None


async def _held_by(agent: str) -> set[bytes]:
    """Return the public keys that an agent has."""
    if not agent:
        return set()
    try:
        client = await asyncssh.connect_agent(agent)
    except OSError:
        return set()
    try:
        return {pair.public_data for pair in await client.get_keys()}
    except ValueError:
        return set()
    finally:
        client.close()
        await client.wait_closed()


def _certificates(paths: Sequence[str]) -> tuple[list[asyncssh.SSHCertificate], list[str]]:
    """Return those of these files that are there, and what is wrong with them."""
    found, notes = [], []
    for path in paths:
        try:
            certificate = asyncssh.read_certificate(Path(path).expanduser())
        except FileNotFoundError:
            continue
        except (OSError, asyncssh.KeyImportError) as exc:
            notes.append(f"{path}: not a usable certificate: {exc}")
            continue
        found.append(certificate)
        if (why := _out_of_time(certificate)) is not None:
            notes.append(f"the certificate {path} {why}")
    return found, notes


def _out_of_time(certificate: asyncssh.SSHCertificate) -> str | None:
    # asyncssh tells that it is invalid only in words, and not since when.
    begin, end = (cast(float, getattr(certificate, f"_valid_{at}", 0)) for at in _BOUNDS)
    now = datetime.now(UTC).timestamp()
    if now < begin:
        return f"is not valid before {_at(begin)}"
    return f"expired on {_at(end)}" if now >= end > 0 else None


_BOUNDS: Final = ("after", "before")


def _at(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def _failure(message: str) -> HostFailure:
    return HostFailure(ReasonKind.AUTHENTICATION, message, stage=Stage.AUTHENTICATION)
