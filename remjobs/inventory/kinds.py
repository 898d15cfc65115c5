"""Which kind of inventory a file is: as it is named, by its name, or by what stands in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Final

from remjobs.inventory.ansible_ini import SECTION, read_ini
from remjobs.inventory.ansible_yaml import read_yaml
from remjobs.inventory.csv_file import read_csv
from remjobs.inventory.draft import Draft
from remjobs.inventory.hosts_file import is_address, read_hosts_file
from remjobs.inventory.plain import parse_lines, read_plain
from remjobs.inventory.ssh_config import read_ssh_config
from remjobs.inventory.toml_file import read_toml

__all__ = ["READERS", "WITH_VARS_FOLDERS", "Kind", "kind_of", "split_kind"]


class Kind(StrEnum):
    """A form that an inventory file can have."""

    LIST = "list"
    INI = "ini"
    YAML = "yaml"
    TOML = "toml"
    CSV = "csv"
    SSH_CONFIG = "ssh-config"
    HOSTS = "hosts"


READERS: Final[Mapping[Kind, Callable[[str, Draft], None]]] = MappingProxyType(
    {
        Kind.LIST: read_plain,
        Kind.INI: read_ini,
        Kind.YAML: read_yaml,
        Kind.TOML: read_toml,
        Kind.CSV: read_csv,
        Kind.SSH_CONFIG: read_ssh_config,
        Kind.HOSTS: read_hosts_file,
    },
)
WITH_VARS_FOLDERS: Final = frozenset({Kind.LIST, Kind.INI, Kind.YAML})
"""Kinds that Ansible reads too, and looks for ``group_vars`` and ``host_vars`` beside."""
_SUFFIXES: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        ".yaml": Kind.YAML,
        ".yml": Kind.YAML,
        ".json": Kind.YAML,
        ".toml": Kind.TOML,
        ".csv": Kind.CSV,
        ".tsv": Kind.CSV,
        ".ini": Kind.INI,
    },
)
_ANSIBLE_RANGE: Final = re.compile(r"\[(?:[0-9]*:[0-9]+|[A-Za-z]:[A-Za-z])(?::[0-9]+)?\]")
_ASSIGNED: Final = re.compile(r"[\w.]+=")
_SSH_KEYWORD: Final = re.compile(r"(?:host|match|include)(?:\s+|\s*=\s*)\S", re.IGNORECASE)
_YAML_KEY: Final = re.compile(r"""(?:---|["']?[\w.-]+["']?\s*:(?:\s.*)?)""")
_LOOKED_AT: Final = 200
"""Lines."""


def split_kind(text: str) -> tuple[Kind | None, str]:
    """Split ``KIND:PATH``; a path alone has no kind."""
    before, colon, after = text.partition(":")
    if colon and after and before in set(Kind):
        return Kind(before), after
    return None, text


def kind_of(path: Path, text: str) -> Kind:
    """Return what kind a file seems to be."""
    if (kind := _SUFFIXES.get(path.suffix.lower())) is not None:
        return kind
    if path.name == "ssh_config" or (path.name == "config" and path.parent.name == ".ssh"):
        return Kind.SSH_CONFIG
    return _by_content(text)


def _by_content(text: str) -> Kind:
    """Look at the first lines; what looks like nothing else is a plain list."""
    lines = [line for _, line in parse_lines(text[: _LOOKED_AT * 200])][:_LOOKED_AT]
    if not lines:
        return Kind.LIST
    first = lines[0].split()
    if _SSH_KEYWORD.match(lines[0]):
        return Kind.SSH_CONFIG
    if is_address(first[0]) and len(first) > 1 and "=" not in first[1]:
        return Kind.HOSTS
    if any(map(_is_ini, lines)):
        return Kind.INI
    if lines[0].startswith("{") or _YAML_KEY.fullmatch(lines[0]) is not None:
        return Kind.YAML
    return Kind.LIST


def _is_ini(line: str) -> bool:
    if line.startswith(";") or SECTION.fullmatch(line) is not None:
        return True
    words = line.split()
    return (
        any(_ASSIGNED.match(word) for word in words[1:])
        or _ANSIBLE_RANGE.search(words[0]) is not None
    )
