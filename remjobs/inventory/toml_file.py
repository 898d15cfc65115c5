"""Our own form: hosts, groups, variables and connection settings in TOML."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeVar

from remjobs.errors import UsageError
from remjobs.inventory.base import ALL, UNGROUPED, Settings
from remjobs.inventory.draft import VARIABLES, Draft
from remjobs.inventory.meanings import UNCHECKED
from remjobs.inventory.plain import LAST_PORT
from remjobs.inventory.toml_tree import Tree, parse_toml
from remjobs.model.authentication import Authentication, parse_authentication
from remjobs.model.host import (
    HostKeyChecking,
    SshOptions,
    WinRmOptions,
    WinRmScheme,
    check_host_name,
    check_user_name,
    fingerprint_of,
)
from remjobs.model.ranges import expand

__all__ = ["read_toml"]

E = TypeVar("E", bound=StrEnum)

_TOP: Final = ("defaults", "hosts", "groups")
_SSH: Final = tuple(option.name for option in fields(SshOptions))
_WINRM: Final = tuple(option.name for option in fields(WinRmOptions))
_SETTINGS: Final = (
    "transport",
    "address",
    "port",
    "user",
    "authentication",
    "credential",
    "variables",
    "ssh",
    "winrm",
)
_DEFAULTS: Final = tuple(key for key in _SETTINGS if key != "address")
_GROUP: Final = ("hosts", "children", "priority", *_DEFAULTS)

Read = list[tuple[str, object, int]]
"""Settings as they stand: key, value and line."""


def read_toml(text: str, draft: Draft) -> None:
    """Read an inventory of our own form.

    Raises:
        InventoryError: The message names file, line, what was found and expected.
    """
    top = parse_toml(text, draft.name).fields(_TOP)
    if "defaults" in top:
        _refuse_unchecked(found := _settings(top["defaults"], _DEFAULTS), top["defaults"])
        _fill(draft, draft.group(ALL, 1).settings, found, ALL)
    if "hosts" in top:
        _hosts(top["hosts"], draft)
    if "groups" in top:
        _groups(top["groups"], draft)


def _fill(draft: Draft, settings: Settings, found: Read, whose: str) -> None:
    for key, value, line in found:
        if key.startswith(VARIABLES):
            draft.variable(settings, key.removeprefix(VARIABLES), value, line, whose)
        else:
            draft.set(settings, key, value, line, whose)


def _hosts(tree: Tree, draft: Draft) -> None:
    if isinstance(tree.value, list):
        for item in tree.elements("host names"):
            for name in _names(item, item.text("a host name")):
                draft.host(name, item.line)
        return
    for text, value in tree.items("a table of hosts, or a list of names"):
        found = _settings(value, _SETTINGS)
        names = _names(value, text)
        if names != [text]:
            _refuse_unchecked(found, value)
        for name in names:
            _fill(draft, draft.host(name, value.line), found, name)


def _names(place: Tree, text: str) -> list[str]:
    try:
        return [check_host_name(name) for name in expand(text)]
    except UsageError as exc:
        place.complain(str(exc))


def _groups(tree: Tree, draft: Draft) -> None:
    known = dict(tree.items("a table of groups"))
    for name, value in known.items():
        if draft.has_host(name) or name in {ALL, UNGROUPED}:
            what = "a host" if draft.has_host(name) else "a group that is always there"
            value.complain(f"{name!r} is the name of {what}; a group needs another")
        draft.group(name, value.line)
    for name, value in known.items():
        if isinstance(value.value, list):
            _members(name, value, draft)
            continue
        found = value.fields(_GROUP)
        if "hosts" in found:
            _members(name, found.pop("hosts"), draft)
        if "children" in found:
            for item in found.pop("children").elements("a list of groups"):
                child = item.text("a group's name")
                if child not in known:
                    item.complain(f"no group {child!r}; there are: {', '.join(known)}")
                draft.child(name, child, item.line)
        if "priority" in found:
            draft.group(name, value.line).priority = _whole(found.pop("priority"))
        _refuse_unchecked(settings := _read(found), value)
        _fill(draft, draft.group(name, value.line).settings, settings, name)


def _members(group: str, tree: Tree, draft: Draft) -> None:
    members = draft.group(group, tree.line).hosts
    for item in tree.elements("a list of hosts"):
        for name in _names(item, item.text("a host name")):
            draft.host(name, item.line)
            members[name] = None


def _settings(tree: Tree, allowed: tuple[str, ...]) -> Read:
    return _read(tree.fields(allowed))


def _read(found: Mapping[str, Tree]) -> Read:
    return [entry for key, tree in found.items() for entry in _entries(key, tree)]


def _entries(key: str, tree: Tree) -> Iterator[tuple[str, object, int]]:
    if key == "variables":
        for name, value in tree.items("a table of variables"):
            yield VARIABLES + name, value.plain(), value.line
    elif key == "ssh":
        for name, value in tree.fields(_SSH).items():
            yield f"ssh.{name}", _SSH_READERS[name](value), value.line
    elif key == "winrm":
        for name, value in tree.fields(_WINRM).items():
            yield f"winrm.{name}", _WINRM_READERS[name](value), value.line
        _made(tree, {name: _WINRM_READERS[name](v) for name, v in tree.fields(_WINRM).items()})
    else:
        yield key, _READERS[key](tree), tree.line


def _whole(tree: Tree) -> int:
    number = tree.number("a whole number")
    if not isinstance(number, int):
        tree.refuse("a whole number")
    return number


def _port(tree: Tree) -> int:
    expected = f"a port from 1 to {LAST_PORT}"
    number = tree.number(expected)
    if not isinstance(number, int) or not 1 <= number <= LAST_PORT:
        tree.refuse(expected)
    return number


def _seconds(tree: Tree) -> float:
    expected = "a number of seconds above 0"
    number = tree.number(expected)
    if not 0 < number < float("inf"):
        tree.refuse(expected)
    return float(number)


def _checked(check: Callable[[str], Any]) -> Callable[[Tree], Any]:
    def read(tree: Tree) -> Any:
        try:
            return check(tree.text())
        except UsageError as exc:
            tree.complain(str(exc))

    return read


def _authentication(text: str) -> Authentication:
    return parse_authentication(text)


def _yes(tree: Tree) -> bool:
    if not isinstance(tree.value, bool):
        tree.refuse("true or false")
    return tree.value


def _one_of(kind: type[E]) -> Callable[[Tree], E]:
    """Return what reads one of an enumeration's words."""

    def read(tree: Tree) -> E:
        expected = f"one of: {', '.join(kind)}"
        try:
            return kind(tree.text(expected))
        except ValueError:
            tree.refuse(expected)

    return read


def _made(tree: Tree, given: Mapping[str, Any]) -> None:
    """Refuse options that contradict themselves or each other."""
    try:
        WinRmOptions(**given)
    except UsageError as exc:
        tree.complain(str(exc))


def _refuse_unchecked(found: Read, place: Tree) -> None:
    """Refuse to leave keys or certificates of more than the one host unchecked that is named."""
    if any(value is HostKeyChecking.OFF for _, value, _ in found):
        place.complain("host_key_checking: off can be said of a single host only, by its name")
    if any(key == "winrm.insecure_tls" and value for key, value, _ in found):
        place.complain("insecure_tls can be said of a single host only, by its name")
    for key, value, _ in found:
        if key.removeprefix(VARIABLES) in UNCHECKED and value == "ignore":
            variable = key.removeprefix(VARIABLES)
            place.complain(f"{variable}: ignore can be said of a single host only, by its name")


def _path(tree: Tree) -> str:
    text = tree.text("a path")
    return text if text == "none" else str(tree.folder / Path(text).expanduser())


def _paths(tree: Tree) -> tuple[str, ...]:
    if not isinstance(tree.value, list):
        return (_path(tree),)
    return tuple(_path(item) for item in tree.elements("a list of paths"))


_SSH_READERS: Final[Mapping[str, Callable[[Tree], Any]]] = {
    "identity_files": _paths,
    "config_file": _path,
    "known_hosts_file": _path,
    "connect_timeout": _seconds,
    "login_timeout": _seconds,
    "keepalive_interval": _seconds,
    "forward_agent": _yes,
    "host_key_checking": _one_of(HostKeyChecking),
}
_WINRM_READERS: Final[Mapping[str, Callable[[Tree], Any]]] = {
    "scheme": _one_of(WinRmScheme),
    "path": lambda tree: tree.text("a path, such as wsman"),
    "ca_file": _path,
    "fingerprint": _checked(fingerprint_of),
    "insecure_tls": _yes,
    "allow_plaintext": _yes,
    "certificate_file": _path,
    "certificate_key_file": _path,
    "delegate": _yes,
    "service": lambda tree: tree.text("a Kerberos service, such as HTTP"),
    "proxy": lambda tree: tree.text("a proxy's URL"),
    "connect_timeout": _seconds,
    "operation_timeout": _seconds,
    "read_timeout": _seconds,
}
_READERS: Final[Mapping[str, Callable[[Tree], Any]]] = {
    "transport": lambda tree: tree.text("a transport's name"),
    "address": _checked(check_host_name),
    "port": _port,
    "user": _checked(check_user_name),
    "authentication": _checked(_authentication),
    "credential": lambda tree: tree.text("a credential's name"),
}
