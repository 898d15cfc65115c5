"""``remjobs wait``: until jobs have ended, or are in a state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from remjobs.cli.boundary import client, complain, perform
from remjobs.cli.completing import states
from remjobs.cli.options import Json, Selectors, parse_state
from remjobs.cli.render.answers import is_part, show_jobs
from remjobs.cli.render.events import tell_ends
from remjobs.model.exits import ExitCode, exit_code
from remjobs.model.job import Child, Job
from remjobs.model.request import WaitOptions
from remjobs.model.state import FINAL, JobState

__all__ = ["wait"]

Any = Annotated[bool, typer.Option("--any", help="Until one of them has ended.")]
Timeout = Annotated[
    float | None,
    typer.Option("--timeout", metavar="S", help="Seconds for the whole call."),
]
Force = Annotated[
    bool,
    typer.Option("--force", help="Go on through Blocked, Suspended and Disconnected."),
]
Wanted = Annotated[
    str | None,
    typer.Option(
        "--state",
        metavar="STATE",
        help="Until they are in this state instead.",
        autocompletion=states,
    ),
]
_TOLD = FINAL | {JobState.DISCONNECTED}
"""States whose exit code says how it ended, also where they were waited for."""


def wait(
    jobs: Selectors = None,
    any_: Any = False,
    timeout: Timeout = None,
    force: Force = False,
    state: Wanted = None,
    json: Json = False,
) -> None:
    """Wait until all (or any) of the jobs have ended, and end as they did."""

    async def work() -> int:
        wanted = None if state is None else parse_state(state)
        options = WaitOptions(any_=any_, timeout=timeout, force=force, state=wanted)
        return await _wait(jobs or [], options, json=json)

    perform(work())


async def _wait(selectors: list[str], options: WaitOptions, *, json: bool) -> int:
    waiting = client().wait(
        selectors,
        any_=options.any_,
        timeout=options.timeout,
        force=options.force,
        state=options.state,
    )
    jobs = await show_jobs(waiting, json=json)
    if options.state is None:
        tell_ends(item for job in jobs for item in _awaited(job))
        return exit_code(child for job in jobs for child in job.children or ())
    return _how_reached(jobs, options.state)


def _how_reached(jobs: Sequence[Job], wanted: JobState) -> int:
    """Say what did not get to the wanted state; return the exit code.

    What is in the wanted state and goes on says nothing against it.
    """
    items = [item for job in jobs for item in _awaited(job)]
    missed = [item for item in items if item.state is not wanted]
    for item in missed:
        may_stay = "" if item.is_final else " and may stay so; --force waits on"
        complain(f"job {item.id} is {item.state}, not {wanted}{may_stay}")
    telling = [item for item in items if item in missed or item.state in _TOLD]
    code = exit_code(child for item in telling for child in _children(item))
    return ExitCode.COMMAND_FAILED if missed and code is ExitCode.OK else code


def _awaited(job: Job) -> Sequence[Job | Child]:
    return (job.children or ()) if is_part(job) else [job]


def _children(item: Job | Child) -> Sequence[Child]:
    return [item] if isinstance(item, Child) else item.children or ()
