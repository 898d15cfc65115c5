"""The WinRM transport: Windows hosts, and who to be there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from remjobs.errors import UsageError
from remjobs.model.authentication import check_for_winrm
from remjobs.model.doctor import Finding
from remjobs.model.host import Host, check_host_name, check_user_name
from remjobs.model.request import Caller
from remjobs.model.work import Work
from remjobs.transports.base import Access, Login, Prospect, SecretUse, UnfitHost
from remjobs.transports.windows import launch
from remjobs.transports.windows.launch import Surroundings
from remjobs.transports.winrm.examine import examine
from remjobs.transports.winrm.faults import Fault
from remjobs.transports.winrm.line import Line, Lines
from remjobs.transports.winrm.login import (
    WITHOUT_PASSWORD,
    endpoint_of,
    login_of,
    operation_timeout,
    secret_of,
)
from remjobs.transports.winrm.session import WinRmSession
from remjobs.transports.winrm.shell import RemoteShell
from remjobs.transports.winrm.threads import Threads
from remjobs.transports.winrm.wire import (
    ConnectionBroken,
    Endpoint,
    TlsContexts,
    WinRmLogin,
    Wire,
    check_login,
)

__all__ = ["WinRmTransport"]

_QUIET: Final = 2.0
"""Seconds for the last threads to end."""
_PATIENCE: Final = 300.0
"""Seconds for which a command may leave its input unread before the input is given up."""


class WinRmTransport:
    """Opens WinRM connections for one job."""

    keeps_work = False

    def __init__(self, caller: Caller) -> None:
        """Use the caller's tickets, not those of the process we are in."""
        self._ccache = caller.krb5ccname
        self._threads = Threads()
        self._tls = TlsContexts()
        self._checked: set[tuple[Endpoint, WinRmLogin]] = set()

    def check(self, host: Host, work: Work) -> None:
        """Refuse unsafe names, files that are not there, and work that hosts cannot do."""
        check_for_winrm(host.authentication, host.name)
        check_host_name(host.name)
        check_host_name(host.address or host.name)
        if host.user is not None:
            check_user_name(host.user)
        _check_files(host)
        how = WITHOUT_PASSWORD.get(host.authentication)
        if how is not None and host.credential is not None:
            msg = f"{host.name}: {host.authentication} {how}; leave the credential out"
            raise UsageError(msg)
        self._check_login(host)
        _check_work(host, work)

    def _check_login(self, host: Host) -> None:
        """Refuse what can never log in; certificates are read once for hosts that share them."""
        endpoint, login = endpoint_of(host), login_of(host, host.user, None, self._ccache)
        alike = (
            replace(endpoint, address="", port=0, host_name=""),
            replace(login, user=None),
        )
        if alike not in self._checked:
            check_login(endpoint, login, host.name)
            self._checked.add(alike)

    def preview(self, host: Host, work: Work) -> Prospect:
        """Say where and as whom, and what the host's shell would get."""
        return Prospect(
            address=endpoint_of(host).authority,
            user=host.user or "",
            command=launch.shown(work),
        )

    async def connect(self, host: Host, access: Access | None) -> WinRmSession:
        """Log in, and open a shell."""
        user = host.user if access is None else await access.user()
        secret = await secret_of(host, user, access)
        endpoint, login = endpoint_of(host), login_of(host, user, secret, self._ccache)
        wire = partial(Wire, login=login, tls=self._tls, may_connect=partial(_check, access))
        remote = partial(_remote, wire, endpoint, operation_timeout(host))
        lines = Lines(remote, self._threads, partial(_refused, access))
        line = lines.take()
        try:
            shell = await _first(line, access)
        except BaseException:
            lines.close()
            raise
        lines.give_back(line)
        came = Login(
            address=endpoint.authority,
            user=user or "",
            authentication=line.wire.authentication,
            notes=line.wire.notes,
        )
        return WinRmSession(lines, shell, login=came)

    async def examine(self) -> tuple[Finding, ...]:
        """Look through what the mechanisms need on our side."""
        return await asyncio.to_thread(examine, self._ccache)

    async def close(self) -> None:
        """Wait for the last threads."""
        await self._threads.quiet(_QUIET)


def _remote(
    wire: Callable[[Endpoint], Wire], endpoint: Endpoint, timeout: float, is_patient: bool
) -> RemoteShell:
    if is_patient:
        timeout, waits = _PATIENCE, _PATIENCE + endpoint.read_timeout
        endpoint = replace(endpoint, read_timeout=waits)
    return RemoteShell(wire(endpoint), timeout)


async def _first(line: Line, access: Access | None) -> str:
    """Open the first shell, and tell whether the host took what it was shown.

    The line tells if it did not. A connection that broke says nothing of a password
    that went with the message. Who is stopped meanwhile leaves a thread behind that may
    be showing the password: until that ends, no other host is shown it.

    Raises:
        HostFailure: The host cannot be used.
    """
    try:
        shell = await line.ask(RemoteShell.open, Surroundings())
    except asyncio.CancelledError:
        if access is not None:
            line.when_free(access.hold(SecretUse.LOGIN))
        raise
    except (Fault, ConnectionBroken) as exc:
        if access is not None and (isinstance(exc, Fault) or line.wire.was_let_in):
            access.accepted(SecretUse.LOGIN)
        raise exc.failure from exc
    if access is not None:
        access.accepted(SecretUse.LOGIN)
    return shell


def _check(access: Access | None) -> None:
    """See that a host which let us in may be shown the same again: it may be wrong by now."""
    if access is not None:
        access.check(SecretUse.LOGIN)


def _refused(access: Access | None) -> None:
    if access is not None:
        access.refused(SecretUse.LOGIN)


def _check_files(host: Host) -> None:
    """Refuse certificates that are not there, where TLS needs them.

    Raises:
        UnfitHost: It names the file.
    """
    options = host.winrm
    if not endpoint_of(host).is_https:
        return
    for name in (options.ca_file, options.certificate_file, options.certificate_key_file):
        if name is not None and not Path(name).expanduser().is_file():
            msg = f"{name}: no such file"
            raise UnfitHost(msg)


def _check_work(host: Host, work: Work) -> None:
    """Refuse what hosts reached by WinRM cannot do.

    Raises:
        UsageError: It names the option and what to do.
    """
    if work.durable and not work.durable_if_possible:
        msg = (
            f"{host.name}: --durable: work on Windows hosts hangs on its connection, and cannot "
            "outlive it yet; leave --durable out"
        )
        raise UsageError(msg)
    if host.become.user is not None:
        msg = (
            f"{host.name}: --become: on Windows hosts nobody becomes {host.become.user} "
            "once logged in; log in as who is to do the work (-u, --credential)"
        )
        raise UsageError(msg)
    if work.copy is not None:
        msg = (
            f"{host.name}: files cannot be copied to or from hosts that are reached by WinRM; "
            "over OpenSSH they can"
        )
        raise UsageError(msg)
    if work.exclusive is not None:
        msg = f"{host.name}: --exclusive: hosts reached by WinRM keep no leases"
        raise UsageError(msg)
    launch.check(work)
