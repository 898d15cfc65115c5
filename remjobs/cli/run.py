"""``remjobs run``: start a job, show its output as it comes, wait for its end."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Annotated, Any, Final

import typer

from remjobs.cli.answer import answer_at_once
from remjobs.cli.boundary import client, complain, perform
from remjobs.cli.output_options import Showing
from remjobs.cli.preview import Caution, ConfirmAbove, DryRun, Yes, goes_ahead
from remjobs.cli.render.events import show, tell, tell_ends
from remjobs.cli.render.files import OutputFolder
from remjobs.cli.render.forms import Printer, printer
from remjobs.cli.render.progress import Progress
from remjobs.cli.signatures import with_showing_options, with_work_options
from remjobs.cli.start import warn
from remjobs.model.exits import ExitCode, exit_code
from remjobs.model.job import Child, Job
from remjobs.model.request import JobQuery, ReceiveOptions, StartRequest
from remjobs.model.state import JobState
from remjobs.service import JobService

__all__ = ["run", "run_here"]

_LARGEST: Final = 255
"""The largest exit code that there is here; Windows has 32 bits."""
ExitCodeOfWork = Annotated[
    bool,
    typer.Option("--exit-code-of-work", help="With one host: end with its exit code."),
]
InProcess = Annotated[
    bool,
    typer.Option("--in-process", help="Run the engine here, without the controller."),
]


@with_work_options
@with_showing_options
def run(
    request: Any,
    showing: Any,
    exit_code_of_work: ExitCodeOfWork = False,
    in_process: InProcess = False,
    dry_run: DryRun = False,
    confirm_above: ConfirmAbove = None,
    yes: Yes = False,
) -> None:
    """Start a job, show its output as it comes, and end as it ends.

    Ctrl-C stops the job; a second Ctrl-C leaves it to itself.
    """
    caution = Caution(dry_run=dry_run, confirm_above=confirm_above, yes=yes)
    perform(_run(request, showing, caution, own_code=exit_code_of_work, in_process=in_process))


async def run_here(request: StartRequest, showing: Showing, *, own_code: bool = False) -> int:
    """Start a job through the controller and follow it; return the exit code."""
    return await _Foreground(client(), showing, own_code=own_code).run(request)


async def _run(
    request: Any,
    showing: Any,
    caution: Caution,
    *,
    own_code: bool,
    in_process: bool,
) -> int:
    built, shown = request(), showing()
    if in_process:
        return await _run_in_process(built, shown, caution, own_code=own_code)
    service = client()
    if (ended := await goes_ahead(service, built, caution)) is not None:
        return ended
    return await _Foreground(service, shown, own_code=own_code).run(built)


async def _run_in_process(request: Any, shown: Showing, caution: Caution, *, own_code: bool) -> int:
    import remjobs  # noqa: PLC0415 - the engine is heavy

    async with remjobs.open(in_process=True) as jobs:
        if (ended := await goes_ahead(jobs.service, request, caution)) is not None:
            return ended
        return await _Foreground(jobs.service, shown, own_code=own_code).run(request)


class _Foreground:
    """One job in the foreground."""

    def __init__(
        self,
        service: JobService,
        showing: Showing,
        *,
        own_code: bool,
    ) -> None:
        self._service = service
        self._showing = showing
        self._folder = None if showing.directory is None else OutputFolder(showing.directory)
        self._printer: Printer | None = None
        self._own_code = own_code
        self._signals: list[signal.Signals] = []
        self._stopping: asyncio.Task[Any] | None = None

    async def run(self, request: Any) -> int:
        job = await self._service.start(request)
        warn(job)
        try:
            await self._watch(job)
            while not self._signals and (
                await answer_at_once(self._service, job) or await self._go_on(job)
            ):
                await self._watch(job)
        except asyncio.CancelledError:
            complain(f"job {job.id} is left to itself; `remjobs get {job.id}` shows how it stands")
            return self._interrupted()
        return await self._end(job)

    async def _go_on(self, job: Job) -> bool:
        """Ask whether a job that waits after its canary shall go on; False if not so."""
        [current] = await self._service.list(JobQuery(selectors=(str(job.id),)))
        left = current.counts.get(JobState.NOT_STARTED, 0)
        if current.state is not JobState.SUSPENDED or not left:
            return False
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            complain(f"job {job.id}: {current.status_message}")
            return False
        print(f"The canary has ended. Go on with {left} more? [y/N] ", end="", file=sys.stderr)
        if input().strip().lower() in {"y", "yes"}:  # noqa: ASYNC250 - nothing else is to be done
            await self._service.resume([str(job.id)])
        else:
            await self._service.stop([str(job.id)])
        return True

    async def _watch(self, job: Job) -> None:
        """Show the job until it settles, minding the signals."""
        showing = asyncio.create_task(self._show(job))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._interrupt, number, job, showing)
        try:
            await showing
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    def _interrupt(self, number: signal.Signals, job: Job, showing: asyncio.Task[None]) -> None:
        """Stop the job at the first signal, leave it at the second."""
        self._signals.append(number)
        if len(self._signals) > 1:
            showing.cancel()
            return
        complain(f"stopping job {job.id}; once more leaves it to itself")
        self._stopping = asyncio.create_task(self._service.stop([str(job.id)]))

    def _interrupted(self) -> int:
        ended_by_term = signal.SIGTERM in self._signals
        return ExitCode.TERMINATED if ended_by_term else ExitCode.INTERRUPTED

    async def _show(self, job: Job) -> None:
        """Print what comes until the job has settled."""
        children = job.children or ()
        alone = len(children) == 1
        if self._printer is None:
            self._printer = printer(self._showing, [job], self._folder)
        await show(
            self._service.receive([str(job.id)], ReceiveOptions(wait=True, events=True)),
            self._printer,
            Progress(f"job {job.id}", children),
            lambda child: _tell(child, alone=alone),
        )

    async def _end(self, job: Job) -> int:
        if self._stopping is not None:
            await self._stopping
        found = await self._service.get(JobQuery(selectors=(str(job.id),)))
        ended = next(item for item in found if isinstance(item, Job))
        children = ended.children or ()
        if self._printer is not None:
            self._printer.finish([ended])
        if len(children) > 1:
            counts = ", ".join(f"{count} {state}" for state, count in ended.counts.items())
            why = f"; {ended.status_message}" if ended.is_final and ended.status_message else ""
            complain(f"job {ended.id} {ended.state}: {counts}{why}")
        elif ended.state is not JobState.BLOCKED and not self._signals:
            # The question of what is Blocked was put already.
            tell_ends([ended])
        if self._signals:
            return self._interrupted()
        if self._own_code and len(children) == 1 and children[0].exit_code is not None:
            return _as_ours(children[0].exit_code)
        return exit_code(children)


def _as_ours(code: int) -> int:
    """Return a host's exit code; one that does not fit here fails all the same."""
    return code if 0 <= code <= _LARGEST else ExitCode.COMMAND_FAILED


def _tell(child: Child, *, alone: bool) -> None:
    """Say what went wrong; a lone command's exit code says it by itself."""
    speaks_for_itself = alone and child.exit_code is not None
    if child.state is JobState.DISCONNECTED or (
        child.state is JobState.FAILED and not speaks_for_itself
    ):
        tell(child)
    elif child.state in {JobState.COMPLETED, JobState.STOPPED} and child.status_message:
        complain(f"{child.host}: {child.status_message}")
