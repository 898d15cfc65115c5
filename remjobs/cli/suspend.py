"""``remjobs suspend``."""

from __future__ import annotations

from remjobs.cli.boundary import client, complain, perform
from remjobs.cli.options import InState, Json, Selectors, parse_states
from remjobs.cli.render.answers import show_jobs
from remjobs.cli.render.text import escape
from remjobs.model.state import JobState

__all__ = ["suspend"]


def suspend(jobs: Selectors = None, state: InState = None, json: Json = False) -> None:
    """Start no further hosts of these jobs, and hold the work where it runs."""
    perform(_suspend(jobs or [], state or [], json=json))


async def _suspend(selectors: list[str], states: list[str], *, json: bool) -> None:
    suspending = client().suspend(selectors, states=parse_states(states))
    for job in await show_jobs(suspending, json=json):
        for child in job.children or ():
            if child.state is JobState.SUSPENDING and child.status_message:
                complain(escape(f"{child.host}: {child.state}: {child.status_message}"))
