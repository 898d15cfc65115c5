"""``remjobs start``: begin a job and give the prompt back."""

from __future__ import annotations

import asyncio
import sys
from typing import Any, Final

from remjobs.cli.answer import answer_at_once
from remjobs.cli.boundary import client, complain, perform
from remjobs.cli.options import Json
from remjobs.cli.render.json_ import item_json, print_json
from remjobs.cli.render.table import print_jobs
from remjobs.cli.signatures import with_work_options
from remjobs.model.job import Job
from remjobs.model.request import JobQuery, StartRequest
from remjobs.model.state import JobState
from remjobs.service import JobService

_LOOKS: Final = 60
_PAUSE: Final = 0.05

__all__ = ["show_started", "start", "warn"]


@with_work_options
def start(request: Any, json: Json = False) -> None:
    """Start a job in the background and print it (its id alone, where no terminal is)."""
    perform(_start(request, json=json))


async def _start(request: Any, *, json: bool) -> None:
    built: StartRequest = request(durable_by_default=True)
    service = client()
    job = await service.start(built)
    show_started(job, json=json)
    if built.credential is not None:
        await _ask_if_asked(service, job)


async def _ask_if_asked(service: JobService, job: Job) -> None:
    """Put the question of a job that waits for a person, if it has one by now."""
    for _ in range(_LOOKS):
        [current] = await service.list(JobQuery(selectors=(str(job.id),)))
        if JobState.NOT_STARTED not in current.counts:
            break
        await asyncio.sleep(_PAUSE)
    await answer_at_once(service, job)


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
