"""``remjobs inventory``: what server lists say, and what a pattern hits."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from remjobs.caller import read_caller
from remjobs.cli.boundary import client, complain, perform
from remjobs.cli.options import Json
from remjobs.cli.render.columns import print_rows
from remjobs.cli.render.json_ import print_json
from remjobs.cli.render.text import escape
from remjobs.cli.target_options import Exclude, Inventory, InventoryScript, build_targets
from remjobs.model.inventory import GroupLine, HostDetails, HostLine, InventoryRequest, SettingLine
from remjobs.model.ranges import fold
from remjobs.model.wire import dumps

__all__ = ["app"]

app = typer.Typer(
    help="Look at server lists: what a pattern hits, and where settings come from.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Pattern = Annotated[
    list[str] | None,
    typer.Option("-t", "--target", "-w", metavar="PATTERN", help="Hosts. [default: all]"),
]
Groups = Annotated[bool, typer.Option("--groups", help="Show the groups that hold them.")]
Hosts = Annotated[list[str], typer.Argument(metavar="HOST...", help="Hosts, or patterns.")]


@app.callback()
def inventory() -> None:
    """Look at server lists."""


@app.command("list")
def list_(
    target: Pattern = None,
    exclude: Exclude = None,
    inventory: Inventory = None,
    inventory_script: InventoryScript = None,
    groups: Groups = False,
    json: Json = False,
) -> None:
    """Show the hosts that a pattern hits: one name a line where no terminal is."""

    async def work() -> None:
        request = _request(target or ["all"], exclude, inventory, inventory_script)
        if groups:
            found = await client().inventory.groups(request)
            _warn(found.warnings)
            print_json(found.groups) if json else _print_groups(found.groups)
            return
        listed = await client().inventory.list(request)
        _warn(listed.warnings)
        print_json(listed.hosts) if json else _print_hosts(listed.hosts)

    perform(work())


@app.command()
def show(
    hosts: Hosts,
    inventory: Inventory = None,
    inventory_script: InventoryScript = None,
    json: Json = False,
) -> None:
    """Show all that is said of a host: each setting with the file and line that it is from."""

    async def work() -> None:
        request = _request(hosts, None, inventory, inventory_script)
        found = await client().inventory.show(request)
        _warn(dict.fromkeys(warning for details in found for warning in details.warnings))
        if json:
            print_json(found[0] if len(found) == 1 else found)
        else:
            for number, details in enumerate(found):
                print("\n" * (number > 0), end="")
                _print_details(details)

    perform(work())


def _request(
    include: list[str],
    exclude: list[str] | None,
    inventory: list[str] | None,
    scripts: list[str] | None,
) -> InventoryRequest:
    targets = build_targets(include, exclude, inventory, scripts)
    assert targets is not None  # noqa: S101 - something is included
    return InventoryRequest(targets=targets, caller=read_caller())


def _warn(warnings: Sequence[str] | dict[str, None]) -> None:
    for warning in warnings:
        complain(escape(warning))


def _print_hosts(hosts: Sequence[HostLine]) -> None:
    if not sys.stdout.isatty():
        for host in hosts:
            print(host.name)
        return
    print_rows(
        ("Host", "Transport", "Address", "Port", "User", "Groups"),
        [
            (
                host.name,
                host.transport,
                host.address or "",
                str(host.port or ""),
                host.user or "",
                " ".join(host.groups),
            )
            for host in hosts
        ],
        shrinks=("Groups",),
    )
    complain(f"{len(hosts)} hosts" if len(hosts) > 1 else "1 host")


def _print_groups(groups: Sequence[GroupLine]) -> None:
    print_rows(
        ("Group", "Count", "Hosts", "Children"),
        [
            (group.name, str(len(group.hosts)), fold(group.hosts), " ".join(group.children))
            for group in groups
        ],
        shrinks=("Hosts", "Children"),
    )


def _print_details(details: HostDetails) -> None:
    host = details.host
    where = f"  ({_place(details.file, details.line)})" if details.file else "  (no inventory)"
    print(escape(host.name) + escape(where))
    print_rows(
        ("Setting", "Value", "From"),
        [
            (
                setting.name,
                _value(setting.value),
                _origin(setting),
            )
            for setting in details.settings
        ],
        wraps=("Value", "From"),
    )
    if host.groups:
        print(f"groups: {escape(' '.join(host.groups))}")
    print(f"credential: {escape(_credential(details))}")


def _credential(details: HostDetails) -> str:
    """Return which one logs in, and why that one."""
    if details.credential is None:
        return "none; keys, agent and tickets log in, and --credential names one"
    for setting in details.settings:
        if setting.name == "credential":
            who = f"group {setting.group}" if setting.group else "the host itself"
            who = "all hosts" if setting.group == "all" else who
            return f"{details.credential}, said of {who} in {_place(setting.file, setting.line)}"
    return f"{details.credential}, the one that is set for all hosts (`remjobs config show`)"


def _origin(setting: SettingLine) -> str:
    notes = [f"group {setting.group}"] if setting.group else []
    notes += [setting.said_as] if setting.said_as else []
    return _place(setting.file, setting.line) + (f" ({', '.join(notes)})" if notes else "")


def _place(file: str | None, line: int | None) -> str:
    return f"{file}:{line}" if line else str(file)


def _value(value: object) -> str:
    if isinstance(value, str):
        return value
    return dumps(value).decode()
