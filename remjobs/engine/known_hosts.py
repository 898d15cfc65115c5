"""The engine's KnownHostsService, and where host keys may go unchecked."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing

from remjobs.engine.errand import on_each
from remjobs.engine.ways import Ways, closing
from remjobs.errors import UsageError
from remjobs.inventory.select import Selection
from remjobs.model.host import Host, HostKeyChecking
from remjobs.model.job import Reason
from remjobs.model.known_hosts import (
    AcceptedKeys,
    AcceptRequest,
    ChosenKeys,
    ScannedHost,
    ScanRequest,
)
from remjobs.model.ranges import fold
from remjobs.model.request import Connection, Targets
from remjobs.transports.base import HostFailure, KeepsHostKeys

__all__ = ["EngineKnownHosts", "check_named", "unchecked"]

_ANY_KEY = "host keys can go unchecked only for hosts that are named one by one"
_ANY_CERTIFICATE = "certificates can go unchecked only for hosts that are named one by one"

Reach = Callable[
    [ScanRequest | AcceptRequest],
    Awaitable[tuple[tuple[Host, ...], Ways]],
]


def check_named(connection: Connection, targets: Targets | None, selection: Selection) -> None:
    """Refuse to leave keys or certificates unchecked of whatever a pattern stands for.

    Raises:
        UsageError: It names the pattern.
    """
    any_key = connection.ssh.host_key_checking is HostKeyChecking.OFF
    if not (any_key or connection.winrm.insecure_tls):
        return
    what = _ANY_KEY if any_key else _ANY_CERTIFICATE
    if targets is None:
        msg = f"{what}: which? -t names them"
        raise UsageError(msg)
    if selection.patterns:
        msg = f"{what}, and {selection.patterns[0]!r} is no host's own name"
        raise UsageError(msg)


def unchecked(hosts: Iterable[Host]) -> tuple[str, ...]:
    """Return the warnings that nobody checks who some of these hosts are."""
    of_ssh: list[str] = []
    of_winrm: list[str] = []
    for host in hosts:
        if host.transport == "winrm":
            of_winrm += [host.name] if host.winrm.insecure_tls else []
        elif host.ssh.host_key_checking is HostKeyChecking.OFF:
            of_ssh.append(host.name)
    found = (("host key", of_ssh), ("certificate", of_winrm))
    return tuple(
        f"{what} not checked: {fold(names)} may be any machine" for what, names in found if names
    )


class EngineKnownHosts:
    """Asks the transports."""

    def __init__(self, reach: Reach) -> None:
        """Find hosts, and the ways there, by this function."""
        self._reach = reach

    async def scan(self, request: ScanRequest) -> AsyncGenerator[ScannedHost, None]:
        """Yield each host's keys as they are known."""
        hosts, transports = await self._reach(request)
        keepers = {host.transport: _keeper(host, transports) for host in hosts}

        async def one(host: Host) -> ScannedHost:
            return await _scan(host, keepers[host.transport])

        async with (
            closing(transports),
            aclosing(on_each(hosts, one, request.throttle_limit)) as answers,
        ):
            async for answer in answers:
                yield answer

    async def accept(self, request: AcceptRequest) -> tuple[AcceptedKeys, ...]:
        """Keep keys; one answer for each host that some were chosen for."""
        hosts, transports = await self._reach(request)
        by_name = {host.name: host for host in hosts}
        if unknown := [each.host for each in request.chosen if each.host not in by_name]:
            msg = f"no such host among the targets: {unknown[0]}"
            raise UsageError(msg)
        ways = [(by_name[each.host], each) for each in request.chosen]
        keepers = [(host, _keeper(host, transports), each) for host, each in ways]
        async with closing(transports):
            return tuple([await _accept(*each) for each in keepers])


def _keeper(host: Host, transports: Ways) -> KeepsHostKeys:
    transport = transports(host.transport)
    if not isinstance(transport, KeepsHostKeys):
        msg = f"{host.name}: a host of the transport {host.transport!r} has no host key"
        raise UsageError(msg)
    return transport


async def _scan(host: Host, keeper: KeepsHostKeys) -> ScannedHost:
    try:
        found = await keeper.scan_keys(host)
    except HostFailure as exc:
        reason = Reason(kind=exc.reason, message=str(exc))
        return ScannedHost(host=host.name, reason=reason, remedy=exc.remedy)
    return ScannedHost(host=host.name, name=found.name, file=found.file, keys=found.keys)


async def _accept(host: Host, keeper: KeepsHostKeys, chosen: ChosenKeys) -> AcceptedKeys:
    try:
        return await keeper.accept_keys(host, chosen)
    except HostFailure as exc:
        return AcceptedKeys(host=host.name, reason=Reason(kind=exc.reason, message=str(exc)))
