"""The WinRM transport: Windows hosts, and who to be there."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from remjobs.errors import UsageError
from remjobs.model.authentication import Authentication, check_for_winrm
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
from remjobs.transports.winrm.login import endpoint_of, login_of, operation_timeout, secret_of
from remjobs.transports.winrm.session import WinRmSession
from remjobs.transports.winrm.shell import RemoteShell
from remjobs.transports.winrm.threads import Threads
from remjobs.transports.winrm.wire import (
    ConnectionBroken,
    Endpoint,
    LoginRefused,
    WinRmLogin,
    Wire,
    check_login,
)

__all__ = ["WinRmTransport"]

_QUIET: Final = 2.0
"""Seconds for the last threads to end."""
_PATIENCE: Final = 300.0
"""Seconds for which a command may leave its input unread before the input is given up."""
_NO_PASSWORD: Final = {
    Authentication.CERTIFICATE: "logs in with a certificate",
    Authentication.NEGOTIATE_WITH_IMPLICIT_CREDENTIAL: "logs in with your own ticket",
}


class WinRmTransport:
    """Opens WinRM connections for one job."""

    keeps_work = False

    def __init__(self, caller: Caller) -> None:
        """Use the caller's tickets, not those of the process we are in."""
        self._ccache = caller.krb5ccname
        self._threads = Threads()
        self._checked: set[tuple[Endpoint, WinRmLogin]] = set()

    def check(self, host: Host, work: Work) -> None:
        """Refuse unsafe names, files that are not there, and work that hosts cannot do."""
        check_for_winrm(host.authentication, host.name)
        check_host_name(host.name)
        check_host_name(host.address or host.name)
        if host.user is not None:
            check_user_name(host.user)
        _check_files(host)
        how = _NO_PASSWORD.get(host.authentication)
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
        remote = partial(_remote, endpoint, login, operation_timeout(host))
        lines = Lines(remote, self._threads)
        line = lines.take()
        try:
            shell = await _first(line, access)
        except BaseException:
            lines.close()
            raise
        wire = line.wire
        lines.give_back(line)
        came = Login(
            address=endpoint.authority,
            user=user or "",
            authentication=wire.authentication,
            notes=wire.notes,
        )
        return WinRmSession(lines, shell, login=came)

    async def examine(self) -> tuple[Finding, ...]:
        """Look through what the mechanisms need on our side."""
        return await asyncio.to_thread(examine, self._ccache)

    async def close(self) -> None:
        """Wait for the last threads."""
        await self._threads.quiet(_QUIET)


def _remote(endpoint: Endpoint, login: WinRmLogin, timeout: float, is_patient: bool) -> RemoteShell:
    if is_patient:
        timeout, waits = _PATIENCE, _PATIENCE + endpoint.read_timeout
        endpoint = replace(endpoint, read_timeout=waits)
    return RemoteShell(Wire(endpoint, login), timeout)


async def _first(line: Line, access: Access | None) -> str:
    """Open the first shell, and tell whether the host took what it was shown.

    Raises:
        HostFailure: The host cannot be used.
    """
    try:
        shell = await line.ask(RemoteShell.open, Surroundings())
    except LoginRefused:
        if access is not None:
            access.refused(SecretUse.LOGIN)
        raise
    except (Fault, ConnectionBroken) as exc:
        if access is not None:
            access.accepted(SecretUse.LOGIN)
        raise exc.failure from exc
    if access is not None:
        access.accepted(SecretUse.LOGIN)
    return shell


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
