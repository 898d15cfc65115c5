"""``remjobs controller``: the process behind the other verbs."""

from __future__ import annotations

import asyncio
import os
from typing import Annotated

import typer

from remjobs.cli.boundary import client, complain, paths, perform
from remjobs.cli.options import Json
from remjobs.cli.render.json_ import print_json
from remjobs.controller import lifecycle
from remjobs.errors import UsageError
from remjobs.model.exits import ExitCode

__all__ = ["app"]

app = typer.Typer(
    help="Look at, start and stop the controller. Other verbs start it by themselves.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Force = Annotated[
    bool,
    typer.Option("--force", help="Even if attached jobs run: their outcome will not be known."),
]
Lines = Annotated[int, typer.Option("--lines", "-n", metavar="N", help="How many.")]


@app.command()
def status(json: Json = False) -> None:
    """Say whether the controller runs, and how it stands; starts none."""
    perform(_status(json=json))


async def _status(*, json: bool) -> int:
    found = await client().status()
    if found is None:
        complain("no controller runs")
        return ExitCode.COMMAND_FAILED
    if json:
        print_json(found)
        return ExitCode.OK
    for name, value in found.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list) else value
        print(f"{name:<10}: {'' if shown is None else shown}")
    return ExitCode.OK


@app.command()
def start() -> None:
    """Start the controller if it does not run."""
    perform(_start())


async def _start() -> None:
    connection = await asyncio.to_thread(lifecycle.connect_or_start, paths())
    connection.close()
    await _status(json=False)


@app.command()
def stop(force: Force = False) -> None:
    """Stop the controller; while attached jobs run, only with --force.

    Durable jobs go on by themselves, and are found again by the next command.
    """
    perform(_stop(force=force))


async def _stop(*, force: bool) -> None:
    found = await client().status()
    if not await client().shutdown(force=force):
        complain("no controller runs")
    elif found is not None and found["busy_jobs"]:
        names = ", ".join(map(str, found["busy_jobs"]))
        complain(f"job {names} had not ended; the next remjobs command looks for its work")


@app.command()
def logs(lines: Lines = 50) -> None:
    """Print the end of the controller's log."""
    perform(_logs(lines))


async def _logs(lines: int) -> None:
    if lines < 1:
        msg = f"--lines {lines}: expected 1 or more"
        raise UsageError(msg)
    path = paths().log
    try:
        text = await asyncio.to_thread(path.read_text, encoding="utf-8", errors="replace")
    except FileNotFoundError:
        complain(f"no log yet: {path}")
        return
    print(os.linesep.join(text.splitlines()[-lines:]))
