"""``remjobs list``: the jobs, a line each."""

from __future__ import annotations

from typing import Annotated

import typer

from remjobs.cli.boundary import client, perform
from remjobs.cli.options import Json, Selectors, parse_states
from remjobs.cli.render.json_ import item_json, print_json
from remjobs.cli.render.table import print_jobs
from remjobs.model.request import JobQuery

__all__ = ["State", "list_"]

State = Annotated[
    list[str] | None,
    typer.Option("--state", help="Only jobs in this state (repeatable)."),
]


def list_(jobs: Selectors = None, state: State = None, json: Json = False) -> None:
    """List jobs, all or those that are named."""
    perform(_list(jobs or [], state or [], json=json))


async def _list(selectors: list[str], states: list[str], *, json: bool) -> None:
    query = JobQuery(selectors=tuple(selectors), states=parse_states(states))
    found = await client().list(query)
    if json:
        print_json([item_json(job) for job in found])
    else:
        print_jobs(found)
