"""The reference of every verb and option, made of the command line itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from remjobs.cli.main import app

__all__ = ["reference"]


def reference() -> str:
    """Return the reference as Markdown: a heading for each verb, a row for each option."""
    return "\n".join(_lines(typer.main.get_command(app), None, "remjobs"))


def _lines(command: Any, parent: Any, name: str) -> Iterator[str]:
    context = command.context_class(
        command,
        info_name=name.rpartition(" ")[2],
        parent=parent,
        terminal_width=1000,
        **command.context_settings,
    )
    depth = max(2, len(name.split()))
    yield from _about(command, context, name, depth)
    for inner in getattr(command, "commands", {}).values():
        if not inner.hidden:
            yield from _lines(inner, context, f"{name} {inner.name}")


def _about(command: Any, context: Any, name: str, depth: int) -> Iterator[str]:
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield from (f"{'#' * depth} {name}", "", "```text", usage, "```", "")
    yield from (command.help or "", "")
    options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
    rows = [_argument(item, context) for item in command.params if item not in options]
    rows += [record for item in options if (record := item.get_help_record(context))]
    if any(rows):
        yield from ("| option | meaning |", "| --- | --- |")
        yield from (f"| `{_cell(row[0])}` | {_prose(row[1])} |" for row in rows if row)
        yield ""


def _argument(argument: Any, context: Any) -> tuple[str, str] | None:
    help_text = getattr(argument, "help", None)
    return (argument.make_metavar(context), help_text) if help_text else None


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _prose(text: str) -> str:
    return _cell(text).replace("<", "&lt;")
