"""``remjobs hosts``: what concerns hosts rather than jobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from remjobs.cli.boundary import client, complain, perform
from remjobs.cli.options import Json
from remjobs.cli.render.json_ import print_json
from remjobs.cli.render.text import escape
from remjobs.cli.signatures import with_reach_options
from remjobs.cli.target_options import Reach
from remjobs.model.clean import KEEP_DAYS, Cleaned, CleanRequest
from remjobs.model.exits import ExitCode

__all__ = ["app"]

app = typer.Typer(
    help="Look after hosts.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
OlderThan = Annotated[
    float,
    typer.Option("--older-than", metavar="DAYS", help="Remove what ended longer ago than this."),
]


@app.callback()
def hosts() -> None:
    """Look after hosts."""


@app.command()
@with_reach_options
def clean(
    reach: Callable[[], Reach],
    older_than: OlderThan = KEEP_DAYS,
    json: Json = False,
) -> None:
    """Remove from hosts what durable work left there; what runs is left alone.

    Hosts clean up after themselves: a result is removed once it is stored here,
    a leftover by its age. An outcome that nobody has taken yet goes with it.
    """

    def request() -> CleanRequest:
        where = reach()
        return CleanRequest(
            targets=where.targets,
            older_than=older_than,
            connection=where.connection,
            caller=where.caller,
        )

    perform(_clean(request, json=json))


async def _clean(request: Callable[[], CleanRequest], *, json: bool) -> int:
    answers = await client().clean(request())
    if json:
        print_json(answers)
    else:
        _print(answers)
    return ExitCode.NOT_REACHED if any(answer.reason for answer in answers) else ExitCode.OK


def _print(answers: Sequence[Cleaned]) -> None:
    for answer in answers:
        for note in answer.notes:
            complain(escape(f"{answer.host}: {note}"))
        if answer.reason is None:
            print(f"{answer.host}: removed {answer.swept}, kept {answer.kept}")
        else:
            complain(escape(f"{answer.host}: {answer.reason.message}"))
