"""The order in which the set-up is looked through: what the rest needs first."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from pathlib import Path

from remjobs.caller import read_caller
from remjobs.controller.client import ControllerClient
from remjobs.controller.paths import Paths
from remjobs.doctor import controller, logout, settings, state
from remjobs.errors import RemjobsError, UsageError
from remjobs.model.doctor import ExamineRequest, Finding, Verdict
from remjobs.settings import Settings

__all__ = ["examine"]


async def examine(environment: Mapping[str, str]) -> AsyncGenerator[Finding, None]:
    """Yield what is found, as it is found. A controller is started if none runs.

    What cannot be looked at because of an earlier problem is left out, and that is said.
    """
    try:
        resolved = Settings.resolve(environment)
    except UsageError as exc:
        yield Finding(
            check="settings",
            verdict=Verdict.PROBLEM,
            message=f"{exc}; nothing else was looked at",
            remedy="mend it there; docs/settings.md has every setting",
        )
        return
    for finding in settings.examine(environment, resolved):
        yield finding
    paths = Paths(resolved.home)
    usable = True
    for finding in await asyncio.to_thread(lambda: [*state.examine(paths.home)]):
        usable = usable and finding.verdict is not Verdict.PROBLEM
        yield finding
    yield logout.examine(Path("/"), getpass.getuser())
    async for finding in _of_controller(paths, resolved, usable=usable):
        yield finding


async def _of_controller(
    paths: Paths,
    resolved: Settings,
    *,
    usable: bool,
) -> AsyncGenerator[Finding, None]:
    """Yield how the controller is, and what it finds; without it, that this is missing."""
    well = True
    async with aclosing(controller.examine(paths, start=usable)) as findings:
        async for finding in findings:
            well = well and finding.verdict is not Verdict.PROBLEM
            yield finding
    if not well:
        yield _not_examined("the controller cannot be asked")
        return
    request = ExamineRequest(
        throttle_limit=resolved.throttle_limit,
        inventory_named="inventory" in resolved.origins,
        caller=read_caller(),
    )
    try:
        async with aclosing(ControllerClient(paths).examine(request)) as found:
            async for finding in found:
                yield finding
    except RemjobsError as exc:
        yield _not_examined(str(exc))


def _not_examined(why: str) -> Finding:
    return Finding(
        check="the rest",
        verdict=Verdict.PROBLEM,
        message=f"SSH, keyring and inventory were not looked at: {why}",
        remedy="mend the above first, then look again",
    )
