"""Background jobs for a whole fleet, over SSH and WinRM.

The Python API, in an event loop::

    async with remjobs.open() as jobs:
        job = await jobs.start("uptime", on="web[1-3]")
        async for record in jobs.follow(job.id):
            print(record.host, record.data)

and in a plain script::

    with remjobs.blocking() as jobs:
        job = jobs.run("uptime", on="web[1-3]")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from remjobs.api import BlockingJobs, Jobs, blocking, open  # noqa: A004 - remjobs.open()
    from remjobs.errors import RemjobsError
    from remjobs.model.definition import Definition, InstancePolicy
    from remjobs.model.host import Host, SshOptions, WinRmOptions, WinRmScheme
    from remjobs.model.job import Child, Job
    from remjobs.model.pace import Amount, Order, Pace
    from remjobs.model.record import Record, Stream
    from remjobs.model.state import JobState
    from remjobs.model.trigger import At, AtStartup, Cron, Daily, Every, TimeOfDay, Weekly

__version__ = "0.1.0"

__all__ = [
    "Amount",
    "At",
    "AtStartup",
    "BlockingJobs",
    "Child",
    "Cron",
    "Daily",
    "Definition",
    "Every",
    "Host",
    "InstancePolicy",
    "Job",
    "JobState",
    "Jobs",
    "Order",
    "Pace",
    "Record",
    "RemjobsError",
    "SshOptions",
    "Stream",
    "TimeOfDay",
    "Weekly",
    "WinRmOptions",
    "WinRmScheme",
    "__version__",
    "blocking",
    "open",
]

_HOMES = {
    "Amount": "model.pace",
    "At": "model.trigger",
    "AtStartup": "model.trigger",
    "BlockingJobs": "api",
    "Child": "model.job",
    "Cron": "model.trigger",
    "Daily": "model.trigger",
    "Definition": "model.definition",
    "Every": "model.trigger",
    "Host": "model.host",
    "InstancePolicy": "model.definition",
    "Job": "model.job",
    "JobState": "model.state",
    "Jobs": "api",
    "Order": "model.pace",
    "Pace": "model.pace",
    "Record": "model.record",
    "RemjobsError": "errors",
    "SshOptions": "model.host",
    "Stream": "model.record",
    "TimeOfDay": "model.trigger",
    "Weekly": "model.trigger",
    "WinRmOptions": "model.host",
    "WinRmScheme": "model.host",
    "blocking": "api",
    "open": "api",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: the CLI must start fast."""
    if name not in _HOMES:
        msg = f"module 'remjobs' has no attribute {name!r}"
        raise AttributeError(msg)
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(f"remjobs.{_HOMES[name]}"), name)
