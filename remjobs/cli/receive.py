"""``remjobs receive``: what hosts sent and nobody has received yet."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import typer

from remjobs.cli.boundary import client, complain, perform
from remjobs.cli.completing import hosts_of_jobs, streams
from remjobs.cli.options import SomeSelectors, parse_streams, parse_time
from remjobs.cli.output_options import Showing
from remjobs.cli.render.events import show, tell, tell_ends
from remjobs.cli.render.files import OutputFolder
from remjobs.cli.render.forms import printer
from remjobs.cli.render.progress import Progress
from remjobs.cli.signatures import with_showing_options
from remjobs.errors import UsageError
from remjobs.model.exits import ExitCode, exit_code
from remjobs.model.job import Child, Job
from remjobs.model.record import Stream
from remjobs.model.request import JobQuery, ReceiveOptions
from remjobs.model.state import JobState
from remjobs.service import JobService

__all__ = ["receive"]

Keep = Annotated[bool, typer.Option("--keep", help="Leave the read position where it is.")]
All = Annotated[bool, typer.Option("--all", help="From the first record again.")]
Wait = Annotated[bool, typer.Option("--wait", help="Follow to the end of the job.")]
Events = Annotated[bool, typer.Option("--events", help="With --wait: tell changes of state.")]
AutoRemove = Annotated[
    bool,
    typer.Option("--auto-remove", help="With --wait: remove the jobs once they are final."),
]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help="Only what came after; moves no position."),
]
NoRecurse = Annotated[
    bool,
    typer.Option("--no-recurse", help="Only what is a job's own, not its children's."),
]
OfHost = Annotated[
    list[str] | None,
    typer.Option(
        "--host", help="Only this host; * and ? allowed (repeatable).", autocompletion=hosts_of_jobs
    ),
]
OfStream = Annotated[
    list[str] | None,
    typer.Option(
        "--stream", help="Only this stream: Output, Error ... (repeatable).", autocompletion=streams
    ),
]


@with_showing_options
def receive(
    jobs: SomeSelectors,
    showing: Any,
    keep: Keep = False,
    all_: All = False,
    wait: Wait = False,
    events: Events = False,
    auto_remove: AutoRemove = False,
    since: Since = None,
    no_recurse: NoRecurse = False,
    host: OfHost = None,
    stream: OfStream = None,
) -> None:
    """Print what has not been received yet, and move the read position."""

    async def work() -> int:
        if auto_remove and not wait:
            msg = "--auto-remove needs --wait"
            raise UsageError(msg)
        options = ReceiveOptions(
            keep=keep,
            everything=all_,
            wait=wait,
            events=events,
            hosts=tuple(host or ()),
            streams=parse_streams(stream or []),
            since=None if since is None else parse_time(since),
            recurse=not no_recurse,
        )
        return await _receive(jobs, options, showing(), remove=auto_remove)

    perform(work())


async def _receive(
    selectors: list[str],
    options: ReceiveOptions,
    showing: Showing,
    *,
    remove: bool,
) -> int:
    service = client()
    query = JobQuery(selectors=tuple(selectors))
    items = await service.get(query)
    children = _children(items)
    folder = None if showing.directory is None else OutputFolder(showing.directory)
    progress = Stream.PROGRESS in options.streams
    out = printer(showing, items, folder, progress=progress)
    following = replace(options, events=options.wait)
    await show(
        service.receive(selectors, following),
        out,
        Progress(", ".join(selectors), children if options.wait else ()),
        lambda child: _tell(child, everything=options.events),
    )
    ended = await service.get(query)
    out.finish(ended)
    if not options.wait:
        return ExitCode.OK
    tell_ends(ended)
    if remove:
        await _remove(service, ended)
    return exit_code(_children(ended))


async def _remove(service: JobService, items: tuple[Job | Child, ...]) -> None:
    """Remove the jobs that are final; children stay with their jobs."""
    final = [str(item.id) for item in items if isinstance(item, Job) and item.is_final]
    if final:
        await service.remove(final)
    for item in items:
        if str(item.id) not in final:
            complain(f"{item.id} ({item.state}) is not removed")


def _children(items: tuple[Job | Child, ...]) -> list[Child]:
    found: list[Child] = []
    for item in items:
        found += [item] if isinstance(item, Child) else item.children or ()
    return found


def _tell(child: Child, *, everything: bool) -> None:
    """Say what did not succeed, and every change if that was asked for."""
    if everything or child.state in {JobState.FAILED, JobState.DISCONNECTED}:
        tell(child)
