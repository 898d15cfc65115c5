"""The composition root: builds engine, store and transports from settings."""

from __future__ import annotations

import resource
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from remjobs.engine.engine import Engine
from remjobs.engine.service import EngineService
from remjobs.errors import RemjobsError
from remjobs.settings import Settings
from remjobs.store.sql import SqlStore
from remjobs.transports.base import TransportFactory
from remjobs.transports.local import LocalTransport
from remjobs.transports.ssh import SshTransport

__all__ = ["TRANSPORTS", "open_engine", "raise_descriptor_limit"]

TRANSPORTS: Final[Mapping[str, TransportFactory]] = {
    "local": LocalTransport,
    "ssh": SshTransport,
}


@asynccontextmanager
async def open_engine(
    settings: Settings,
    transports: Mapping[str, TransportFactory] = TRANSPORTS,
) -> AsyncIterator[tuple[Engine, EngineService]]:
    """Give an engine that has reconciled, and its service; close both at the end.

    The caller holds the state directory's lock.
    """
    store = await SqlStore.open(settings.home)
    engine = Engine(store, transports)
    try:
        await engine.reconcile()
        yield engine, EngineService(engine, settings.inventory)
    except RemjobsError:
        await engine.close(cleanly=False)
        raise
    else:
        await engine.close(cleanly=not engine.failed.is_set())


def raise_descriptor_limit() -> None:
    """Raise the soft limit of file descriptors to the hard one: a connection costs one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
