"""``remjobs diff``: two jobs compared host by host."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from remjobs.cli.boundary import client, complain, perform
from remjobs.cli.options import Json
from remjobs.cli.render.diff import print_diff
from remjobs.cli.render.json_ import print_json
from remjobs.model.diff import compare
from remjobs.service import as_it_stands

__all__ = ["diff"]

_DIFFERENT: Final = 1

First = Annotated[str, typer.Argument(metavar="JOB1", help="Id, name, glob, UUID or @last.")]
Second = Annotated[str, typer.Argument(metavar="JOB2", help="Another one.")]
Normalize = Annotated[
    bool,
    typer.Option("--normalize", help="Mind no host's own name or address, and no time."),
]


def diff(first: First, second: Second, normalize: Normalize = False, json: Json = False) -> None:
    """Compare two jobs host by host: state, exit code and output.

    Ends with 0 where all is the same, and with 1 where something differs.
    """

    async def work() -> int:
        jobs = [await as_it_stands(client(), selector) for selector in (first, second)]
        for job, _ in jobs:
            if not job.is_final:
                complain(f"job {job.id} is {job.state}: it is compared as it stands")
        found = compare(*jobs, normalize=normalize)
        if json:
            print_json(found)
        else:
            print_diff(found)
        return _DIFFERENT if found.differences else 0

    perform(work())
