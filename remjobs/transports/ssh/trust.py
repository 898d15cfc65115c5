"""Which host keys are trusted: known_hosts files as sshd(8) describes them."""

from __future__ import annotations

import fcntl
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import asyncssh
from asyncssh.constants import DEFAULT_PORT
from asyncssh.known_hosts import SSHKnownHosts
from asyncssh.public_key import get_default_certificate_algs, get_default_public_key_algs

__all__ = ["Known", "Trust", "address_label", "load_lines"]

_log: Final = logging.getLogger(__name__)


class Known(NamedTuple):
    """What known_hosts holds for one host."""

    keys: Sequence[asyncssh.SSHKey]
    authorities: Sequence[asyncssh.SSHKey]

    def algorithms(self) -> list[str]:
        """Return host key algorithms, the known ones first.

        Only so does a host whose key *type* changed show its new key; with the
        known types alone, the negotiation fails without saying why.
        """
        first = list(get_default_certificate_algs()) if self.authorities else []
        for key in self.keys:
            first += [alg for alg in key.sig_algorithms if alg not in first]
        rest = [*get_default_certificate_algs(), *get_default_public_key_algs()]
        ordered = first + [alg for alg in rest if alg not in first]
        return [alg.decode("ascii") for alg in ordered if not alg.startswith(b"ssh-rsa")]


class Trust:
    """known_hosts files, each read once for a job."""

    def __init__(self) -> None:
        """Read nothing yet."""
        self._files: dict[tuple[str, ...], SSHKnownHosts] = {}

    def load(self, paths: tuple[str, ...]) -> SSHKnownHosts:
        """Return the entries of these files; those that do not exist are empty."""
        if paths not in self._files:
            self._files[paths] = _read(paths)
        return self._files[paths]

    def known(self, paths: tuple[str, ...], host: str, port: int) -> Known:
        """Return what is known of a host by name."""
        keys, authorities, *_ = self.load(paths).match(host, "", _unless_default(port))
        return Known(keys, authorities)

    def record(self, paths: tuple[str, ...], host: str, port: int, key: asyncssh.SSHKey) -> None:
        """Add a key that was accepted as new to the first file."""
        line = f"{address_label(host, port)} {key.export_public_key('openssh').decode().strip()}\n"
        path = Path(paths[0])
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(line)


def address_label(host: str, port: int) -> str:
    """Return a host as known_hosts writes it: ``name`` or ``[name]:port``."""
    return host if _unless_default(port) is None else f"[{host}]:{port}"


def _unless_default(port: int) -> int | None:
    return None if port == DEFAULT_PORT else port


def load_lines(entries: SSHKnownHosts, path: Path) -> list[tuple[int, str]]:
    """Add a file's entries line by line; return the lines that were skipped, and why.

    One malformed line must not take every host with it. A file that cannot be read
    has no lines.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return []
    skipped = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            entries.load(line)
        except ValueError as exc:
            skipped.append((number, str(exc)))
    return skipped


def _read(paths: Sequence[str]) -> SSHKnownHosts:
    entries = SSHKnownHosts()
    for name in paths:
        for number, reason in load_lines(entries, Path(name)):
            _log.warning("%s:%d: skipped: %s", name, number, reason)
    return entries
