"""The engine's InventoryService: what a pattern hits, and what a start would do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from remjobs.engine.connected import with_defaults
from remjobs.inventory.connection import explained
from remjobs.inventory.merged import Merged
from remjobs.inventory.select import Selection, Sources, select
from remjobs.model.host import Host
from remjobs.model.inventory import (
    GroupLine,
    GroupList,
    HostDetails,
    HostLine,
    HostList,
    InventoryRequest,
    Preview,
    PreviewLine,
    SettingLine,
)
from remjobs.model.request import Caller, StartRequest, Targets
from remjobs.transports.base import Transport

__all__ = ["EngineInventory"]

_EVERY: Final = ("all",)

Found = Mapping[str, Sequence[Host]]


class EngineInventory:
    """Answers for inventories; nothing is started."""

    def __init__(
        self,
        usual: Callable[[Caller], Sequence[Path]],
        hosts_of_jobs: Callable[[Targets], Awaitable[Found]],
        plan: Callable[[StartRequest], Awaitable[Selection]],
        transports: Callable[[StartRequest], Callable[[str], Transport]],
    ) -> None:
        """Answer for these.

        Args:
            usual: Gives the inventories if none is named.
            hosts_of_jobs: Finds what terms such as ``@12:failed`` stand for.
            plan: Resolves a start's hosts, and refuses what cannot work.
            transports: Gives the transports that a start would use, by name.
        """
        self._usual = usual
        self._hosts_of_jobs = hosts_of_jobs
        self._plan = plan
        self._transports = transports

    async def list(self, request: InventoryRequest) -> HostList:
        """Return the hosts that are meant."""
        sources, selection = await self._selected(request)
        lines = tuple(_line(host, sources.inventory) for host in selection.hosts)
        return HostList(hosts=lines, warnings=selection.warnings)

    async def show(self, request: InventoryRequest) -> tuple[HostDetails, ...]:
        """Return all that is said of hosts, and where."""
        sources, selection = await self._selected(request)
        return tuple(
            _details(
                with_defaults(host, request.caller.defaults),
                sources.inventory,
                selection.warnings,
            )
            for host in selection.hosts
        )

    async def groups(self, request: InventoryRequest) -> GroupList:
        """Return the groups, of which hosts are meant only those."""
        sources, selection = await self._selected(request)
        inventory = sources.inventory
        if inventory is None:
            return GroupList(groups=(), warnings=selection.warnings)
        chosen = {host.name for host in selection.hosts}
        lines = (
            GroupLine(
                name=name,
                hosts=tuple(host for host in inventory.members(name) if host in chosen),
                children=tuple(inventory.groups[name].children),
            )
            for name in inventory.group_names
        )
        kept = tuple(line for line in lines if line.hosts or not request.targets.include)
        return GroupList(groups=kept, warnings=selection.warnings)

    async def preview(self, request: StartRequest) -> Preview:
        """Return what a start would do, refusing what a start would refuse."""
        selection = await self._plan(request)
        lines = await asyncio.to_thread(self._lines, selection.hosts, request)
        return Preview(hosts=lines, warnings=selection.warnings)

    def _lines(self, hosts: Sequence[Host], request: StartRequest) -> tuple[PreviewLine, ...]:
        transports = self._transports(request)
        lines = []
        for host in hosts:
            prospect = transports(host.transport).preview(host, request.work)
            lines.append(
                PreviewLine(
                    host=host.name,
                    transport=host.transport,
                    address=prospect.address,
                    user=prospect.user,
                    command=prospect.command,
                ),
            )
        return tuple(lines)

    async def _selected(self, request: InventoryRequest) -> tuple[Sources, Selection]:
        targets = request.targets
        if not targets.include and not targets.hosts:
            targets = replace(targets, include=_EVERY)
        found = await self._hosts_of_jobs(targets)

        def read() -> tuple[Sources, Selection]:
            sources = Sources(targets, request.caller.directory, self._usual(request.caller))
            return sources, select(sources, targets, found)

        return await asyncio.to_thread(read)


def _line(host: Host, inventory: Merged | None) -> HostLine:
    known = inventory is not None and host.name in inventory.hosts
    return HostLine(
        name=host.name,
        transport=host.transport,
        address=host.address,
        port=host.port,
        user=host.user,
        groups=tuple(inventory.groups_of(host.name)) if inventory is not None and known else (),
    )


def _details(host: Host, inventory: Merged | None, warnings: tuple[str, ...]) -> HostDetails:
    line = _line(host, inventory)
    if inventory is None or host.name not in inventory.hosts:
        return HostDetails(host=line, credential=host.credential, warnings=warnings)
    place = inventory.places[host.name]
    groups = inventory.sayers(host.name)
    settings = (
        SettingLine(
            name=said.name,
            value=said.value,
            file=said.place.file,
            line=said.place.line or None,
            said_as=said.said_as,
            group=groups[said.key] or None,
        )
        for said in explained(inventory.settings(host.name), host)
    )
    return HostDetails(
        host=line,
        file=place.file,
        line=place.line or None,
        settings=tuple(settings),
        credential=host.credential,
        warnings=warnings,
    )
