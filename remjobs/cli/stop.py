"""``remjobs stop``."""

from __future__ import annotations

from typing import Annotated

import typer

from remjobs.caller import read_caller
from remjobs.cli.boundary import client, perform
from remjobs.cli.completing import hosts_of_jobs
from remjobs.cli.options import InState, Json, Selectors, parse_states
from remjobs.cli.render.answers import show_jobs
from remjobs.cli.render.events import tell
from remjobs.model.exits import ExitCode
from remjobs.model.state import JobState

__all__ = ["stop"]

OfHost = Annotated[
    list[str] | None,
    typer.Option(
        "--child",
        metavar="HOST",
        help="Only on this host, the others go on; * and ? allowed (repeatable).",
        autocompletion=hosts_of_jobs,
    ),
]


def stop(
    jobs: Selectors = None,
    state: InState = None,
    child: OfHost = None,
    json: Json = False,
) -> None:
    """Stop jobs, on their hosts too, and wait until that is confirmed or given up."""
    perform(_stop(jobs or [], state or [], child or [], json=json))


async def _stop(selectors: list[str], states: list[str], hosts: list[str], *, json: bool) -> int:
    stopping = client().stop(selectors, read_caller(), states=parse_states(states), hosts=hosts)
    children = [
        child for job in await show_jobs(stopping, json=json) for child in job.children or ()
    ]
    unknown = [child for child in children if child.state is JobState.DISCONNECTED]
    for child in unknown:
        tell(child)
    return ExitCode.UNKNOWN if unknown else ExitCode.OK
