"""``remjobs wait``: until jobs have ended."""

from __future__ import annotations

from typing import Annotated

import typer

from remjobs.cli.boundary import client, perform
from remjobs.cli.options import Json, SomeSelectors
from remjobs.cli.render.json_ import item_json, print_json
from remjobs.cli.render.table import print_jobs
from remjobs.model.exits import exit_code

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


def wait(
    jobs: SomeSelectors,
    any_: Any = False,
    timeout: Timeout = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Wait until all (or any) of the jobs have ended, and end as they did."""
    perform(_wait(jobs, any_=any_, timeout=timeout, force=force, json=json))


async def _wait(
    selectors: list[str],
    *,
    any_: bool,
    timeout: float | None,
    force: bool,
    json: bool,
) -> int:
    ended = await client().wait(selectors, any_=any_, timeout=timeout, force=force)
    if json:
        print_json([item_json(job) for job in ended])
    else:
        print_jobs(ended)
    return exit_code(child for job in ended for child in job.children or ())
