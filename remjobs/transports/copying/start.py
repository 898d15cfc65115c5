"""Beginning a copy on a host that was reached."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from remjobs.errors import UsageError
from remjobs.model.host import Host, check_host_name
from remjobs.model.work import Work
from remjobs.transports.copying.execution import CopyExecution
from remjobs.transports.copying.fetch import fetch
from remjobs.transports.copying.files import Connected
from remjobs.transports.copying.push import push

__all__ = ["check", "start"]


def check(host: Host, work: Work) -> None:
    """Refuse a copy as somebody else, and one that has no safe folder of its own here.

    Raises:
        UsageError: The host says whom to be, or its name, which names the folder, is none.
    """
    if work.copy is not None and host.become.user is not None:
        msg = f"{host.name}: files are copied as whoever logs in, not as {host.become.user}"
        raise UsageError(msg)
    if work.fetch is not None:
        check_host_name(host.name)


async def start(host: Connected, key: UUID, work: Work) -> CopyExecution:
    """Begin the copy that this work is.

    Raises:
        HostFailure: The host gives nobody its files.
    """
    files = await host.open()
    if work.push is not None:
        return CopyExecution(partial(push, work.push, files, key), files)
    assert work.fetch is not None  # noqa: S101 - a copy is one of the two
    return CopyExecution(partial(fetch, work.fetch, host.label, files, key), files)
