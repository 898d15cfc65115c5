"""``remjobs config``: the settings, and where each comes from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import typer

from remjobs.cli.boundary import perform, settings
from remjobs.cli.options import Json
from remjobs.cli.render.columns import print_rows
from remjobs.cli.render.json_ import print_json
from remjobs.settings import TABLE, config_path

__all__ = ["app"]

app = typer.Typer(
    help="Look at the settings.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def show(json: Json = False) -> None:
    """Show every setting: its value, and where that comes from."""
    perform(_show(json=json))


async def _show(*, json: bool) -> None:
    resolved = settings()
    values = {name: _plain(getattr(resolved, name)) for name in TABLE}
    origins = {name: resolved.origins.get(name, "default") for name in TABLE}
    if json:
        print_json({n: {"value": values[n], "origin": origins[n]} for n in TABLE})
        return
    rows = [(n, _text(values[n], setting.unset), origins[n]) for n, setting in TABLE.items()]
    print_rows(("setting", "value", "from"), rows, wraps=("value", "from"))


@app.command()
def path() -> None:
    """Print where the configuration file is, or would be."""
    perform(_path())


async def _path() -> None:
    print(config_path(os.environ))


def _plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if isinstance(value, tuple):
        return [str(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _text(value: Any, unset: str) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    if isinstance(value, float):
        return f"{value:g}"
    return unset if value is None else str(value)
