"""A plain list: one name, range or ``user@host:port`` a line, ``#`` begins a comment."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from remjobs.errors import InventoryError, UsageError
from remjobs.inventory.base import Inventory
from remjobs.model.host import Host, check_host_name, check_user_name
from remjobs.model.ranges import expand

__all__ = ["parse_host", "parse_lines", "parse_plain", "split_port"]

_PORT: Final = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.%\w]*:[0-9A-Fa-f:.%\w]*)\]|(?P<name>[^:]+)):(?P<port>[0-9]+)"
)
_BRACKETED: Final = re.compile(r"\[([0-9A-Fa-f:.]*:[0-9A-Fa-f:.%\w]*)\]")
_LAST_PORT: Final = 65535


def parse_plain(text: str, name: str) -> Inventory:
    """Return the hosts of a plain list.

    Args:
        text: The list.
        name: Its name for messages.

    Raises:
        InventoryError: A line is no host.
    """
    hosts: dict[str, Host] = {}
    for line, expression in parse_lines(text):
        try:
            found = list(parse_host(expression))
        except UsageError as exc:
            msg = f"{name}:{line}: {exc}; expected one host name, range or user@host:port a line"
            raise InventoryError(msg) from exc
        hosts |= {host.name: host for host in found}
    return Inventory(hosts=hosts)


def parse_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield line numbers and what stands there, without comments and empty lines."""
    for number, line in enumerate(text.splitlines(), start=1):
        content = re.split(r"(?:^|\s)#", line, maxsplit=1)[0].strip()
        if content:
            yield number, content


def parse_host(text: str) -> Iterator[Host]:
    """Yield the hosts of ``[user@]name[:port]``, the name may be a range.

    Raises:
        UsageError: It is none of these.
    """
    user, _, rest = text.rpartition("@")
    if user:
        check_user_name(user)
    elif text.startswith("@"):
        msg = f"{text!r} has no user before the @"
        raise UsageError(msg)
    pattern, port = split_port(rest)
    for name in expand(pattern):
        yield Host(name=check_host_name(name), user=user or None, port=port)


def split_port(text: str) -> tuple[str, int | None]:
    """Return what stands before the port, and the port if there is one.

    Raises:
        UsageError: It is no port.
    """
    if (bare := _BRACKETED.fullmatch(text)) is not None:
        return bare[1], None
    match = _PORT.fullmatch(text)
    if match is None:
        return text, None
    port = int(match["port"])
    if not 1 <= port <= _LAST_PORT:
        msg = f"port {port} is not between 1 and {_LAST_PORT}"
        raise UsageError(msg)
    return match["v6"] or match["name"], port
