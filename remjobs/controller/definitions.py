"""Definitions over the socket: the client's side, and the verbs that answer it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from msgspec import to_builtins

from remjobs.model.definition import (
    DefineRequest,
    Definition,
    DefinitionName,
    DefinitionStart,
    HistoryEntry,
)
from remjobs.model.job import Job
from remjobs.model.wire import decode, job_json
from remjobs.service import DefinitionService

__all__ = ["ClientDefinitions", "definition_verbs"]

Call = Callable[[str, object], Awaitable[Any]]
Verb = Callable[[Mapping[str, Any]], Awaitable[Any]]


class ClientDefinitions:
    """A DefinitionService that asks the controller."""

    def __init__(self, call: Call) -> None:
        """Ask through this function: a verb and its body."""
        self._call = call

    async def add(self, request: DefineRequest) -> Definition:
        """Save a definition."""
        return decode(await self._call("definition-add", request), Definition)

    async def list(self, name: DefinitionName | None = None) -> tuple[Definition, ...]:
        """Return all definitions, or the one that is named."""
        answer = await self._call("definition-list", {"name": name})
        return decode(answer, tuple[Definition, ...])

    async def history(self, name: DefinitionName) -> tuple[HistoryEntry, ...]:
        """Return what became of its firings."""
        answer = await self._call("definition-history", {"name": name})
        return decode(answer, tuple[HistoryEntry, ...])

    async def enable(self, name: DefinitionName, *, enabled: bool) -> Definition:
        """Let its triggers fire, or not."""
        body = {"name": name, "enabled": enabled}
        return decode(await self._call("definition-enable", body), Definition)

    async def remove(self, name: DefinitionName) -> Definition:
        """Forget it."""
        return decode(await self._call("definition-remove", {"name": name}), Definition)

    async def start(self, request: DefinitionStart) -> Job:
        """Start an instance now."""
        return decode(await self._call("definition-start", request), Job)


def definition_verbs(service: DefinitionService) -> dict[str, Verb]:
    """Return the verbs that answer the client, by name."""

    async def add(body: Mapping[str, Any]) -> Any:
        return to_builtins(await service.add(decode(body, DefineRequest)))

    async def list_(body: Mapping[str, Any]) -> Any:
        name = None if body["name"] is None else _name(body)
        return to_builtins(await service.list(name))

    async def history(body: Mapping[str, Any]) -> Any:
        return to_builtins(await service.history(_name(body)))

    async def enable(body: Mapping[str, Any]) -> Any:
        return to_builtins(await service.enable(_name(body), enabled=body["enabled"] is True))

    async def remove(body: Mapping[str, Any]) -> Any:
        return to_builtins(await service.remove(_name(body)))

    async def start(body: Mapping[str, Any]) -> Any:
        return job_json(await service.start(decode(body, DefinitionStart)))

    return {
        "definition-add": add,
        "definition-list": list_,
        "definition-history": history,
        "definition-enable": enable,
        "definition-remove": remove,
        "definition-start": start,
    }


def _name(body: Mapping[str, Any]) -> DefinitionName:
    return decode(body["name"], DefinitionName)
