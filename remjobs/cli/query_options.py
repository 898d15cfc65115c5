"""The options that say which jobs, shared by ``list`` and ``get``."""

from __future__ import annotations

from typing import Annotated

import typer

from remjobs.cli.completing import states
from remjobs.cli.options import parse_states, parse_time
from remjobs.model.request import JobQuery

__all__ = ["build_query"]

State = Annotated[
    list[str] | None,
    typer.Option("--state", help="Only jobs in this state (repeatable).", autocompletion=states),
]
HasMoreData = Annotated[
    bool | None,
    typer.Option(
        "--has-more-data/--no-more-data",
        help="Only jobs with, or without, something to receive.",
        show_default=False,
    ),
]
ChildState = Annotated[
    list[str] | None,
    typer.Option(
        "--child-state",
        help="Only jobs with such children, and these (repeatable).",
        autocompletion=states,
    ),
]
IncludeChildren = Annotated[bool, typer.Option("--include-children", help="Children as well.")]
Newest = Annotated[
    int | None,
    typer.Option("--newest", metavar="N", help="So many that ended last."),
]
After = Annotated[
    str | None,
    typer.Option("--after", metavar="TIME", help="Ended after 2026-01-31, 14:30, or 2h ago."),
]
Before = Annotated[
    str | None,
    typer.Option("--before", metavar="TIME", help="Ended before it; the same forms."),
]
OfCommand = Annotated[
    str | None,
    typer.Option("--command", metavar="GLOB", help="Only jobs with such a command."),
]


def build_query(
    state: State = None,
    has_more_data: HasMoreData = None,
    child_state: ChildState = None,
    include_children: IncludeChildren = False,
    newest: Newest = None,
    after: After = None,
    before: Before = None,
    command: OfCommand = None,
    *,
    selectors: tuple[str, ...] = (),
) -> JobQuery:
    """Make a query of what was typed.

    ``selectors`` are the verb's, not an option.

    Raises:
        UsageError: A state or a time is none.
    """
    return JobQuery(
        selectors=selectors,
        states=parse_states(state or []),
        has_more_data=has_more_data,
        child_states=parse_states(child_state or []),
        include_children=include_children,
        newest=newest,
        after=None if after is None else parse_time(after),
        before=None if before is None else parse_time(before),
        command=command,
    )
