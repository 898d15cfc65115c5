"""Watching one connection come up: its time limits, and whether its host key is trusted."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence

import asyncssh

from remjobs.model.job import ReasonKind
from remjobs.model.ping import Stage
from remjobs.transports.base import HostFailure
from remjobs.transports.ssh.config import Resolved
from remjobs.transports.ssh.passwords import Passwords
from remjobs.transports.ssh.trust import Trust, address_label

__all__ = ["ConnectionWatch"]


class ConnectionWatch(asyncssh.SSHClient):
    """Watches one connection come up: its time limits and its host key."""

    def __init__(self, settings: Resolved, trust: Trust, passwords: Passwords) -> None:
        """Judge by these settings and known_hosts files; answer with these passwords."""
        self._passwords = passwords
        self._settings = settings
        self._trust = trust
        self._connection: asyncssh.SSHClientConnection | None = None
        self._connected: Callable[[], None] = _nothing
        self.failure: HostFailure | None = None
        """Why the host key was refused."""

    def on_connect(self, act: Callable[[], None]) -> None:
        """Call this once the TCP connection stands."""
        self._connected = act

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        """Take note that the TCP connection stands."""
        self._connection = conn
        self._connected()

    def stage(self, exc: Exception) -> Stage:
        """Return what did not go well, by the error that connecting ended with."""
        if isinstance(exc, socket.gaierror):
            return Stage.NAME
        if self._connection is None:
            return Stage.TCP
        # The cipher is set once the host has proved its key.
        proved = self.failure is None and self._connection.get_extra_info("send_cipher")
        return Stage.AUTHENTICATION if proved else Stage.HOST_KEY

    def turned_away(self, exc: Exception) -> bool:
        """Whether the other side hung up before the SSH version exchange."""
        early = isinstance(exc, asyncssh.ConnectionLost | ConnectionResetError)
        if "Login timeout" in str(exc):
            return False
        if not early or self._connection is None or self.failure is not None:
            return False
        return not self._connection.get_extra_info("server_version")

    async def password_auth_requested(self) -> str | None:
        """Give the password, once."""
        return await self._passwords.password()

    async def kbdint_auth_requested(self) -> str | None:
        """Take part, if there is anything to answer with."""
        return "" if await self._passwords.interactive() else None

    async def kbdint_challenge_received(
        self,
        name: str,
        instructions: str,
        lang: str,
        prompts: Sequence[tuple[str, bool]],
    ) -> list[str] | None:
        """Answer prompts."""
        del name, instructions, lang
        return await self._passwords.challenge(prompts)

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


def _nothing() -> None:
    """Have nothing to call."""
