"""``remjobs suspend``."""

from __future__ import annotations

from remjobs.cli.boundary import client, perform
from remjobs.cli.options import Json, SomeSelectors
from remjobs.cli.render.answers import show_jobs

__all__ = ["suspend"]


def suspend(jobs: SomeSelectors, json: Json = False) -> None:
    """Start no further hosts of these jobs, and hold the work where it runs."""
    perform(show_jobs(client().suspend(jobs), json=json))
