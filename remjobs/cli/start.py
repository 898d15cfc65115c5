"""``remjobs start``: begin a job and give the prompt back."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated, Any, Final
from uuid import uuid4

import typer

from remjobs.caller import read_caller
from remjobs.cli.answer import answer_at_once
from remjobs.cli.boundary import client, complain, perform
from remjobs.cli.completing import definitions, job_types
from remjobs.cli.options import Json, parse_type
from remjobs.cli.preview import Caution, ConfirmAbove, DryRun, Yes, goes_ahead
from remjobs.cli.render.json_ import item_json, print_json
from remjobs.cli.render.table import print_jobs
from remjobs.cli.signatures import typed, with_work_options
from remjobs.errors import UsageError
from remjobs.model.definition import DefinitionName, DefinitionStart
from remjobs.model.job import Job, JobType
from remjobs.model.request import JobQuery, StartRequest
from remjobs.model.state import JobState
from remjobs.service import JobService

_LOOKS: Final = 60
_PAUSE: Final = 0.05
_WHAT_MAKES: Final = {
    JobType.BACKGROUND: "that is work on this machine, without -t",
    JobType.REMOTE: "that is work on hosts: which? -t names them",
    JobType.SCHEDULED: "that is what a definition starts: which? --definition names it",
}

__all__ = ["show_started", "start", "start_definition", "warn"]


DefinitionOption = Annotated[
    str | None,
    typer.Option(
        "--definition",
        metavar="NAME",
        help="Start this saved definition now.",
        autocompletion=definitions,
    ),
]
DefinitionPath = Annotated[
    str | None,
    typer.Option("--definition-path", metavar="PATH", help="The path that it is under."),
]
Type = Annotated[
    str | None,
    typer.Option(
        "--type", metavar="TYPE", help="The type that the job must have.", autocompletion=job_types
    ),
]


@with_work_options
def start(
    request: Any,
    definition: DefinitionOption = None,
    definition_path: DefinitionPath = None,
    type_: Type = None,
    dry_run: DryRun = False,
    confirm_above: ConfirmAbove = None,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Start a job in the background and print it (its id alone, where no terminal is)."""
    caution = Caution(dry_run=dry_run, confirm_above=confirm_above, yes=yes, json=json)

    async def work() -> int | None:
        wanted = None if type_ is None else parse_type(type_)
        if definition is None and definition_path is not None:
            msg = "--definition-path needs --definition: which one?"
            raise UsageError(msg)
        if definition is None:
            return await _start(request, wanted, caution)
        if dry_run:
            msg = (
                "--dry-run does not go with --definition; `remjobs definition show` tells its work"
            )
            raise UsageError(msg)
        _check_alone(request, wanted)
        await start_definition(definition, definition_path, json=json)
        return None

    perform(work())


def _check_alone(request: Any, wanted: JobType | None) -> None:
    if own := typed(request):
        msg = f"{own[0]} does not go with --definition, which says all of that itself"
        raise UsageError(msg)
    if wanted not in {None, JobType.SCHEDULED}:
        msg = f"--type {wanted}: what a definition starts is a {JobType.SCHEDULED}"
        raise UsageError(msg)


async def start_definition(name: str, path: str | None, *, json: bool) -> None:
    """Start a definition, and print its job."""
    asked = DefinitionStart(
        instance_id=uuid4(),
        definition=DefinitionName(name=name, path=path),
        caller=read_caller(),
    )
    service = client()
    job = await service.definitions.start(asked)
    show_started(job, json=json)
    if [child.transport for child in job.children or ()] == ["local"]:
        await _ask_if_asked(service, job)


async def _start(request: Any, wanted: JobType | None, caution: Caution) -> int | None:
    built: StartRequest = request(durable_by_default=True)
    if wanted not in {None, built.type}:
        msg = f"--type {wanted}: {_WHAT_MAKES[wanted or JobType.BACKGROUND]}"
        raise UsageError(msg)
    service = client()
    if (ended := await goes_ahead(service, built, caution)) is not None:
        return ended
    job = await service.start(built)
    show_started(job, json=caution.json)
    if built.connection.credential is not None or built.connection.become is not None:
        await _ask_if_asked(service, job)
    return None


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
