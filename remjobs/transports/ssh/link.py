"""A connection that stands, and what belongs to it."""

from __future__ import annotations

import asyncio
from typing import Final

import asyncssh

from remjobs.transports.ssh.proxy import ProxyCommand

__all__ = ["Link"]

_CLOSE_TIMEOUT: Final = 2.0


class Link:
    """A connection to a host, with the program that carries it, if there is one."""

    def __init__(
        self, connection: asyncssh.SSHClientConnection, proxy: ProxyCommand | None
    ) -> None:
        """Keep both."""
        self.connection = connection
        self._proxy = proxy

    @property
    def is_closed(self) -> bool:
        """Whether it has ended."""
        return self.connection.is_closed()

    async def close(self) -> None:
        """End it, without waiting long for the other side."""
        self.connection.close()
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                await self.connection.wait_closed()
        except TimeoutError:
            self.connection.abort()
        finally:
            if self._proxy is not None:
                await self._proxy.close()
