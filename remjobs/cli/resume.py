"""``remjobs resume``."""

from __future__ import annotations

from remjobs.caller import read_caller
from remjobs.cli.boundary import client, perform
from remjobs.cli.options import InState, Json, Selectors, parse_states
from remjobs.cli.render.answers import show_jobs

__all__ = ["resume"]


def resume(jobs: Selectors = None, state: InState = None, json: Json = False) -> None:
    """Go on with suspended jobs, and look again for hosts that were lost."""
    perform(_resume(jobs or [], state or [], json=json))


async def _resume(selectors: list[str], states: list[str], *, json: bool) -> None:
    await show_jobs(
        client().resume(selectors, read_caller(), states=parse_states(states)),
        json=json,
    )
