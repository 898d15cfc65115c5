"""What ~/.ssh/config says of a host (ssh_config(5)), beyond what asyncssh does itself.

asyncssh reads Host, Match, Include and most options. It silently ignores
StrictHostKeyChecking and a few others, and fails on an IdentityFile that does
not exist; ssh honours the former and skips the latter, and so do we.
"""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import asyncssh
from asyncssh.config import SSHClientConfig
from asyncssh.constants import DEFAULT_PORT

from remjobs.model.host import Host
from remjobs.model.job import ReasonKind
from remjobs.model.ping import Stage
from remjobs.transports.base import HostFailure

__all__ = [
    "GLOBAL_KNOWN_HOSTS",
    "UNSUPPORTED",
    "USER_KNOWN_HOSTS",
    "ClientConfig",
    "Resolved",
    "resolve",
]

UNSUPPORTED: Final = (
    "ControlMaster",
    "RevokedHostKeys",
    "KnownHostsCommand",
    "ConnectionAttempts",
)
GLOBAL_KNOWN_HOSTS: Final = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
USER_KNOWN_HOSTS: Final = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")


class ClientConfig(SSHClientConfig):
    """asyncssh's reader, with handlers for the options it drops."""

    _handlers = SSHClientConfig._handlers | {  # noqa: SLF001 - the one way to extend it
        name.lower(): (name, SSHClientConfig._set_string)  # noqa: SLF001
        for name in ("StrictHostKeyChecking", *UNSUPPORTED)
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """One host's settings, after the config file and the defaults."""

    config_paths: tuple[str, ...]
    address: str
    port: int
    user: str
    alias: str
    """The name its key is known by."""
    strict: str
    """``yes``, ``accept-new`` or ``no``."""
    known_hosts: tuple[str, ...]
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
        HostFailure: The configuration cannot be parsed.
    """
    paths = _config_paths(host)
    try:
        config = cast(
            SSHClientConfig,
            ClientConfig.load(
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


def _resolved(host: Host, config: SSHClientConfig, paths: tuple[str, ...]) -> Resolved:
    address = str(config.get("Hostname") or host.address or host.name)
    return Resolved(
        config_paths=paths,
        address=address,
        port=cast(int, config.get("Port") or DEFAULT_PORT),
        user=str(host.user or config.get("User") or getpass.getuser()),
        alias=str(config.get("HostKeyAlias") or address),
        strict=_strictness(config.get("StrictHostKeyChecking")),
        known_hosts=_known_hosts(host, config),
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
        for name in UNSUPPORTED
        if str(config.get(name) or "no").lower() not in {"no", "none"}
    ]
    if _strictness(config.get("StrictHostKeyChecking")) == "no":
        ignored.append(f"ssh config: the host key of {host.name} is not checked")
    return tuple(ignored)


def _strictness(said: object) -> str:
    value = str(said or "yes").lower()
    if value in {"no", "off"}:
        return "no"
    return "accept-new" if value == "accept-new" else "yes"


def _known_hosts(host: Host, config: SSHClientConfig) -> tuple[str, ...]:
    if host.ssh.known_hosts_file is not None:
        return (str(Path(host.ssh.known_hosts_file).expanduser()),)
    user = cast(list[str], config.get("UserKnownHostsFile", list(USER_KNOWN_HOSTS)))
    everyone = cast(list[str], config.get("GlobalKnownHostsFile", list(GLOBAL_KNOWN_HOSTS)))
    return tuple(str(Path(name).expanduser()) for name in [*user, *everyone] if name != "none")


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
