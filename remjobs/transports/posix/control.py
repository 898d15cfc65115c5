"""Stopping, holding and waking what runs on a host, through a channel of its own."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from uuid import UUID

from remjobs.transports.base import HostFailure, OutcomeUnknown, StopReport
from remjobs.transports.posix.channel import OpenBeside, said_by
from remjobs.transports.posix.programs import controller

__all__ = ["SPOOLED", "Controls", "Identity"]

_MARGIN: Final = 20.0
_START_TIME: Final = 19
"""Where the start time stands after the command's name: field 22 of proc(5)."""
_DONE: Final[Mapping[str, str]] = MappingProxyType(
    {"stop": "gone", "suspend": "held", "resume": "awake"},
)


@dataclass(frozen=True, slots=True)
class Identity:
    """What a program said of itself when it began."""

    pid: str
    start: str
    boot: str

    @classmethod
    def parse(cls, words: bytes) -> Identity:
        """Read ``BOOT STAT``, the second being /proc/PID/stat or ``PID -`` (proc(5))."""
        boot, _, stat = words.decode("ascii", "replace").partition(" ")
        fields = stat.rpartition(")")[2].split()
        start = fields[_START_TIME] if len(fields) > _START_TIME else "-"
        return cls(pid=stat.split(" ", 1)[0], start=start, boot=boot)


SPOOLED: Final = Identity(pid="-", start="-", boot="-")
"""The host's spool knows it."""


class Controls:
    """What can be done to one key's process tree."""

    def __init__(self, key: UUID, beside: OpenBeside, identity: Identity | None = None) -> None:
        """Open channels with ``beside``, once it is known what to look for."""
        self._key = key
        self._beside = beside
        self._known = asyncio.Event()
        self.identity: Identity | None = None
        if identity is not None:
            self.identify(identity)

    def identify(self, identity: Identity) -> None:
        """Take what the program said of itself."""
        self.identity = identity
        self._known.set()

    def give_up(self) -> None:
        """Wait for an identity no longer: none will come."""
        self._known.set()

    async def identified(self) -> bool:
        """Wait until it is known what to look for; False if that will never be."""
        await self._known.wait()
        return self.identity is not None

    async def stop(self, grace: float) -> StopReport:
        """End the process tree, and confirm its end."""
        return await self._do("stop", grace)

    async def suspend(self) -> StopReport:
        """Hold the process tree (SIGSTOP), and confirm that it is held."""
        return await self._do("suspend", 0)

    async def resume(self) -> StopReport:
        """Let the process tree go on (SIGCONT)."""
        return await self._do("resume", 0)

    async def _do(self, verb: str, grace: float) -> StopReport:
        try:
            async with asyncio.timeout(grace + _MARGIN):
                if not await self.identified() or self.identity is None:
                    return StopReport(confirmed=False, message="the work never said where it runs")
                me = self.identity
                words = (verb, str(self._key), me.pid, me.start, me.boot, str(grace))
                async with self._beside(controller(*words)) as channel:
                    return _report(verb, await said_by(channel))
        except TimeoutError:
            return _unanswered(f"the host did not answer the {verb} in time")
        except (HostFailure, OutcomeUnknown) as exc:
            return _unanswered(str(exc))


def _unanswered(message: str) -> StopReport:
    return StopReport(confirmed=False, message=message, answered=False)


def _report(verb: str, said: str) -> StopReport:
    if not said:
        return _unanswered(f"the connection was lost during the {verb}")
    last = said.splitlines()[-1]
    verdict, _, rest = last.partition(" ")
    if verdict == "gone" or verdict == _DONE[verb]:
        held = verdict == _DONE[verb]
        return StopReport(
            confirmed=held, signalled=int(rest), message="" if held else "it has ended"
        )
    if verdict == "rebooted":
        return StopReport(confirmed=verb == "stop", message="the host was restarted")
    if verdict == "left":
        return StopReport(confirmed=False, signalled=1, message=f"still running: pid {rest}")
    return StopReport(confirmed=False, message=f"the {verb} said {shlex.quote(last)}")
