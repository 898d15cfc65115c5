"""The controller: whether it can be reached, is of our version, and has our clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final

from remjobs.controller import lifecycle
from remjobs.controller.client import ControllerClient
from remjobs.controller.paths import Paths
from remjobs.controller.protocol import BUILD
from remjobs.errors import RemjobsError
from remjobs.model.doctor import Finding, Verdict
from remjobs.model.request import JobQuery

__all__ = ["examine"]

_CHECK: Final = "controller"
_SECONDS: Final = 10.0
_APART: Final = 2.0
"""Seconds by which one machine's clock cannot differ between two looks."""


async def examine(paths: Paths, *, start: bool) -> AsyncGenerator[Finding, None]:
    """Yield how the controller is; one is started if none runs, if that may be."""
    asked = time.time()
    try:
        async with asyncio.timeout(_SECONDS):
            status = await _status(paths, start=start)
    except TimeoutError:
        yield _problem(
            f"process {lifecycle.holder(paths)} does not answer within {_SECONDS:g} s",
            "see `remjobs controller logs`; end that process: durable work is found again",
        )
        return
    except RemjobsError as exc:
        yield _problem(str(exc), "do what it says; `remjobs controller logs` may tell more")
        return
    if status is None:
        yield _problem("none runs, and none can", "mend the state directory first")
        return
    yield _version(status)
    if (trouble := status.get("trouble")) is not None:
        yield _problem(f"its store is in trouble: {trouble}", "make room, or mend the disk")
    yield _clock(status, asked)


async def _status(paths: Paths, *, start: bool) -> Mapping[str, Any] | None:
    client = ControllerClient(paths, launch=start)
    status = await client.status()
    if status is None and start:
        # A store that cannot be used is told to whoever asks for jobs.
        await client.list(JobQuery(selectors=("nothing*",)))
        status = await client.status()
    return status


def _version(status: Mapping[str, Any]) -> Finding:
    where = f"pid {status.get('pid')}, up {status.get('uptime', 0):.0f} s"
    if (build := status.get("build")) != BUILD:
        return Finding(
            check=_CHECK,
            verdict=Verdict.WARNING,
            message=f"it is remjobs {build}, this is {BUILD} ({where})",
            remedy="once its attached jobs have ended the next verb replaces it; "
            "`remjobs controller stop` does so now",
        )
    return Finding(check=_CHECK, verdict=Verdict.OK, message=f"remjobs {build}, {where}")


def _clock(status: Mapping[str, Any], asked: float) -> Finding:
    """Compare clocks; what a controller that is too old to tell says is not known."""
    theirs = status.get("time")
    if theirs is None:
        return Finding(check="clock", verdict=Verdict.OK, message="not told by that version")
    early, late = asked - _APART, time.time() + _APART
    if early <= theirs <= late:
        return Finding(check="clock", verdict=Verdict.OK, message="the controller's is the same")
    return Finding(
        check="clock",
        verdict=Verdict.PROBLEM,
        message=f"the controller's is {theirs - time.time():+.0f} s from ours: times, time-outs "
        "and triggers are off",
        remedy="run `remjobs controller stop`; see that nothing fakes its clock (LD_PRELOAD, "
        "a time namespace)",
    )


def _problem(message: str, remedy: str) -> Finding:
    return Finding(check=_CHECK, verdict=Verdict.PROBLEM, message=message, remedy=remedy)
