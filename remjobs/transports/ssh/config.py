"""What ~/.ssh/config says of a host (ssh_config(5)), beyond what asyncssh does itself.

asyncssh silently ignores StrictHostKeyChecking, HashKnownHosts, RevokedHostKeys and a few
others, and fails on an IdentityFile that does not exist; ssh honours the former and skips
the latter, and so do we. It reads once: what it found is what the connection is made with.
"""

from __future__ import annotations

import getpass
import shlex
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, cast

import asyncssh
from asyncssh.constants import DEFAULT_PORT

from remjobs.errors import UsageError
from remjobs.model.host import Host, HostKeyChecking, check_host_name
from remjobs.model.job import ReasonKind
from remjobs.model.ping import Stage
from remjobs.transports.base import HostFailure
from remjobs.transports.ssh.openssh import SYSTEM, OpenSshConfig

__all__ = [
    "GLOBAL_KNOWN_HOSTS",
    "UNSUPPORTED",
    "USER_KNOWN_HOSTS",
    "ClientConfig",
    "Identity",
    "Resolved",
    "resolve",
]


UNSUPPORTED: Final = (
    "ControlMaster",
    "KnownHostsCommand",
    "ConnectionAttempts",
    "CanonicalizeHostname",
)
_FORWARDS: Final = (
    "ssh config: ForwardAgent is not followed for {0}: a job goes to many hosts; "
    "--forward-agent asks for it"
)
_DEFAULT_KEYS: Final = ("id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk")
_NAMED: Final = "StrictHostKeyChecking names the host"
GLOBAL_KNOWN_HOSTS: Final = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
USER_KNOWN_HOSTS: Final = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")


class ClientConfig(OpenSshConfig):
    """The reader, with handlers for the options that asyncssh drops."""

    def __init__(self, *args: Any) -> None:
        """Read nothing yet; the arguments are asyncssh's."""
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
        OpenSshConfig._handlers  # noqa: SLF001 - the one way to extend it
        | {
            name.lower(): (name, OpenSshConfig._set_string)  # noqa: SLF001
            for name in ("RevokedHostKeys", *UNSUPPORTED)
        }
        | {
            "host": ("Host", _begin_host),
            "match": ("Match", _begin_match),
            "include": ("Include", _begin_include),
            "stricthostkeychecking": ("StrictHostKeyChecking", _set_checking),
            "hashknownhosts": ("HashKnownHosts", OpenSshConfig._set_bool),  # noqa: SLF001
        }
    )


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
    config_paths: tuple[str, ...]
    """The files that it was read from."""
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
        HostFailure: The configuration cannot be parsed, or the name is unsafe.
    """
    paths = _config_paths(host)
    _check_names(host.name, host.address or host.name)
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
    read = ClientConfig.load(
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


def _check_names(*names: str) -> None:
    """Refuse once more, where they are used, names that a resolver or a proxy would misread."""
    try:
        for name in names:
            check_host_name(name)
    except UsageError as exc:
        raise HostFailure(ReasonKind.REFUSED, str(exc), stage=Stage.NAME) from exc


def _resolved(host: Host, config: OpenSshConfig) -> Resolved:
    address = str(config.get("Hostname") or host.address or host.name)
    _check_names(address)
    port = cast(int, config.get("Port") or DEFAULT_PORT)
    has_own_port = port != DEFAULT_PORT and not config.get("HostKeyAlias")
    user_files, other_files = _known_hosts(host, config)
    return Resolved(
        config=config,
        config_paths=_config_paths(host),
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
        for name in UNSUPPORTED
        if str(config.get(name) or "no").lower() not in {"no", "none"}
    ]
    if str(config.get("ForwardAgent") or "no").lower() not in {"no", "none", "false"}:
        ignored.append(_FORWARDS.format(host.name))
    checking = _checking(host, config)
    if checking is HostKeyChecking.OFF:
        ignored.append(f"the host key of {host.name} is not checked")
    elif host.ssh.host_key_checking is None and _is_off(config):
        ignored.append(
            f"ssh config: StrictHostKeyChecking no is not for {host.name} alone and was taken "
            "as yes; put it into a block that names the host, or say accept-new"
        )
    return tuple(ignored)


def _checking(host: Host, config: OpenSshConfig) -> HostKeyChecking:
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


def _is_off(config: OpenSshConfig) -> bool:
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


def _known_hosts(host: Host, config: OpenSshConfig) -> tuple[list[str], list[str]]:
    """Return the user's files, and the others."""
    if host.ssh.known_hosts_file is not None:
        own = [] if host.ssh.known_hosts_file == "none" else [host.ssh.known_hosts_file]
        return [str(Path(name).expanduser()) for name in own], []
    user = cast(list[str], config.get("UserKnownHostsFile", list(USER_KNOWN_HOSTS)))
    everyone = cast(list[str], config.get("GlobalKnownHostsFile", list(GLOBAL_KNOWN_HOSTS)))
    files = ([str(Path(name).expanduser()) for name in names] for names in (user, everyone))
    return next(files), next(files)


def _expanded(path: str | None) -> str | None:
    return None if path is None else str(Path(path).expanduser())


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
