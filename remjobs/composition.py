"""The composition root: builds engine, store and transports from settings."""

from __future__ import annotations

import resource
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Final

from remjobs.credentials.keyring import Keyring, KeyringPlace
from remjobs.engine.engine import Engine
from remjobs.engine.service import EngineService
from remjobs.model.request import Caller
from remjobs.settings import Settings
from remjobs.store.sql import SqlStore
from remjobs.transports.base import Transport, TransportFactory
from remjobs.transports.local import LocalTransport
from remjobs.transports.ssh import SshTransport

__all__ = ["TRANSPORTS", "open_engine"]

_RESERVED: Final = 200
"""Descriptors for the store, clients and the process itself."""
_EACH: Final = 3
"""Descriptors for a child: a local one has three pipes, an SSH one a connection,
perhaps an agent, perhaps a second connection for its stop."""


def _winrm(caller: Caller) -> Transport:
    """Return the way to Windows hosts; who has none need not load what it takes."""
    from remjobs.transports.winrm.transport import WinRmTransport  # noqa: PLC0415 - it is heavy

    return WinRmTransport(caller)


TRANSPORTS: Final[Mapping[str, TransportFactory]] = {
    "local": LocalTransport,
    "ssh": SshTransport,
    "winrm": _winrm,
}


@asynccontextmanager
async def open_engine(
    settings: Settings,
    transports: Mapping[str, TransportFactory] = TRANSPORTS,
) -> AsyncIterator[tuple[Engine, EngineService]]:
    """Give an engine that has reconciled, and its service; close both at the end.

    The caller holds the state directory's lock. Triggers of definitions fire within
    ``service.schedule.followed()``: that is the controller's to do.
    """
    store = await SqlStore.open(settings.home)
    engine = Engine(store, transports, _keyring(settings), _connections_at_once())
    in_order = False
    try:
        await engine.reconcile()
        yield engine, EngineService(engine, settings.inventory[0])
        in_order = not engine.failed.is_set()
    finally:
        await engine.close(cleanly=in_order)


def _keyring(settings: Settings) -> Keyring:
    return Keyring(KeyringPlace(file=settings.keyring_file, key_file=settings.key_file))


def _connections_at_once() -> int:
    """Return how many connections the file descriptors left to us are enough for.

    A shortage of ours must not look like a host that cannot be reached. The
    soft limit is raised first, as far as the system lets us.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    if soft == resource.RLIM_INFINITY:
        return sys.maxsize
    return max(1, (soft - _RESERVED) // _EACH)
