"""Values of Ansible's variables, read as our settings; nothing is ever expanded in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

from remjobs.errors import InventoryError, UsageError
from remjobs.inventory.base import Setting
from remjobs.inventory.meanings import MECHANISMS
from remjobs.inventory.plain import LAST_PORT
from remjobs.inventory.secrets import Encrypted
from remjobs.model.authentication import Authentication
from remjobs.model.host import WinRmScheme, check_host_name, check_user_name

__all__ = ["complain", "read", "text_of"]

_PATHS: Final = frozenset({"winrm.ca_file", "winrm.certificate_file", "winrm.certificate_key_file"})
_VALIDATION: Final = {"validate": False, "ignore": True}
_YES: Final = frozenset({"yes", "true", "on", "1", "y", "t"})
_NO: Final = frozenset({"no", "false", "off", "0", "n", "f"})


def read(key: str, said: str, setting: Setting, directory: Path) -> Any:
    """Return what a variable says of one of our settings.

    Args:
        key: Our setting.
        said: The variable.
        setting: Its value and place.
        directory: Relative paths are meant from here.

    Raises:
        InventoryError: It cannot be taken.
    """
    if key == "ssh.identity_files":
        return (_path(said, setting, directory),)
    if key in _PATHS:
        return _path(said, setting, directory)
    return _READERS.get(key, text_of)(said, setting)


def _path(said: str, setting: Setting, directory: Path) -> str:
    return str(directory / Path(text_of(said, setting)).expanduser())


def text_of(said: str, setting: Setting) -> str:
    """Return a connection variable's text: nothing is ever expanded in it."""
    value = setting.value
    if isinstance(value, Encrypted):
        complain(setting, f"{said} is encrypted by ansible-vault; write it out, it is no secret")
    if isinstance(value, str) and ("{{" in value or "{%" in value):
        complain(
            setting, f"{said} is a template ({value[:60]!r}); remjobs expands none: write it out"
        )
    if not isinstance(value, str | int) or isinstance(value, bool):
        complain(setting, f"{said} is {value!r}, expected a text")
    return str(value)


def _port(said: str, setting: Setting) -> int:
    text = text_of(said, setting)
    if not text.isdecimal() or not 1 <= int(text) <= LAST_PORT:
        complain(setting, f"{said} is {text!r}, expected a port from 1 to {LAST_PORT}")
    return int(text)


def _seconds(said: str, setting: Setting) -> float:
    try:
        seconds = float(text_of(said, setting))
    except ValueError:
        seconds = 0
    if not 0 < seconds < float("inf"):
        complain(setting, f"{said} is {setting.value!r}, expected a number of seconds above 0")
    return seconds


def _mechanism(said: str, setting: Setting) -> Authentication:
    value = setting.value[0] if isinstance(setting.value, list) and setting.value else setting.value
    text = text_of(said, Setting(value, setting.place)).casefold()
    if text not in MECHANISMS:
        complain(setting, f"{said} is {text!r}; there are: {', '.join(MECHANISMS)}")
    return MECHANISMS[text]


def _checked(check: Callable[[str], str]) -> Callable[[str, Setting], str]:
    def read(said: str, setting: Setting) -> str:
        text = text_of(said, setting)
        try:
            return check(text)
        except UsageError as exc:
            complain(setting, f"{said}: {exc}")

    return read


def _flag(said: str, setting: Setting) -> bool:
    value = setting.value
    text = str(value).casefold()
    if not isinstance(value, bool | str | int) or text not in _YES | _NO:
        complain(setting, f"{said} is {value!r}, expected true or false")
    return text in _YES


def _insecure(said: str, setting: Setting) -> bool:
    text = text_of(said, setting)
    if text not in _VALIDATION:
        complain(setting, f"{said} is {text!r}, expected one of: {', '.join(_VALIDATION)}")
    return _VALIDATION[text]


def _scheme(said: str, setting: Setting) -> WinRmScheme:
    text = text_of(said, setting)
    if text not in set(WinRmScheme):
        complain(setting, f"{said} is {text!r}, expected one of: {', '.join(WinRmScheme)}")
    return WinRmScheme(text)


def complain(setting: Setting, problem: str) -> NoReturn:
    """Raise an InventoryError about a setting."""
    msg = f"{setting.place}: {problem}"
    raise InventoryError(msg)


_READERS: Final[Mapping[str, Callable[[str, Setting], Any]]] = {
    "address": _checked(check_host_name),
    "port": _port,
    "user": _checked(check_user_name),
    "authentication": _mechanism,
    "ssh.connect_timeout": _seconds,
    "winrm.scheme": _scheme,
    "winrm.insecure_tls": _insecure,
    "winrm.delegate": _flag,
    "winrm.connect_timeout": _seconds,
    "winrm.operation_timeout": _seconds,
    "winrm.read_timeout": _seconds,
}
