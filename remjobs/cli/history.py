"""``remjobs history``: who ran what, where and when, and how it ended."""

from __future__ import annotations

from typing import Annotated

import typer

from remjobs.cli.boundary import client, perform
from remjobs.cli.options import Json, parse_states, parse_time
from remjobs.cli.render.history import print_history
from remjobs.cli.render.json_ import print_json
from remjobs.model.history import HistoryQuery

__all__ = ["history"]

Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME]...", help="Ids, names or globs; none is all."),
]
OfState = Annotated[
    list[str] | None,
    typer.Option("--state", help="Only jobs that ended, or are, in this state (repeatable)."),
]
OnHost = Annotated[
    list[str] | None,
    typer.Option("--host", help="Only jobs on this host: a name, glob or range (repeatable)."),
]
OfCommand = Annotated[
    str | None,
    typer.Option("--command", metavar="GLOB", help="Only jobs with such a command."),
]
Newest = Annotated[
    int | None,
    typer.Option("--newest", metavar="N", help="So many that were asked for last."),
]
After = Annotated[
    str | None,
    typer.Option("--after", metavar="TIME", help="Asked for after 2026-01-31, 14:30, or 2h ago."),
]
Before = Annotated[
    str | None,
    typer.Option("--before", metavar="TIME", help="Asked for before it; the same forms."),
]


def history(
    names: Names = None,
    state: OfState = None,
    host: OnHost = None,
    command: OfCommand = None,
    newest: Newest = None,
    after: After = None,
    before: Before = None,
    json: Json = False,
) -> None:
    """Show who asked for what, where and when, and how it ended; the newest comes last.

    Also of jobs that were removed: their output is gone, their entry stays.
    """

    async def work() -> None:
        query = HistoryQuery(
            names=tuple(names or ()),
            states=parse_states(state or []),
            hosts=tuple(host or ()),
            command=command,
            newest=newest,
            after=None if after is None else parse_time(after),
            before=None if before is None else parse_time(before),
        )
        found = await client().history(query)
        if json:
            print_json(found)
        else:
            print_history(found)

    perform(work())
