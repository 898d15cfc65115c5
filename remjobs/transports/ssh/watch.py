"""Watching one connection come up: its time limits, and whether its host key is trusted."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence

import asyncssh

from remjobs.model.host import HostKeyChecking
from remjobs.model.job import ReasonKind
from remjobs.model.ping import Stage
from remjobs.transports.base import HostFailure
from remjobs.transports.ssh.config import Resolved
from remjobs.transports.ssh.known_hosts import keep
from remjobs.transports.ssh.passwords import Passwords
from remjobs.transports.ssh.trust import Trust, kind

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
        self._is_another = False
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
        """Give the password, once; never to a host that has shown another key than before."""
        return None if self._is_another else await self._passwords.password()

    async def kbdint_auth_requested(self) -> str | None:
        """Take part, if there is anything to answer with."""
        return "" if not self._is_another and await self._passwords.interactive() else None

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
        known = self._trust.known(self._settings).keys
        if self._settings.checking is HostKeyChecking.OFF:
            self._is_another = bool(known)
            self._note_unchecked(_both(known, key) if known else _shown(key))
            return True
        if known:
            self.failure = _changed(self._settings, known, key)
            return False
        if self._settings.checking is HostKeyChecking.ACCEPT_NEW:
            return self._kept(key)
        self.failure = _unknown(self._settings, key)
        return False

    def validate_host_ca_key(
        self,
        host: str,
        addr: str,
        port: int,
        key: asyncssh.SSHKey,
    ) -> bool:
        """Decide on an authority that is not trusted to vouch for this host."""
        if self._settings.checking is HostKeyChecking.OFF:
            self._note_unchecked(f"certificate by {_shown(key)}")
            return True
        msg = f"its certificate is signed by {_shown(key)}, which is not trusted for this host"
        self.failure = HostFailure(ReasonKind.HOST_KEY, msg)
        return False

    def _note_unchecked(self, what: str) -> None:
        assert self._connection is not None  # noqa: S101 - it is this connection's key
        self._connection.set_extra_info(notes=(f"host key not checked: {what}",))

    def _kept(self, key: asyncssh.SSHKey) -> bool:
        """Keep a key as the host's first one."""
        try:
            keep(self._settings, [key], only_first=True)
        except HostFailure as exc:
            self.failure = exc
        self._trust.forget()
        return self.failure is None


def _changed(
    settings: Resolved,
    known: Sequence[asyncssh.SSHKey],
    offered: asyncssh.SSHKey,
) -> HostFailure:
    return HostFailure(
        ReasonKind.HOST_KEY,
        f"host key CHANGED: {_both(known, offered)}; "
        f"if that is expected: {settings.accept_command} --replace-changed",
    )


def _unknown(settings: Resolved, key: asyncssh.SSHKey) -> HostFailure:
    return HostFailure(
        ReasonKind.HOST_KEY,
        f"host key unknown: {_shown(key)}; if that is its key: {settings.accept_command}",
    )


def _both(known: Sequence[asyncssh.SSHKey], offered: asyncssh.SSHKey) -> str:
    return f"known {', '.join(map(_shown, known))}, offered {_shown(offered)}"


def _shown(key: asyncssh.SSHKey) -> str:
    return f"{key.get_fingerprint()} ({kind(key)})"


def _nothing() -> None:
    """Have nothing to call."""
