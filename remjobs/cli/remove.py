"""``remjobs remove``: forget jobs and their records."""

from __future__ import annotations

from typing import Annotated

import typer

from remjobs.cli.boundary import client, perform
from remjobs.cli.options import InState, Selectors, parse_states
from remjobs.cli.render.events import tell
from remjobs.model.exits import ExitCode
from remjobs.model.state import JobState

__all__ = ["remove"]

Force = Annotated[bool, typer.Option("--force", help="Stop what runs, then remove it.")]


def remove(jobs: Selectors = None, state: InState = None, force: Force = False) -> None:
    """Remove jobs that have ended, with their records."""
    perform(_remove(jobs or [], state or [], force=force))


async def _remove(selectors: list[str], states: list[str], *, force: bool) -> int:
    removed = await client().remove(selectors, force=force, states=parse_states(states))
    children = [child for job in removed for child in job.children or ()]
    unknown = [child for child in children if child.state is JobState.DISCONNECTED]
    for child in unknown:
        tell(child)
    return ExitCode.UNKNOWN if unknown else ExitCode.OK
