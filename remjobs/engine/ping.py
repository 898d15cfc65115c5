"""Seeing how far one gets on one host."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from remjobs.engine.access import HostAccess
from remjobs.model.host import Host
from remjobs.model.job import Reason, ReasonKind
from remjobs.model.ping import Pinged, Stage
from remjobs.transports.base import (
    Greeting,
    HostFailure,
    Login,
    NeedsAnswer,
    SecretUse,
    Transport,
)

__all__ = ["ping"]

_BY_KIND: Final = {
    ReasonKind.UNREACHABLE: Stage.TCP,
    ReasonKind.HOST_KEY: Stage.HOST_KEY,
    ReasonKind.AUTHENTICATION: Stage.AUTHENTICATION,
}
"""The stage of a failure that does not name one."""
_ASKED: Final = "run and start ask for it on a terminal, `remjobs answer` gives it to a job"


@dataclass(frozen=True, slots=True)
class _Reached:
    login: Login
    greeting: Greeting


async def ping(host: Host, transport: Transport, access: HostAccess) -> Pinged:
    """Connect, log in and greet the host; a failure is told in the answer."""
    began = time.monotonic()
    seen: _Reached | HostFailure
    try:
        seen = await _reach(host, transport, access)
    except HostFailure as exc:
        seen = exc
    except NeedsAnswer as exc:
        seen = HostFailure(
            ReasonKind.AUTHENTICATION,
            str(exc),
            stage=Stage.BECOME if exc.use is SecretUse.BECOME else Stage.AUTHENTICATION,
            remedy=_ASKED if exc.is_answerable else "",
        )
    seconds = time.monotonic() - began
    if isinstance(seen, HostFailure):
        return _failed(host, seen, seconds)
    return Pinged(
        host=host.name,
        transport=host.transport,
        seconds=seconds,
        address=seen.login.address,
        user=seen.login.user,
        authentication=seen.login.authentication,
        system=seen.greeting.system,
        notes=(*seen.login.notes, *seen.greeting.notes),
    )


async def _reach(host: Host, transport: Transport, access: HostAccess) -> _Reached:
    async with access.attempt():
        session = await transport.connect(host, access)
    try:
        return _Reached(session.login, await session.greet())
    finally:
        await session.close()


def _failed(host: Host, exc: HostFailure, seconds: float) -> Pinged:
    return Pinged(
        host=host.name,
        transport=host.transport,
        seconds=seconds,
        failed=exc.stage or _BY_KIND.get(exc.reason, Stage.SHELL),
        reason=Reason(kind=exc.reason, message=str(exc)),
        remedy=exc.remedy,
    )
