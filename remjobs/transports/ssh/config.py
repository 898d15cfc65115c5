"""What ~/.ssh/config says of a host (ssh_config(5)), beyond what asyncssh does itself.

asyncssh silently ignores StrictHostKeyChecking and a few others, and fails on an
IdentityFile that does not exist; ssh honours the former and skips the latter, and so
do we. It reads once: what it found is what the connection is made with.
"""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import asyncssh
from asyncssh.constants import DEFAULT_PORT

from remjobs.model.host import Host
from remjobs.model.job import ReasonKind
from remjobs.model.ping import Stage
from remjobs.transports.base import HostFailure
from remjobs.transports.ssh.openssh import SYSTEM, OpenSshConfig

__all__ = ["Identity", "Resolved", "resolve"]

_UNSUPPORTED: Final = (
    "ControlMaster",
    "RevokedHostKeys",
    "KnownHostsCommand",
    "ConnectionAttempts",
    "CanonicalizeHostname",
)
_FORWARDS: Final = (
    "ssh config: ForwardAgent is not followed for {0}: a job goes to many hosts; "
    "--forward-agent asks for it"
)
_DEFAULT_KEYS: Final = ("id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk")
_GLOBAL_KNOWN_HOSTS: Final = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
_USER_KNOWN_HOSTS: Final = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")


class _Config(OpenSshConfig):
    """The reader, with handlers for the options that asyncssh drops."""

    _handlers = OpenSshConfig._handlers | {  # noqa: SLF001 - the one way to extend it
        name.lower(): (name, OpenSshConfig._set_string)  # noqa: SLF001
        for name in ("StrictHostKeyChecking", *_UNSUPPORTED)
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A file with a private key, or with a certificate for one."""

    path: str
    is_wanted: bool = True
    """It was named: one that cannot be used is an error, not one less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """One host's settings, after the config file and the defaults."""

    config: OpenSshConfig
    """All of it, as asyncssh wants it."""
    address: str
    port: int
    user: str
    alias: str
    """The name its key is known by."""
    strict: str
    """``yes``, ``accept-new`` or ``no``."""
    known_hosts: tuple[str, ...]
    identities: tuple[Identity, ...]
    """Key files: those named for this host, else the usual ones that are there."""
    certificates: tuple[str, ...]
    """Certificates beside those that lie next to their keys."""
    hops: tuple[str, ...]
    """The hosts on the way, the first one first, as ProxyJump names them."""
    proxy_command: str | None
    """What to talk through instead."""
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
        config = _read(host, paths, final=False)
        if config.has_match_final():
            config = _read(host, paths, final=True, before=config)
    except (asyncssh.ConfigParseError, OSError, UnicodeError) as exc:
        raise HostFailure(ReasonKind.REFUSED, f"ssh config: {exc}", stage=Stage.NAME) from exc
    return _resolved(host, config)


def _read(
    host: Host, paths: tuple[str, ...], *, final: bool, before: OpenSshConfig | None = None
) -> OpenSshConfig:
    """Read the files; a second time for Match final, over what was found before."""
    read = _Config.load(
        before,
        list(paths),
        False,
        False,
        final,
        getpass.getuser(),
        host.user or (),
        host.address or host.name,
        host.port or (),
    )
    return cast(OpenSshConfig, read)


def _config_paths(host: Host) -> tuple[str, ...]:
    if host.ssh.config_file is not None:
        named = Path(host.ssh.config_file).expanduser()
        return () if host.ssh.config_file == "none" else (str(named),)
    usual = (Path("~/.ssh/config").expanduser(), SYSTEM)
    return tuple(str(path) for path in usual if path.is_file())


def _resolved(host: Host, config: OpenSshConfig) -> Resolved:
    address = str(config.get("Hostname") or host.address or host.name)
    return Resolved(
        config=config,
        address=address,
        port=cast(int, config.get("Port") or DEFAULT_PORT),
        user=str(host.user or config.get("User") or getpass.getuser()),
        alias=str(config.get("HostKeyAlias") or address),
        strict=_strictness(config.get("StrictHostKeyChecking")),
        known_hosts=_known_hosts(host, config),
        identities=_identities(host, config),
        certificates=tuple(_readable_ones(config.get("CertificateFile"))),
        hops=tuple(str(config.get("ProxyJump") or "").replace(" ", "").split(","))
        if config.get("ProxyJump")
        else (),
        proxy_command=cast(str | None, config.get("ProxyCommand")),
        agent=_agent(config),
        connect_timeout=cast(float | None, config.get("ConnectTimeout")),
        keepalive_interval=cast(float | None, config.get("ServerAliveInterval")),
        keepalive_count=cast(int | None, config.get("ServerAliveCountMax")),
        notes=_notes(host, config),
    )


def _notes(host: Host, config: OpenSshConfig) -> tuple[str, ...]:
    ignored = [
        f"ssh config: {name} is not supported and was ignored"
        for name in _UNSUPPORTED
        if str(config.get(name) or "no").lower() not in {"no", "none"}
    ]
    if _strictness(config.get("StrictHostKeyChecking")) == "no":
        ignored.append(f"ssh config: the host key of {host.name} is not checked")
    if str(config.get("ForwardAgent") or "no").lower() not in {"no", "none", "false"}:
        ignored.append(_FORWARDS.format(host.name))
    return tuple(ignored)


def _strictness(said: object) -> str:
    value = str(said or "yes").lower()
    if value in {"no", "off"}:
        return "no"
    return "accept-new" if value == "accept-new" else "yes"


def _known_hosts(host: Host, config: OpenSshConfig) -> tuple[str, ...]:
    if host.ssh.known_hosts_file is not None:
        return (str(Path(host.ssh.known_hosts_file).expanduser()),)
    user = cast(list[str], config.get("UserKnownHostsFile", list(_USER_KNOWN_HOSTS)))
    everyone = cast(list[str], config.get("GlobalKnownHostsFile", list(_GLOBAL_KNOWN_HOSTS)))
    return tuple(str(Path(name).expanduser()) for name in [*user, *everyone] if name != "none")


def _identities(host: Host, config: OpenSshConfig) -> tuple[Identity, ...]:
    """Return key files: those named for the host as they are, configured ones if there."""
    if host.ssh.identity_files:
        return tuple(Identity(path=path) for path in host.ssh.identity_files)
    if "IdentityFile" in config.get_options(reload=False):
        return tuple(Identity(path=path) for path in _readable_ones(config.get("IdentityFile")))
    usual = _readable_ones([f"~/.ssh/{name}" for name in _DEFAULT_KEYS])
    return tuple(Identity(path=path, is_wanted=False) for path in usual)


def _readable_ones(names: object) -> list[str]:
    wanted = [str(Path(name).expanduser()) for name in cast(list[str], names or [])]
    return [path for path in dict.fromkeys(wanted) if _readable(path)]


def _readable(path: str) -> bool:
    try:
        with open(path, "rb"):  # noqa: PTH123 - opened only to see whether it can be
            return True
    except OSError:
        return False


def _agent(config: OpenSshConfig) -> str | None:
    said = cast(str | None, config.get("IdentityAgent"))
    if said is None or said == "SSH_AUTH_SOCK":
        return None
    return "" if said == "none" else str(Path(said).expanduser())
