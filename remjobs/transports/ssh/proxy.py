"""A program that carries a connection: ProxyCommand (ssh_config(5))."""

from __future__ import annotations

import asyncio
import os
import socket
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from remjobs.model.job import ReasonKind
from remjobs.model.ping import Stage
from remjobs.transports.base import HostFailure

__all__ = ["ProxyCommand"]

_MOST_SAID: Final = 2000
_LAST_WORDS: Final = 1.0
"""Seconds for it to end, once it has hung up."""


class ProxyCommand:
    """Runs it in the user's shell, as ssh does, its standard input and output a socket of ours.

    asyncssh would run it without a shell, and take what it complains of for the server's words.
    """

    def __init__(self, process: Process, ours: socket.socket) -> None:
        """Talk to this process."""
        self.socket = ours
        self._process = process
        self._said = asyncio.create_task(_listen(process))

    @classmethod
    async def start(cls, command: str, environment: Mapping[str, str]) -> ProxyCommand:
        """Start it, with these variables over our own."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = await asyncio.create_subprocess_exec(
                    os.environ.get("SHELL") or "/bin/sh",
                    "-c",
                    f"exec {command}",
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                    stderr=PIPE,
                    env={**os.environ, **environment},
                    start_new_session=True,
                )
            except OSError as exc:
                ours.close()
                msg = f"ProxyCommand cannot be started: {exc.strerror}"
                raise HostFailure(ReasonKind.UNREACHABLE, msg, stage=Stage.TCP) from exc
        ours.setblocking(False)
        return cls(process, ours)

    async def failure(self) -> HostFailure | None:
        """Say how it ended; None if it has not."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS):
                await self._process.wait()
        if self._process.returncode is None:
            return None
        said = await self._said
        how = f"ProxyCommand ended with exit code {self._process.returncode}"
        return HostFailure(
            ReasonKind.UNREACHABLE, f"{how}: {said}" if said else how, stage=Stage.TCP
        )

    async def close(self) -> None:
        """End it; its connection has ended."""
        self.socket.close()
        with suppress(ProcessLookupError):
            self._process.terminate()
        await self._process.wait()
        await self._said


async def _listen(process: Process) -> str:
    """Return what it complains of: the last line, made fit to be shown."""
    assert process.stderr is not None  # noqa: S101 - it is a pipe
    said = b""
    while piece := await process.stderr.read(_MOST_SAID):
        said = (said + piece)[-_MOST_SAID:]
    lines = said.decode("utf-8", "replace").strip().splitlines()
    return "".join(c if c.isprintable() else " " for c in lines[-1]) if lines else ""
