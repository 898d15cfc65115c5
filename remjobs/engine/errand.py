"""Doing something short on many hosts, a few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from typing import TypeVar

from remjobs.model.host import Host

__all__ = ["on_each"]

T = TypeVar("T")


async def on_each(
    hosts: Iterable[Host],
    do: Callable[[Host], Awaitable[T]],
    limit: int,
) -> AsyncGenerator[T, None]:
    """Yield what was done on each host as it comes; nothing goes on after the last one read.

    Args:
        hosts: Where.
        do: What; it does not raise for a host's own failure.
        limit: Hosts at a time.
    """
    slots = asyncio.Semaphore(limit)

    async def one(host: Host) -> T:
        async with slots:
            return await do(host)

    tasks = [asyncio.create_task(one(host)) for host in hosts]
    try:
        for ended in asyncio.as_completed(tasks):
            yield await ended
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
