"""A child in each state, brought there by real means, on hosts in memory."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from remjobs.model.record import Stream
from remjobs.model.state import JobState as S
from remjobs.transports.base import Exited, Lost

OUT = Stream.OUTPUT
PASSWORD = "open sesame"  # noqa: S105 - of a host in memory


@dataclass
class Subject:
    """A child that was brought into a state, and the parent that it makes."""

    job: int
    child: int
    parent: S


async def not_started(lab):
    """The throttle lets one run, and that is another."""
    lab.fleet.behaviour("busy").gate = asyncio.Event()
    job = await lab.start("busy", "h", throttle_limit=1)
    await lab.becomes(job.children[0].id, S.RUNNING)
    return Subject(job.id, job.children[1].id, S.RUNNING)


async def running(lab):
    """It has said something, and does not end."""
    host = lab.fleet.behaviour("h")
    host.output, host.gate = [(OUT, b"out")], asyncio.Event()
    job = await lab.start("h")
    [child] = job.children
    await lab.becomes(child.id, S.RUNNING)
    async with asyncio.timeout(10):
        async for _ in lab.jobs.follow(job):
            break
    return Subject(job.id, child.id, S.RUNNING)


async def blocked(lab):
    """Its host asks for a password."""
    host = lab.fleet.behaviour("h")
    host.password, host.gate = PASSWORD, asyncio.Event()
    job = await lab.start("h")
    [child] = job.children
    await lab.becomes(child.id, S.BLOCKED)
    return Subject(job.id, child.id, S.BLOCKED)


async def ended(lab, outcome, state):
    """It has said something, and ended so."""
    host = lab.fleet.behaviour("h")
    host.output, host.outcome = [(OUT, b"out")], outcome
    job = await lab.start("h")
    await lab.jobs.wait(job, timeout=10)
    return Subject(job.id, job.children[0].id, state)


async def completed(lab):
    """Exit status 0."""
    return await ended(lab, Exited(0), S.COMPLETED)


async def failed(lab):
    """Another exit status."""
    return await ended(lab, Exited(3), S.FAILED)


async def disconnected(lab):
    """Attached work whose connection was cut."""
    return await ended(lab, Lost("cut"), S.DISCONNECTED)


async def stopped(lab):
    """Stopped while it ran."""
    subject = await running(lab)
    await lab.jobs.stop(subject.job)
    return Subject(subject.job, subject.child, S.STOPPED)


async def suspended(lab):
    """Held on its host."""
    subject = await running(lab)
    await lab.jobs.suspend(subject.job)
    return Subject(subject.job, subject.child, S.SUSPENDED)


async def suspending(lab):
    """Its host cannot hold work, which runs to its end."""
    subject = await running(lab)
    lab.fleet.behaviour("h").unholdable = True
    await lab.jobs.suspend(subject.job)
    return Subject(subject.job, subject.child, S.SUSPENDING)


async def stopping(lab):
    """The stop is not confirmed yet."""
    subject = await running(lab)
    lab.fleet.behaviour("h").stop_gate = asyncio.Event()
    lab.stop = asyncio.create_task(lab.jobs.stop(subject.job))
    await lab.becomes(subject.child, S.STOPPING)
    return Subject(subject.job, subject.child, S.STOPPING)


MAKERS = {
    S.NOT_STARTED: not_started,
    S.RUNNING: running,
    S.COMPLETED: completed,
    S.FAILED: failed,
    S.STOPPED: stopped,
    S.SUSPENDED: suspended,
    S.DISCONNECTED: disconnected,
    S.SUSPENDING: suspending,
    S.STOPPING: stopping,
    S.BLOCKED: blocked,
}
