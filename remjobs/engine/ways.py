"""The transports of one job, or of one errand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from remjobs.errors import UsageError
from remjobs.model.request import Caller
from remjobs.transports.base import Transport, TransportFactory

__all__ = ["Ways", "closing"]


class Ways:
    """Transports by name, each made once, when it is first needed."""

    def __init__(self, factories: Mapping[str, TransportFactory], caller: Caller) -> None:
        """Make them with these, for this caller."""
        self._factories = factories
        self._caller = caller
        self._made: dict[str, Transport] = {}

    def __call__(self, name: str) -> Transport:
        """Return the transport of this name.

        Raises:
            UsageError: There is none.
        """
        if name not in self._factories:
            known = ", ".join(sorted(self._factories))
            msg = f"no transport {name!r}; there are: {known}"
            raise UsageError(msg)
        if name not in self._made:
            self._made[name] = self._factories[name](self._caller)
        return self._made[name]

    async def close(self) -> None:
        """End what hosts shared; their own connections have ended."""
        for transport in self._made.values():
            await transport.close()


@asynccontextmanager
async def closing(ways: Ways) -> AsyncIterator[None]:
    """Close them at the end."""
    try:
        yield
    finally:
        await ways.close()
