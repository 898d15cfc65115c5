"""``remjobs get``: jobs with all their properties and children."""

from __future__ import annotations

from typing import Any

from remjobs.cli.boundary import client, perform
from remjobs.cli.options import Json, SomeSelectors
from remjobs.cli.render.json_ import print_one_or_many
from remjobs.cli.render.table import print_details
from remjobs.cli.signatures import with_query_options
from remjobs.model.request import JobQuery

__all__ = ["get"]


@with_query_options
def get(query: Any, jobs: SomeSelectors, json: Json = False) -> None:
    """Show jobs with all their properties and children; a child's id shows the child."""
    perform(_get(query, jobs, json=json))


async def _get(query: Any, selectors: list[str], *, json: bool) -> None:
    built: JobQuery = query(selectors=tuple(selectors))
    found = await client().get(built)
    if json:
        print_one_or_many(found)
        return
    for number, item in enumerate(found):
        if number:
            print()
        print_details(item)
