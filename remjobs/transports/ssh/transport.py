"""Connecting to SSH hosts and opening channels on them."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncssh
from asyncssh.constants import (
    OPEN_CONNECT_FAILED,
    OPEN_REQUEST_SESSION_FAILED,
    OPEN_RESOURCE_SHORTAGE,
)

from remjobs.credentials.secret import Credential
from remjobs.errors import UsageError
from remjobs.model.host import Host, check_host_name, check_user_name
from remjobs.model.job import ReasonKind
from remjobs.model.request import Caller
from remjobs.model.work import Work
from remjobs.transports.base import HostFailure, OutcomeUnknown
from remjobs.transports.posix import PosixSession
from remjobs.transports.shells import Launch
from remjobs.transports.ssh.channel import SshChannel
from remjobs.transports.ssh.config import Resolved, resolve
from remjobs.transports.ssh.errors import translate
from remjobs.transports.ssh.trust import Trust, address_label

__all__ = ["SshTransport"]

_log: Final = logging.getLogger(__name__)
_CONNECT_TIMEOUT: Final = 10.0
_LOGIN_TIMEOUT: Final = 30.0
_KEEPALIVE: Final = 15.0
_KEEPALIVE_COUNT: Final = 3
_STARTUP_TRIES: Final = 5
_CHANNEL_TRIES: Final = 8
_CLOSE_TIMEOUT: Final = 2.0
_CUT_AT_START: Final = "the connection was lost while the work was being started"
_RESOURCE_SHORTAGE: Final = (
    OPEN_CONNECT_FAILED,
    OPEN_RESOURCE_SHORTAGE,
)
"""What a full MaxSessions looks like; OpenSSH sends OPEN_CONNECT_FAILED."""


class SshTransport:
    """Opens SSH connections for one job; keys and known_hosts are read once."""

    def __init__(self, caller: Caller) -> None:
        """Use the caller's agent, not that of the process we are in."""
        self._agent = caller.ssh_auth_sock or ""
        self._trust = Trust()
        self._keys: dict[tuple[str, ...], list[asyncssh.SSHKey]] = {}
        self._noted: set[str] = set()

    def check(self, host: Host, work: Work) -> None:
        """Refuse unsafe names and key or configuration files that cannot be used."""
        del work
        check_host_name(host.address or host.name)
        if host.user is not None:
            check_user_name(host.user)
        for name in (host.ssh.config_file, host.ssh.known_hosts_file):
            if name not in (None, "none") and not Path(str(name)).expanduser().is_file():
                msg = f"{name}: no such file"
                raise UsageError(msg)
        for path in host.ssh.identity_files:
            self._load((path,))

    async def connect(self, host: Host, credential: Credential | None) -> PosixSession:
        """Connect and log in."""
        settings = resolve(host)
        self._note(settings)
        connection = await self._connect(host, settings, credential)

        async def again() -> asyncssh.SSHClientConnection:
            return await self._connect(host, settings, credential)

        return PosixSession(_Opener(connection), _Closer(connection), _Beside(connection, again))

    def _note(self, settings: Resolved) -> None:
        """Log what is odd about a host's settings, once for a job."""
        for note in settings.notes:
            if note not in self._noted:
                self._noted.add(note)
                _log.warning("%s", note)

    async def _connect(
        self,
        host: Host,
        settings: Resolved,
        credential: Credential | None,
    ) -> asyncssh.SSHClientConnection:
        """Try once; again, up to five times, only where sshd turned us away at the door."""
        for tried in range(1, _STARTUP_TRIES + 1):
            client = _Client(settings, self._trust)
            try:
                return await self._try(host, settings, credential, client)
            except _TurnedAway as exc:
                if tried == _STARTUP_TRIES:
                    raise exc.failure from exc
                await asyncio.sleep(random.uniform(0.1, 0.3) * 2**tried)  # noqa: S311 - jitter
        raise AssertionError  # pragma: no cover - the last try raised

    async def _try(
        self,
        host: Host,
        settings: Resolved,
        credential: Credential | None,
        client: _Client,
    ) -> asyncssh.SSHClientConnection:
        limit = host.ssh.connect_timeout or settings.connect_timeout or _CONNECT_TIMEOUT
        login = host.ssh.login_timeout or _LOGIN_TIMEOUT
        where = address_label(settings.address, settings.port)
        try:
            async with asyncio.timeout(limit) as clock:
                client.on_connect(lambda: clock.reschedule(clock_now() + login + 5))
                return await asyncssh.connect(
                    host.address or host.name,
                    **self._options(host, settings, credential),
                    login_timeout=login,
                    client_factory=lambda: client,
                )
        except TimeoutError as exc:
            msg = f"no answer in {limit:g} s ({where})"
            raise HostFailure(ReasonKind.UNREACHABLE, msg) from exc
        except (OSError, asyncssh.Error, asyncssh.KeyImportError, ValueError) as exc:
            failure = client.failure or translate(exc, where)
            if client.turned_away(exc):
                raise _TurnedAway(failure) from exc
            raise failure from exc

    def _options(
        self,
        host: Host,
        settings: Resolved,
        credential: Credential | None,
    ) -> dict[str, Any]:
        known = self._trust.known(settings.known_hosts, settings.alias, settings.port)
        user = host.user or (credential and credential.user)
        password = credential.password.reveal() if credential and credential.password else None
        return {
            "config": list(settings.config_paths),
            "port": host.port or (),
            "username": user or (),
            "password": password,
            # An empty list means the default keys; () would bring back missing ones.
            "client_keys": self._load(settings.identities),
            "agent_path": self._agent if settings.agent is None else settings.agent,
            "known_hosts": self._trust.load(settings.known_hosts),
            "server_host_key_algs": known.algorithms(),
            "signature_algs": "-ssh-rsa*",
            "mac_algs": "-hmac-sha1*",
            "connect_timeout": None,
            "keepalive_interval": _first(
                host.ssh.keepalive_interval,
                settings.keepalive_interval,
                _KEEPALIVE,
            ),
            "keepalive_count_max": settings.keepalive_count or _KEEPALIVE_COUNT,
            "encoding": None,
            "request_pty": False,
        }

    def _load(self, paths: tuple[str, ...]) -> list[asyncssh.SSHKey]:
        if paths not in self._keys:
            self._keys[paths] = [_read_key(path) for path in paths]
        return self._keys[paths]


def clock_now() -> float:
    """Return the running loop's time in seconds."""
    return asyncio.get_running_loop().time()


def _first(*values: float | None) -> float:
    return next(value for value in values if value is not None)


def _read_key(path: str) -> asyncssh.SSHKey:
    try:
        return asyncssh.read_private_key(Path(path).expanduser())
    except OSError as exc:
        msg = f"{path}: cannot read the key: {exc.strerror}"
        raise UsageError(msg) from exc
    except asyncssh.KeyImportError as exc:
        hint = "; add it to an agent" if "assphrase" in str(exc) else ""
        msg = f"{path}: not a usable private key: {exc}{hint}"
        raise UsageError(msg) from exc


class _TurnedAway(Exception):
    """sshd closed the connection before it said its version: MaxStartups."""

    def __init__(self, failure: HostFailure) -> None:
        super().__init__(str(failure))
        self.failure = failure


class _Client(asyncssh.SSHClient):
    """Watches one connection come up: its time limits and its host key."""

    def __init__(self, settings: Resolved, trust: Trust) -> None:
        self._settings = settings
        self._trust = trust
        self._connection: asyncssh.SSHClientConnection | None = None
        self._connected: Callable[[], None] = _nothing
        self.failure: HostFailure | None = None

    def on_connect(self, act: Callable[[], None]) -> None:
        """Call this once the TCP connection stands."""
        self._connected = act

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        self._connection = conn
        self._connected()

    def turned_away(self, exc: Exception) -> bool:
        """Whether the other side hung up before the SSH version exchange."""
        early = isinstance(exc, asyncssh.ConnectionLost | ConnectionResetError)
        if "Login timeout" in str(exc):
            return False
        if not early or self._connection is None or self.failure is not None:
            return False
        return not self._connection.get_extra_info("server_version")

    def validate_host_public_key(
        self,
        host: str,
        addr: str,
        port: int,
        key: asyncssh.SSHKey,
    ) -> bool:
        """Decide on a key that known_hosts does not hold for this host."""
        settings = self._settings
        known = self._trust.known(settings.known_hosts, settings.alias, port).keys
        if known:
            self.failure = _changed(settings.alias, port, known, key)
            return False
        if settings.strict == "accept-new":
            self._trust.record(settings.known_hosts, settings.alias, port, key)
            return True
        if settings.strict == "no":
            return True
        self.failure = _unknown(settings.alias, port, key)
        return False


def _changed(
    host: str,
    port: int,
    known: Sequence[asyncssh.SSHKey],
    offered: asyncssh.SSHKey,
) -> HostFailure:
    old = ", ".join(f"{key.get_fingerprint()} ({_kind(key)})" for key in known)
    label = address_label(host, port)
    return HostFailure(
        ReasonKind.HOST_KEY,
        f"host key CHANGED: known {old}, offered {offered.get_fingerprint()} ({_kind(offered)}); "
        f"if that is expected: ssh-keygen -R '{label}', then accept the new key",
    )


def _unknown(host: str, port: int, key: asyncssh.SSHKey) -> HostFailure:
    return HostFailure(
        ReasonKind.HOST_KEY,
        f"host key unknown: {key.get_fingerprint()} ({_kind(key)}); if that is its key: "
        f"ssh-keyscan -p {port} {host} >> ~/.ssh/known_hosts",
    )


def _kind(key: asyncssh.SSHKey) -> str:
    return key.get_algorithm()


class _Opener:
    """Opens command channels on a connection."""

    def __init__(self, connection: asyncssh.SSHClientConnection) -> None:
        self._connection = connection

    async def __call__(self, launch: Launch) -> SshChannel:
        """Open one; a full MaxSessions is waited out."""
        last = None
        for tried in range(_CHANNEL_TRIES):
            try:
                return await self.once(launch)
            except _Full as exc:
                last = exc
            await asyncio.sleep(random.uniform(0.05, 0.1) * 2**tried)  # noqa: S311 - jitter
        msg = f"the host opens no channel: {last}"
        raise HostFailure(ReasonKind.REFUSED, msg) from last

    async def once(self, launch: Launch) -> SshChannel:
        """Send a command; once it is on its way, a cut leaves its start unknown.

        Raises:
            _Full: The connection carries no more channels just now.
        """
        channel = SshChannel()
        try:
            await self._connection.create_session(
                lambda: channel,
                launch.command_line,
                encoding=None,
                env=None,
                send_env=None,
            )
        except asyncssh.ChannelOpenError as exc:
            raise self._refusal(exc, channel) from exc
        except (OSError, asyncssh.DisconnectError) as exc:
            raise OutcomeUnknown(_CUT_AT_START) from exc
        if launch.prefix:
            await channel.send(launch.prefix)
        return channel

    def _refusal(self, exc: asyncssh.ChannelOpenError, channel: SshChannel) -> Exception:
        if exc.code == OPEN_REQUEST_SESSION_FAILED and channel.flow.closed:
            return OutcomeUnknown(_CUT_AT_START)
        if self._connection.is_closed():
            return HostFailure(ReasonKind.UNREACHABLE, "the connection was lost before the start")
        if exc.code in _RESOURCE_SHORTAGE:
            return _Full(exc.reason)
        return HostFailure(ReasonKind.REFUSED, f"the host opens no channel: {exc.reason}")


class _Full(Exception):
    """The connection has as many channels as the host allows: MaxSessions."""


class _Beside:
    """Opens a channel for a short program, on a connection of its own if need be."""

    def __init__(
        self,
        connection: asyncssh.SSHClientConnection,
        again: Callable[[], Awaitable[asyncssh.SSHClientConnection]],
    ) -> None:
        self._connection = connection
        self._again = again

    @asynccontextmanager
    async def __call__(self, launch: Launch) -> AsyncIterator[SshChannel]:
        extra = None
        try:
            channel = await _Opener(self._connection).once(launch)
        except _Full:
            extra = await self._again()
            channel = await _Opener(extra)(launch)
        try:
            yield channel
        finally:
            channel.close()
            if extra is not None:
                await _Closer(extra)()


def _nothing() -> None:
    """Have nothing to call."""


class _Closer:
    """Ends a connection, without waiting long for the other side."""

    def __init__(self, connection: asyncssh.SSHClientConnection) -> None:
        self._connection = connection

    async def __call__(self) -> None:
        self._connection.close()
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                await self._connection.wait_closed()
        except TimeoutError:
            self._connection.abort()
