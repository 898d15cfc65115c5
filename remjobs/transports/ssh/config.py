"""What ~/.ssh/config says of a host (ssh_config(5)), beyond what asyncssh does itself.

asyncssh reads Host, Match, Include and most options. It silently ignores
StrictHostKeyChecking, HashKnownHosts, RevokedHostKeys and a few others, and fails
on an IdentityFile that does not exist; ssh honours the former and skips the latter,
and so do we.
"""

from __future__ import annotations

import getpass
import shlex
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, cast

import asyncssh
from asyncssh.config import SSHClientConfig
from asyncssh.constants import DEFAULT_PORT

from remjobs.errors import UsageError
from remjobs.model.host import Host, HostKeyChecking, check_host_name
from remjobs.model.job import ReasonKind
from remjobs.model.ping import Stage
from remjobs.transports.base import HostFailure

__all__ = ["Resolved", "resolve"]

_UNSUPPORTED: Final = (
    "ControlMaster",
    "KnownHostsCommand",
    "ConnectionAttempts",
)
_NAMED: Final = "StrictHostKeyChecking names the host"
_GLOBAL_KNOWN_HOSTS: Final = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
_USER_KNOWN_HOSTS: Final = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")


class _Config(SSHClientConfig):
    """asyncssh's reader, with handlers for the options it drops."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._names_host = False

    def _begin_host(self, option: str, args: list[str]) -> None:
        self._names_host = self._orig_host in args
        self._match_host(option, args)

    def _begin_match(self, option: str, args: list[str]) -> None:
        words = pairwise(args)
        self._names_host = any(
            word.lower() in {"host", "originalhost"} and self._orig_host in value.split(",")
            for word, value in words
        )
        self._match(option, args)

    def _begin_include(self, option: str, args: list[str]) -> None:
        outside = self._names_host
        self._include(option, args)
        self._names_host = outside

    def _set_checking(self, option: str, args: list[str]) -> None:
        """Take the first value, and whether it stands in a block of this very host."""
        self._options.setdefault(_NAMED, self._names_host)
        self._set_string(option, args)

    _handlers = (
        SSHClientConfig._handlers  # noqa: SLF001 - the one way to extend it
        | {
            name.lower(): (name, SSHClientConfig._set_string)  # noqa: SLF001
            for name in ("RevokedHostKeys", *_UNSUPPORTED)
        }
        | {
            "host": ("Host", _begin_host),
            "match": ("Match", _begin_match),
            "include": ("Include", _begin_include),
            "stricthostkeychecking": ("StrictHostKeyChecking", _set_checking),
            "hashknownhosts": ("HashKnownHosts", SSHClientConfig._set_bool),  # noqa: SLF001
        }
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """One host's settings, after the config file and the defaults."""

    config_paths: tuple[str, ...]
    address: str
    port: int
    user: str
    alias: str
    """The name its key is known by."""
    alias_port: int | None
    """The port that is a part of that name; None where it is not (ssh_config(5))."""
    checking: HostKeyChecking
    accept_command: str
    """What makes its key known, to be typed."""
    known_hosts: tuple[str, ...]
    user_known_hosts: str | None
    """The file that accepted keys are written to."""
    hashes_names: bool
    revoked_keys: str | None
    identities: tuple[str, ...]
    """Key files named for this host, those that can be read."""
    agent: str | None
    """Socket of the agent; None where the caller's is meant, empty for none."""
    connect_timeout: float | None
    keepalive_interval: float | None
    keepalive_count: int | None
    notes: tuple[str, ...]


def resolve(host: Host) -> Resolved:
    """Read what the user's SSH configuration says of a host.

    Raises:
        HostFailure: The configuration cannot be parsed, or the name is unsafe.
    """
    paths = _config_paths(host)
    _check_names(host.name, host.address or host.name)
    try:
        config = cast(
            SSHClientConfig,
            _Config.load(
                None,
                list(paths),
                False,
                False,
                False,
                getpass.getuser(),
                host.user or (),
                host.address or host.name,
                host.port or (),
            ),
        )
    except (asyncssh.ConfigParseError, OSError, UnicodeError) as exc:
        raise HostFailure(ReasonKind.REFUSED, f"ssh config: {exc}", stage=Stage.NAME) from exc
    return _resolved(host, config, paths)


def _config_paths(host: Host) -> tuple[str, ...]:
    if host.ssh.config_file is not None:
        named = Path(host.ssh.config_file).expanduser()
        return () if host.ssh.config_file == "none" else (str(named),)
    default = Path("~/.ssh/config").expanduser()
    return (str(default),) if default.is_file() else ()


def _check_names(*names: str) -> None:
    """Refuse once more, where they are used, names that a resolver or a proxy would misread."""
    try:
        for name in names:
            check_host_name(name)
    except UsageError as exc:
        raise HostFailure(ReasonKind.REFUSED, str(exc), stage=Stage.NAME) from exc


def _resolved(host: Host, config: SSHClientConfig, paths: tuple[str, ...]) -> Resolved:
    address = str(config.get("Hostname") or host.address or host.name)
    _check_names(address)
    port = cast(int, config.get("Port") or DEFAULT_PORT)
    has_own_port = port != DEFAULT_PORT and not config.get("HostKeyAlias")
    user_files, other_files = _known_hosts(host, config)
    return Resolved(
        config_paths=paths,
        address=address,
        port=port,
        user=str(host.user or config.get("User") or getpass.getuser()),
        alias=str(config.get("HostKeyAlias") or address),
        alias_port=port if has_own_port else None,
        checking=_checking(host, config),
        accept_command=_accept_command(host),
        known_hosts=(*user_files, *other_files),
        user_known_hosts=next(iter(user_files), None),
        hashes_names=bool(config.get("HashKnownHosts")),
        revoked_keys=_expanded(cast(str | None, config.get("RevokedHostKeys"))),
        identities=_identities(host, config),
        agent=_agent(config),
        connect_timeout=cast(float | None, config.get("ConnectTimeout")),
        keepalive_interval=cast(float | None, config.get("ServerAliveInterval")),
        keepalive_count=cast(int | None, config.get("ServerAliveCountMax")),
        notes=_notes(host, config),
    )


def _notes(host: Host, config: SSHClientConfig) -> tuple[str, ...]:
    ignored = [
        f"ssh config: {name} is not supported and was ignored"
        for name in _UNSUPPORTED
        if str(config.get(name) or "no").lower() not in {"no", "none"}
    ]
    checking = _checking(host, config)
    if checking is HostKeyChecking.OFF:
        ignored.append(f"the host key of {host.name} is not checked")
    elif host.ssh.host_key_checking is None and _is_off(config):
        ignored.append(
            f"ssh config: StrictHostKeyChecking no is not for {host.name} alone and was taken "
            "as yes; put it into a block that names the host, or say accept-new"
        )
    return tuple(ignored)


def _checking(host: Host, config: SSHClientConfig) -> HostKeyChecking:
    """Return what holds: what was asked for, else the config's word.

    A check is switched off for one host that somebody named, never for whatever a
    pattern may match.
    """
    if host.ssh.host_key_checking is not None:
        return host.ssh.host_key_checking
    if _is_off(config) and config.get(_NAMED):
        return HostKeyChecking.OFF
    said = str(config.get("StrictHostKeyChecking") or "").lower()
    return HostKeyChecking.ACCEPT_NEW if said == "accept-new" else HostKeyChecking.STRICT


def _is_off(config: SSHClientConfig) -> bool:
    return str(config.get("StrictHostKeyChecking")).lower() in {"no", "off"}


def _accept_command(host: Host) -> str:
    words = ["remjobs", "known-hosts", "accept", "-t", host.name]
    if host.port is not None:
        words += ["-p", str(host.port)]
    if host.ssh.config_file is not None:
        words += ["--ssh-config", host.ssh.config_file]
    if host.ssh.known_hosts_file is not None:
        words += ["--known-hosts", host.ssh.known_hosts_file]
    return shlex.join(words)


def _known_hosts(host: Host, config: SSHClientConfig) -> tuple[list[str], list[str]]:
    """Return the user's files, and the others."""
    if host.ssh.known_hosts_file is not None:
        own = [] if host.ssh.known_hosts_file == "none" else [host.ssh.known_hosts_file]
        return [str(Path(name).expanduser()) for name in own], []
    user = cast(list[str], config.get("UserKnownHostsFile", list(_USER_KNOWN_HOSTS)))
    everyone = cast(list[str], config.get("GlobalKnownHostsFile", list(_GLOBAL_KNOWN_HOSTS)))
    files = ([str(Path(name).expanduser()) for name in names] for names in (user, everyone))
    return next(files), next(files)


def _expanded(path: str | None) -> str | None:
    return None if path is None else str(Path(path).expanduser())


def _identities(host: Host, config: SSHClientConfig) -> tuple[str, ...]:
    """Return key files: those named for the host as they are, configured ones if there."""
    if host.ssh.identity_files:
        return host.ssh.identity_files
    configured = cast(list[str], config.get("IdentityFile", []))
    return tuple(path for name in configured if _readable(path := str(Path(name).expanduser())))


def _readable(path: str) -> bool:
    try:
        with open(path, "rb"):  # noqa: PTH123 - opened only to see whether it can be
            return True
    except OSError:
        return False


def _agent(config: SSHClientConfig) -> str | None:
    said = cast(str | None, config.get("IdentityAgent"))
    if said is None or said == "SSH_AUTH_SOCK":
        return None
    return "" if said == "none" else str(Path(said).expanduser())
