"""``remjobs resume``."""

from __future__ import annotations

from remjobs.caller import read_caller
from remjobs.cli.boundary import client, perform
from remjobs.cli.options import Json, SomeSelectors
from remjobs.cli.render.answers import show_jobs

__all__ = ["resume"]


def resume(jobs: SomeSelectors, json: Json = False) -> None:
    """Go on with suspended jobs, and look again for hosts that were lost."""
    perform(show_jobs(client().resume(jobs, read_caller()), json=json))
