"""``remjobs set``: change a job while it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from remjobs.cli.boundary import client, perform
from remjobs.cli.options import Json, SomeSelectors
from remjobs.cli.render.answers import show_jobs
from remjobs.model.request import check_throttle

__all__ = ["set_"]

Limit = Annotated[
    int,
    typer.Option("-f", "--throttle-limit", metavar="N", help="Hosts at a time."),
]


def set_(jobs: SomeSelectors, throttle_limit: Limit, json: Json = False) -> None:
    """Change how many hosts of a job may run at a time; those that run go on."""
    perform(_set(jobs, throttle_limit, json=json))


async def _set(selectors: list[str], throttle_limit: int, *, json: bool) -> None:
    check_throttle(throttle_limit)
    await show_jobs(client().set(selectors, throttle_limit=throttle_limit), json=json)
