"""Inventories over the socket: the client's side, and the verbs that answer it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from msgspec import to_builtins

from remjobs.model.inventory import GroupList, HostDetails, HostList, InventoryRequest, Preview
from remjobs.model.request import StartRequest
from remjobs.model.wire import decode
from remjobs.service import InventoryService

__all__ = ["ClientInventory", "inventory_verbs"]

Call = Callable[[str, object], Awaitable[Any]]
Verb = Callable[[Mapping[str, Any]], Awaitable[Any]]


class ClientInventory:
    """An InventoryService that asks the controller."""

    def __init__(self, call: Call) -> None:
        """Ask through this function: a verb and its body."""
        self._call = call

    async def list(self, request: InventoryRequest) -> HostList:
        """Return the hosts that are meant."""
        return decode(await self._call("inventory-list", request), HostList)

    async def show(self, request: InventoryRequest) -> tuple[HostDetails, ...]:
        """Return all that is said of hosts, and where."""
        answer = await self._call("inventory-show", request)
        return decode(answer, tuple[HostDetails, ...])

    async def groups(self, request: InventoryRequest) -> GroupList:
        """Return the groups."""
        return decode(await self._call("inventory-groups", request), GroupList)

    async def preview(self, request: StartRequest) -> Preview:
        """Return what a start would do."""
        return decode(await self._call("inventory-preview", request), Preview)


def inventory_verbs(service: InventoryService) -> dict[str, Verb]:
    """Return the verbs that answer the client, by name."""

    async def list_(body: Mapping[str, Any]) -> Any:
        return to_builtins(await service.list(decode(body, InventoryRequest)))

    async def show(body: Mapping[str, Any]) -> Any:
        return to_builtins(await service.show(decode(body, InventoryRequest)))

    async def groups(body: Mapping[str, Any]) -> Any:
        return to_builtins(await service.groups(decode(body, InventoryRequest)))

    async def preview(body: Mapping[str, Any]) -> Any:
        return to_builtins(await service.preview(decode(body, StartRequest)))

    return {
        "inventory-list": list_,
        "inventory-show": show,
        "inventory-groups": groups,
        "inventory-preview": preview,
    }
