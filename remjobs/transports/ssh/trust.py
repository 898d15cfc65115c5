"""Which host keys are trusted: known_hosts files as sshd(8) describes them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import asyncssh
from asyncssh.constants import DEFAULT_PORT
from asyncssh.known_hosts import SSHKnownHosts
from asyncssh.public_key import get_default_certificate_algs, get_default_public_key_algs

from remjobs.model.known_hosts import KeyStanding, KnownKey
from remjobs.transports.ssh.config import Resolved

__all__ = ["Known", "Trust", "address_label", "entries_of", "kind", "label_of"]

_log: Final = logging.getLogger(__name__)


class Known(NamedTuple):
    """What known_hosts files hold for one host."""

    keys: Sequence[asyncssh.SSHKey]
    elsewhere: Sequence[asyncssh.SSHKey]
    """Those of its name on port 22, where it has another: trusted, but another one
    here is no change."""
    authorities: Sequence[asyncssh.SSHKey]
    revoked: Sequence[asyncssh.SSHKey]

    def algorithms(self) -> list[str]:
        """Return host key algorithms, the known ones first.

        Only so does a host whose key *type* changed show its new key; with the
        known types alone, the negotiation fails without saying why. Certificates
        come last where no authority is trusted: the plain key can be known.
        """
        plain, signed = list(get_default_public_key_algs()), list(get_default_certificate_algs())
        first = signed if self.authorities else []
        for key in (*self.keys, *self.elsewhere):
            first += [alg for alg in key.sig_algorithms if alg not in first]
        ordered = list(dict.fromkeys([*first, *plain, *signed]))
        return [alg.decode("ascii") for alg in ordered if not alg.startswith(b"ssh-rsa")]

    def for_asyncssh(self) -> tuple[Sequence[asyncssh.SSHKey], ...]:
        """Return trusted keys, trusted authorities and revoked keys."""
        return [*self.keys, *self.elsewhere], self.authorities, self.revoked

    def standing(
        self,
        key: asyncssh.SSHKey,
        offered: Sequence[asyncssh.SSHKey],
    ) -> tuple[KeyStanding, Sequence[asyncssh.SSHKey]]:
        """Judge one of the keys that a host offers; say what is known instead."""
        if key in self.revoked:
            return KeyStanding.REVOKED, ()
        if key in self.keys or key in self.elsewhere:
            return KeyStanding.KNOWN, ()
        same = [known for known in self.keys if kind(known) == kind(key)]
        # One that has a known key of another type only gets a further one.
        instead = same if any(known in self.keys for known in offered) else self.keys
        return (KeyStanding.CHANGED, instead) if instead else (KeyStanding.NEW, ())


class Trust:
    """known_hosts files, each read once for a job."""

    def __init__(self) -> None:
        """Read nothing yet."""
        self._files: dict[tuple[str, ...], SSHKnownHosts] = {}
        self._revoked: dict[str, Sequence[asyncssh.SSHKey]] = {}

    def known(self, settings: Resolved) -> Known:
        """Return what is known of a host by name."""
        entries = self._load(settings.known_hosts)
        keys, authorities, revoked = _match(entries, label_of(settings))
        elsewhere: Sequence[asyncssh.SSHKey] = ()
        if settings.alias_port is not None:
            bare, bare_authorities, bare_revoked = _match(entries, settings.alias)
            revoked = [*revoked, *bare_revoked]
            if not (keys or authorities):
                elsewhere, authorities = bare, bare_authorities
        revoked = [*revoked, *self._revoked_keys(settings.revoked_keys)]
        return Known(keys, elsewhere, authorities, revoked)

    def places(
        self,
        settings: Resolved,
        keys: Sequence[asyncssh.SSHKey],
    ) -> tuple[KnownKey, ...]:
        """Return known keys of a host with the lines where they stand."""
        return tuple(
            KnownKey(type=kind(key), fingerprint=key.get_fingerprint(), place=f"{name}:{number}")
            for name in settings.known_hosts
            for number, line in enumerate(_lines(name), start=1)
            for key in entries_of(line, label_of(settings))
            if key in keys
        )

    def forget(self) -> None:
        """Read the files anew when they are needed next."""
        self._files.clear()

    def _load(self, paths: tuple[str, ...]) -> SSHKnownHosts:
        """Return the entries of these files; those that do not exist are empty."""
        if paths not in self._files:
            self._files[paths] = _read(paths)
        return self._files[paths]

    def _revoked_keys(self, path: str | None) -> Sequence[asyncssh.SSHKey]:
        if path is None:
            return ()
        if path not in self._revoked:
            self._revoked[path] = tuple(_read_revoked(path))
        return self._revoked[path]


def kind(key: asyncssh.SSHKey) -> str:
    """Return a key's type, as ``ssh-ed25519``."""
    return key.get_algorithm()


def label_of(settings: Resolved) -> str:
    """Return what known_hosts calls a host."""
    return address_label(settings.alias, settings.alias_port or DEFAULT_PORT)


def address_label(host: str, port: int) -> str:
    """Return a host as known_hosts writes it: ``name`` or ``[name]:port``."""
    return host if port == DEFAULT_PORT else f"[{host}]:{port}"


def entries_of(line: str, label: str) -> Sequence[asyncssh.SSHKey]:
    """Return the key that a line trusts for a host; none for marked lines."""
    entries = SSHKnownHosts()
    try:
        entries.load(line)
    except ValueError:
        return ()
    return _match(entries, label)[0]


def _match(
    entries: SSHKnownHosts,
    label: str,
) -> tuple[Sequence[asyncssh.SSHKey], Sequence[asyncssh.SSHKey], Sequence[asyncssh.SSHKey]]:
    keys, authorities, revoked, *_ = entries.match(label, "", None)
    return keys, authorities, revoked


def _lines(name: str) -> Sequence[str]:
    try:
        return Path(name).read_bytes().decode("utf-8", "surrogateescape").split("\n")
    except OSError:
        return ()


def load_lines(entries: SSHKnownHosts, path: Path) -> list[tuple[int, str]]:
    """Add a file's entries line by line; return the lines that were skipped, and why.

    One malformed line must not take every host with it. A file that cannot be read
    has no lines.
    """
    skipped = []
    for number, line in enumerate(_lines(str(path)), start=1):
        try:
            entries.load(line)
        except ValueError as exc:
            skipped.append((number, str(exc)))
    return skipped


def _read(paths: Sequence[str]) -> SSHKnownHosts:
    entries = SSHKnownHosts()
    for name in paths:
        for number, why in load_lines(entries, Path(name)):
            _log.warning("%s:%d: skipped: %s", name, number, why)
    return entries


def _read_revoked(name: str) -> Iterator[asyncssh.SSHKey]:
    """Yield the keys of a list of revoked ones (ssh_config(5), RevokedHostKeys).

    A revocation list in the binary form of ssh-keygen(1) is not read, and that is told.
    """
    if not (lines := _lines(name)) or lines[0].startswith("SSHKRL"):
        why = "is a binary list, which is not supported" if lines else "cannot be read"
        _log.warning("ssh config: RevokedHostKeys %s %s and was ignored", name, why)
        return
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            yield asyncssh.import_public_key(line)
        except asyncssh.KeyImportError as exc:
            _log.warning("%s:%d: skipped: %s", name, number, exc)
