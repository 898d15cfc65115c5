"""Opening command channels on a connection, and ending it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

import asyncssh
from asyncssh.constants import (
    OPEN_CONNECT_FAILED,
    OPEN_REQUEST_SESSION_FAILED,
    OPEN_RESOURCE_SHORTAGE,
)

from remjobs.model.job import ReasonKind
from remjobs.transports.base import HostFailure, OutcomeUnknown
from remjobs.transports.posix.become import Become
from remjobs.transports.posix.channel import Channel, Launch
from remjobs.transports.ssh.channel import SshChannel
from remjobs.transports.ssh.link import Link

__all__ = ["Beside", "Opener"]

_CHANNEL_TRIES: Final = 8
_CUT_AT_START: Final = "the connection was lost while the work was being started"
_RESOURCE_SHORTAGE: Final = (OPEN_CONNECT_FAILED, OPEN_RESOURCE_SHORTAGE)
"""What a full MaxSessions looks like; OpenSSH sends OPEN_CONNECT_FAILED."""


class Opener:
    """Opens command channels on a connection."""

    def __init__(
        self,
        link: Link,
        become: Become | None = None,
    ) -> None:
        """Use this connection, and be somebody else on it."""
        self._connection = link.connection
        self._become = become

    def on(self, link: Link) -> Opener:
        """Return the same for another connection."""
        return Opener(link, self._become)

    async def check(self, become: Become) -> None:
        """See whether we may be somebody else."""
        await become.check(self._spawn)

    async def __call__(self, launch: Launch) -> Channel:
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

    async def once(self, launch: Launch) -> Channel:
        """Send a command; once it is on its way, a cut leaves its start unknown.

        Raises:
            _Full: The connection carries no more channels just now.
        """
        if self._become is not None:
            return await self._become.open(launch, self._spawn)
        channel = await self._open(launch.command_line)
        if launch.prefix:
            await channel.send(launch.prefix)
        return channel

    async def _spawn(self, words: Sequence[str]) -> SshChannel:
        """Start a program of words that hold no quote, for a login shell of any kind."""
        return await self._open("exec " + " ".join(f"'{word}'" for word in words))

    async def _open(self, command_line: str) -> SshChannel:
        channel = SshChannel()
        try:
            await self._connection.create_session(
                lambda: channel,
                command_line,
                encoding=None,
                env=None,
                send_env=None,
            )
        except asyncssh.ChannelOpenError as exc:
            raise self._refusal(exc, channel) from exc
        except (OSError, asyncssh.DisconnectError) as exc:
            raise OutcomeUnknown(_CUT_AT_START) from exc
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


class Beside:
    """Opens a channel for a short program, on a connection of its own if need be."""

    def __init__(
        self,
        opener: Opener,
        again: Callable[[], Awaitable[Link]],
    ) -> None:
        """Use this connection, or one that ``again`` makes."""
        self._opener = opener
        self._again = again

    @asynccontextmanager
    async def __call__(self, launch: Launch) -> AsyncIterator[Channel]:
        """Give the channel; what was opened for it is closed afterwards."""
        extra = None
        try:
            channel = await self._opener.once(launch)
        except _Full:
            extra = await self._again()
            channel = await self._opener.on(extra)(launch)
        try:
            yield channel
        finally:
            channel.close()
            if extra is not None:
                await extra.close()
