"""Kerberos tickets for GSSAPI (RFC 4462), from the cache of whoever asks."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec

from remjobs.errors import UsageError
from remjobs.model.job import ReasonKind
from remjobs.model.ping import Stage
from remjobs.model.request import Caller
from remjobs.transports.base import HostFailure
from remjobs.transports.tickets import lacking

__all__ = ["Tickets", "check_gssapi", "check_ticket", "ticket_cache"]


Tickets = dict[bytes | str, bytes | str]
"""A credential store (MIT Kerberos, "Credential stores")."""


def check_gssapi(host: str) -> None:
    """Refuse Kerberos where what it needs is not installed.

    Raises:
        UsageError: It says how to install it.
    """
    if find_spec("gssapi") is None:
        msg = f"{host}: Gssapi needs the package gssapi: `pip install 'remjobs[kerberos]'`"
        raise UsageError(msg)


def ticket_cache(caller: Caller) -> Tickets | None:
    """Return the caller's ticket cache as a credential store; None is the default one.

    Each connection is given its own: the environment of this process plays no part.
    """
    return None if caller.krb5ccname is None else {"ccache": caller.krb5ccname}


async def check_ticket(cache: Tickets | None) -> None:
    """See whether there is a ticket to log in with.

    Raises:
        HostFailure: There is none, or its time is up.
    """
    name = None if cache is None else str(cache["ccache"])
    if (why := await asyncio.to_thread(lacking, name)) is not None:
        raise HostFailure(ReasonKind.AUTHENTICATION, f"{why}: `kinit`", stage=Stage.AUTHENTICATION)
