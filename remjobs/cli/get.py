"""``remjobs get``: jobs with all their properties and children."""

from __future__ import annotations

from typing import Any

from remjobs.cli.boundary import client, perform
from remjobs.cli.options import Json, Selectors
from remjobs.cli.render.json_ import item_json, print_json, print_one_or_many
from remjobs.cli.render.table import print_details
from remjobs.cli.signatures import with_query_options
from remjobs.model.request import JobQuery

__all__ = ["get"]


@with_query_options
def get(query: Any, jobs: Selectors = None, json: Json = False) -> None:
    """Show jobs with all their properties and children; a child's id shows the child.

    On a terminal many children that are alike share a line; --include-children
    gives each its own.
    """
    perform(_get(query, jobs or [], json=json))


async def _get(query: Any, selectors: list[str], *, json: bool) -> None:
    built: JobQuery = query(selectors=tuple(selectors))
    found = await client().get(built)
    if json and selectors:
        print_one_or_many(found)
        return
    if json:
        print_json([item_json(item) for item in found])
        return
    for number, item in enumerate(found):
        if number:
            print()
        print_details(item, every_child=built.include_children)
