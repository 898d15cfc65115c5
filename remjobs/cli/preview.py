"""Before work runs: ``--dry-run`` shows what would be done, and many hosts are asked about."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

import typer

from remjobs.cli.boundary import complain, settings
from remjobs.cli.render.columns import print_rows
from remjobs.cli.render.json_ import print_json
from remjobs.cli.render.text import escape
from remjobs.errors import UsageError
from remjobs.model.exits import ExitCode
from remjobs.model.inventory import InventoryRequest, PreviewLine
from remjobs.model.ranges import fold
from remjobs.model.request import StartRequest
from remjobs.service import JobService

__all__ = ["Caution", "ConfirmAbove", "DryRun", "Yes", "goes_ahead"]

_SHOWN: Final = 300
"""Characters of hosts that a question shows."""

DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Show hosts, user and command; start nothing."),
]
ConfirmAbove = Annotated[
    int | None,
    typer.Option(
        "--confirm-above", metavar="N", help="On a terminal, ask above N hosts. [default: 50]"
    ),
]
Yes = Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caution:
    """What is to be done before a start."""

    dry_run: bool
    confirm_above: int | None
    """None is as the settings say."""
    yes: bool
    json: bool = False


async def goes_ahead(service: JobService, request: StartRequest, caution: Caution) -> int | None:
    """Return the exit code that ends it here, or None to go ahead.

    Raises:
        UsageError: The start would be refused, or there can be no such number.
    """
    most = settings().confirm_above if caution.confirm_above is None else caution.confirm_above
    if most < 0:
        msg = f"--confirm-above {most}: expected 0 or more"
        raise UsageError(msg)
    if caution.dry_run:
        await _preview(service, request, json=caution.json)
        return ExitCode.OK
    if request.targets is None or caution.yes or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    asked = InventoryRequest(targets=request.targets, caller=request.caller)
    names = [host.name for host in (await service.inventory.list(asked)).hosts]
    if len(names) <= most or _confirmed(names):
        return None
    complain("nothing was started")
    return ExitCode.INTERRUPTED


def _confirmed(names: Sequence[str]) -> bool:
    folded = escape(fold(names))
    shown = folded if len(folded) <= _SHOWN else folded[:_SHOWN] + "..."
    print(f"{shown}\nRun on {len(names)} hosts? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


async def _preview(service: JobService, request: StartRequest, *, json: bool) -> None:
    found = await service.inventory.preview(request)
    for warning in found.warnings:
        complain(escape(warning))
    if json:
        print_json(found.hosts)
        return
    commands = list(dict.fromkeys(line.command for line in found.hosts))
    if len(commands) > 1:
        _table(found.hosts, command=True)
    else:
        _table(found.hosts, command=False)
        print(f"command: {escape(commands[0])}")
    many = f"{len(found.hosts)} hosts" if len(found.hosts) > 1 else "1 host"
    complain(f"{many}; nothing was started")


def _table(lines: Sequence[PreviewLine], *, command: bool) -> None:
    columns = ["Host", "Transport", "Address", "User", *(["Command"] if command else [])]
    rows = [
        [line.host, line.transport, line.address, line.user, *([line.command] if command else [])]
        for line in lines
    ]
    print_rows(columns, rows, wraps=("Command",) if command else ())
