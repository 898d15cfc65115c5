"""``remjobs report``: a job as one page of HTML."""

from __future__ import annotations

from typing import Annotated

import typer

from remjobs.cli.boundary import client, complain, perform
from remjobs.cli.render.files import WholeFile
from remjobs.service import as_it_stands

__all__ = ["report"]

OfJob = Annotated[str, typer.Argument(metavar="JOB", help="Id, name, glob, UUID or @last.")]
Html = Annotated[
    str,
    typer.Option("--html", metavar="FILE", help="Where to write the page; - is standard output."),
]
Normalize = Annotated[
    bool,
    typer.Option("--normalize", help="Fold, minding no host's own name or address, and no time."),
]


def report(job: OfJob, html: Html, normalize: Normalize = False) -> None:
    """Write a job as one page of HTML: each host's time, how it ended, and the output.

    It needs no network and no other file. Nothing counts as received by it.
    """

    async def work() -> None:
        with WholeFile(html) as file:
            whole, results = await as_it_stands(client(), job)
            from remjobs.cli.render import report as page  # noqa: PLC0415 - only this verb pays

            if not whole.is_final:
                complain(f"job {whole.id} is {whole.state}: the page shows it as it stands")
            file.write(page.report(whole, results, normalize=normalize).encode())

    perform(work())
