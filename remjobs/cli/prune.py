"""``remjobs prune``: remove jobs that have been kept long enough."""

from __future__ import annotations

import re
from typing import Annotated, Final

import typer

from remjobs.cli.boundary import client, complain, perform
from remjobs.cli.options import Json, parse_duration
from remjobs.cli.render.json_ import item_json, print_json
from remjobs.cli.render.table import print_jobs
from remjobs.errors import UsageError
from remjobs.model.prune import PruneRequest

__all__ = ["prune"]

OlderThan = Annotated[
    str | None,
    typer.Option("--older-than", metavar="AGE", help="What ended longer ago: 12h, 30d."),
]
Keep = Annotated[
    int | None,
    typer.Option("--keep", metavar="N", help="All but so many, those that ended last."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Remove nothing, only say which.")]

_NUMBER: Final = re.compile(r"\s*[0-9.]+\s*")


def prune(
    older_than: OlderThan = None,
    keep: Keep = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Remove jobs that have ended, with their records, received or not.

    With --older-than and --keep a job goes that neither keeps. Their entries in the
    history stay.
    """

    async def work() -> None:
        age = None if older_than is None else _age(older_than)
        request = PruneRequest(older_than=age, keep=keep, dry_run=dry_run)
        jobs = await client().prune(request)
        if json:
            print_json([item_json(job) for job in jobs])
            return
        if jobs:
            print_jobs(jobs)
        would = "would remove" if dry_run else "removed"
        complain(f"{would} {len(jobs)} job{'' if len(jobs) == 1 else 's'}")

    perform(work())


def _age(text: str) -> float:
    """Return an age in seconds; a number alone may have been meant as days, or as a count.

    Raises:
        UsageError: It is none, or has no unit.
    """
    if _NUMBER.fullmatch(text):
        msg = f"--older-than {text}: of what? write 90s, 15m, 12h or 30d"
        raise UsageError(msg)
    return parse_duration(text)
