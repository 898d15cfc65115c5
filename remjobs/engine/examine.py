"""Looking through the set-up on our side, as the process that runs jobs sees it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

from remjobs.engine.engine import Engine
from remjobs.errors import InsecureKeyring, KeyringTrouble
from remjobs.inventory import examine as inventories
from remjobs.model.doctor import ExamineRequest, Finding, Verdict
from remjobs.model.request import Caller

__all__ = ["examine"]


async def examine(
    engine: Engine,
    request: ExamineRequest,
    usual_inventories: Sequence[Path],
) -> AsyncGenerator[Finding, None]:
    """Yield what is found, the slow last."""
    caller = request.caller
    yield _descriptors(engine.most_at_once, request.throttle_limit)
    named = request.inventory_named
    for finding in await asyncio.to_thread(inventories.examine, usual_inventories, named=named):
        yield finding
    for transport in engine.each_transport(caller):
        for finding in await transport.examine():
            yield finding
    yield await _keyring(engine, caller)


def _descriptors(limit: int, throttle: int) -> Finding:
    check = "file descriptors"
    if limit >= throttle:
        message = f"enough for {limit} hosts at a time"
        return Finding(check=check, verdict=Verdict.OK, message=message)
    return Finding(
        check=check,
        verdict=Verdict.WARNING,
        message=f"enough for {limit} hosts at a time, fewer than the throttle limit of {throttle}",
        remedy="raise the hard limit (`ulimit -Hn`, limits.conf), then `remjobs controller stop`; "
        "or lower `throttle_limit`",
    )


async def _keyring(engine: Engine, caller: Caller) -> Finding:
    """See whether it keeps a value, as it would a credential."""
    verdict, remedy = Verdict.OK, ""
    try:
        message = f"{(await engine.credentials.probe(caller)).backend}: a value was set and read"
    except KeyringTrouble as exc:
        message, remedy = exc.problem, exc.remedy
        is_problem = isinstance(exc, InsecureKeyring)
        verdict = Verdict.PROBLEM if is_problem else Verdict.WARNING
    return Finding(check="keyring", verdict=verdict, message=message, remedy=remedy)
