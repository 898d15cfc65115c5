"""The hosts on the way to others (ProxyJump): each is connected to once for a job."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import unquote

from remjobs.errors import UsageError
from remjobs.model.host import Host, SshOptions, check_host_name, check_user_name
from remjobs.model.job import ReasonKind
from remjobs.transports.base import Access, HostFailure
from remjobs.transports.ssh.config import Resolved, resolve
from remjobs.transports.ssh.link import Link

__all__ = ["Hops", "hop_host"]

_SCHEME: Final = "ssh://"

_MOST: Final = 16
"""Hosts on one way; more of them go round in circles."""

Reach = Callable[[Host, Resolved, Link | None, Access | None], Awaitable[Link]]
"""Connects to a host, by way of another."""


class Hops:
    """The connections to hosts on the way, by the way to them."""

    def __init__(self, reach: Reach) -> None:
        """Connect so."""
        self._reach = reach
        self._links: dict[tuple[object, ...], Link] = {}
        self._opening: defaultdict[tuple[object, ...], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def way(self, host: Host, settings: Resolved, access: Access | None) -> Link | None:
        """Return the connection to the last host on the way; None if there is none.

        Raises:
            HostFailure: One of them could not be reached, or refused us.
            NeedsAnswer: A person must be asked first.
        """
        link: Link | None = None
        key: tuple[object, ...] = (host.ssh.config_file, host.ssh.known_hosts_file)
        for hop in _stations(host, settings):
            key = (*key, hop.name, hop.port, hop.user, hop.authentication)
            link = await self._link(key, hop, link, access)
        return link

    async def _link(
        self, key: tuple[object, ...], hop: Host, before: Link | None, access: Access | None
    ) -> Link:
        async with self._opening[key]:
            link = self._links.get(key)
            if link is not None and not link.is_closed:
                return link
            try:
                self._links[key] = await self._reach(hop, resolve(hop), before, access)
            except HostFailure as exc:
                msg = f"on the way, {hop.name}: {exc}"
                raise HostFailure(exc.reason, msg, stage=exc.stage, remedy=exc.remedy) from exc
            return self._links[key]

    async def close(self) -> None:
        """End all of them, the last ones of a way first."""
        links, self._links = self._links, {}
        for key in sorted(links, key=len, reverse=True):
            await links[key].close()


def _stations(host: Host, settings: Resolved, most: int = _MOST) -> list[Host]:
    """Return the hosts on the way; the first of them may be behind others itself."""
    hops = [hop_host(name, host) for name in settings.hops]
    if not hops:
        return []
    first = resolve(hops[0])
    if _place(resolve(hops[-1])) == _place(settings):
        # ProxyJump for all hosts is not for the one that is jumped over.
        return []
    if most <= 0:
        msg = f"ssh config: ProxyJump goes round in circles, by {hops[0].name}"
        raise HostFailure(ReasonKind.REFUSED, msg)
    return [*_stations(hops[0], first, most - len(hops)), *hops]


def _place(settings: Resolved) -> tuple[str, int, str]:
    return settings.address, settings.port, settings.user


def hop_host(name: str, to: Host) -> Host:
    """Return a host that ProxyJump names: ``[user@]host[:port]`` or ``ssh://...``.

    Like ssh's, it is found by the same configuration; what was said of the host
    itself, its keys and its credential, is not for it.

    Raises:
        HostFailure: It names none.
    """
    text = name.removeprefix(_SCHEME)
    user, _, place = text.rpartition("@")
    if name.startswith(_SCHEME):
        user = unquote(user)
    address, port = _parted(place)
    try:
        return Host(
            name=check_host_name(address),
            user=check_user_name(user) if user else None,
            port=int(port) if port else None,
            authentication=to.authentication,
            ssh=SshOptions(
                config_file=to.ssh.config_file,
                known_hosts_file=to.ssh.known_hosts_file,
                connect_timeout=to.ssh.connect_timeout,
                login_timeout=to.ssh.login_timeout,
                keepalive_interval=to.ssh.keepalive_interval,
            ),
        )
    except (UsageError, ValueError) as exc:
        msg = f"ssh config: ProxyJump {name!r}: {exc}"
        raise HostFailure(ReasonKind.REFUSED, msg) from exc


def _parted(place: str) -> tuple[str, str]:
    """Part host and port; an IPv6 address with a port stands in brackets."""
    if place.startswith("["):
        address, _, port = place[1:].partition("]")
        return address, port.removeprefix(":")
    if place.count(":") > 1:
        return place, ""
    address, _, port = place.partition(":")
    return address, port
