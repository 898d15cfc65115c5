"""The SSH transport: hosts by way of others, and who to be there."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from remjobs.errors import UsageError
from remjobs.model.authentication import Authentication, check_for_ssh
from remjobs.model.doctor import Finding
from remjobs.model.host import Host, check_host_name, check_user_name
from remjobs.model.known_hosts import AcceptedKeys, ChosenKeys
from remjobs.model.request import Caller
from remjobs.model.work import Work
from remjobs.transports.base import Access, HostFailure, HostKeys, Login, Prospect
from remjobs.transports.copying import start as copying
from remjobs.transports.copying.files import Connected
from remjobs.transports.posix.become import Become
from remjobs.transports.posix.programs import check, shown
from remjobs.transports.posix.session import PosixSession
from remjobs.transports.ssh.config import Resolved, resolve
from remjobs.transports.ssh.connecting import Connector
from remjobs.transports.ssh.examine import examine
from remjobs.transports.ssh.hops import Hops
from remjobs.transports.ssh.kerberos import check_gssapi
from remjobs.transports.ssh.keys import Keys
from remjobs.transports.ssh.known_hosts import accept
from remjobs.transports.ssh.link import Link
from remjobs.transports.ssh.opening import Beside, Opener
from remjobs.transports.ssh.scan import scan
from remjobs.transports.ssh.sftp import open_files
from remjobs.transports.ssh.trust import Trust

__all__ = ["SshTransport"]

_log: Final = logging.getLogger(__name__)


class SshTransport:
    """Opens SSH connections for one job."""

    keeps_work = True

    def __init__(self, caller: Caller) -> None:
        """Use the caller's agent, not that of the process we are in."""
        self._keys = Keys()
        self._agent = caller.ssh_auth_sock or ""
        self._trust = Trust()
        self._connector = Connector(caller, self._trust, self._keys)
        self._hops = Hops(self._connector.reach)
        self._noted: set[str] = set()

    def check(self, host: Host, work: Work) -> None:
        """Refuse unsafe names and key or configuration files that cannot be used."""
        check(work)
        copying.check(host, work)
        check_for_ssh(host.authentication, host.name)
        if host.authentication is Authentication.GSSAPI:
            check_gssapi(host.name)
        check_host_name(host.name)
        check_host_name(host.address or host.name)
        if host.user is not None:
            check_user_name(host.user)
        for name in (host.ssh.config_file, host.ssh.known_hosts_file):
            if name not in (None, "none") and not Path(str(name)).expanduser().is_file():
                msg = f"{name}: no such file"
                raise UsageError(msg)
        for path in host.ssh.identity_files:
            self._keys.check(path)

    def preview(self, host: Host, work: Work) -> Prospect:
        """Say where and as whom, as ~/.ssh/config has it, and what the shell would get."""
        try:
            settings = resolve(host)
        except HostFailure as exc:
            msg = f"{host.name}: {exc}"
            raise UsageError(msg) from exc
        return Prospect(
            address=_at(settings.address, settings.port),
            user=settings.user,
            command=shown(work),
        )

    async def connect(self, host: Host, access: Access | None) -> PosixSession:
        """Connect and log in, and become whom the host says."""
        user = host.user if access is None else await access.user()
        host = replace(host, user=user)
        settings = resolve(host)
        self._note(settings)
        link = await self._link(host, settings, access)

        async def again() -> Link:
            return await self._link(host, settings, access)

        whom = host.become
        become = None if whom.user is None else Become(whom, whom.user, access)
        opener = Opener(link, become)
        if become is not None:
            await _become(become, opener, link)
        return PosixSession(
            opener,
            link.close,
            Beside(opener, again),
            login=_login(link, settings, become),
            files=Connected(partial(open_files, link.connection), host.name),
        )

    async def examine(self) -> tuple[Finding, ...]:
        """Look through configuration, keys, agent and known hosts."""
        return await examine(self._agent)

    async def scan_keys(self, host: Host) -> HostKeys:
        """Return the keys that a host offers, without logging in."""
        return await scan(host, resolve(host), self._trust)

    async def accept_keys(self, host: Host, chosen: ChosenKeys) -> AcceptedKeys:
        """Keep keys that a person has accepted."""
        return await asyncio.to_thread(accept, host, chosen)

    async def close(self) -> None:
        """End the connections to hosts on the way."""
        await self._hops.close()

    async def _link(self, host: Host, settings: Resolved, access: Access | None) -> Link:
        by = await self._hops.way(host, settings, access)
        return await self._connector.connect(host, settings, by, access)

    def _note(self, settings: Resolved) -> None:
        """Log what is odd about a host's settings, once for a job."""
        for note in settings.notes:
            if note not in self._noted:
                self._noted.add(note)
                _log.warning("%s", note)


async def _become(become: Become, opener: Opener, link: Link) -> None:
    """See whether we may be whom the host says; if not, hang up."""
    try:
        await opener.check(become)
    except BaseException:
        await link.close()
        raise


def _login(link: Link, settings: Resolved, become: Become | None) -> Login:
    # asyncssh takes a method off the list when it was refused: the first is the one.
    connection = link.connection
    method, *_ = [*connection.get_server_auth_methods(), ""]
    address = settings.address
    if not (settings.hops or settings.proxy_command):
        address, *_ = connection.get_extra_info("peername") or [address]
    return Login(
        address=_at(address, settings.port),
        user=connection.get_extra_info("username", ""),
        authentication=f"{method}, {become.method} to {become.user}" if become else method,
        notes=connection.get_extra_info("notes", ()),
    )


def _at(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
