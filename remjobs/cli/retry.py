"""``remjobs retry``: the same work again, on the hosts where it did not succeed."""

from __future__ import annotations

from typing import Annotated
from uuid import uuid4

import typer

from remjobs.caller import read_caller
from remjobs.cli.boundary import client, perform
from remjobs.cli.completing import hosts_of_jobs, jobs
from remjobs.cli.options import Json
from remjobs.cli.start import show_started
from remjobs.model.request import RetryRequest

__all__ = ["retry"]

OneJob = Annotated[
    str, typer.Argument(metavar="JOB", help="The job, as elsewhere.", autocompletion=jobs)
]
Failed = Annotated[bool, typer.Option("--failed", help="Where it failed or was never begun.")]
Unreachable = Annotated[
    bool,
    typer.Option("--unreachable", help="What was not reached, refused us, or was never begun."),
]
Disconnected = Annotated[
    bool,
    typer.Option("--disconnected", help="Where nobody knows: it may have run there."),
]
OnHost = Annotated[
    list[str] | None,
    typer.Option(
        "--host",
        metavar="NAME",
        help="Only these hosts; * and ? allowed (repeatable).",
        autocompletion=hosts_of_jobs,
    ),
]
NewName = Annotated[str | None, typer.Option("--name", help="The new job's name.")]
Limit = Annotated[
    int | None,
    typer.Option("-f", "--throttle-limit", metavar="N", help="Hosts at a time."),
]


def retry(
    job: OneJob,
    failed: Failed = False,
    unreachable: Unreachable = False,
    disconnected: Disconnected = False,
    host: OnHost = None,
    name: NewName = None,
    throttle_limit: Limit = None,
    json: Json = False,
) -> None:
    """Start a new job with the same work on hosts of an earlier one.

    Without an option: on all that failed, were not reached or were never begun.
    """

    async def work() -> None:
        request = RetryRequest(
            instance_id=uuid4(),
            selector=job,
            failed=failed,
            unreachable=unreachable,
            disconnected=disconnected,
            hosts=tuple(host or ()),
            name=name,
            throttle_limit=throttle_limit,
            caller=read_caller(),
        )
        show_started(await client().retry(request), json=json)

    perform(work())
