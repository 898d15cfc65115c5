"""A plain list: one name, range or ``user@host:port`` a line, ``#`` begins a comment."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from remjobs.errors import UsageError
from remjobs.inventory.draft import Draft
from remjobs.model.host import Host, check_host_name, check_user_name
from remjobs.model.ranges import expand

__all__ = ["LAST_PORT", "parse_host", "parse_lines", "read_plain", "split_port"]

LAST_PORT: Final = 65535
_PORT: Final = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.%\w]*:[0-9A-Fa-f:.%\w]*)\]|(?P<name>[^:]+)):(?P<port>[0-9]+)"
)
_BRACKETED: Final = re.compile(r"\[([0-9A-Fa-f:.]*:[0-9A-Fa-f:.%\w]*)\]")
_EXPECTED: Final = "one host name, range or user@host:port a line"
_COMMENT: Final = re.compile(r"(?:^|\s)#")


def read_plain(text: str, draft: Draft) -> None:
    """Read the hosts of a plain list.

    Raises:
        InventoryError: A line is no host.
    """
    for line, expression in parse_lines(text):
        try:
            found = list(parse_host(expression))
        except UsageError as exc:
            draft.complain(line, f"{exc}; expected {_EXPECTED}")
        for host in found:
            settings = draft.host(host.name, line)
            if host.user is not None:
                draft.set(settings, "user", host.user, line, host.name)
            if host.port is not None:
                draft.set(settings, "port", host.port, line, host.name)


def parse_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield line numbers and what stands there, without comments and empty lines."""
    for number, line in enumerate(text.split("\n"), start=1):
        content = _COMMENT.split(line, maxsplit=1)[0] if "#" in line else line
        if content := content.strip():
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
    if not 1 <= port <= LAST_PORT:
        msg = f"port {port} is not between 1 and {LAST_PORT}"
        raise UsageError(msg)
    return match["v6"] or match["name"], port
