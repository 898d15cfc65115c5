"""/etc/hosts and files like it (hosts(5)): an address, a name and its aliases a line."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from remjobs.inventory.draft import Draft

__all__ = ["is_address", "read_hosts_file"]

_OWN: Final = re.compile(r"localhost(?:\d|\.|$).*|ip6-.*|broadcasthost")
"""Names that every such file has for the machine itself and for groups of addresses."""


def read_hosts_file(text: str, draft: Draft) -> None:
    """Read hosts; of a name that stands in two lines the first counts, as it does there.

    Addresses that are no single machine's, and the machine's own names, are left out.

    Raises:
        InventoryError: A line does not begin with an address.
    """
    for number, line in enumerate(text.split("\n"), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if not is_address(words[0]):
            draft.complain(number, f"{words[0]!r} is not an address; expected: ADDRESS NAME [NAME]")
        if len(words) == 1:
            draft.complain(number, f"no name for {words[0]}; expected: ADDRESS NAME [NAME]")
        names = [name for name in words[1:] if not _OWN.fullmatch(name)]
        if not names or _is_many(words[0]):
            continue
        if not draft.has_host(names[0]):
            settings = draft.host(names[0], number, "ADDRESS NAME [NAME]")
            draft.set(settings, "address", words[0], number, names[0])
        for alias in names[1:]:
            draft.alias(alias, names[0])


def is_address(word: str) -> bool:
    """Whether a word is an IPv4 or IPv6 address, a zone behind it or not."""
    try:
        ipaddress.ip_address(word)
    except ValueError:
        return False
    return True


def _is_many(address: str) -> bool:
    found = ipaddress.ip_address(address)
    return found.is_multicast or found.is_unspecified or address == "255.255.255.255"
