"""From settings to a Host: our own names, and those that Ansible has for the same things."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, NamedTuple

from remjobs.errors import UsageError
from remjobs.inventory.base import Place, Setting, Settings
from remjobs.inventory.draft import VARIABLES
from remjobs.inventory.meanings import HARMLESS, MEANINGS, ONLY_WITH, PASSED_OVER, TRANSPORTS
from remjobs.inventory.secrets import Encrypted
from remjobs.inventory.values import complain, read, text_of
from remjobs.model.host import Host, SshOptions, WinRmOptions

__all__ = ["Said", "explained", "host_of"]

_OPTIONS: Final[Mapping[str, type[Any]]] = {"ssh": SshOptions, "winrm": WinRmOptions}
_OURS: Final = ("transport", "address", "port", "user", "authentication", "credential")
_KEYS: Final = (
    *_OURS,
    *sorted(f"ssh.{option.name}" for option in fields(SshOptions)),
    *sorted(f"winrm.{option.name}" for option in fields(WinRmOptions)),
)
_UNCHECKED: Final = (
    "certificates can go unchecked only of a single host, by its name; "
    "name the CA's file, or pin the certificate by its fingerprint"
)


def host_of(
    name: str,
    settings: Settings,
    directory: Path,
    own: Iterable[Setting] = (),
) -> tuple[Host, Sequence[str]]:
    """Return a host, and what of its settings is passed over.

    Args:
        name: The host's.
        settings: In the order in which they were set.
        directory: Relative paths in Ansible's variables are meant from here.
        own: Those of them that are said of this host alone, not of a group.

    Raises:
        InventoryError: A setting cannot be taken; the message names its place.
    """
    if not settings:
        return Host(name=name), ()
    found: dict[str, Any] = {"transport": _transport(settings)}
    options: dict[str, dict[str, Any]] = {room: {} for room in _OPTIONS}
    for key in _KEYS[1:]:
        chosen = _chosen(key, settings, found["transport"])
        if chosen is None:
            continue
        said, setting = chosen
        value = setting.value if said == key else read(key, said, setting, directory)
        if key == "winrm.insecure_tls" and value and not any(setting is each for each in own):
            complain(setting, f"{said}: {_UNCHECKED}")
        room, dot, option = key.rpartition(".")
        (options[room] if dot else found)[option] = value
    found |= {room: _made(room, options[room], settings) for room in _OPTIONS}
    host = Host(name=name, variables=_variables(settings), **found)
    return host, _passed_over(settings)


def _made(room: str, given: dict[str, Any], settings: Settings) -> object:
    """Return the options of one transport; a value that it refuses has a place."""
    try:
        return _OPTIONS[room](**given)
    except UsageError as exc:
        chosen = [_chosen(f"{room}.{option}", settings, room) for option in given]
        complain(next(setting for each in chosen if each for setting in each[1:]), str(exc))


def _passed_over(settings: Settings) -> Sequence[str]:
    return [
        f"{setting.place}: {key} is passed over: {instead}"
        for key, instead in PASSED_OVER.items()
        if (setting := settings.get(VARIABLES + key)) is not None and _says_something(key, setting)
    ]


def _variables(settings: Settings) -> dict[str, object]:
    return {
        key.removeprefix(VARIABLES): setting.value
        for key, setting in settings.items()
        if key.startswith(VARIABLES) and not isinstance(setting.value, Encrypted)
    }


class Said(NamedTuple):
    """A setting of a host, and who says it."""

    name: str
    value: object
    place: Place
    said_as: str | None
    key: str
    """What the settings call it."""


def explained(settings: Settings, host: Host) -> Iterator[Said]:
    """Yield a host's settings with their places: how it is reached first, then variables."""
    used = set()
    for key in _KEYS:
        if (chosen := _chosen(key, settings, host.transport)) is not None:
            said, setting = chosen
            used.add(own := said if said == key else VARIABLES + said)
            room, _, option = key.rpartition(".")
            value = getattr(getattr(host, room) if room else host, option)
            yield Said(key, value, setting.place, None if said == key else said, own)
    for key, setting in sorted(settings.items()):
        if key.startswith(VARIABLES) and key not in used:
            encrypted = isinstance(setting.value, Encrypted)
            yield Said(key, None if encrypted else setting.value, setting.place, None, key)


def _says_something(key: str, setting: Setting) -> bool:
    value = setting.value
    harmless = isinstance(value, str) and value in HARMLESS.get(key, ())
    return value not in (None, "", False) and not harmless


def _transport(settings: Settings) -> str:
    chosen = _chosen("transport", settings, "")
    if chosen is None:
        return "ssh"
    said, setting = chosen
    text = text_of(said, setting)
    if said == "transport":
        return text
    plain = text.removeprefix("ansible.builtin.").removeprefix("ansible.netcommon.")
    if plain not in TRANSPORTS:
        known = ", ".join(TRANSPORTS)
        complain(setting, f"{said} is {text!r}; of Ansible's connections there are: {known}")
    return TRANSPORTS[plain]


def _chosen(key: str, settings: Settings, transport: str) -> tuple[str, Setting] | None:
    """Return what says this setting: of our name and Ansible's, what was set later."""
    ours = settings.get(key)
    theirs = None
    for variable in MEANINGS.get(key, ()):
        setting = settings.get(VARIABLES + variable)
        if setting is not None and setting.value is not None and _concerns(variable, transport):
            theirs = (variable, setting)
    if ours is None or theirs is None:
        return theirs if ours is None else (key, ours)
    order = list(settings)
    later = order.index(VARIABLES + theirs[0]) > order.index(key)
    return theirs if later else (key, ours)


def _concerns(variable: str, transport: str) -> bool:
    return all(
        transport in {"", only} for start, only in ONLY_WITH.items() if variable.startswith(start)
    )
