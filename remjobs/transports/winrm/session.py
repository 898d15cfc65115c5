"""Sessions on Windows hosts: lines, and shells that are kept for the next command."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Final
from uuid import UUID, uuid4

from remjobs.errors import UsageError
from remjobs.model.clean import KEEP_DAYS
from remjobs.model.job import ReasonKind
from remjobs.model.ping import Stage
from remjobs.model.record import Stream
from remjobs.model.work import Command, Work
from remjobs.transports.base import (
    Execution,
    Exited,
    Greeting,
    HostFailure,
    Login,
    OutcomeUnknown,
    StopReport,
    SweepReport,
)
from remjobs.transports.powershell.followed import with_streams
from remjobs.transports.windows.launch import Launch, Surroundings, launch_of, runs_powershell
from remjobs.transports.winrm.execution import Running, WinRmExecution
from remjobs.transports.winrm.faults import Code, Fault
from remjobs.transports.winrm.line import Line, Lines
from remjobs.transports.winrm.shell import RemoteShell
from remjobs.transports.winrm.shells import Kept, Shells
from remjobs.transports.winrm.wire import ConnectionBroken

__all__ = ["WinRmSession"]

_GREET_SECONDS: Final = 30.0
_CLOSE_SECONDS: Final = 10.0
_VERSION: Final = Work(command=Command(text="ver"), shell="cmd")  # noqa: S604 - a field
_ATTACHED: Final = "work on Windows hosts hangs on its connection: it cannot be found again"
_NO_SHELL: Final = "see whether the account may run programs there: `winrs -r:HOST ver`"


class WinRmSession:
    """Runs commands in shells of one host."""

    def __init__(self, lines: Lines, shell: str, *, login: Login) -> None:
        """Use these lines, and a shell that is open already, with nothing special around it."""
        self.login = login
        self._lines = lines
        self._shells = Shells()
        self._shells.opened(shell, Surroundings())
        self._shells.keep(shell)
        self._executions: dict[str, WinRmExecution] = {}
        """What runs, by the id of its command."""

    async def greet(self) -> Greeting:
        """Ask cmd for the system's name and version."""
        try:
            async with asyncio.timeout(_GREET_SECONDS):
                said, ended = await self._said(_VERSION)
        except (TimeoutError, OutcomeUnknown) as exc:
            msg = f"its shell does not answer: {exc or f'nothing in {_GREET_SECONDS:g} s'}"
            raise HostFailure(ReasonKind.REFUSED, msg, stage=Stage.SHELL) from exc
        if not ended or not said:
            msg = f"its shell runs no programs: {said or 'it said nothing'}"
            raise HostFailure(ReasonKind.REFUSED, msg, stage=Stage.SHELL, remedy=_NO_SHELL)
        return Greeting(system=said)

    async def _said(self, work: Work) -> tuple[str, bool]:
        """Return what short work prints, as one line, and whether it went well."""
        execution = await self.start(uuid4(), work)
        said = b"".join([chunk.data async for chunk in execution])
        ended = await execution.outcome() == Exited(0)
        return " ".join(said.decode("utf-8", "replace").split()), ended

    async def start(self, key: UUID, work: Work) -> Execution:
        """Start work in a shell that was kept, or in a new one."""
        try:
            launch = launch_of(key, work)
        except UsageError as exc:
            raise HostFailure(ReasonKind.REFUSED, str(exc)) from exc
        line = self._lines.take()
        try:
            running = await self._begin(line, launch)
        except BaseException:
            self._lines.give_back(line)
            raise
        execution = WinRmExecution(key, running, self._lines, self._shells, self._ended)
        self._executions[running.command] = execution
        execution.begin(launch.prefix, work.input)
        return with_streams(execution, by_powershell=runs_powershell(work))

    async def _begin(self, line: Line, launch: Launch) -> Running:
        """Begin a command; one that may have been begun is never begun again."""
        while (kept := self._shells.take(launch.surroundings)) is not None:
            if (begun := await self._begin_in_kept(line, kept, launch)) is not None:
                return begun
        try:
            shell = await line.ask(RemoteShell.open, launch.surroundings)
            self._shells.opened(shell, launch.surroundings)
            return await self._begun(line, shell, launch)
        except (Fault, ConnectionBroken) as exc:
            raise exc.failure from exc

    async def _begin_in_kept(self, line: Line, kept: Kept, launch: Launch) -> Running | None:
        """Begin a command in a shell that was kept; None if it is good for no more of them."""
        try:
            if kept.last is not None:
                await line.ask(RemoteShell.end, kept.id, kept.last)
        except ConnectionBroken:
            return None
        except Fault as exc:
            if exc.code == Code.NO_SHELL:
                self._shells.closed(kept.id)
                return None
            # It had forgotten the command by itself.
        try:
            return await self._begun(line, kept.id, launch)
        except Fault as exc:
            if not exc.is_of_kept:
                raise exc.failure from exc
        with suppress(Fault, ConnectionBroken):
            await line.ask(RemoteShell.close, kept.id)
        self._shells.closed(kept.id)
        return None

    async def _begun(self, line: Line, shell: str, launch: Launch) -> Running:
        """Send the command, once.

        Raises:
            Fault: The host refused it.
            OutcomeUnknown: It may have been begun.
        """
        try:
            command = await line.ask(RemoteShell.begin, shell, launch)
        except ConnectionBroken as exc:
            if not exc.sent:
                raise exc.failure from exc
            msg = f"the connection was lost while the work was being started: {exc}"
            raise OutcomeUnknown(msg) from exc
        except Fault as exc:
            if exc.is_refusal:
                raise
            msg = f"whether the work was started is not known: {exc}"
            raise OutcomeUnknown(msg) from exc
        return Running(line=line, shell=shell, command=command)

    def _ended(self, running: Running) -> None:
        self._executions.pop(running.command, None)
        self._lines.give_back(running.line)

    async def adopt(self, key: UUID, work: Work, offsets: Mapping[Stream, int]) -> Execution:
        """Say that it cannot be found."""
        del key, work, offsets
        raise OutcomeUnknown(_ATTACHED)

    async def stop(self, key: UUID, grace: float) -> StopReport:
        """Say that nothing durable runs here."""
        del key, grace
        return StopReport(confirmed=False, message=_ATTACHED)

    async def sweep(self, days: float = KEEP_DAYS) -> SweepReport:
        """Have left nothing to be swept."""
        del days
        return SweepReport(swept=0, kept=0)

    async def close(self) -> None:
        """Close all shells, which ends what still runs in them, and all connections."""
        try:
            for execution in tuple(self._executions.values()):
                await execution.dismiss()
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await self._close_shells()
        finally:
            self._lines.close()

    async def _close_shells(self) -> None:
        line = None
        for shell in self._shells:
            line = line or self._lines.take()
            try:
                await line.ask(RemoteShell.close, shell)
            except Fault:
                continue
            except (ConnectionBroken, HostFailure):
                # Where it cannot be reached, it closes them itself once they are idle.
                return
