"""``remjobs stop``."""

from __future__ import annotations

from remjobs.caller import read_caller
from remjobs.cli.boundary import client, perform
from remjobs.cli.options import Json, SomeSelectors
from remjobs.cli.render.answers import show_jobs

__all__ = ["stop"]


def stop(jobs: SomeSelectors, json: Json = False) -> None:
    """Stop jobs, on their hosts too, and wait until that is confirmed or given up."""
    perform(show_jobs(client().stop(jobs, read_caller()), json=json))
