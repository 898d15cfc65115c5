"""``remjobs remove``: forget jobs and their records."""

from __future__ import annotations

from typing import Annotated

import typer

from remjobs.cli.boundary import client, perform
from remjobs.cli.options import SomeSelectors

__all__ = ["remove"]

Force = Annotated[bool, typer.Option("--force", help="Stop what runs, then remove it.")]


def remove(jobs: SomeSelectors, force: Force = False) -> None:
    """Remove jobs that have ended, with their records."""
    perform(_remove(jobs, force=force))


async def _remove(selectors: list[str], *, force: bool) -> None:
    await client().remove(selectors, force=force)
