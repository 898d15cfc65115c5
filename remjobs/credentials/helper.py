"""The process in which the keyring package is used: one request in, one answer out.

``python -m remjobs.credentials.helper`` reads a request as JSON from standard input
and writes the answer to standard output. A keyring may hang for ever, and then this
process is killed; it also sees the D-Bus session of whoever asks, and not ours.
"""

from __future__ import annotations

import base64
import json
import logging
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final, cast

import keyring
from keyring import errors
from keyring.backend import KeyringBackend
from keyring.backends import chainer, fail, null

from remjobs.credentials.encrypted_file import (
    EncryptedFile,
    EncryptedFileKeyring,
    WrongKey,
    read_key_file,
)
from remjobs.secrecy import keep_memory_private

__all__ = ["answer", "main"]

SERVICE: Final = "remjobs"
_INDEX: Final = "#names"
"""Where the names are listed: a keyring cannot be asked for them. No credential's name
has such a sign in it."""
_PROBE: Final = "#probe"
_SECRETS: Final = ("secret", "passphrase", "key")
"""What of a request no answer may repeat, as an error of a backend might."""
_MASK: Final = "********"

Request = Mapping[str, Any]


class _Refused(Exception):
    """A backend that keeps nothing, or keeps it for everybody to read."""


class _None(Exception):
    """No such credential."""


def main() -> None:
    """Answer the request on standard input."""
    keep_memory_private()
    logging.disable()
    request = json.load(sys.stdin)
    json.dump(answer(request), sys.stdout)


def answer(request: Request) -> dict[str, Any]:
    """Do what is asked, and return ``ok`` with what came of it, or ``error`` and ``message``."""
    try:
        return {"ok": _VERBS[request["verb"]](request)}
    except _None:
        return _error("none", "no such credential")
    except _Refused as exc:
        return _error("insecure", str(exc))
    except WrongKey as exc:
        return _error("wrong", str(exc))
    except errors.KeyringLocked as exc:
        return _error("locked", _said(exc, request))
    except errors.NoKeyringError:
        return _error("absent", "there is no keyring")
    except errors.KeyringError as exc:
        return _error("trouble", _said(exc, request))
    except Exception as exc:  # noqa: BLE001 - a backend may raise anything; we are its boundary
        return _error("trouble", f"{type(exc).__name__}: {_said(exc, request)}")


def _error(kind: str, message: str) -> dict[str, Any]:
    return {"error": kind, "message": message}


def _said(exc: Exception, request: Request) -> str:
    """Return the message, without the secret that the backend was given."""
    said = str(exc)
    for given in (request.get(field) for field in _SECRETS):
        for form in (given, json.dumps(given)[1:-1], repr(given)[1:-1]) if given else ():
            said = said.replace(form, _MASK)
    return " ".join(said.split()) or type(exc).__name__


def _backend(request: Request) -> KeyringBackend:
    """Return the encrypted file if a key is given, else the system's keyring."""
    if request.get("key") is not None:
        return EncryptedFileKeyring(Path(request["file"]), base64.b64decode(request["key"]))
    chosen = keyring.get_keyring()
    if not request.get("insecure"):
        _refuse_insecure(chosen)
    return chosen


def _refuse_insecure(chosen: KeyringBackend) -> None:
    if isinstance(chosen, chainer.ChainerBackend):
        for member in cast(Sequence[KeyringBackend], chosen.backends):
            _refuse_insecure(member)
    elif isinstance(chosen, fail.Keyring):
        raise errors.NoKeyringError
    elif isinstance(chosen, null.Keyring):
        msg = f"the keyring {_name(chosen)} forgets what it is given"
        raise _Refused(msg)
    elif _is_plain(chosen):
        msg = f"the keyring {_name(chosen)} keeps secrets for everybody to read"
        raise _Refused(msg)


def _is_plain(chosen: KeyringBackend) -> bool:
    """Whether it is one of keyrings.alt's, or says of itself that it is plain."""
    names = [f"{kind.__module__}.{kind.__qualname__}" for kind in type(chosen).__mro__]
    alternative = any(name.startswith("keyrings.alt.") for name in names)
    encrypts = any("encrypted" in name.casefold() for name in names)
    return (alternative and not encrypts) or any("plaintext" in name.casefold() for name in names)


def _name(chosen: KeyringBackend) -> str:
    return f"{type(chosen).__module__}.{type(chosen).__qualname__}"


def _get(request: Request) -> dict[str, Any]:
    return _value(_backend(request), request["name"])


def _value(backend: KeyringBackend, name: str) -> dict[str, Any]:
    text = backend.get_password(SERVICE, name)
    if text is None:
        raise _None
    try:
        value = json.loads(text)
        return {
            "name": name,
            "user": value["user"],
            "kind": value["kind"],
            "secret": value["secret"],
        }
    except (ValueError, KeyError, TypeError):
        # Put there by another program, as `keyring set remjobs NAME` does.
        return {"name": name, "user": None, "kind": "password", "secret": text}


def _set(request: Request) -> None:
    backend = _backend(request)
    name = request["name"]
    value = {field: request[field] for field in ("user", "kind", "secret")}
    backend.set_password(SERVICE, name, json.dumps(value))
    if not isinstance(backend, EncryptedFileKeyring):
        _write_index(backend, {*_index(backend), name})


def _remove(request: Request) -> None:
    backend = _backend(request)
    name = request["name"]
    try:
        backend.delete_password(SERVICE, name)
    except errors.PasswordDeleteError as exc:
        raise _None from exc
    finally:
        if not isinstance(backend, EncryptedFileKeyring):
            _write_index(backend, set(_index(backend)) - {name})


def _list(request: Request) -> list[dict[str, Any]]:
    backend = _backend(request)
    found = []
    for name in _names(backend):
        try:
            value = _value(backend, name)
        except _None:
            continue
        found.append({field: value[field] for field in ("name", "user", "kind")})
    return found


def _names(backend: KeyringBackend) -> list[str]:
    if isinstance(backend, EncryptedFileKeyring):
        return backend.usernames(SERVICE)
    return sorted(_index(backend))


def _index(backend: KeyringBackend) -> list[str]:
    try:
        return [str(name) for name in json.loads(backend.get_password(SERVICE, _INDEX) or "[]")]
    except ValueError:
        return []


def _write_index(backend: KeyringBackend, names: set[str]) -> None:
    backend.set_password(SERVICE, _INDEX, json.dumps(sorted(names)))


def _probe(request: Request) -> str:
    """Set, get and delete: that a backend was chosen proves nothing. Return its name."""
    backend = _backend(request)
    word = secrets.token_hex(8)
    backend.set_password(SERVICE, _PROBE, word)
    kept = backend.get_password(SERVICE, _PROBE)
    backend.delete_password(SERVICE, _PROBE)
    if kept != word:
        msg = f"the keyring {_name(backend)} does not give back what it was given"
        raise errors.KeyringError(msg)
    return _name(backend)


def _is_locked(_request: Request) -> bool:
    """Look whether the Secret Service is locked, without asking anybody to unlock it.

    Of other keyrings that cannot be seen: they count as locked.
    """
    if not any(
        kind.__module__.endswith(".SecretService") for kind in _kinds(keyring.get_keyring())
    ):
        return True
    import secretstorage  # noqa: PLC0415 - keyring has it where there is a Secret Service

    with closing(secretstorage.dbus_init()) as connection:
        return bool(secretstorage.get_default_collection(connection).is_locked())


def _kinds(chosen: KeyringBackend) -> list[type]:
    members = chosen.backends if isinstance(chosen, chainer.ChainerBackend) else [chosen]
    return [type(member) for member in cast(Sequence[KeyringBackend], members)]


def _create(request: Request) -> str:
    key = EncryptedFile(Path(request["file"])).create(request["passphrase"])
    return base64.b64encode(key).decode("ascii")


def _unlock(request: Request) -> str:
    """Return the file's key, made of the passphrase or of the one in the key file."""
    passphrase = request.get("passphrase")
    if passphrase is None:
        passphrase = read_key_file(Path(request["key_file"]))
    key = EncryptedFile(Path(request["file"])).key(passphrase)
    return base64.b64encode(key).decode("ascii")


_VERBS: Final[Mapping[str, Callable[[Request], Any]]] = {
    "get": _get,
    "set": _set,
    "remove": _remove,
    "list": _list,
    "probe": _probe,
    "is-locked": _is_locked,
    "create": _create,
    "unlock": _unlock,
}


if __name__ == "__main__":
    main()
