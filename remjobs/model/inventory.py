"""Looking at inventories, and at what a start would do, without doing it."""

from __future__ import annotations

from dataclasses import dataclass

from remjobs.model.request import Caller, Targets

__all__ = [
    "GroupLine",
    "GroupList",
    "HostDetails",
    "HostLine",
    "HostList",
    "InventoryRequest",
    "Preview",
    "PreviewLine",
    "SettingLine",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryRequest:
    """Which hosts are to be looked at."""

    targets: Targets = Targets()
    """Without any expression all of the inventory's hosts."""
    caller: Caller = Caller()


@dataclass(frozen=True, slots=True, kw_only=True)
class HostLine:
    """A host, and how the inventory says it is reached."""

    name: str
    transport: str
    address: str | None = None
    port: int | None = None
    user: str | None = None
    groups: tuple[str, ...] = ()
    """All that it is in, but ``all``; of a setting that several have the last one's wins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostList:
    """Hosts in the order in which they would run, and what seemed odd."""

    hosts: tuple[HostLine, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLine:
    """A group."""

    name: str
    hosts: tuple[str, ...]
    """Those of the groups below it included."""
    children: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupList:
    """The groups of an inventory, parents before children."""

    groups: tuple[GroupLine, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingLine:
    """A setting of a host, and where it comes from."""

    name: str
    """A field of ``Host``, ``ssh.`` and one of ``SshOptions``, ``winrm.`` and
    one of ``WinRmOptions``, or ``variables.`` and a name."""
    value: object
    file: str
    line: int | None = None
    """None where there are no lines."""
    said_as: str | None = None
    """The name that the inventory has for it, if it is another one."""
    group: str | None = None
    """The group that says it; None is the host itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostDetails:
    """All that inventories say of a host."""

    host: HostLine
    file: str | None = None
    """Where it is named first; None if no inventory names it."""
    line: int | None = None
    settings: tuple[SettingLine, ...] = ()
    credential: str | None = None
    """What logs in to it, by its name in the keyring, unless a start says otherwise. If no
    setting of the host has it, the asker's settings do."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewLine:
    """What a start would do on one host."""

    host: str
    transport: str
    address: str
    """Where it would be reached, as ``address:port``; empty for this machine."""
    user: str
    """As whom."""
    command: str
    """What the host's shell would get."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a start would do; nothing was begun."""

    hosts: tuple[PreviewLine, ...]
    warnings: tuple[str, ...] = ()
