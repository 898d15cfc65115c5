"""``remjobs push``: files go to hosts."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import typer

from remjobs.caller import read_push
from remjobs.cli.boundary import client, perform
from remjobs.cli.copy_options import Background
from remjobs.cli.output_options import Showing
from remjobs.cli.run import run_here
from remjobs.cli.signatures import with_copy_options, with_showing_options
from remjobs.cli.start import show_started
from remjobs.errors import UsageError
from remjobs.model.exits import ExitCode
from remjobs.model.request import StartRequest
from remjobs.model.work import Work

__all__ = ["carry_out", "push"]

Sources = Annotated[
    list[str], typer.Argument(metavar="FILE...", help="Files, and folders with all in them.")
]
To = Annotated[
    str,
    typer.Option("--to", metavar="PATH", help="A folder on the host; for one file also its name."),
]
Mode = Annotated[
    str | None,
    typer.Option("--mode", metavar="OCTAL", help="The files' mode. [default: each one's own]"),
]


@with_copy_options
@with_showing_options
def push(
    files: Sources,
    to: To,
    request: Any,
    showing: Any,
    mode: Mode = None,
    background: Background = False,
) -> None:
    """Copy files and folders to hosts, each put in place whole or not at all.

    Ctrl-C stops the job; a second Ctrl-C leaves it to itself.
    """

    def copy(**more: Any) -> Work:
        return Work(push=read_push(files, to, _mode(mode)), **more)

    perform(carry_out(partial(request, copy=copy), showing, background=background))


async def carry_out(
    request: Callable[[], StartRequest],
    showing: Callable[[], Showing],
    *,
    background: bool,
) -> int:
    """Start a copy, and follow it to its end or leave it to itself."""
    if not background:
        return await run_here(request(), showing())
    show_started(await client().start(request()), json=False)
    return ExitCode.OK


def _mode(text: str | None) -> int | None:
    try:
        return None if text is None else int(text, 8)
    except ValueError as exc:
        msg = f"--mode {text}: expected an octal number such as 640"
        raise UsageError(msg) from exc
