"""What carries a program to a host, and what it is asked to carry."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from remjobs.model.record import Stream
from remjobs.transports.flow import Flow

__all__ = ["Channel", "Launch", "OpenBeside", "OpenChannel", "said_by"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A program on its way: what ``/bin/sh -c`` gets, and what stdin begins with."""

    script: str
    prefix: bytes = b""

    @property
    def command_line(self) -> str:
        """The line for a login shell of any kind (sh, csh, fish)."""
        return f"exec /bin/sh -c '{self.script}'"


class Channel(Protocol):
    """A program that runs somewhere, its output going into a flow."""

    flow: Flow

    async def send(self, data: bytes) -> None:
        """Write to its standard input, waiting while the other side does not read."""
        ...

    def end_input(self) -> None:
        """Close its standard input."""
        ...

    def close(self) -> None:
        """Let go of it; the flow closes. The program may go on."""
        ...

    async def dismiss(self) -> None:
        """Let go of it, and end the program if it is on this machine."""
        ...


OpenChannel = Callable[[Launch], Awaitable[Channel]]
OpenBeside = Callable[[Launch], AbstractAsyncContextManager[Channel]]


async def said_by(channel: Channel) -> str:
    """Return what a short program prints, once it has ended."""
    said = bytearray()
    flow = channel.flow
    channel.end_input()
    while not flow.closed or (flow.outcome is None):
        await flow.changed(None)
        while (piece := flow.take()) is not None:
            if piece[0] is Stream.OUTPUT:
                said += piece[1]
    return said.decode("ascii", "replace").strip()
