"""Sessions on POSIX hosts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Final
from uuid import UUID, uuid4

from remjobs.model.clean import KEEP_DAYS
from remjobs.model.job import ReasonKind
from remjobs.model.ping import Stage
from remjobs.model.record import Stream
from remjobs.model.work import Work
from remjobs.transports.base import (
    Execution,
    Greeting,
    HostFailure,
    Login,
    OutcomeUnknown,
    StopReport,
    SweepReport,
)
from remjobs.transports.copying import start as copying
from remjobs.transports.copying.execution import CopyExecution
from remjobs.transports.copying.files import Connected
from remjobs.transports.posix.attached import AttachedExecution
from remjobs.transports.posix.channel import Channel, Launch, OpenBeside, OpenChannel, said_by
from remjobs.transports.posix.control import SPOOLED, Controls
from remjobs.transports.posix.durable import DurableExecution
from remjobs.transports.posix.programs import (
    adopt,
    attached,
    durable,
    greeter,
    runs_powershell,
    sweeper,
)
from remjobs.transports.powershell.followed import with_streams
from remjobs.transports.powershell.invocation import raw_offsets

__all__ = ["PosixSession"]

_SWEEP_SECONDS: Final = 30.0
_GREET_SECONDS: Final = 30.0
_NO_SHELL: Final = (
    "give the account a login shell that runs commands (chsh -s /bin/sh USER), "
    "and see that no ForceCommand stands in the way"
)
_NOISE: Final = "its login shell prints text before it runs a command: {}"


class PosixSession:
    """A session that starts programs through ``open_channel``."""

    def __init__(
        self,
        open_channel: OpenChannel,
        close: Callable[[], Awaitable[None]],
        beside: OpenBeside | None = None,
        *,
        login: Login,
        files: Connected,
    ) -> None:
        """Use these ways to start a program and to end the connection.

        Args:
            open_channel: Starts a program.
            close: Ends the connection.
            beside: Starts a short program even where the connection carries no
                more of them; None if ``open_channel`` always can.
            login: How we came there.
            files: The host's files, for copies.
        """
        self.login = login
        self._open_channel = open_channel
        self._close = close
        self._beside = beside or self._on_this_connection
        self._feeding: set[asyncio.Task[None]] = set()
        self._following: set[DurableExecution] = set()
        self._files = files
        self._copies: set[CopyExecution] = set()

    async def greet(self) -> Greeting:
        """Run a program that says what the host is, the way every other one runs."""
        word = uuid4().hex
        try:
            async with asyncio.timeout(_GREET_SECONDS):
                channel = await self._open_channel(greeter(word))
                try:
                    said = await said_by(channel)
                finally:
                    channel.close()
        except (TimeoutError, OutcomeUnknown) as exc:
            msg = f"its shell does not answer: {exc or f'nothing in {_GREET_SECONDS:g} s'}"
            raise HostFailure(ReasonKind.REFUSED, msg, stage=Stage.SHELL) from exc
        before, begun, system = said.partition(word)
        if not begun:
            msg = f"its shell runs no programs: {before or 'it said nothing'}"
            raise HostFailure(ReasonKind.REFUSED, msg, stage=Stage.SHELL, remedy=_NO_SHELL)
        notes = (_NOISE.format(before.splitlines()[0]),) if before.strip() else ()
        return Greeting(system=" ".join(system.split()), notes=notes)

    async def start(self, key: UUID, work: Work) -> Execution:
        """Start work, apart from this session if it is durable."""
        if work.copy is not None:
            copy = await copying.start(self._files, key, work)
            self._copies.add(copy)
            return copy
        if work.durable:
            word = uuid4().hex
            channel = await self._open_channel(durable(key, word, work))
            execution = DurableExecution(key, word, channel, self._beside, sweep=self._sweep)
            followed = await self._followed(execution)
            return with_streams(followed, by_powershell=runs_powershell(work))
        channel = await self._open_channel(attached(key, work))
        feeding = asyncio.create_task(_feed(channel, work.input))
        self._feeding.add(feeding)
        feeding.add_done_callback(self._feeding.discard)
        initialized = work.initialization is not None
        hanging = AttachedExecution(key, channel, self._beside, initialized=initialized)
        return with_streams(hanging, by_powershell=runs_powershell(work))

    async def adopt(self, key: UUID, work: Work, offsets: Mapping[Stream, int]) -> Execution:
        """Follow work that was started durably."""
        by_powershell = runs_powershell(work)
        raw = raw_offsets(offsets) if by_powershell else offsets
        word = uuid4().hex
        try:
            channel = await self._open_channel(adopt(key, word, raw))
            execution = DurableExecution(key, word, channel, self._beside, offsets=raw)
            followed = await self._followed(execution)
            return with_streams(followed, offsets, by_powershell=by_powershell)
        except OutcomeUnknown as exc:
            raise HostFailure(ReasonKind.UNREACHABLE, str(exc)) from exc

    async def _followed(self, execution: DurableExecution) -> DurableExecution:
        self._following.add(execution)
        try:
            await execution.begin()
        except BaseException:
            await execution.dismiss()
            raise
        return execution

    async def stop(self, key: UUID, grace: float) -> StopReport:
        """End what runs under a durable key, and keep it from ever beginning here."""
        return await Controls(key, self._beside, SPOOLED).stop(grace)

    async def sweep(self, days: float = KEEP_DAYS) -> SweepReport:
        """Remove what ended more than so many days ago."""
        try:
            async with asyncio.timeout(_SWEEP_SECONDS), self._beside(sweeper(days)) as channel:
                said = await said_by(channel)
        except (TimeoutError, OutcomeUnknown) as exc:
            msg = f"it could not be cleaned: {exc or 'no answer in time'}"
            raise HostFailure(ReasonKind.UNREACHABLE, msg) from exc
        words = said.splitlines()[-1].split() if said else []
        if words[:1] != ["swept"]:
            msg = f"it could not be cleaned: {said or 'it said nothing'}"
            raise HostFailure(ReasonKind.REFUSED, msg)
        return SweepReport(swept=int(words[1]), kept=int(words[3]))

    async def _sweep(self) -> None:
        """Sweep leftovers; a host that cannot is swept another day."""
        with suppress(HostFailure):
            await self.sweep()

    @asynccontextmanager
    async def _on_this_connection(self, launch: Launch) -> AsyncIterator[Channel]:
        channel = await self._open_channel(launch)
        try:
            yield channel
        finally:
            channel.close()

    async def close(self) -> None:
        """End the connection."""
        for feeding in self._feeding:
            feeding.cancel()
        for execution in self._following:
            await execution.dismiss()
        for copy in self._copies:
            await copy.dismiss()
        await self._close()


async def _feed(channel: Channel, data: bytes) -> None:
    """Send the input; a host that stops reading or goes away ends it quietly."""
    try:
        if data:
            await channel.send(data)
        channel.end_input()
    except (OSError, ConnectionError):
        # The work ended without reading all of it, as `head` does.
        return
