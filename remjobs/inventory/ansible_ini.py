"""Ansible's inventories in INI form: sections of hosts, children and variables."""

from __future__ import annotations

import ast
import re
import shlex
import warnings
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from remjobs.errors import UsageError
from remjobs.inventory.ansible_ranges import expand_ansible
from remjobs.inventory.base import UNGROUPED
from remjobs.inventory.draft import VARIABLES, Draft

__all__ = ["SECTION", "read_ini"]

SECTION: Final = re.compile(r"\[([^:\]\s]+)(?::(\w+))?\]\s*(?:#.*)?")
_CHILD: Final = re.compile(r"([^:\]\s]+)\s*(?:#.*)?")
_QUOTING: Final = re.compile(r"['\"\\#]")
_KINDS: Final = ("hosts", "children", "vars")


@dataclass(slots=True)
class _Sections:
    """Which groups have a section of their own, and which are only spoken of."""

    declared: set[str] = field(default_factory=set)
    needed: dict[str, tuple[int, str]] = field(default_factory=dict)


def read_ini(text: str, draft: Draft) -> None:
    """Read an inventory as Ansible's ini plugin does.

    Raises:
        InventoryError: A line is none of what its section holds.
    """
    group, kind = UNGROUPED, "hosts"
    seen = _Sections(declared={"all", UNGROUPED})
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        if line[0] == "[" and (section := SECTION.fullmatch(line)) is not None:
            group, kind = section[1], section[2] or "hosts"
            _begin(group, kind, number, draft, seen)
        elif line[0] == "[" and line[-1] == "]" and ":" not in line:
            draft.complain(number, f"{line} is not a section; expected [group], [group:children]")
        elif kind == "hosts":
            _hosts(line, number, group, draft)
        elif kind == "vars":
            _variable(line, number, group, draft)
        else:
            _child(line, number, group, draft, seen)
    for line_number, problem in (
        where for name, where in seen.needed.items() if name not in seen.declared
    ):
        draft.complain(line_number, problem)


def _begin(group: str, kind: str, line: int, draft: Draft, seen: _Sections) -> None:
    if kind not in _KINDS:
        draft.complain(line, f"[{group}:{kind}] is unknown; expected one of: {', '.join(_KINDS)}")
    draft.group(group, line)
    if kind == "vars":
        problem = f"[{group}:vars] is about a group that has no section [{group}]"
        seen.needed.setdefault(group, (line, problem))
    else:
        seen.declared.add(group)


def _hosts(line: str, number: int, group: str, draft: Draft) -> None:
    words = line.split() if _QUOTING.search(line) is None else _quoted(line, number, draft)
    if not words:
        return
    try:
        names, port = expand_ansible(words[0])
    except UsageError as exc:
        draft.complain(number, str(exc))
    pairs = [_pair(word, number, draft) for word in words[1:]]
    members = draft.group(group, number).hosts
    for name in names:
        known = draft.has_host(name)
        settings = draft.host(name, number, "a host's name, then name=value pairs")
        members[name] = None
        if port is not None and not known:
            draft.set(settings, VARIABLES + "ansible_port", port, number, name)
    draft.of_hosts(names, [(variable, value, number) for variable, value in pairs])


def _quoted(line: str, number: int, draft: Draft) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError as exc:
        draft.complain(number, f"{exc}; expected a host's name, then name=value pairs")


def _pair(word: str, line: int, draft: Draft) -> tuple[str, object]:
    name, equals, value = word.partition("=")
    if not equals:
        draft.complain(line, f"{word!r} is not name=value; expected one host a line")
    return name, parse_value(value)


def _variable(line: str, number: int, group: str, draft: Draft) -> None:
    name, equals, value = line.partition("=")
    if not equals:
        draft.complain(number, f"{line[:60]!r} is not name=value")
    draft.of_group(group, name.strip(), parse_value(value.strip()), number)


def _child(line: str, number: int, group: str, draft: Draft, seen: _Sections) -> None:
    match = _CHILD.fullmatch(line)
    if match is None:
        draft.complain(number, f"{line[:60]!r} is not a group's name")
    if match[1] not in seen.declared:
        problem = f"[{group}:children] names {match[1]!r}, which has no section"
        seen.needed.setdefault(match[1], (number, problem))
    draft.child(group, match[1], number)


@lru_cache(maxsize=4096)
def _literal(text: str) -> object:
    """Return a Python literal, or the text: so Ansible reads values in INI files."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            value: object = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
    return value


def parse_value(text: str) -> object:
    """Return the value that a text in an INI file stands for."""
    if text[:1].isalpha() and text not in {"True", "False", "None"} and text[-1:] not in "'\"":
        return text
    return _plain(_literal(text))


def _plain(value: object) -> object:
    """Return what JSON can hold, as Ansible makes it of Python's literals."""
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(inner) for inner in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if value is ...:
        return "..."
    return str(value) if isinstance(value, complex) else value
