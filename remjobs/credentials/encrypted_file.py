"""Credentials in one encrypted file, as a backend of the keyring package.

For machines without a keyring of their own. The whole content is sealed by
ChaCha20-Poly1305 (RFC 8439) under a key that Argon2id (RFC 9106) makes of a
passphrase, once for each unlock: whoever holds the key opens the file without the
passphrase. The file is replaced, never written into: a lock file, a temporary file,
fsync, rename. It shows nothing but how large it is, and when it was changed.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from keyring.backend import KeyringBackend
from keyring.compat import properties
from keyring.errors import InitError, KeyringError, KeyringLocked, PasswordDeleteError

__all__ = ["EncryptedFile", "EncryptedFileKeyring", "WrongKey", "read_key_file"]

_FORMAT: Final = "remjobs-keyring-1"
_KEY_BYTES: Final = 32
_SALT_BYTES: Final = 16
_NONCE_BYTES: Final = 12
_LARGEST: Final = 16 * 1024 * 1024
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_CHECK: Final = b"remjobs"

Entries = dict[str, dict[str, str]]
"""Secrets by user name by service."""


class WrongKey(KeyringError):
    """The passphrase is not the file's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cost:
    """Argon2id's parameters; those of RFC 9106, section 4, for little memory."""

    iterations: int = 3
    lanes: int = 4
    memory: int = 64 * 1024
    """KiB."""

    def checked(self) -> _Cost:
        """Refuse what a forged file could make us spend."""
        if not (1 <= self.iterations <= 20 and 1 <= self.lanes <= 16):  # noqa: PLR2004
            raise _Broken
        if not 8 * self.lanes <= self.memory <= 1024 * 1024:
            raise _Broken
        return self

    def key(self, passphrase: str, salt: bytes) -> bytes:
        kdf = Argon2id(
            salt=salt,
            length=_KEY_BYTES,
            iterations=self.iterations,
            lanes=self.lanes,
            memory_cost=self.memory,
        )
        return kdf.derive(passphrase.encode())


class _Broken(Exception):
    """The file is not what we write."""


class EncryptedFile:
    """The file itself; ``key`` opens it, and a passphrase gives the key."""

    def __init__(self, path: Path) -> None:
        """Use this file, which need not exist yet."""
        self.path = path

    @property
    def exists(self) -> bool:
        """Whether it was created."""
        return self.path.exists()

    def create(self, passphrase: str) -> bytes:
        """Create it, empty, and return its key.

        Raises:
            InitError: It exists, or cannot be written.
        """
        with self._alone():
            if self.exists:
                msg = f"{self.path} exists already"
                raise InitError(msg)
            salt, cost = secrets.token_bytes(_SALT_BYTES), _Cost()
            key = cost.key(passphrase, salt)
            head = _head(salt, cost, key)
            self._write(head, key, {})
        return key

    def key(self, passphrase: str) -> bytes:
        """Return the key that a passphrase gives; the one expensive step.

        Raises:
            WrongKey: It is not the file's.
            InitError: The file cannot be used.
        """
        head, _ = self._read()
        key = _cost(head).key(passphrase, _bytes(head, "salt"))
        self._check(head, key)
        return key

    def read(self, key: bytes) -> Entries:
        """Return all entries.

        Raises:
            WrongKey: The key is not the file's.
            InitError: The file cannot be used.
        """
        head, body = self._read()
        self._check(head, key)
        return self._open(head, body, key)

    @contextmanager
    def changed(self, key: bytes) -> Iterator[Entries]:
        """Give all entries to be changed, nobody else changing them meanwhile."""
        with self._alone():
            head, body = self._read()
            self._check(head, key)
            entries = self._open(head, body, key)
            yield entries
            self._write(head, key, entries)

    def _open(self, head: Mapping[str, Any], body: Mapping[str, Any], key: bytes) -> Entries:
        try:
            opened = ChaCha20Poly1305(key).decrypt(
                _bytes(body, "nonce"), _bytes(body, "sealed"), _canonical(head)
            )
        except (InvalidTag, _Broken) as exc:
            raise self._damaged() from exc
        return cast(Entries, json.loads(opened))

    def _check(self, head: Mapping[str, Any], key: bytes) -> None:
        """See whether the key is the file's, apart from whether the rest is whole."""
        check = _bytes(head, "check")
        try:
            ChaCha20Poly1305(key).decrypt(check[:_NONCE_BYTES], check[_NONCE_BYTES:], _CHECK)
        except InvalidTag as exc:
            msg = f"wrong passphrase for {self.path}"
            raise WrongKey(msg) from exc

    def _read(self) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        try:
            with self.path.open("rb") as file:
                if os.fstat(file.fileno()).st_mode & _OTHERS:
                    msg = f"{self.path} can be read by others: chmod 600 {self.path}"
                    raise InitError(msg)
                text = file.read(_LARGEST)
            return _parts(text)
        except OSError as exc:
            msg = f"cannot read {self.path}: {exc.strerror}"
            raise InitError(msg) from exc
        except (ValueError, KeyError, TypeError, _Broken) as exc:
            raise self._damaged() from exc

    def _write(self, head: Mapping[str, Any], key: bytes, entries: Entries) -> None:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        plain = json.dumps(entries).encode()
        sealed = ChaCha20Poly1305(key).encrypt(nonce, plain, _canonical(head))
        body = {"nonce": _text(nonce), "sealed": _text(sealed)}
        fresh = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            with suppress(FileNotFoundError):
                fresh.unlink()
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(json.dumps({"head": head, "body": body}).encode())
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self.path)
            _sync_folder(self.path.parent)
        except OSError as exc:
            with suppress(OSError):
                fresh.unlink()
            msg = f"cannot write {self.path}: {exc.strerror}"
            raise InitError(msg) from exc

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other writers out."""
        path = self.path.with_name(f".{self.path.name}.lock")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            msg = f"cannot write in {self.path.parent}: {exc.strerror}"
            raise InitError(msg) from exc
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _damaged(self) -> InitError:
        return InitError(
            f"{self.path} is damaged: put back a copy of it, or move it away and begin anew"
        )


class EncryptedFileKeyring(KeyringBackend):
    """The file as a keyring backend; chosen by name alone, never by itself.

    Without a key given, one is made of the passphrase in REMJOBS_KEY_FILE.
    """

    def __init__(self, path: Path | None = None, key: bytes | None = None) -> None:
        """Use the file at ``path`` (default REMJOBS_KEYRING_FILE), opened by ``key``."""
        super().__init__()  # type: ignore[no-untyped-call]
        named = path or os.environ.get("REMJOBS_KEYRING_FILE") or _default_path()
        self._file = EncryptedFile(Path(named))
        self._key = key

    @properties.classproperty
    def priority(self) -> float:
        """Stand behind all others, `fail` (0) too: it would be chosen, or join them, unasked."""
        return -0.5

    def get_password(self, service: str, username: str) -> str | None:
        """Return a secret; None where there is none."""
        return self._file.read(self._opened()).get(service, {}).get(username)

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep a secret."""
        with self._file.changed(self._opened()) as entries:
            entries.setdefault(service, {})[username] = password

    def delete_password(self, service: str, username: str) -> None:
        """Forget a secret."""
        with self._file.changed(self._opened()) as entries:
            if entries.get(service, {}).pop(username, None) is None:
                msg = f"no such secret: {username}"
                raise PasswordDeleteError(msg)

    def usernames(self, service: str) -> list[str]:
        """Return the user names that have a secret for a service."""
        return sorted(self._file.read(self._opened()).get(service, {}))

    def _opened(self) -> bytes:
        if self._key is None:
            named = os.environ.get("REMJOBS_KEY_FILE")
            if not self._file.exists or not named:
                msg = f"{self._file.path} is locked: `remjobs unlock`"
                raise KeyringLocked(msg)
            self._key = self._file.key(read_key_file(Path(named)))
        return self._key


def read_key_file(path: Path) -> str:
    """Return the passphrase in a file: its first line.

    Raises:
        InitError: It cannot be read, is empty, or others can read it.
    """
    try:
        with path.open(encoding="utf-8") as file:
            is_open = os.fstat(file.fileno()).st_mode & _OTHERS
            if is_open and not _is_systemds(path):
                msg = f"the key file {path} can be read by others: chmod 600 {path}"
                raise InitError(msg)
            passphrase = file.readline().rstrip("\n")
    except OSError as exc:
        msg = f"the key file {path} cannot be read: {exc.strerror}"
        raise InitError(msg) from exc
    except UnicodeDecodeError as exc:
        msg = f"the key file {path} is no text"
        raise InitError(msg) from exc
    if not passphrase:
        msg = f"the key file {path} has no passphrase in its first line"
        raise InitError(msg)
    return passphrase


def _is_systemds(path: Path) -> bool:
    """Whether systemd guards it by its folder; an ACL there looks like group access."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return folder is not None and path.parent == Path(folder)


def _default_path() -> Path:
    from remjobs.settings import Settings  # noqa: PLC0415 - only where nobody named a file

    return Settings.resolve(os.environ).home / "keyring"


def _head(salt: bytes, cost: _Cost, key: bytes) -> dict[str, Any]:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    check = nonce + ChaCha20Poly1305(key).encrypt(nonce, b"", _CHECK)
    return {
        "format": _FORMAT,
        "salt": _text(salt),
        "iterations": cost.iterations,
        "lanes": cost.lanes,
        "memory": cost.memory,
        "check": _text(check),
    }


def _parts(text: bytes) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return the file's head and body, the head checked."""
    whole = json.loads(text)
    head = whole["head"]
    if head["format"] != _FORMAT:
        raise _Broken
    _cost(head)
    _bytes(head, "check")
    return head, whole["body"]


def _cost(head: Mapping[str, Any]) -> _Cost:
    names = ("iterations", "lanes", "memory")
    return _Cost(**{name: int(head[name]) for name in names}).checked()


def _canonical(head: Mapping[str, Any]) -> bytes:
    return json.dumps(head, sort_keys=True).encode()


def _bytes(values: Mapping[str, Any], name: str) -> bytes:
    try:
        return base64.b64decode(values[name], validate=True)
    except (KeyError, TypeError, ValueError) as exc:
        raise _Broken from exc


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
