"""Connecting to SSH hosts and opening channels on them."""

from __future__ import annotations

import asyncio
import logging
import random
from functools import partial
from pathlib import Path
from typing import Any, Final

import asyncssh

from remjobs.credentials.credential import Credential
from remjobs.errors import UsageError
from remjobs.model.authentication import Authentication, check_for_ssh
from remjobs.model.doctor import Finding
from remjobs.model.host import Host, check_host_name, check_user_name
from remjobs.model.job import ReasonKind
from remjobs.model.request import Caller
from remjobs.model.work import Work
from remjobs.transports.base import HostFailure, Login, Prospect
from remjobs.transports.copying import start as copying
from remjobs.transports.copying.files import Connected
from remjobs.transports.posix.programs import check, shown
from remjobs.transports.posix.session import PosixSession
from remjobs.transports.ssh.config import Resolved, resolve
from remjobs.transports.ssh.errors import translate
from remjobs.transports.ssh.examine import examine
from remjobs.transports.ssh.opening import Beside, Closer, Opener
from remjobs.transports.ssh.remedies import mended
from remjobs.transports.ssh.sftp import open_files
from remjobs.transports.ssh.trust import Trust, address_label
from remjobs.transports.ssh.watch import ConnectionWatch

__all__ = ["SshTransport"]

_log: Final = logging.getLogger(__name__)
_CONNECT_TIMEOUT: Final = 10.0
_LOGIN_TIMEOUT: Final = 30.0
_KEEPALIVE: Final = 15.0
_KEEPALIVE_COUNT: Final = 3
_STARTUP_TRIES: Final = 5
_PREFERRED: Final = {Authentication.PUBLIC_KEY: ["publickey"]}


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
        check(work)
        copying.check(host, work)
        check_for_ssh(host.authentication, host.name)
        check_host_name(host.address or host.name)
        if host.user is not None:
            check_user_name(host.user)
        for name in (host.ssh.config_file, host.ssh.known_hosts_file):
            if name not in (None, "none") and not Path(str(name)).expanduser().is_file():
                msg = f"{name}: no such file"
                raise UsageError(msg)
        for path in host.ssh.identity_files:
            self._load((path,))

    def preview(self, host: Host, work: Work) -> Prospect:
        """Say where and as whom, as ~/.ssh/config has it, and what the shell would get."""
        try:
            settings = resolve(host)
        except HostFailure as exc:
            msg = f"{host.name}: {exc}"
            raise UsageError(msg) from exc
        return Prospect(
            address=_at(settings.address, settings.port),
            user=settings.user,
            command=shown(work),
        )

    async def connect(self, host: Host, credential: Credential | None) -> PosixSession:
        """Connect and log in."""
        settings = resolve(host)
        self._note(settings)
        connection = await self._connect(host, settings, credential)

        async def again() -> asyncssh.SSHClientConnection:
            return await self._connect(host, settings, credential)

        return PosixSession(
            Opener(connection),
            Closer(connection),
            Beside(connection, again),
            login=_login(connection, settings),
            files=Connected(partial(open_files, connection), host.name),
        )

    async def examine(self) -> tuple[Finding, ...]:
        """Look through configuration, keys, agent and known hosts."""
        return await examine(self._agent)

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
            client = ConnectionWatch(settings, self._trust)
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
        client: ConnectionWatch,
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
            failure = HostFailure(ReasonKind.UNREACHABLE, msg)
            raise mended(failure, client.stage(exc), settings) from exc
        except (OSError, asyncssh.Error, asyncssh.KeyImportError, ValueError) as exc:
            failure = client.failure or translate(exc, where)
            failure = mended(failure, client.stage(exc), settings)
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
            "preferred_auth": _PREFERRED.get(host.authentication, ()),
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


def _login(connection: asyncssh.SSHClientConnection, settings: Resolved) -> Login:
    # asyncssh takes a method off the list when it was refused: the first is the one.
    method, *_ = [*connection.get_server_auth_methods(), ""]
    address, *_ = connection.get_extra_info("peername") or [settings.address]
    return Login(
        address=_at(address, settings.port),
        user=connection.get_extra_info("username", ""),
        authentication=method,
    )


def _at(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


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
