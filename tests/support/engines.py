"""Engines in this process over real hosts."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

from remjobs.api import Jobs
from remjobs.composition import TRANSPORTS
from remjobs.engine.engine import Engine
from remjobs.engine.service import EngineService
from remjobs.store.sql import SqlStore
from remjobs.testing import MemoryKeyring


@asynccontextmanager
async def engine_over(folder, keyring=None):
    """Give an engine that has reconciled, and jobs on it; leave it at the end."""
    engine = Engine(await SqlStore.open(folder), TRANSPORTS, keyring or MemoryKeyring())
    await engine.reconcile()
    try:
        yield engine, Jobs(EngineService(engine, folder / "no-inventory"))
    finally:
        await engine.close(cleanly=not engine.failed.is_set())


async def until(condition, what, timeout=60):
    """Poll a condition while the event loop goes on, and return what it gave."""
    try:
        async with asyncio.timeout(timeout):
            while not (found := condition()):
                await asyncio.sleep(0.02)
    except TimeoutError as exc:
        message = f"still not so after {timeout} s: {what}"
        raise AssertionError(message) from exc
    return found
