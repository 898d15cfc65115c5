"""``remjobs get``: jobs with all their properties and children."""

from __future__ import annotations

from remjobs.cli.boundary import client, perform
from remjobs.cli.list_ import State
from remjobs.cli.options import Json, SomeSelectors, parse_states
from remjobs.cli.render.json_ import print_one_or_many
from remjobs.cli.render.table import print_details
from remjobs.model.request import JobQuery

__all__ = ["get"]


def get(jobs: SomeSelectors, state: State = None, json: Json = False) -> None:
    """Show jobs with all their properties and children; a child's id shows the child."""
    perform(_get(jobs, state or [], json=json))


async def _get(selectors: list[str], states: list[str], *, json: bool) -> None:
    query = JobQuery(selectors=tuple(selectors), states=parse_states(states))
    found = await client().get(query)
    if json:
        print_one_or_many(found)
        return
    for number, item in enumerate(found):
        if number:
            print()
        print_details(item)
