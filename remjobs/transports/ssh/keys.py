"""Private keys and their certificates, each file read once for a job."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import asyncssh

from remjobs.errors import UsageError
from remjobs.model.job import ReasonKind
from remjobs.model.ping import Stage
from remjobs.transports.base import Access, HostFailure, NeedsAnswer, SecretUse

__all__ = ["KeyPair", "Keys"]

KeyPair = asyncssh.SSHKey | tuple[asyncssh.SSHKey, asyncssh.SSHCertificate]
_NO_PASSPHRASE: Final = "Passphrase must be specified"  # noqa: S105 - an error's words


class Keys:
    """Key files by path, opened with passphrases where they need one."""

    def __init__(self) -> None:
        """Read nothing yet."""
        self._opened: dict[str, KeyPair] = {}
        self._opening = asyncio.Lock()

    def check(self, path: str) -> None:
        """Refuse a file that can never be a key, before anything starts.

        Raises:
            UsageError: It names the file and what is wrong with it.
        """
        try:
            self._opened.setdefault(path, _pair(path, None))
        except _Encrypted:
            return
        except asyncssh.KeyImportError as exc:
            msg = f"{path}: not a usable private key: {exc}"
            raise UsageError(msg) from exc
        except OSError as exc:
            msg = f"{path}: cannot read the key: {exc.strerror}"
            raise UsageError(msg) from exc

    async def load(self, paths: Sequence[str], access: Access | None) -> list[KeyPair]:
        """Return the keys of these files.

        Raises:
            NeedsAnswer: One needs a passphrase, and there is none.
            HostFailure: One cannot be used.
        """
        async with self._opening:
            return [await self._load(path, access) for path in paths]

    async def _load(self, path: str, access: Access | None) -> KeyPair:
        if path not in self._opened:
            self._opened[path] = await self._open(path, access)
        return self._opened[path]

    async def _open(self, path: str, access: Access | None) -> KeyPair:
        passphrase = None
        try:
            try:
                return await asyncio.to_thread(_pair, path, None)
            except _Encrypted:
                passphrase = await _passphrase(path, access)
                return await asyncio.to_thread(_pair, path, passphrase)
        except asyncssh.KeyEncryptionError as exc:
            if access is not None:
                access.refused(SecretUse.KEY)
            msg = f"wrong passphrase for {path}"
            raise _failure(msg) from exc
        except asyncssh.KeyImportError as exc:
            msg = f"{path}: not a usable private key: {exc}"
            raise _failure(msg) from exc
        except OSError as exc:
            msg = f"{path}: cannot read the key: {exc.strerror}"
            raise _failure(msg) from exc


class _Encrypted(Exception):
    """The key needs a passphrase."""


async def _passphrase(path: str, access: Access | None) -> str:
    question = f"passphrase of {path}"
    if access is None or not await access.ready(SecretUse.KEY, question):
        raise NeedsAnswer(question, SecretUse.KEY, is_shared=True)
    return (await access.secret(SecretUse.KEY, question)).reveal()


def _pair(path: str, passphrase: str | None) -> KeyPair:
    place = Path(path).expanduser()
    try:
        key = asyncssh.read_private_key(place, passphrase)
    except asyncssh.KeyEncryptionError:
        raise
    except asyncssh.KeyImportError as exc:
        if passphrase is None and _NO_PASSPHRASE in str(exc):
            raise _Encrypted from exc
        raise
    certificate = place.with_name(f"{place.name}-cert.pub")
    return (key, asyncssh.read_certificate(certificate)) if certificate.is_file() else key


def _failure(message: str) -> HostFailure:
    return HostFailure(ReasonKind.AUTHENTICATION, message, stage=Stage.AUTHENTICATION)
