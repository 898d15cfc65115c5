"""``remjobs list``: the jobs, a line each."""

from __future__ import annotations

from typing import Any

from remjobs.cli.boundary import client, perform
from remjobs.cli.options import Json, Selectors
from remjobs.cli.render.json_ import item_json, print_json
from remjobs.cli.render.table import print_jobs
from remjobs.cli.signatures import with_query_options
from remjobs.model.request import JobQuery

__all__ = ["list_"]


@with_query_options
def list_(query: Any, jobs: Selectors = None, json: Json = False) -> None:
    """List jobs, all or those that are named and kept by every option."""
    perform(_list(query, jobs or [], json=json))


async def _list(query: Any, selectors: list[str], *, json: bool) -> None:
    built: JobQuery = query(selectors=tuple(selectors))
    found = await client().list(built)
    if json:
        print_json([item_json(job) for job in found])
    else:
        print_jobs(found, children=True)
