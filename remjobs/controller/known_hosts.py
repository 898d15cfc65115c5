"""Host keys over the socket: the client's side, and the verbs that answer it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any

from msgspec import to_builtins

from remjobs.model.known_hosts import AcceptedKeys, AcceptRequest, ScannedHost, ScanRequest
from remjobs.model.wire import decode
from remjobs.service import KnownHostsService

__all__ = ["ClientKnownHosts", "known_hosts_streams", "known_hosts_verbs"]

Call = Callable[[str, object], Awaitable[Any]]
Listen = Callable[[str, object], AsyncIterator[Any]]
Verb = Callable[[Mapping[str, Any]], Awaitable[Any]]
Stream = Callable[[Mapping[str, Any]], AsyncGenerator[Any, None]]


class ClientKnownHosts:
    """A KnownHostsService that asks the controller."""

    def __init__(self, call: Call, listen: Listen) -> None:
        """Ask through these functions: a verb and its body, for one answer or several."""
        self._call = call
        self._listen = listen

    async def scan(self, request: ScanRequest) -> AsyncGenerator[ScannedHost, None]:
        """Yield each host's keys."""
        async for value in self._listen("known-hosts-scan", request):
            yield decode(value, ScannedHost)

    async def accept(self, request: AcceptRequest) -> tuple[AcceptedKeys, ...]:
        """Keep keys."""
        answer = await self._call("known-hosts-accept", request)
        return decode(answer, tuple[AcceptedKeys, ...])


def known_hosts_verbs(service: KnownHostsService) -> dict[str, Verb]:
    """Return the verbs with one answer, by name."""

    async def accept(body: Mapping[str, Any]) -> Any:
        return to_builtins(await service.accept(decode(body, AcceptRequest)))

    return {"known-hosts-accept": accept}


def known_hosts_streams(service: KnownHostsService) -> dict[str, Stream]:
    """Return the verbs with an answer for each host, by name."""

    async def scan(body: Mapping[str, Any]) -> AsyncGenerator[Any, None]:
        async with aclosing(service.scan(decode(body, ScanRequest))) as answers:
            async for answer in answers:
                yield to_builtins(answer)

    return {"known-hosts-scan": scan}
