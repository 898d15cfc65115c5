"""Engines in this process over real hosts."""

from __future__ import annotations

from contextlib import asynccontextmanager

from remjobs.api import Jobs
from remjobs.composition import TRANSPORTS
from remjobs.engine.engine import Engine
from remjobs.engine.service import EngineService
from remjobs.store.sql import SqlStore


@asynccontextmanager
async def engine_over(folder):
    """Give an engine that has reconciled, and jobs on it; leave it at the end."""
    engine = Engine(await SqlStore.open(folder), TRANSPORTS)
    await engine.reconcile()
    try:
        yield engine, Jobs(EngineService(engine, folder / "no-inventory"))
    finally:
        await engine.close(cleanly=not engine.failed.is_set())
