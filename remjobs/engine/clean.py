"""Cleaning one host of what durable work left there."""

from __future__ import annotations

from remjobs.engine.access import HostAccess
from remjobs.model.clean import Cleaned
from remjobs.model.host import Host
from remjobs.model.job import Reason, ReasonKind
from remjobs.transports.base import HostFailure, NeedsAnswer, Transport

__all__ = ["clean"]


async def clean(host: Host, transport: Transport, access: HostAccess, days: float) -> Cleaned:
    """Remove what ended more than so many days ago; a failure is told in the answer."""
    try:
        async with access.attempt():
            session = await transport.connect(host, access)
    except HostFailure as exc:
        return _failed(host, exc)
    except NeedsAnswer as exc:
        return _failed(host, HostFailure(ReasonKind.AUTHENTICATION, exc.question))
    try:
        report = await session.sweep(days)
    except HostFailure as exc:
        return _failed(host, exc)
    finally:
        await session.close()
    notes = session.login.notes
    return Cleaned(host=host.name, swept=report.swept, kept=report.kept, notes=notes)


def _failed(host: Host, exc: HostFailure) -> Cleaned:
    return Cleaned(host=host.name, reason=Reason(kind=exc.reason, message=str(exc)))
