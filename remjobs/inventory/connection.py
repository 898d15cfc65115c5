"""From settings to a Host: our own names, and those that Ansible has for the same things."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

from remjobs.errors import InventoryError, UsageError
from remjobs.inventory.base import Place, Setting, Settings
from remjobs.inventory.draft import VARIABLES
from remjobs.inventory.plain import LAST_PORT
from remjobs.inventory.secrets import Encrypted
from remjobs.model.authentication import Authentication
from remjobs.model.host import Host, SshOptions, check_host_name, check_user_name

__all__ = ["MEANINGS", "Said", "explained", "host_of"]

_SSH: Final = frozenset(option.name for option in fields(SshOptions))
_TRANSPORTS: Final = {
    "ssh": "ssh",
    "smart": "ssh",
    "openssh": "ssh",
    "paramiko": "ssh",
    "paramiko_ssh": "ssh",
    "local": "local",
    "winrm": "winrm",
    "psrp": "winrm",
}
_MECHANISMS: Final = {
    "basic": Authentication.BASIC,
    "plaintext": Authentication.BASIC,
    "ssl": Authentication.BASIC,
    "certificate": Authentication.CERTIFICATE,
    "credssp": Authentication.CREDSSP,
    "kerberos": Authentication.KERBEROS,
    "negotiate": Authentication.NEGOTIATE,
    "ntlm": Authentication.NTLM,
}
MEANINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "transport": ("ansible_connection",),
    "address": ("ansible_host", "ansible_ssh_host", "ansible_winrm_host", "ansible_psrp_host"),
    "port": ("ansible_port", "ansible_ssh_port", "ansible_winrm_port", "ansible_psrp_port"),
    "user": ("ansible_user", "ansible_ssh_user", "ansible_winrm_user", "ansible_psrp_user"),
    "authentication": ("ansible_winrm_transport", "ansible_psrp_auth"),
    "ssh.identity_files": ("ansible_private_key_file", "ansible_ssh_private_key_file"),
    "ssh.connect_timeout": ("ansible_timeout", "ansible_ssh_timeout"),
}
"""For each of our settings Ansible's variables; of several that are set, the last wins."""
_OF: Final = {"ansible_ssh_": "ssh", "ansible_winrm_": "winrm", "ansible_psrp_": "winrm"}
"""Variables that mean something only with this transport."""
_PASSED_OVER: Final = {
    **dict.fromkeys(
        (
            "ansible_ssh_common_args",
            "ansible_ssh_extra_args",
            "ansible_ssh_args",
            "ansible_ssh_executable",
            "ansible_ssh_host_key_checking",
            "ansible_host_key_checking",
        ),
        "write it as an option in ~/.ssh/config, which remjobs reads",
    ),
    **dict.fromkeys(
        ("ansible_become", "ansible_become_user", "ansible_become_method"),
        "--become and --become-user say so",
    ),
    "ansible_shell_type": "--shell says what runs the work",
    "ansible_winrm_scheme": "it is not taken from Ansible's variables",
    "ansible_winrm_path": "it is not taken from Ansible's variables",
    "ansible_winrm_server_cert_validation": "certificates are always checked",
    "ansible_psrp_protocol": "it is not taken from Ansible's variables",
    "ansible_psrp_cert_validation": "certificates are always checked",
}
"""Variables that change how Ansible reaches a host, and what to do instead."""


def host_of(name: str, settings: Settings, directory: Path) -> tuple[Host, Sequence[str]]:
    """Return a host, and what of its settings is passed over.

    Args:
        name: The host's.
        settings: In the order in which they were set.
        directory: Relative paths in Ansible's variables are meant from here.

    Raises:
        InventoryError: A setting cannot be taken; the message names its place.
    """
    if not settings:
        return Host(name=name), ()
    transport = _transport(settings)
    found: dict[str, Any] = {"transport": transport}
    ssh: dict[str, Any] = {}
    for key in (*_OURS, *sorted(f"ssh.{option}" for option in _SSH)):
        chosen = _chosen(key, settings, transport)
        if chosen is None or key == "transport":
            continue
        said, setting = chosen
        value = _value(key, said, setting, directory)
        if key.startswith("ssh."):
            ssh[key.removeprefix("ssh.")] = value
        else:
            found[key] = value
    host = Host(name=name, variables=_variables(settings), ssh=SshOptions(**ssh), **found)
    return host, [
        f"{settings[VARIABLES + key].place}: {key} is passed over: {instead}"
        for key, instead in _PASSED_OVER.items()
        if _says_something(settings.get(VARIABLES + key))
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
    for key in (*_OURS, *sorted(f"ssh.{option}" for option in _SSH)):
        if (chosen := _chosen(key, settings, host.transport)) is not None:
            said, setting = chosen
            used.add(own := said if said == key else VARIABLES + said)
            where = host.ssh if key.startswith("ssh.") else host
            value = getattr(where, key.removeprefix("ssh."))
            yield Said(key, value, setting.place, None if said == key else said, own)
    for key, setting in sorted(settings.items()):
        if key.startswith(VARIABLES) and key not in used:
            encrypted = isinstance(setting.value, Encrypted)
            yield Said(key, None if encrypted else setting.value, setting.place, None, key)


_OURS: Final = ("transport", "address", "port", "user", "authentication", "credential")


def _says_something(setting: Setting | None) -> bool:
    return setting is not None and setting.value not in (None, "", False)


def _transport(settings: Settings) -> str:
    chosen = _chosen("transport", settings, "")
    if chosen is None:
        return "ssh"
    said, setting = chosen
    text = _text(said, setting)
    if said == "transport":
        return text
    plain = text.removeprefix("ansible.builtin.").removeprefix("ansible.netcommon.")
    if plain not in _TRANSPORTS:
        known = ", ".join(_TRANSPORTS)
        _complain(setting, f"{said} is {text!r}; of Ansible's connections there are: {known}")
    return _TRANSPORTS[plain]


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
    return all(transport in {"", only} for start, only in _OF.items() if variable.startswith(start))


def _value(key: str, said: str, setting: Setting, directory: Path) -> Any:
    if said == key:
        return setting.value
    if key not in _READERS:
        return _text(said, setting)
    if key == "ssh.identity_files":
        return (str(directory / Path(_text(said, setting)).expanduser()),)
    return _READERS[key](said, setting)


def _text(said: str, setting: Setting) -> str:
    """Return a connection variable's text: nothing is ever expanded in it."""
    value = setting.value
    if isinstance(value, Encrypted):
        _complain(setting, f"{said} is encrypted by ansible-vault; write it out, it is no secret")
    if isinstance(value, str) and ("{{" in value or "{%" in value):
        _complain(
            setting, f"{said} is a template ({value[:60]!r}); remjobs expands none: write it out"
        )
    if not isinstance(value, str | int) or isinstance(value, bool):
        _complain(setting, f"{said} is {value!r}, expected a text")
    return str(value)


def _port(said: str, setting: Setting) -> int:
    text = _text(said, setting)
    if not text.isdecimal() or not 1 <= int(text) <= LAST_PORT:
        _complain(setting, f"{said} is {text!r}, expected a port from 1 to {LAST_PORT}")
    return int(text)


def _seconds(said: str, setting: Setting) -> float:
    try:
        seconds = float(_text(said, setting))
    except ValueError:
        seconds = 0
    if not 0 < seconds < float("inf"):
        _complain(setting, f"{said} is {setting.value!r}, expected a number of seconds above 0")
    return seconds


def _mechanism(said: str, setting: Setting) -> Authentication:
    value = setting.value[0] if isinstance(setting.value, list) and setting.value else setting.value
    text = _text(said, Setting(value, setting.place)).casefold()
    if text not in _MECHANISMS:
        _complain(setting, f"{said} is {text!r}; there are: {', '.join(_MECHANISMS)}")
    return _MECHANISMS[text]


def _checked(check: Callable[[str], str]) -> Callable[[str, Setting], str]:
    def read(said: str, setting: Setting) -> str:
        text = _text(said, setting)
        try:
            return check(text)
        except UsageError as exc:
            _complain(setting, f"{said}: {exc}")

    return read


def _complain(setting: Setting, problem: str) -> NoReturn:
    msg = f"{setting.place}: {problem}"
    raise InventoryError(msg)


_READERS: Final[Mapping[str, Callable[[str, Setting], Any]]] = {
    "address": _checked(check_host_name),
    "port": _port,
    "user": _checked(check_user_name),
    "authentication": _mechanism,
    "ssh.identity_files": _text,
    "ssh.connect_timeout": _seconds,
}
