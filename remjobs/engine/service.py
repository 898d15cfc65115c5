"""The engine's JobService: what every client gets, in this process or over the socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Final

from remjobs.engine.clean import clean
from remjobs.engine.connected import connected, with_defaults
from remjobs.engine.definitions import EngineDefinitions
from remjobs.engine.engine import Engine
from remjobs.engine.errand import on_each
from remjobs.engine.examine import examine
from remjobs.engine.inventory import EngineInventory
from remjobs.engine.known_hosts import EngineKnownHosts, check_named, unchecked
from remjobs.engine.parts import by_job, on_hosts, shown, with_streams
from remjobs.engine.ping import ping
from remjobs.engine.prune import prune
from remjobs.engine.query import kept, with_children_kept
from remjobs.engine.receive import Receiver, follow
from remjobs.engine.remove import remove
from remjobs.engine.retry import to_retry
from remjobs.engine.schedule import Schedule
from remjobs.engine.select import Selected, concerns_children, select
from remjobs.engine.targets import HostsOfJob, parse
from remjobs.engine.wait import wait
from remjobs.engine.ways import Ways, closing
from remjobs.errors import KeyringTrouble, NoSuchJob, UsageError
from remjobs.inventory.names import names
from remjobs.inventory.patterns import terms
from remjobs.inventory.select import Selection, Sources, resolve
from remjobs.model.clean import Cleaned, CleanRequest
from remjobs.model.credential import CredentialKind
from remjobs.model.doctor import ExamineRequest, Finding
from remjobs.model.history import HistoryQuery, JobEntry
from remjobs.model.host import Become, Host, check_host_name
from remjobs.model.job import Child, Job, JobType
from remjobs.model.known_hosts import AcceptRequest, ScanRequest
from remjobs.model.names import Names, NamesRequest
from remjobs.model.ping import Pinged, PingRequest
from remjobs.model.prune import PruneRequest
from remjobs.model.ranges import fold
from remjobs.model.record import Record
from remjobs.model.request import (
    DEFAULT_THROTTLE,
    Caller,
    JobQuery,
    ReceiveOptions,
    RetryRequest,
    StartRequest,
    Targets,
    WaitOptions,
    check_throttle,
)
from remjobs.model.secret import Secret
from remjobs.model.state import JobState
from remjobs.model.work import Command, Work
from remjobs.service import CredentialService, Event, KnownHostsService
from remjobs.store.base import NewJob
from remjobs.store.definitions import Firing
from remjobs.transports.base import UnfitHost

__all__ = ["EngineService"]

_ASKING: Final = frozenset({JobState.BLOCKED, JobState.DISCONNECTED})
"""What was lost may be found only with an answer."""
_Reaching = StartRequest | CleanRequest | PingRequest | ScanRequest | AcceptRequest
_NOTHING: Final = Work(command=Command(text=":"))
_ATTACHED: Final = "on Windows hosts work ends with its connection, and is not found again: {}"
_LOCAL: Final = Host(name="localhost", transport="local")


class EngineService:
    """Answers clients from the engine and its store."""

    def __init__(self, engine: Engine, default_inventory: Path) -> None:
        """Serve this engine; without a named inventory, look at the default one."""
        self._engine = engine
        self.credentials: CredentialService = engine.credentials
        self.known_hosts: KnownHostsService = EngineKnownHosts(self._reached)
        self._default_inventory = default_inventory
        self.schedule = Schedule(engine, self._begin)
        """Fires definitions, while its ``followed`` context lasts."""
        self.definitions = EngineDefinitions(engine, self._plan, self._begin, self.schedule)
        self.inventory = EngineInventory(
            self._usual_inventories,
            self._hosts_of_jobs,
            self._plan,
            lambda request: engine.transports(request.caller),
        )

    async def start(self, request: StartRequest) -> Job:
        """Resolve the hosts, refuse what cannot work, store the job and begin it."""
        return await self._begin(request)

    async def _begin(self, request: StartRequest, firing: Firing | None = None) -> Job:
        selection = await self._plan(request)
        new = NewJob(
            instance_id=request.instance_id,
            name=request.name,
            type=request.type if firing is None else JobType.SCHEDULED,
            location=fold(host.name for host in selection.hosts),
            throttle_limit=request.throttle_limit,
            pace=request.pace,
            work=self._work(request, selection.hosts),
            caller=request.caller,
            hosts=selection.hosts,
            warnings=(*selection.warnings, *request.work.warnings),
            firing=firing,
        )
        return await self._engine.store.job(await self._engine.start(new))

    async def _plan(self, request: StartRequest) -> Selection:
        """Return the hosts, refusing before anything starts what cannot work there."""
        selection = await self._selection(request.targets, request.caller)
        hosts = await self._connected(selection, request)
        transports = self._engine.transports(request.caller)
        _check(hosts, transports, request.work)
        warnings = (
            *selection.warnings,
            *unchecked(hosts),
            *_attached(hosts, transports, request.work),
        )
        return replace(selection, hosts=hosts, warnings=warnings)

    def _work(self, request: StartRequest, hosts: Sequence[Host]) -> Work:
        """Return the work as it is: attached, if no host of the job can keep it."""
        ways = self._engine.transports(request.caller)
        can = request.work.durable and any(ways(host.transport).keeps_work for host in hosts)
        return replace(request.work, durable=can)

    async def _connected(self, selection: Selection, request: _Reaching) -> tuple[Host, ...]:
        """Apply the request's connection settings over the hosts' own."""
        connection = request.connection
        check_named(connection, request.targets, selection)
        for host in selection.hosts:
            check_host_name(host.name)
        if request.targets is None and connection.credential is not None:
            whom = await self._whom(connection.credential, request.caller)
            connection = replace(connection, credential=None, become=whom)
        hosts = selection.hosts
        if request.targets is not None:
            hosts = tuple(with_defaults(host, request.caller.defaults) for host in hosts)
        return tuple(connected(host, connection) for host in hosts)

    async def _whom(self, credential: str, caller: Caller) -> Become:
        """Return whom local work is to be: a credential's user, else a user of this name."""
        try:
            info = await self.credentials.show(credential, caller)
        except KeyringTrouble:
            return Become(user=credential)
        answers = info.kind is CredentialKind.SUDO
        return Become(user=info.user or credential, credential=info.name if answers else None)

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
            warnings=unchecked(hosts),
        )
        return await self._engine.store.job(await self._engine.start(new))

    async def set(self, selectors: Sequence[str], *, throttle_limit: int) -> tuple[Job, ...]:
        """Change how many hosts of these jobs may run at a time."""
        check_throttle(throttle_limit)
        ids = self._whole(await self._chosen(selectors), "set")
        for job_id in ids:
            await self._engine.limit(job_id, throttle_limit)
        return await self._jobs(ids)

    async def clean(self, request: CleanRequest) -> tuple[Cleaned, ...]:
        """Remove from hosts what durable work left there."""
        hosts, transports = await self._reached(request)
        access = self._engine.access(request.caller)

        async def one(host: Host) -> Cleaned:
            return await clean(
                host, transports(host.transport), access.to(host), request.older_than
            )

        async with closing(transports):
            done = {each.host: each async for each in on_each(hosts, one, DEFAULT_THROTTLE)}
        return tuple(done[host.name] for host in hosts)

    async def ping(self, request: PingRequest) -> AsyncGenerator[Pinged, None]:
        """Yield how far we get on each host, as it is known."""
        hosts, transports = await self._reached(request)
        access = self._engine.access(request.caller)

        async def one(host: Host) -> Pinged:
            return await ping(host, transports(host.transport), access.to(host))

        async with (
            closing(transports),
            aclosing(on_each(hosts, one, request.throttle_limit)) as answers,
        ):
            async for answer in answers:
                yield answer

    async def examine(self, request: ExamineRequest) -> AsyncGenerator[Finding, None]:
        """Yield what is found when the set-up is looked through."""
        found = examine(self._engine, request, self._usual_inventories(request.caller))
        async with aclosing(found) as findings:
            async for finding in findings:
                yield finding

    async def names(self, request: NamesRequest) -> Names:
        """Return the names that inventories have."""
        return await asyncio.to_thread(self._names, request)

    def _names(self, request: NamesRequest) -> Names:
        caller = request.caller
        asked = Targets(inventories=request.inventories)
        sources = Sources(asked, caller.directory, self._usual_inventories(caller))
        return names(sources, request.beginning, request.limit)

    def _usual_inventories(self, caller: Caller) -> tuple[Path, ...]:
        """Return the inventories that are read where none is named: the asker's, else ours."""
        return tuple(map(Path, caller.inventories)) or (self._default_inventory,)

    async def _reached(
        self,
        request: CleanRequest | PingRequest | ScanRequest | AcceptRequest,
    ) -> tuple[tuple[Host, ...], Ways]:
        """Return hosts for an errand, refusing what can never be reached, and the ways there."""
        selection = await self._selection(request.targets, request.caller)
        transports = self._engine.transports(request.caller)
        hosts = await self._connected(selection, request)
        _check(hosts, transports, _NOTHING)
        return hosts, transports

    async def _selection(self, targets: Targets | None, caller: Caller) -> Selection:
        if targets is None:
            return Selection(hosts=(_LOCAL,), warnings=())
        return await asyncio.to_thread(
            resolve,
            targets,
            caller.directory,
            self._usual_inventories(caller),
            await self._hosts_of_jobs(targets),
        )

    async def _hosts_of_jobs(self, targets: Targets) -> dict[str, tuple[Host, ...]]:
        """Return the hosts that terms such as ``@12:failed`` stand for.

        Raises:
            UsageError: One that is to be included stands for none.
        """
        found: dict[str, tuple[Host, ...]] = {}
        for expressions, needed in ((targets.exclude, False), (targets.include, True)):
            for term in (term for expression in expressions for term in terms(expression)):
                if (asked := parse(term.text)) is not None:
                    must = needed and not term.operator
                    found[term.text] = await self._hosts_of_job(asked, needed=must)
        return found

    async def _hosts_of_job(self, asked: HostsOfJob, *, needed: bool) -> tuple[Host, ...]:
        [job_id] = self._whole(await self._one(asked.selector), "name")
        stored = await self._engine.store.load(job_id)
        ids = {child.id for child in asked.chosen(stored.job.children or ())}
        if needed and not ids:
            counts = ", ".join(f"{count} {state}" for state, count in stored.job.counts.items())
            msg = f"no host of job {job_id} is {asked.word}: {counts}"
            raise UsageError(msg)
        return tuple(entry.host for entry in stored.entries if entry.child.id in ids)

    async def list(self, query: JobQuery) -> tuple[Job, ...]:
        """Return the parents that match; of one whose child was named, with that child."""
        jobs = await self._engine.store.jobs()
        hits = await self._select(query.selectors, jobs)
        wanted = set(_parents(hits))
        found = kept((job for job in jobs if job.id in wanted), query)
        if query.include_children or query.child_states:
            whole = await self._jobs([job.id for job in found])
            return tuple(with_children_kept(whole, query))
        children = {job_id for job_id, ids in by_job(hits).items() if ids is not None}
        parts = {
            job.id: job
            for job in await shown(
                self._engine.store,
                [hit for hit in hits if hit.job_id in children],
            )
        }
        return tuple(parts.get(job.id, job) for job in found)

    async def get(self, query: JobQuery) -> tuple[Job | Child, ...]:
        """Return parents with children, or the children that were named."""
        hits = await self._select(query.selectors)
        whole = await self._jobs(_parents(hits))
        parents = {
            job.id: await with_streams(self._engine.store, job) for job in kept(whole, query)
        }
        narrowed = {job.id: job for job in with_children_kept(parents.values(), query)}
        found: list[Job | Child] = []
        for hit in hits:
            job = narrowed.get(hit.job_id)
            if job is not None and hit.child_id is None:
                found.append(job)
            elif job is not None:
                found += [child for child in job.children or () if child.id == hit.child_id]
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
        state: JobState | None = None,
    ) -> tuple[Job, ...]:
        """Wait until all (any) of the jobs have settled, or are in a state."""
        options = WaitOptions(any_=any_, timeout=timeout, force=force, state=state)
        hits = await self._select(selectors) if selectors else ()
        return await shown(self._engine.store, await wait(self._engine, hits, options))

    async def stop(
        self,
        selectors: Sequence[str],
        caller: Caller | None = None,
        *,
        states: frozenset[JobState] = frozenset(),
        hosts: Sequence[str] = (),
    ) -> tuple[Job, ...]:
        """Stop jobs, or some hosts of them, and return how they ended."""
        hits = await self._chosen(selectors, states)
        if hosts:
            hits = await on_hosts(self._engine.store, hits, hosts)
        await asyncio.gather(
            *(self._engine.stop(job_id, caller, ids) for job_id, ids in by_job(hits).items()),
        )
        return await shown(self._engine.store, hits)

    async def suspend(
        self,
        selectors: Sequence[str],
        *,
        states: frozenset[JobState] = frozenset(),
    ) -> tuple[Job, ...]:
        """Start no further children of these jobs, and hold those that run."""
        ids = self._whole(await self._chosen(selectors, states), "suspend")
        await asyncio.gather(*map(self._engine.suspend, ids))
        return await self._jobs(ids)

    async def resume(
        self,
        selectors: Sequence[str],
        caller: Caller | None = None,
        *,
        states: frozenset[JobState] = frozenset(),
    ) -> tuple[Job, ...]:
        """Go on with the children of these jobs."""
        ids = self._whole(await self._chosen(selectors, states), "resume")
        await asyncio.gather(*(self._engine.resume(job_id, caller) for job_id in ids))
        return await self._jobs(ids)

    async def answer(
        self,
        selectors: Sequence[str],
        answer: Secret,
        caller: Caller | None = None,
    ) -> tuple[Job, ...]:
        """Give what Blocked children of these jobs wait for."""
        hits = await self._chosen(selectors)
        if not hits:
            return ()
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

    async def remove(
        self,
        selectors: Sequence[str],
        *,
        force: bool = False,
        states: frozenset[JobState] = frozenset(),
    ) -> tuple[Job, ...]:
        """Remove what can be removed of the jobs that are named; refuse the others."""
        named: list[Selected | NoSuchJob] = []
        for text in dict.fromkeys(selectors):
            try:
                named += await self._chosen([text], states)
            except NoSuchJob as exc:
                named.append(exc)
        if not selectors:
            named += await self._chosen(selectors, states)
        return await remove(self._engine, named, force=force)

    async def prune(self, request: PruneRequest) -> tuple[Job, ...]:
        """Remove jobs that have been kept long enough."""
        return await prune(self._engine, request)

    async def history(self, query: HistoryQuery) -> tuple[JobEntry, ...]:
        """Return who asked for what, also of jobs that were removed."""
        return await self._engine.store.history(query)

    async def _one(self, selector: str) -> Sequence[Selected]:
        """Return what a selector names; refuse several."""
        hits = await self._select([selector])
        if len(hits) != 1:
            msg = f"{selector!r} names {len(hits)} jobs; name one"
            raise UsageError(msg)
        return hits

    async def _select(
        self,
        selectors: Sequence[str],
        jobs: Sequence[Job] | None = None,
    ) -> tuple[Selected, ...]:
        store = self._engine.store
        known = await store.jobs() if jobs is None else jobs
        children = await store.parents() if concerns_children(selectors, known) else {}
        return select(selectors, known, children)

    async def _chosen(
        self,
        selectors: Sequence[str],
        states: frozenset[JobState] | None = None,
    ) -> tuple[Selected, ...]:
        """Return what was named, as far as it is in these states; refuse to take all unasked."""
        if not (selectors or states):
            msg = "which jobs? name them" + (", or give --state" if states is not None else "")
            raise UsageError(msg)
        jobs = await self._engine.store.jobs()
        kept = {job.id for job in jobs if not states or job.state in states}
        return tuple(hit for hit in await self._select(selectors, jobs) if hit.job_id in kept)

    @staticmethod
    def _whole(hits: Sequence[Selected], verb: str) -> Sequence[int]:
        """Refuse children where only whole jobs can be meant."""
        for hit in hits:
            if hit.child_id is not None:
                msg = f"{hit.child_id} is a child of job {hit.job_id}: {verb} the job"
                raise UsageError(msg)
        return _parents(hits)

    async def _jobs(self, ids: Sequence[int]) -> tuple[Job, ...]:
        return tuple([await self._engine.store.job(job_id) for job_id in ids])

    async def _check_hosts(self, hits: Sequence[Selected], options: ReceiveOptions) -> None:
        if options.hosts:
            await on_hosts(self._engine.store, hits, options.hosts)


def _attached(hosts: Sequence[Host], transports: Ways, work: Work) -> tuple[str, ...]:
    """Return the warning that durable work hangs on its connection on some of these hosts."""
    if not work.durable:
        return ()
    bound = [host.name for host in hosts if not transports(host.transport).keeps_work]
    return (_ATTACHED.format(fold(bound)),) if bound else ()


def _check(hosts: Sequence[Host], transports: Ways, work: Work) -> None:
    """Refuse what can never work; a host of which something wrong is said fails alone."""
    unfit = []
    for host in hosts:
        try:
            transports(host.transport).check(host, work)
        except UnfitHost as exc:
            unfit.append(exc)
    if unfit and len(unfit) == len(hosts):
        raise UsageError(str(unfit[0])) from unfit[0]


def _parents(hits: Sequence[Selected]) -> list[int]:
    return list(dict.fromkeys(hit.job_id for hit in hits))
