"""Making one SSH connection, and logging in on it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import Any, Final

import asyncssh
from asyncssh.config import SSHClientConfig

from remjobs.model.authentication import Authentication
from remjobs.model.host import Host
from remjobs.model.job import ReasonKind
from remjobs.model.request import Caller
from remjobs.transports.base import Access, HostFailure, SecretUse
from remjobs.transports.ssh.config import Resolved
from remjobs.transports.ssh.errors import translate
from remjobs.transports.ssh.kerberos import check_ticket, ticket_cache
from remjobs.transports.ssh.keys import Keys, Loaded
from remjobs.transports.ssh.link import Link
from remjobs.transports.ssh.passwords import TURN, Passwords
from remjobs.transports.ssh.proxy import ProxyCommand
from remjobs.transports.ssh.remedies import mended
from remjobs.transports.ssh.trust import Trust, address_label
from remjobs.transports.ssh.watch import ConnectionWatch

__all__ = ["Connector"]

_CONNECT_TIMEOUT: Final = 10.0
_LOGIN_TIMEOUT: Final = 30.0
_KEEPALIVE: Final = 15.0
_KEEPALIVE_COUNT: Final = 3
_STARTUP_TRIES: Final = 5
_PREFERRED: Final = {
    Authentication.PUBLIC_KEY: ["publickey"],
    Authentication.PASSWORD: ["password"],
    Authentication.KEYBOARD_INTERACTIVE: ["keyboard-interactive"],
    Authentication.GSSAPI: ["gssapi-with-mic"],
}
_ASK: Final = frozenset({Authentication.PASSWORD, Authentication.KEYBOARD_INTERACTIVE})
_ASK_IN_CONFIG: Final = frozenset({"password", "keyboard-interactive"})
_REFUSALS: Final = (asyncssh.PermissionDenied, asyncssh.ProtocolError)
"""How a server's no comes: after too many tries it hangs up, in words of its own."""


class Connector:
    """Connects to the hosts of one job; keys and known_hosts are read once."""

    def __init__(self, caller: Caller, trust: Trust, keys: Keys) -> None:
        """Use the caller's agent and tickets, not those of the process we are in."""
        self._agent = caller.ssh_auth_sock or ""
        self._cache = caller.krb5ccname
        self._tickets = ticket_cache(caller)
        self._trust = trust
        self._keys = keys

    async def reach(
        self, host: Host, settings: Resolved, by: Link | None, access: Access | None
    ) -> Link:
        """Connect to a host; what lets in to another one behind it does not do here."""
        return await self.connect(host, settings, by, access, use=SecretUse.HOP)

    async def connect(
        self,
        host: Host,
        settings: Resolved,
        by: Link | None,
        access: Access | None,
        use: SecretUse = SecretUse.LOGIN,
    ) -> Link:
        """Try once; again, up to five times, only where sshd turned us away at the door."""
        if host.authentication is Authentication.GSSAPI:
            await check_ticket(self._tickets)
        for tried in range(1, _STARTUP_TRIES + 1):
            try:
                return await self._carried(host, settings, by, access, use)
            except _TurnedAway as exc:
                if tried == _STARTUP_TRIES:
                    raise exc.failure from exc
                await asyncio.sleep(random.uniform(0.1, 0.3) * 2**tried)  # noqa: S311 - jitter
        raise AssertionError  # pragma: no cover - the last try raised

    async def _carried(
        self,
        host: Host,
        settings: Resolved,
        by: Link | None,
        access: Access | None,
        use: SecretUse,
    ) -> Link:
        """Connect as ssh would: by another host, by a program, or straight."""
        if by is not None or settings.proxy_command is None:
            carrier = {} if by is None else {"tunnel": by.connection}
            return Link(await self._try(host, settings, access, use, carrier), None)
        proxy = await ProxyCommand.start(settings.proxy_command, self._environment())
        try:
            carried = {"sock": proxy.socket}
            return Link(await self._try(host, settings, access, use, carried), proxy)
        except (_TurnedAway, HostFailure) as exc:
            own = exc.failure if isinstance(exc, _TurnedAway) else exc
            early = own.reason is ReasonKind.UNREACHABLE
            failure = await proxy.failure() if early else None
            await proxy.close()
            raise failure or own from exc
        except BaseException:
            await proxy.close()
            raise

    def _environment(self) -> Mapping[str, str]:
        """Return what a program of the caller's finds in its environment."""
        own = {"SSH_AUTH_SOCK": self._agent, "KRB5CCNAME": self._cache or ""}
        return {name: value for name, value in own.items() if value}

    async def _try(
        self,
        host: Host,
        settings: Resolved,
        access: Access | None,
        use: SecretUse,
        carrier: Mapping[str, Any],
    ) -> asyncssh.SSHClientConnection:
        agent = await self._agent_of(host, settings, access, use)
        loaded = await self._keys.load(settings.identities, settings.certificates, agent, access)
        who = settings.user if use is SecretUse.LOGIN else f"{settings.user}@{host.name}"
        asks = await _asks(host, settings, access)
        passwords = Passwords(access, who, asks=asks, use=use)
        client = ConnectionWatch(settings, self._trust, passwords)
        limit = host.ssh.connect_timeout or settings.connect_timeout or _CONNECT_TIMEOUT
        login = host.ssh.login_timeout or _LOGIN_TIMEOUT
        where = address_label(settings.address, settings.port)
        try:
            async with asyncio.timeout(limit) as clock:
                client.on_connect(lambda: clock.reschedule(_now() + login + 5))
                passwords.on_waiting(lambda more: clock.reschedule(_now() + login + 5 + more))
                connection = await asyncssh.connect(
                    settings.address,
                    **{**self._options(host, settings, loaded, agent), **carrier},
                    login_timeout=login if access is None else login + TURN,
                    client_factory=lambda: client,
                )
        except TimeoutError as exc:
            msg = f"no answer in {limit:g} s ({where})"
            failure = HostFailure(ReasonKind.UNREACHABLE, msg)
            raise mended(failure, client.stage(exc), settings) from exc
        except (OSError, asyncssh.Error, asyncssh.KeyImportError, ValueError) as exc:
            if isinstance(exc, _REFUSALS):
                passwords.was_refused()
                if passwords.failure is not None:
                    raise passwords.failure from exc
            failure = client.failure or translate(exc, where, loaded.notes)
            failure = mended(failure, client.stage(exc), settings)
            if client.turned_away(exc):
                raise _TurnedAway(failure) from exc
            raise failure from exc
        passwords.took()
        return connection

    def _options(
        self, host: Host, settings: Resolved, loaded: Loaded, agent: str
    ) -> dict[str, Any]:
        known = self._trust.known(settings)
        only = settings.config.get("IdentitiesOnly")
        return {
            "options": _AsRead(settings.config),
            "config": [],
            "port": settings.port,
            "username": settings.user,
            "tunnel": None,
            "proxy_command": None,
            "canonicalize_hostname": False,
            "client_keys": _Exactly(loaded.pairs),
            "client_certs": [],
            "agent_path": agent,
            "agent_identities": list(loaded.public) if only else None,
            "agent_forwarding": self._agent if host.ssh.forward_agent else False,
            "preferred_auth": _preferred(host, settings),
            **self._gssapi(host, settings),
            "known_hosts": known.for_asyncssh(),
            "server_host_key_algs": known.algorithms(),
            "signature_algs": "-ssh-rsa*",
            "mac_algs": settings.config.get("MACs") or "-hmac-sha1*",
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

    def _gssapi(self, host: Host, settings: Resolved) -> dict[str, Any]:
        """Return the options for Kerberos: only where it is asked for, as with ssh."""
        asked = bool(settings.config.get("GSSAPIAuthentication"))
        return {
            "gss_auth": asked or host.authentication is Authentication.GSSAPI,
            "gss_kex": False,
            "gss_store": self._tickets,
            "gss_delegate_creds": False,
        }

    async def _agent_of(
        self, host: Host, settings: Resolved, access: Access | None, use: SecretUse
    ) -> str:
        """Return the agent's socket; none for a host that a password logs in to.

        Each of an agent's keys is a try, and a server hangs up after six
        (sshd_config(5), MaxAuthTries): the password would never be asked for.
        """
        keys_only = host.authentication is Authentication.PUBLIC_KEY
        if (
            access is not None
            and not keys_only
            and (await access.ready(use) or await _is_asked(host, access))
        ):
            return ""
        return self._agent if settings.agent is None else settings.agent


class _Exactly(list[Any]):
    """Keys to log in with; asyncssh takes an empty list for none said, and looks for its own."""

    def __bool__(self) -> bool:
        return True


class _AsRead(asyncssh.SSHClientConnectionOptions):
    """Hands asyncssh a configuration that was read already."""

    def __init__(self, config: SSHClientConfig) -> None:
        self.config = config
        self.kwargs = {}


def _preferred(host: Host, settings: Resolved) -> Any:
    said = settings.config.get("PreferredAuthentications")
    return _PREFERRED.get(host.authentication, ()) or (str(said).split(",") if said else ())


async def _asks(host: Host, settings: Resolved, access: Access | None) -> bool:
    """Whether a person is asked: it was said that passwords or codes are how to log in."""
    said = str(settings.config.get("PreferredAuthentications") or "").split(",")
    if host.authentication in _ASK or not _ASK_IN_CONFIG.isdisjoint(said):
        return True
    return access is not None and await _is_asked(host, access)


async def _is_asked(host: Host, access: Access) -> bool:
    """Whether a user was named, whose password it is then; a passphrase is for keys."""
    return host.asks_for_password and not await access.ready(SecretUse.KEY)


def _now() -> float:
    """Return the running loop's time in seconds."""
    return asyncio.get_running_loop().time()


def _first(*values: float | None) -> float:
    return next(value for value in values if value is not None)


class _TurnedAway(Exception):
    """sshd closed the connection before it said its version: MaxStartups."""

    def __init__(self, failure: HostFailure) -> None:
        super().__init__(str(failure))
        self.failure = failure
