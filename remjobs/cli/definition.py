"""``remjobs definition``: work that is saved, and when it starts."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any
from uuid import uuid4

import typer

from remjobs.cli.boundary import client, perform
from remjobs.cli.completing import definitions, policies
from remjobs.cli.optional_value import OptionalValues
from remjobs.cli.options import Json
from remjobs.cli.render.columns import local_time, print_properties, print_rows
from remjobs.cli.render.json_ import print_json
from remjobs.cli.signatures import with_trigger_options, with_work_options
from remjobs.cli.start import start_definition
from remjobs.errors import UsageError
from remjobs.model.definition import (
    DEFAULT_HISTORY,
    ROOT,
    DefineRequest,
    Definition,
    DefinitionName,
    HistoryEntry,
    InstancePolicy,
)
from remjobs.service import DefinitionService

__all__ = ["app"]

app = typer.Typer(
    help="Save work, and start it by triggers or by hand.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="Its name; /path/NAME says which of several.",
        autocompletion=definitions,
    ),
]
Names = Annotated[
    list[str],
    typer.Argument(metavar="NAME...", help="Names, or /path/NAME.", autocompletion=definitions),
]
Path = Annotated[
    str | None,
    typer.Option("--path", metavar="PATH", help="Path under which names are kept. [default: /]"),
]
Enabled = Annotated[
    bool,
    typer.Option("--disabled", help="Let its triggers wait for `definition enable`."),
]
Instances = Annotated[
    str,
    typer.Option(
        "--if-running",
        metavar="POLICY",
        help="If an instance still runs: ignore-new, parallel, queue, stop-existing.",
        autocompletion=policies,
    ),
]
IfMissed = Annotated[
    bool,
    typer.Option("--run-if-missed", help="Run once, late, if the controller did not run in time."),
]
HistoryLimit = Annotated[
    int,
    typer.Option("--keep-history", metavar="N", help="Firings that its history keeps."),
]


@app.callback()
def definition() -> None:
    """Save work, and start it by triggers or by hand."""


@app.command(cls=OptionalValues)
@with_work_options
@with_trigger_options
def add(
    definition_name: Name,
    request: Any,
    triggers: Any,
    path: Path = None,
    if_running: Instances = InstancePolicy.IGNORE_NEW.value,
    run_if_missed: IfMissed = False,
    disabled: Enabled = False,
    keep_history: HistoryLimit = DEFAULT_HISTORY,
    json: Json = False,
) -> None:
    """Save work under a name: NAME, options as of `start`, triggers, then -- COMMAND.

    Scripts and input are read now; hosts are looked up anew at each start.
    Where no terminal is, it prints the path and name alone.
    """

    async def work() -> None:
        named = DefinitionName(name=definition_name, path=path)
        saved = await client().definitions.add(
            DefineRequest(
                id=uuid4(),
                name=named.name,
                path=named.path or ROOT,
                start=request(durable_by_default=True),
                triggers=triggers(),
                enabled=not disabled,
                instances=_policy(if_running),
                run_if_missed=run_if_missed,
                history_limit=keep_history,
            ),
        )
        if json or sys.stdout.isatty():
            _show([saved], json=json, one=True)
        else:
            print(saved.full_name)

    perform(work())


def _policy(text: str) -> InstancePolicy:
    """Return a policy, also by the name that PowerShell gives it (IgnoreNew)."""
    by_key = {policy.value.replace("-", ""): policy for policy in InstancePolicy}
    found = by_key.get(text.casefold().replace("-", ""))
    if found is None:
        msg = f"--if-running {text}: there are {', '.join(InstancePolicy)}"
        raise UsageError(msg)
    return found


@app.command("list")
def list_(json: Json = False) -> None:
    """List the definitions: when each is due, and what became of it last."""

    async def work() -> None:
        _show(await client().definitions.list(), json=json)

    perform(work())


@app.command()
def show(name: Name, path: Path = None, json: Json = False) -> None:
    """Show all properties of a definition."""

    async def work() -> None:
        _show(
            await client().definitions.list(DefinitionName(name=name, path=path)),
            json=json,
            one=True,
        )

    perform(work())


@app.command()
def start(name: Name, path: Path = None, json: Json = False) -> None:
    """Start a definition now, whatever its triggers say."""
    perform(start_definition(name, path, json=json))


@app.command()
def history(name: Name, path: Path = None, json: Json = False) -> None:
    """Show what became of a definition's firings, oldest first."""

    async def work() -> None:
        entries = await client().definitions.history(DefinitionName(name=name, path=path))
        if json:
            print_json(entries)
        else:
            _print_history(entries)

    perform(work())


@app.command()
def enable(names: Names, path: Path = None, json: Json = False) -> None:
    """Let triggers fire; what was due before is not made up for."""
    perform(_each(names, path, lambda d, name: d.enable(name, enabled=True), json=json))


@app.command()
def disable(names: Names, path: Path = None, json: Json = False) -> None:
    """Let no trigger fire; starting by hand goes on working."""
    perform(_each(names, path, lambda d, name: d.enable(name, enabled=False), json=json))


@app.command()
def remove(names: Names, path: Path = None, json: Json = False) -> None:
    """Forget definitions and their history; jobs that they started stay."""
    perform(_each(names, path, lambda d, name: d.remove(name), json=json))


async def _each(
    names: Sequence[str],
    path: str | None,
    do: Callable[[DefinitionService, DefinitionName], Awaitable[Definition]],
    *,
    json: bool,
) -> None:
    service = client().definitions
    named = [DefinitionName(name=name, path=path) for name in names]
    for name in named:
        # All are looked up before any is changed.
        await service.list(name)
    changed = [await do(service, name) for name in named]
    if json:
        print_json(changed)


def _show(definitions: Sequence[Definition], *, json: bool, one: bool = False) -> None:
    if json:
        print_json(definitions[0] if one else definitions)
    elif one:
        _print_details(definitions[0])
    else:
        _print_table(definitions)


def _print_table(definitions: Sequence[Definition]) -> None:
    print_rows(
        ("Name", "Enabled", "Triggers", "Next", "Last"),
        [
            (
                item.full_name,
                "yes" if item.enabled else "no",
                "; ".join(trigger.text for trigger in item.triggers),
                local_time(item.next_time),
                _outcome(item.last),
            )
            for item in definitions
        ],
        shrinks=("Triggers", "Last"),
    )


def _print_details(item: Definition) -> None:
    rows = [
        ("Name", item.full_name),
        ("Id", str(item.id)),
        ("Enabled", str(item.enabled)),
        ("Command", item.command),
        ("Location", item.location),
        ("Triggers", "; ".join(trigger.text for trigger in item.triggers) or "none: by hand"),
        ("IfRunning", item.instances.value),
        ("RunIfMissed", str(item.run_if_missed)),
        ("KeepHistory", str(item.history_limit)),
        ("Created", local_time(item.created)),
        ("Next", local_time(item.next_time)),
        ("Last", _outcome(item.last)),
    ]
    print_properties(rows)


def _print_history(entries: Sequence[HistoryEntry]) -> None:
    print_rows(
        ("Due", "Outcome", "Job", "State", "Message"),
        [
            (
                local_time(entry.due),
                entry.outcome.value if entry.count == 1 else f"{entry.outcome} x{entry.count}",
                "" if entry.job_id is None else str(entry.job_id),
                "" if entry.state is None else entry.state.value,
                entry.message,
            )
            for entry in entries
        ],
        wraps=("Message",),
    )


def _outcome(entry: HistoryEntry | None) -> str:
    if entry is None:
        return ""
    if entry.job_id is not None:
        return f"job {entry.job_id} {entry.state or 'removed'}"
    return f"{entry.outcome}: {entry.message}" if entry.message else entry.outcome.value
