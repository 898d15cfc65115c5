"""The structured inventory: hosts, groups, variables and connection settings in YAML."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from remjobs.errors import UsageError
from remjobs.inventory.base import Inventory
from remjobs.inventory.yaml_tree import Tree, parse_yaml
from remjobs.model.host import (
    Host,
    HostKeyChecking,
    SshOptions,
    check_host_name,
    check_user_name,
)
from remjobs.model.ranges import expand

__all__ = ["parse_inventory_yaml"]

_TOP: Final = ("defaults", "hosts", "groups")
_SSH: Final = tuple(option.name for option in fields(SshOptions))
_SETTINGS: Final = ("transport", "address", "port", "user", "credential", "variables", "ssh")
_DEFAULTS: Final = tuple(key for key in _SETTINGS if key != "address")
_GROUP: Final = ("hosts", "children", *_DEFAULTS)
_LAST_PORT: Final = 65535
_ALL: Final = "all"

Settings = dict[str, Any]


def parse_inventory_yaml(text: str, name: str) -> Inventory:
    """Return the hosts and groups of a structured inventory.

    Settings come from ``defaults``, then the host's groups (parents first,
    then in the order of the file), then the host itself; the last one wins.
    Variables and ``ssh`` are merged key by key.

    Raises:
        InventoryError: The message names file, line, what was found and expected.
    """
    top = parse_yaml(text, name).fields(_TOP)
    defaults = _settings(top["defaults"], _DEFAULTS) if "defaults" in top else {}
    if defaults:
        _refuse_unchecked(top["defaults"], defaults)
    own = _hosts(top["hosts"]) if "hosts" in top else {}
    groups = _groups(top["groups"], own) if "groups" in top else {}
    for group in groups.values():
        for host in group.members:
            own.setdefault(host, {})
    layers = {host: [defaults] for host in own}
    for group_name in _parents_first(groups):
        for host in _members(groups, group_name):
            layers[host].append(groups[group_name].settings)
    return Inventory(
        hosts={host: _host(host, [*layers[host], own[host]]) for host in own},
        groups={group_name: _members(groups, group_name) for group_name in groups},
    )


@dataclass(slots=True)
class _Group:
    """A group as it is written."""

    members: tuple[str, ...] = ()
    children: dict[str, Tree] = field(default_factory=dict)
    settings: Settings = field(default_factory=dict)


def _hosts(tree: Tree) -> dict[str, Settings]:
    if tree.is_list:
        return {name: {} for item in tree.elements("host names") for name in _names(item)}
    found: dict[str, Settings] = {}
    for text, key, value in tree.items("a mapping of hosts, or a list of names"):
        settings = _settings(value, _SETTINGS)
        names = _names(key, text)
        if names != [text]:
            _refuse_unchecked(key, settings)
        for name in names:
            if name in found:
                key.complain(f"the host {name!r} stands here for the second time")
            found[name] = settings
    return found


def _names(place: Tree, text: str | None = None) -> list[str]:
    expression = place.text("a host name") if text is None else text
    try:
        return [check_host_name(name) for name in expand(expression)]
    except UsageError as exc:
        place.complain(str(exc))


def _groups(tree: Tree, hosts: Mapping[str, Settings]) -> dict[str, _Group]:
    groups: dict[str, _Group] = {}
    for name, key, value in tree.items("a mapping of groups"):
        if name in hosts or name == _ALL:
            what = "every host" if name == _ALL else "a host"
            key.complain(f"{name!r} is the name of {what}; a group needs another")
        groups[name] = _group(value)
    for group in groups.values():
        for child, place in group.children.items():
            if child not in groups:
                place.complain(f"no group {child!r}; there are: {', '.join(groups)}")
    _refuse_cycles(groups)
    return groups


def _group(tree: Tree) -> _Group:
    if tree.is_list:
        return _Group(members=_listed(tree))
    found = tree.fields(_GROUP)
    children = found.pop("children", None)
    members = found.pop("hosts", None)
    settings = {key: _READERS[key](value) for key, value in found.items()}
    _refuse_unchecked(found.get("ssh", tree), settings)
    return _Group(
        members=_listed(members) if members is not None else (),
        children={
            item.text("a group's name"): item
            for item in (children.elements("a list of groups") if children is not None else ())
        },
        settings=settings,
    )


def _listed(tree: Tree) -> tuple[str, ...]:
    return tuple(name for item in tree.elements("a list of hosts") for name in _names(item))


def _refuse_cycles(groups: Mapping[str, _Group]) -> None:
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in done:
            return
        for child, place in groups[name].children.items():
            if child in (*path, name):
                way = " > ".join([*path, name, child])
                place.complain(f"groups contain each other: {way}")
            visit(child, (*path, name))
        done.add(name)

    for name in groups:
        visit(name, ())


def _parents_first(groups: Mapping[str, _Group]) -> list[str]:
    """Return the groups so that each stands before its children, else as in the file."""
    order: list[str] = []

    def visit(name: str) -> None:
        if name not in order:
            for child in reversed(list(groups[name].children)):
                visit(child)
            order.insert(0, name)

    for name in reversed(list(groups)):
        visit(name)
    return order


def _members(groups: Mapping[str, _Group], name: str) -> tuple[str, ...]:
    group = groups[name]
    below = [host for child in group.children for host in _members(groups, child)]
    return tuple(dict.fromkeys([*group.members, *below]))


def _settings(tree: Tree, allowed: tuple[str, ...]) -> Settings:
    return {key: _READERS[key](value) for key, value in tree.fields(allowed).items()}


def _host(name: str, layers: list[Settings]) -> Host:
    merged: Settings = {}
    for layer in layers:
        for key, value in layer.items():
            both = key in {"variables", "ssh"}
            merged[key] = {**merged.get(key, {}), **value} if both else value
    ssh = SshOptions(**merged.pop("ssh", {}))
    return Host(name=name, ssh=ssh, **merged)


def _port(tree: Tree) -> int:
    expected = f"a port from 1 to {_LAST_PORT}"
    number = tree.number(expected)
    if not number.is_integer() or not 1 <= number <= _LAST_PORT:
        tree.refuse(expected)
    return int(number)


def _seconds(tree: Tree) -> float:
    expected = "a number of seconds above 0"
    number = tree.number(expected)
    if not 0 < number < float("inf"):
        tree.refuse(expected)
    return number


def _yes(tree: Tree) -> bool:
    value = tree.plain()
    if not isinstance(value, bool):
        tree.refuse("true or false")
    return bool(value)


def _checked(check: Callable[[str], str]) -> Callable[[Tree], str]:
    def read(tree: Tree) -> str:
        try:
            return check(tree.text())
        except UsageError as exc:
            tree.complain(str(exc))

    return read


def _path(tree: Tree) -> str:
    text = tree.text("a path")
    return text if text == "none" else str(tree.folder / Path(text).expanduser())


def _paths(tree: Tree) -> tuple[str, ...]:
    if not tree.is_list:
        return (_path(tree),)
    return tuple(_path(item) for item in tree.elements("a list of paths"))


def _variables(tree: Tree) -> dict[str, object]:
    return {key: value.plain() for key, _, value in tree.items("a mapping of variables")}


def _host_key_checking(tree: Tree) -> HostKeyChecking:
    expected = f"one of: {', '.join(HostKeyChecking)}"
    try:
        return HostKeyChecking(tree.text(expected))
    except ValueError:
        tree.refuse(expected)


def _refuse_unchecked(tree: Tree, settings: Settings) -> None:
    """Refuse to leave the keys of more hosts unchecked than the one that is named."""
    if settings.get("ssh", {}).get("host_key_checking") is HostKeyChecking.OFF:
        tree.complain("host_key_checking: off can be said of a single host only, by its name")


def _ssh(tree: Tree) -> Settings:
    return {key: _SSH_READERS[key](value) for key, value in tree.fields(_SSH).items()}


_SSH_READERS: Final[Mapping[str, Callable[[Tree], Any]]] = {
    "identity_files": _paths,
    "config_file": _path,
    "known_hosts_file": _path,
    "connect_timeout": _seconds,
    "login_timeout": _seconds,
    "keepalive_interval": _seconds,
    "forward_agent": _yes,
    "host_key_checking": _host_key_checking,
}
_READERS: Final[Mapping[str, Callable[[Tree], Any]]] = {
    "transport": lambda tree: tree.text("a transport's name"),
    "address": _checked(check_host_name),
    "port": _port,
    "user": _checked(check_user_name),
    "credential": lambda tree: tree.text("a credential's name"),
    "variables": _variables,
    "ssh": _ssh,
}
