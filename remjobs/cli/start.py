"""``remjobs start``: begin a job and give the prompt back."""

from __future__ import annotations

import sys
from typing import Any

from remjobs.cli.boundary import client, complain, perform
from remjobs.cli.options import Json
from remjobs.cli.render.json_ import item_json, print_json
from remjobs.cli.render.table import print_jobs
from remjobs.cli.signatures import with_work_options
from remjobs.model.job import Job
from remjobs.model.request import StartRequest

__all__ = ["show_started", "start", "warn"]


@with_work_options
def start(request: Any, json: Json = False) -> None:
    """Start a job in the background and print it (its id alone, where no terminal is)."""
    perform(_start(request, json=json))


async def _start(request: Any, *, json: bool) -> None:
    built: StartRequest = request(durable_by_default=True)
    job = await client().start(built)
    show_started(job, json=json)


def show_started(job: Job, *, json: bool) -> None:
    """Print a job that has just begun: whole on a terminal, else its id."""
    warn(job)
    if json:
        print_json(item_json(job))
    elif sys.stdout.isatty():
        print_jobs([job])
    else:
        print(job.id)


def warn(job: Job) -> None:
    """Tell what was noticed at the start."""
    for warning in job.warnings:
        complain(warning)
