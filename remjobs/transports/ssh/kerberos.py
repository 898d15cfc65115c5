"""Kerberos tickets for GSSAPI (RFC 4462), from the cache of whoever asks."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec

from remjobs.errors import UsageError
from remjobs.model.job import ReasonKind
from remjobs.model.ping import Stage
from remjobs.model.request import Caller
from remjobs.transports.base import HostFailure

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
    if (why := await asyncio.to_thread(_lacking, cache)) is not None:
        raise HostFailure(ReasonKind.AUTHENTICATION, f"{why}: `kinit`", stage=Stage.AUTHENTICATION)


def _lacking(cache: Tickets | None) -> str | None:
    import gssapi  # noqa: PLC0415 - an extra, and slow to load
    from gssapi.raw.exceptions import ExpiredCredentialsError  # noqa: PLC0415
    from gssapi.raw.misc import GSSError  # noqa: PLC0415

    where = "" if cache is None else f" in {cache['ccache']!s}"
    try:
        left = gssapi.Credentials(usage="initiate", store=cache).lifetime
    except ExpiredCredentialsError:
        return f"the Kerberos ticket{where} has expired"
    except GSSError:
        return f"there is no Kerberos ticket{where}"
    return None if left else f"the Kerberos ticket{where} has expired"
