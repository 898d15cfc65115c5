"""The engine's JobService: what every client gets, in this process or over the socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import fields, replace
from pathlib import Path
from typing import Final

from remjobs.engine.clean import clean
from remjobs.engine.engine import Engine
from remjobs.engine.query import kept, with_children_kept
from remjobs.engine.receive import Receiver, follow
from remjobs.engine.retry import to_retry
from remjobs.engine.select import Selected, select
from remjobs.errors import NoSuchJob, NotRemovable, UsageError, WaitTimeout
from remjobs.inventory.select import Selection, resolve
from remjobs.model.clean import Cleaned, CleanRequest
from remjobs.model.host import Host, SshOptions
from remjobs.model.job import Child, Job, JobType
from remjobs.model.ranges import fold
from remjobs.model.record import Record
from remjobs.model.request import (
    DEFAULT_THROTTLE,
    Caller,
    Connection,
    JobQuery,
    ReceiveOptions,
    RetryRequest,
    StartRequest,
    Targets,
)
from remjobs.model.secret import Secret
from remjobs.model.state import FINAL, SETTLED, JobState
from remjobs.service import Event
from remjobs.store.base import NewJob

__all__ = ["EngineService"]

_ASKING: Final = frozenset({JobState.BLOCKED, JobState.DISCONNECTED})
"""What was lost may be found only with an answer."""
_LOCAL: Final = Host(name="localhost", transport="local")


class EngineService:
    """Answers clients from the engine and its store."""

    def __init__(self, engine: Engine, default_inventory: Path) -> None:
        """Serve this engine; without a named inventory, look at the default one."""
        self._engine = engine
        self._default_inventory = default_inventory

    async def start(self, request: StartRequest) -> Job:
        """Resolve the hosts, refuse what cannot work, store the job and begin it."""
        selection = await self._selection(request.targets, request.caller)
        if request.credential is not None:
            me = replace(_LOCAL, credential=request.credential)
            selection = replace(selection, hosts=(me,))
        hosts = tuple(_connected(host, request.connection) for host in selection.hosts)
        transports = self._engine.transports(request.caller)
        for host in hosts:
            transports(host.transport).check(host, request.work)
        new = NewJob(
            instance_id=request.instance_id,
            name=request.name,
            type=JobType.BACKGROUND if request.targets is None else JobType.REMOTE,
            location=fold(host.name for host in hosts),
            throttle_limit=request.throttle_limit,
            pace=request.pace,
            work=request.work,
            caller=request.caller,
            hosts=hosts,
            warnings=selection.warnings,
        )
        return await self._engine.store.job(await self._engine.start(new))

    async def retry(self, request: RetryRequest) -> Job:
        """Start a new job with the same work on hosts of an earlier one."""
        [job_id] = self._whole(await self._one(request.selector), "retry")
        stored = await self._engine.store.load(job_id)
        ids = {child.id for child in to_retry(stored.job.children or (), request)}
        hosts = tuple(entry.host for entry in stored.entries if entry.child.id in ids)
        if not hosts:
            msg = f"no host of job {job_id} is to be tried again; see `remjobs get {job_id}`"
            raise UsageError(msg)
        new = NewJob(
            instance_id=request.instance_id,
            name=request.name or stored.job.name,
            type=stored.job.type,
            location=fold(host.name for host in hosts),
            throttle_limit=request.throttle_limit or stored.job.throttle_limit,
            work=stored.work,
            pace=stored.pace,
            caller=request.caller,
            hosts=hosts,
            retry_of=job_id,
        )
        return await self._engine.store.job(await self._engine.start(new))

    async def set(self, selectors: Sequence[str], *, throttle_limit: int) -> tuple[Job, ...]:
        """Change how many hosts of these jobs may run at a time."""
        if throttle_limit < 1:
            msg = f"throttle limit {throttle_limit} is not 1 or more"
            raise UsageError(msg)
        ids = self._whole(await self._select(_named(selectors)), "set")
        for job_id in ids:
            await self._engine.limit(job_id, throttle_limit)
        return await self._jobs(ids)

    async def clean(self, request: CleanRequest) -> tuple[Cleaned, ...]:
        """Remove from hosts what durable work left there."""
        selection = await self._selection(request.targets, request.caller)
        transports = self._engine.transports(request.caller)
        slots = asyncio.Semaphore(DEFAULT_THROTTLE)

        async def one(host: Host) -> Cleaned:
            async with slots:
                return await clean(host, transports(host.transport), request.older_than)

        hosts = [_connected(host, request.connection) for host in selection.hosts]
        return tuple(await asyncio.gather(*map(one, hosts)))

    async def _selection(self, targets: Targets | None, caller: Caller) -> Selection:
        if targets is None:
            return Selection(hosts=(_LOCAL,), warnings=())
        return await asyncio.to_thread(
            resolve,
            targets,
            caller.directory,
            self._default_inventory,
        )

    async def list(self, query: JobQuery) -> tuple[Job, ...]:
        """Return the parents that match."""
        jobs = await self._engine.store.jobs()
        wanted = {hit.job_id for hit in await self._select(query.selectors)}
        found = kept((job for job in jobs if job.id in wanted), query)
        if not (query.include_children or query.child_states):
            return tuple(found)
        whole = await self._jobs([job.id for job in found])
        return tuple(with_children_kept(whole, query))

    async def get(self, query: JobQuery) -> tuple[Job | Child, ...]:
        """Return parents with children, or the children that were named."""
        hits = await self._select(query.selectors)
        whole = {job.id: job for job in await self._jobs(_parents(hits))}
        named = [whole[hit.job_id] for hit in hits if hit.child_id is None]
        parents = {job.id: job for job in with_children_kept(kept(named, query), query)}
        found: list[Job | Child] = []
        for hit in hits:
            if hit.child_id is not None:
                children = whole[hit.job_id].children or ()
                found += [child for child in children if child.id == hit.child_id]
            elif hit.job_id in parents:
                found.append(parents[hit.job_id])
        return tuple(found)

    async def receive(
        self,
        selectors: Sequence[str],
        options: ReceiveOptions,
    ) -> AsyncGenerator[Event, None]:
        """Yield what has not been received of each job in turn."""
        hits = await self._select(selectors)
        await self._check_hosts(hits, options)
        for hit in hits:
            receiver = Receiver(self._engine, hit.job_id, options, hit.child_id)
            async with aclosing(receiver.events()) as events:
                async for event in events:
                    yield event

    async def follow(self, selector: str) -> AsyncGenerator[Record, None]:
        """Yield every record of one job as it comes."""
        hits = await self._one(selector)
        async for record in follow(self._engine, hits[0].job_id):
            if hits[0].child_id in {None, record.child_id}:
                yield record

    async def wait(
        self,
        selectors: Sequence[str],
        *,
        any_: bool = False,
        timeout: float | None = None,
        force: bool = False,
    ) -> tuple[Job, ...]:
        """Wait until all (any) of the jobs have settled."""
        if timeout is not None and timeout < 0:
            msg = f"the time-out cannot be negative: {timeout:g}"
            raise UsageError(msg)
        ids = _parents(await self._select(selectors)) if selectors else []
        enough = FINAL if force else SETTLED
        waits = [asyncio.create_task(self._until(job_id, enough)) for job_id in ids]
        if not waits:
            return ()
        when = asyncio.FIRST_COMPLETED if any_ else asyncio.ALL_COMPLETED
        try:
            done, _ = await asyncio.wait(waits, timeout=timeout, return_when=when)
        finally:
            for task in waits:
                task.cancel()
        ended = [job_id for job_id, task in zip(ids, waits, strict=True) if task in done]
        if len(ended) < (1 if any_ else len(ids)):
            raise WaitTimeout(_still_running([job_id for job_id in ids if job_id not in ended]))
        return await self._jobs(ended if any_ else ids)

    async def stop(
        self,
        selectors: Sequence[str],
        caller: Caller | None = None,
    ) -> tuple[Job, ...]:
        """Stop jobs and return how they ended."""
        ids = self._whole(await self._select(_named(selectors)), "stop")
        await asyncio.gather(*(self._engine.stop(job_id, caller) for job_id in ids))
        return await self._jobs(ids)

    async def suspend(self, selectors: Sequence[str]) -> tuple[Job, ...]:
        """Start no further children of these jobs, and hold those that run."""
        ids = self._whole(await self._select(_named(selectors)), "suspend")
        await asyncio.gather(*map(self._engine.suspend, ids))
        return await self._jobs(ids)

    async def resume(
        self,
        selectors: Sequence[str],
        caller: Caller | None = None,
    ) -> tuple[Job, ...]:
        """Go on with the children of these jobs."""
        ids = self._whole(await self._select(_named(selectors)), "resume")
        await asyncio.gather(*(self._engine.resume(job_id, caller) for job_id in ids))
        return await self._jobs(ids)

    async def answer(
        self,
        selectors: Sequence[str],
        answer: Secret,
        caller: Caller | None = None,
    ) -> tuple[Job, ...]:
        """Give what Blocked children of these jobs wait for."""
        hits = await self._select(_named(selectors))
        ids = _parents(hits)
        chosen = {hit.child_id for hit in hits} - {None}
        whole = {hit.job_id for hit in hits if hit.child_id is None}
        asking = [
            child
            for job in await self._jobs(ids)
            for child in job.children or ()
            if child.state in _ASKING and (job.id in whole or child.id in chosen)
        ]
        if not asking:
            msg = f"nothing of job {', '.join(map(str, ids))} waits for an answer"
            raise UsageError(msg)
        for child in asking:
            await self._engine.answer(child, answer, caller)
        return await self._jobs(ids)

    async def remove(self, selectors: Sequence[str], *, force: bool = False) -> tuple[Job, ...]:
        """Remove what can be removed of the jobs that are named; refuse the others."""
        jobs = await self._jobs(self._whole(await self._select(_named(selectors)), "remove"))
        refused = [job for job in jobs if not (force or _removable(job))]
        removed = [job for job in jobs if job not in refused]
        for job in removed:
            await self._engine.stop(job.id)
            await self._engine.remove(job.id)
        if refused:
            names = ", ".join(f"{job.id} ({job.state})" for job in refused)
            msg = f"not ended, so not removed: job {names}; --force stops and removes"
            raise NotRemovable(msg)
        return tuple(removed)

    async def _one(self, selector: str) -> Sequence[Selected]:
        """Return what a selector names; refuse several."""
        hits = await self._select([selector])
        if len(hits) != 1:
            msg = f"{selector!r} names {len(hits)} jobs; name one"
            raise UsageError(msg)
        return hits

    async def _select(self, selectors: Sequence[str]) -> tuple[Selected, ...]:
        jobs = await self._engine.store.jobs()
        return select(selectors, jobs, await self._engine.store.parents() if selectors else {})

    @staticmethod
    def _whole(hits: Sequence[Selected], verb: str) -> Sequence[int]:
        """Refuse children where only whole jobs can be meant."""
        for hit in hits:
            if hit.child_id is not None:
                msg = f"{hit.child_id} is a child of job {hit.job_id}: {verb} the job"
                raise NotRemovable(msg) if verb == "remove" else UsageError(msg)
        return _parents(hits)

    async def _jobs(self, ids: Sequence[int]) -> tuple[Job, ...]:
        return tuple([await self._engine.store.job(job_id) for job_id in ids])

    async def _until(self, job_id: int, enough: frozenset[JobState]) -> None:
        while True:
            version = self._engine.hub.version(job_id)
            if await self._engine.has_settled(job_id, enough):
                return
            await self._engine.hub.changed(job_id, version)

    async def _check_hosts(self, hits: Sequence[Selected], options: ReceiveOptions) -> None:
        if not options.hosts:
            return
        jobs = await self._jobs(_parents(hits))
        known = {child.host for job in jobs for child in job.children or ()}
        if unknown := [name for name in options.hosts if name not in known]:
            msg = f"no such host in these jobs: {', '.join(unknown)}"
            raise UsageError(msg)


def _named(selectors: Sequence[str]) -> Sequence[str]:
    if not selectors:
        msg = "name at least one job"
        raise NoSuchJob(msg)
    return selectors


def _parents(hits: Sequence[Selected]) -> list[int]:
    return list(dict.fromkeys(hit.job_id for hit in hits))


def _removable(job: Job) -> bool:
    return job.is_final or job.state is JobState.NOT_STARTED


def _still_running(ids: Sequence[int]) -> str:
    names = ", ".join(map(str, ids))
    return f"time-out: still running: job {names}"


def _connected(host: Host, connection: Connection) -> Host:
    """Apply the request's connection settings over the host's own."""
    given = {f.name: getattr(connection.ssh, f.name) for f in fields(SshOptions)}
    ssh = replace(host.ssh, **{name: value for name, value in given.items() if value})
    return replace(
        host,
        user=connection.user or host.user,
        port=connection.port or host.port,
        ssh=ssh,
    )
