"""``remjobs fetch``: files come from hosts."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import typer

from remjobs.caller import read_fetch
from remjobs.cli.boundary import perform
from remjobs.cli.copy_options import Background
from remjobs.cli.push import carry_out
from remjobs.cli.signatures import with_copy_options, with_showing_options
from remjobs.model.work import Work

__all__ = ["fetch"]

RemotePath = Annotated[str, typer.Argument(metavar="PATH", help="A file or folder on each host.")]
Into = Annotated[
    str,
    typer.Option("--into", metavar="DIR", help="A folder here; files land in DIR/HOST/."),
]


@with_copy_options
@with_showing_options
def fetch(
    path: RemotePath,
    into: Into,
    request: Any,
    showing: Any,
    background: Background = False,
) -> None:
    """Copy a file or folder of each host into a folder of its own here.

    Ctrl-C stops the job; a second Ctrl-C leaves it to itself.
    """

    def copy(**more: Any) -> Work:
        return Work(fetch=read_fetch(path, into), **more)

    perform(carry_out(partial(request, copy=copy), showing, background=background))
