"""Writing known_hosts files: what is accepted is added, what it stands for is taken out."""

from __future__ import annotations

import base64
import fcntl
import hmac
import os
import secrets
import stat
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import asyncssh

from remjobs.model.host import Host
from remjobs.model.job import ReasonKind
from remjobs.model.known_hosts import AcceptedKeys, ChosenKeys
from remjobs.transports.base import HostFailure
from remjobs.transports.ssh.config import Resolved, resolve
from remjobs.transports.ssh.trust import Trust, entries_of, kind, label_of

__all__ = ["accept", "keep"]

_SALT: Final = 20
"""Bytes, as ssh-keygen -H has it."""


def accept(host: Host, chosen: ChosenKeys) -> AcceptedKeys:
    """Keep what a person accepted for a host.

    Raises:
        HostFailure: It cannot be kept, or something else is known by now.
    """
    settings = resolve(host)
    try:
        keys = [asyncssh.import_public_key(text) for text in chosen.public]
    except asyncssh.KeyImportError as exc:
        msg = f"not a host key: {exc}"
        raise _failure(msg) from exc
    added, removed = keep(settings, keys, chosen.replaces)
    return AcceptedKeys(
        host=host.name,
        file=settings.user_known_hosts or "",
        added=tuple(key.get_fingerprint() for key in added),
        removed=tuple(key.get_fingerprint() for key in removed),
    )


def keep(
    settings: Resolved,
    keys: Sequence[asyncssh.SSHKey],
    replaces: Collection[str] = (),
    *,
    only_first: bool = False,
) -> tuple[Sequence[asyncssh.SSHKey], Sequence[asyncssh.SSHKey]]:
    """Write keys of a host to the user's file; return what was added and taken out.

    The files are read anew while nobody else of us writes: what was decided on may
    have been done by somebody else, or another key may be there by now.

    Args:
        settings: The host's.
        keys: What is accepted.
        replaces: Fingerprints of the keys that these stand for from now on.
        only_first: Nothing may be known of the host yet but these.

    Raises:
        HostFailure: It cannot be written, or another key is known.
    """
    if settings.user_known_hosts is None:
        msg = (
            "no known_hosts file to keep the key in: UserKnownHostsFile or --known-hosts names one"
        )
        raise _failure(msg)
    path = Path(settings.user_known_hosts)
    if not only_first and path.exists() and not path.is_file():
        msg = f"{path} is no file that keeps keys"
        raise _failure(msg)
    try:
        with _locked(path) as real:
            return _keep(settings, real, keys, replaces, only_first=only_first)
    except OSError as exc:
        msg = f"{path}: cannot keep the host key: {exc.strerror}"
        raise _failure(msg) from exc


def _keep(
    settings: Resolved,
    path: Path,
    keys: Sequence[asyncssh.SSHKey],
    replaces: Collection[str],
    *,
    only_first: bool,
) -> tuple[Sequence[asyncssh.SSHKey], Sequence[asyncssh.SSHKey]]:
    trust = Trust()
    known = trust.known(settings)
    new = [key for key in keys if key not in known.keys]
    stale = [key for key in known.keys if key.get_fingerprint() in replaces]
    for key in new:
        if key in known.revoked:
            msg = f"host key revoked: {key.get_fingerprint()}"
            raise _failure(msg)
        same = [old for old in known.keys if only_first or kind(old) == kind(key)]
        if others := [old for old in same if old not in stale]:
            msg = (
                f"host key CHANGED: another is known by now, {others[0].get_fingerprint()} "
                f"({kind(others[0])}); nothing was kept"
            )
            raise _failure(msg)
    if stale:
        _replace(settings, path, new, stale, trust)
    elif new:
        _append(path, "".join(_line(settings, key) for key in new))
    return new, stale


def _failure(message: str) -> HostFailure:
    return HostFailure(ReasonKind.HOST_KEY, message)


def _line(settings: Resolved, key: asyncssh.SSHKey) -> str:
    name = label_of(settings)
    shown = _hashed(name) if settings.hashes_names else name
    return f"{shown} {key.export_public_key('openssh').decode().strip()}\n"


def _hashed(name: str) -> str:
    """Return a name as HashKnownHosts keeps it (ssh_config(5))."""
    salt = secrets.token_bytes(_SALT)
    digest = hmac.digest(salt, name.encode(), "sha1")
    return "|1|" + "|".join(base64.b64encode(part).decode() for part in (salt, digest))


@contextmanager
def _locked(path: Path) -> Iterator[Path]:
    """Let nobody else of us write a file meanwhile; it is made if it is not there.

    Whoever replaces it leaves others a lock on the old one: they begin again.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    real = path.resolve()
    while True:
        with os.fdopen(os.open(real, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            ours = os.fstat(file.fileno())
            if real.exists() and os.path.samestat(ours, real.stat()):
                yield real
                return


def _append(path: Path, text: str) -> None:
    """Add whole lines in one write, beside which ssh may add its own; all or nothing."""
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        ends_a_line = not size or os.pread(descriptor, 1, size - 1) == b"\n"
        data = (text if ends_a_line else f"\n{text}").encode()
        written = os.write(descriptor, data)
        if written < len(data):
            os.ftruncate(descriptor, size)
            msg = "no space left"
            raise OSError(None, msg)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _replace(
    settings: Resolved,
    path: Path,
    new: Sequence[asyncssh.SSHKey],
    stale: Sequence[asyncssh.SSHKey],
    trust: Trust,
) -> None:
    """Take keys out of a file and put others in, by a new file in its place."""
    label = label_of(settings)
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    kept = [
        _without(line, label, f"{path}:{number}") if _is_of(line, label, stale) else f"{line}\n"
        for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1)
    ]
    for place in (found.place for found in trust.places(settings, stale)):
        name = place.rpartition(":")[0]
        if Path(name).resolve() != path:
            msg = f"the known key stands in {place}, which is not ours to change; nothing was kept"
            raise _failure(msg)
    _write("".join([*kept, *(_line(settings, key) for key in new)]), path)


def _is_of(line: str, label: str, keys: Sequence[asyncssh.SSHKey]) -> bool:
    return any(key in keys for key in entries_of(line, label))


def _without(line: str, label: str, place: str) -> str:
    """Return a line without one of its names; nothing, if it was the only one.

    Raises:
        HostFailure: It is meant by a pattern, which stands for others as well.
    """
    names, rest = line.split(None, 1)
    left = [name for name in names.split(",") if name != label]
    if names.startswith("|") or not left:
        return ""
    shorter = f"{','.join(left)} {rest}\n"
    if entries_of(shorter, label):
        msg = f"{place}: the known key is that of a pattern: change the line by hand"
        raise _failure(msg)
    return shorter


def _write(text: str, path: Path) -> None:
    before = path.stat()
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), stat.S_IMODE(before.st_mode))
            if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(file.fileno(), before.st_uid, before.st_gid)
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
