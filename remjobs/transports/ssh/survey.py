"""All that ~/.ssh/config says, for whatever host: to find what is of no use to us."""

from __future__ import annotations

import getpass
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from typing import Final, cast

import asyncssh
from asyncssh.config import SSHClientConfig

from remjobs.transports.ssh.config import (
    GLOBAL_KNOWN_HOSTS,
    USER_KNOWN_HOSTS,
    ClientConfig,
)

__all__ = ["Survey", "WithoutEffect", "survey"]

_NO_HARM: Final = frozenset({"no", "none", "0", "1", "auto", "default"})
_REMEDIES: Final = {
    "ControlMaster": "nothing is lost: remjobs has one connection for each host of a job",
    "KnownHostsCommand": "put the keys into known_hosts",
    "ConnectionAttempts": "say --retries N to try again hosts that are not reached",
    "VerifyHostKeyDNS": "put the keys into known_hosts",
    "CanonicalizeHostname": "write the whole name, or HostName in a Host block",
    "UpdateHostKeys": "put new keys into known_hosts by hand",
    "BindInterface": "say BindAddress",
    "SecurityKeyProvider": "add the key to an agent",
    "ProxyUseFdpass": "say a ProxyCommand that goes on by itself, or ProxyJump",
    "PubkeyAcceptedAlgorithms": "name the key with IdentityFile and IdentitiesOnly",
    "NoHostAuthenticationForLocalhost": "put localhost's key into known_hosts",
    "RequiredRSASize": "take short RSA keys away",
}
"""Options of ssh_config(5) that change whom one reaches, or how, and that asyncssh drops."""
_UNSAFE: Final = frozenset({"RequiredRSASize"})
"""Without them more is trusted than was meant to be."""


@dataclass(frozen=True, slots=True)
class WithoutEffect:
    """An option that ssh would heed."""

    where: str
    name: str

    @property
    def unsafe(self) -> bool:
        """Whether more is trusted without it."""
        return self.name in _UNSAFE

    @property
    def remedy(self) -> str:
        """What to do instead."""
        return _REMEDIES[self.name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What stands in the file, in blocks for any host."""

    path: Path
    error: str = ""
    """Why it cannot be read."""
    without_effect: tuple[WithoutEffect, ...] = ()
    unchecked: tuple[str, ...] = ()
    """Where host keys are said not to matter, as ``file:line``."""
    identities: tuple[Path, ...] = ()
    known_hosts: tuple[Path, ...] = field(
        default=tuple(Path(n).expanduser() for n in (*USER_KNOWN_HOSTS, *GLOBAL_KNOWN_HOSTS)),
    )


class _Everything(ClientConfig):
    """Reads every block, whatever it is for, and runs no Match exec."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        self.without_effect: list[WithoutEffect] = []
        self.unchecked: list[str] = []
        self.known: list[str] = []

    def _any_block(self, _option: str, args: list[str]) -> None:
        self._matching = True
        args.clear()

    def _note(self, option: str, args: list[str]) -> None:
        if args[0].lower() not in _NO_HARM:
            self.without_effect.append(WithoutEffect(f"{self._path}:{self._line_no}", option))
        args.clear()

    def _strictness(self, _option: str, args: list[str]) -> None:
        if args[0].lower() in {"no", "off"}:
            self.unchecked.append(f"{self._path}:{self._line_no}")
        args.clear()

    def _known_hosts(self, _option: str, args: list[str]) -> None:
        self.known += [name for name in args if name.lower() != "none"]
        args.clear()

    _handlers = ClientConfig._handlers | {  # noqa: SLF001 - the one way to extend it
        "host": ("Host", _any_block),
        "match": ("Match", _any_block),
        "stricthostkeychecking": ("StrictHostKeyChecking", _strictness),
        "userknownhostsfile": ("UserKnownHostsFile", _known_hosts),
        "globalknownhostsfile": ("GlobalKnownHostsFile", _known_hosts),
        **dict(zip(map(str.lower, _REMEDIES), zip(_REMEDIES, repeat(_note)), strict=True)),
    }


def survey() -> Survey:
    """Read the user's configuration whole; one that is not there says nothing."""
    path = Path("~/.ssh/config").expanduser()
    paths = [str(path)] if path.exists() else []
    try:
        read = _Everything.load(
            None, paths, False, False, False, getpass.getuser(), (), "doctor", ()
        )
    except (asyncssh.ConfigParseError, OSError, UnicodeError) as exc:
        return Survey(path=path, error=f"cannot be read: {exc}")
    found = cast(_Everything, read)
    usual = [*USER_KNOWN_HOSTS, *GLOBAL_KNOWN_HOSTS]
    return Survey(
        path=path,
        without_effect=tuple(found.without_effect),
        unchecked=tuple(found.unchecked),
        identities=_paths(cast(list[str], cast(SSHClientConfig, found).get("IdentityFile", []))),
        known_hosts=_paths([*found.known, *usual]),
    )


def _paths(names: list[str]) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(Path(name).expanduser() for name in names))
