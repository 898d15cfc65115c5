"""An in-memory transport, for tests of the engine and of scripts that use the Python API.

It passes the same contract suite as the real transports::

    fleet = MemoryTransport({"web2": MemoryHost(outcome=Exited(1))})
    async with memory_engine(tmp_path, fleet) as (_, service):
        jobs = remjobs.Jobs(service)
        job = await jobs.run("anything", on=[fleet.host("web1"), fleet.host("web2")])
        assert job.state is JobState.FAILED
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from uuid import UUID

from remjobs.credentials.credential import Credential
from remjobs.engine.engine import Engine
from remjobs.engine.service import EngineService
from remjobs.errors import KeyringLocked, KeyringTrouble, NoSuchCredential, UsageError
from remjobs.model.credential import CredentialInfo, KeyringInfo, check_credential_name
from remjobs.model.doctor import Finding
from remjobs.model.host import Host
from remjobs.model.job import ReasonKind
from remjobs.model.known_hosts import (
    AcceptedKeys,
    ChosenKeys,
    KeyStanding,
    KnownKey,
    OfferedKey,
)
from remjobs.model.ping import Stage
from remjobs.model.record import Chunk, Stream
from remjobs.model.request import Caller
from remjobs.model.secret import Secret
from remjobs.model.work import Work
from remjobs.store.sql import SqlStore
from remjobs.transports.base import (
    Access,
    Exited,
    Greeting,
    HostFailure,
    HostKeys,
    Login,
    Lost,
    NeedsAnswer,
    NeverStarted,
    Outcome,
    OutcomeUnknown,
    Prospect,
    Rebooted,
    SecretUse,
    Signaled,
    StopReport,
    SweepReport,
    Unknown,
)

__all__ = ["MemoryHost", "MemoryTransport", "memory_engine"]


@dataclass(slots=True, kw_only=True)
class MemoryHost:
    """How a host behaves."""

    output: Sequence[tuple[Stream, bytes]] = ()
    outcome: Outcome = field(default_factory=lambda: Exited(0))
    echoes: bool = False
    """Sends its input back as output."""
    refuses: HostFailure | None = None
    """Connecting fails so."""
    password: str | None = None
    """Connecting asks for it."""
    tried: int = 0
    """How often it was given one."""
    login_gate: asyncio.Event | None = None
    """If set, it says whether the password is right only once this is set."""
    question: str | None = None
    """How it asks, if not in words of its own; one answer does for all that ask the same."""
    fails_to_start: HostFailure | OutcomeUnknown | Exception | None = None
    """Starting fails so, once connected."""
    gate: asyncio.Event | None = None
    """The work does not end before this is set."""
    connect_gate: asyncio.Event | None = None
    """Connecting does not end before this is set."""
    immortal: bool = False
    """A stop does not end it."""
    stop_gate: asyncio.Event | None = None
    """A stop does not end it before this is set."""
    cannot_copy: bool = False
    """It takes and gives no files, as hosts of some transports."""
    unholdable: bool = False
    """A suspend does not hold it, as on hosts that cannot."""
    kept: dict[UUID, MemoryWork] = field(default_factory=dict)
    """Durable work, by key."""
    leases: dict[str, tuple[str, MemoryWork]] = field(default_factory=dict)
    """By name: who has it, and the work that it is held for."""
    restarted: bool = False
    """The host was restarted: what it kept has ended so."""
    key: str | None = None
    """Its host key; None is a host that has none."""
    known_key: str | None = None
    """The one that is known of it."""
    sessions: set[MemorySession] = field(default_factory=set)
    """Those that are open; see ``cut``."""

    def cut(self) -> None:
        """Cut every connection, as if the link had gone."""
        for session in tuple(self.sessions):
            session.cut()


class MemoryTransport:
    """Hosts that exist in memory only. It is its own TransportFactory."""

    name = "memory"

    def __init__(self, hosts: Mapping[str, MemoryHost] | None = None) -> None:
        """Use these hosts by name; any other host prints nothing and exits with 0."""
        self._hosts = dict(hosts or {})
        self.starts: list[tuple[str, UUID]] = []
        """Host and key of every start, in order."""
        self.active = 0
        """Sessions that are open or being opened."""
        self.findings: tuple[Finding, ...] = ()
        """What ``examine`` finds."""
        self.keeps_work = True
        """Whether durable work outlives its connection there."""
        self.peak = 0
        """The most sessions that were open at once."""

    def __call__(self, caller: Caller) -> MemoryTransport:
        """Serve any caller."""
        del caller
        return self

    def host(self, name: str) -> Host:
        """Return a host of this transport."""
        return Host(name=name, transport=self.name)

    def hosts(self, count: int) -> list[Host]:
        """Return hosts h1, h2 and so on."""
        return [self.host(f"h{number}") for number in range(1, count + 1)]

    def behaviour(self, name: str) -> MemoryHost:
        """Return how a host behaves."""
        return self._hosts.setdefault(name, MemoryHost())

    def check(self, host: Host, work: Work) -> None:
        """Refuse a host called ``impossible``, and copies where none can be."""
        if work.copy is not None and self.behaviour(host.name).cannot_copy:
            msg = f"{host.name}: no files can be copied there"
            raise UsageError(msg)
        if host.name == "impossible":
            msg = "impossible: this host can never work"
            raise UsageError(msg)

    def preview(self, host: Host, work: Work) -> Prospect:
        """Say what would be done, which is nothing."""
        return Prospect(address=f"{host.name}:0", user=host.user or "nobody", command=work.display)

    async def examine(self) -> tuple[Finding, ...]:
        """Find what is to be found."""
        return self.findings

    async def scan_keys(self, host: Host) -> HostKeys:
        """Return the host's key."""
        behaviour = self._keyed(host)
        standing = _standing(behaviour)
        known = behaviour.known_key if standing is KeyStanding.CHANGED else None
        key = OfferedKey(
            type="memory",
            fingerprint=f"memory:{behaviour.key}",
            standing=standing,
            public=behaviour.key or "",
            known=()
            if known is None
            else (KnownKey(type="memory", fingerprint=f"memory:{known}"),),
        )
        return HostKeys(name=host.name, file=self.name, keys=(key,))

    async def accept_keys(self, host: Host, chosen: ChosenKeys) -> AcceptedKeys:
        """Know a key from now on."""
        behaviour = self._keyed(host)
        known = behaviour.known_key
        [new] = chosen.public
        if known == new:
            return AcceptedKeys(host=host.name, file=self.name)
        if known is not None and f"memory:{known}" not in chosen.replaces:
            msg = f"host key CHANGED: another is known by now, memory:{known}"
            raise HostFailure(ReasonKind.HOST_KEY, msg)
        behaviour.known_key = new
        return AcceptedKeys(
            host=host.name,
            file=self.name,
            added=(f"memory:{new}",),
            removed=() if known is None else (f"memory:{known}",),
        )

    def _keyed(self, host: Host) -> MemoryHost:
        behaviour = self.behaviour(host.name)
        if behaviour.refuses is not None:
            raise behaviour.refuses
        if behaviour.key is None:
            msg = "it offers no host key that is taken"
            raise HostFailure(ReasonKind.REFUSED, msg)
        return behaviour

    async def connect(self, host: Host, access: Access | None) -> MemorySession:
        """Open a session."""
        behaviour = self.behaviour(host.name)
        self.active += 1
        self.peak = max(self.peak, self.active)
        try:
            await asyncio.sleep(0)
            if behaviour.connect_gate is not None:
                await behaviour.connect_gate.wait()
            await _let_in(host.name, behaviour, access)
        except BaseException:
            self.active -= 1
            raise
        return MemorySession(self, host.name, behaviour)

    async def close(self) -> None:
        """Hosts in memory share nothing."""


def _standing(behaviour: MemoryHost) -> KeyStanding:
    if behaviour.known_key is None:
        return KeyStanding.NEW
    return KeyStanding.KNOWN if behaviour.known_key == behaviour.key else KeyStanding.CHANGED


async def _let_in(name: str, behaviour: MemoryHost, access: Access | None) -> None:
    if behaviour.refuses is not None:
        raise behaviour.refuses
    if behaviour.password is None:
        return
    question = behaviour.question or f"{name} asks for a password"
    shared = behaviour.question is not None
    if access is None:
        raise NeedsAnswer(question, is_shared=shared)
    secret = await access.secret(SecretUse.LOGIN, question, shared=shared)
    behaviour.tried += 1
    await (asyncio.sleep(0) if behaviour.login_gate is None else behaviour.login_gate.wait())
    if secret.reveal() != behaviour.password:
        access.refused(SecretUse.LOGIN)
        raise HostFailure(ReasonKind.AUTHENTICATION, "the password was refused")
    access.accepted(SecretUse.LOGIN)


@dataclass(slots=True, eq=False)
class MemoryWork:
    """Durable work on a host in memory: it goes on without any session."""

    outcome: Outcome | None = None
    released: bool = False
    executions: int = 0
    """How many times the work itself began."""


class MemorySession:
    """A session on a host in memory."""

    def __init__(self, transport: MemoryTransport, name: str, behaviour: MemoryHost) -> None:
        """Belong to a transport, which counts."""
        self._transport = transport
        self._name = name
        self._behaviour = behaviour
        self._closed = False
        self._executions: list[MemoryExecution] = []
        behaviour.sessions.add(self)

    @property
    def login(self) -> Login:
        """How we came there: by nothing at all."""
        return Login(address=f"{self._name}:0", user="nobody", authentication="none")

    async def greet(self) -> Greeting:
        """Say what it is, unless nothing starts there."""
        if self._behaviour.fails_to_start is not None:
            raise HostFailure(
                ReasonKind.REFUSED,
                str(self._behaviour.fails_to_start),
                stage=Stage.SHELL,
            )
        return Greeting(system="Memory")

    async def start(self, key: UUID, work: Work) -> MemoryExecution:
        """Start work."""
        self._transport.starts.append((self._name, key))
        if self._behaviour.fails_to_start is not None:
            raise self._behaviour.fails_to_start
        kept = MemoryWork()
        if work.durable:
            kept = self._behaviour.kept.setdefault(key, kept)
        if work.exclusive is not None and not kept.executions:
            self._take(work.exclusive, work.holder, kept)
        kept.executions = 1
        return self._execution(MemoryExecution(self._behaviour, kept, work.input))

    def _take(self, lease: str, holder: str, kept: MemoryWork) -> None:
        """Hold a lease for as long as this work runs."""
        other, theirs = self._behaviour.leases.get(lease, ("", MemoryWork(released=True)))
        if theirs.outcome is None and not theirs.released:
            raise HostFailure(ReasonKind.LEASED, f"held by {other}")
        self._behaviour.leases[lease] = (holder, kept)

    async def adopt(
        self,
        key: UUID,
        work: Work,
        offsets: Mapping[Stream, int],
    ) -> MemoryExecution:
        """Follow durable work from these offsets."""
        del work
        kept = self._behaviour.kept.get(key)
        if kept is None:
            msg = "the work did not begin on this host"
            raise NeverStarted(msg)
        if kept.released:
            kept.outcome = Unknown("the host was told already that its outcome is stored")
        elif self._behaviour.restarted:
            kept.outcome = kept.outcome or Rebooted()
        return self._execution(MemoryExecution(self._behaviour, kept, b"", offsets))

    def _execution(self, execution: MemoryExecution) -> MemoryExecution:
        self._executions.append(execution)
        return execution

    async def stop(self, key: UUID, grace: float) -> StopReport:
        """End durable work, and keep it from beginning."""
        kept = self._behaviour.kept.setdefault(key, MemoryWork(outcome=Signaled("KILL")))
        return await MemoryExecution(self._behaviour, kept, b"").stop(grace)

    async def sweep(self, days: float) -> SweepReport:
        """Forget what has ended, however long ago."""
        del days
        ended = [key for key, kept in self._behaviour.kept.items() if kept.outcome is not None]
        for key in ended:
            del self._behaviour.kept[key]
        return SweepReport(swept=len(ended), kept=len(self._behaviour.kept))

    def cut(self) -> None:
        """Lose the connection."""
        for execution in self._executions:
            execution.abandon()

    async def close(self) -> None:
        """End the session."""
        if not self._closed:
            self._closed = True
            self.cut()
            self._transport.active -= 1
            self._behaviour.sessions.discard(self)


class MemoryExecution:
    """Work that is not really done."""

    notes: tuple[str, ...] = ()

    def __init__(
        self,
        behaviour: MemoryHost,
        kept: MemoryWork,
        input_: bytes,
        offsets: Mapping[Stream, int] = MappingProxyType({}),
    ) -> None:
        """Behave so, with this input, and tell the output from these offsets on."""
        self._behaviour = behaviour
        self._kept = kept
        self._input = input_
        self._told = dict(offsets)
        self._ended = asyncio.Event()
        self._outcome: Outcome | None = None

    async def __aiter__(self) -> AsyncIterator[Chunk]:
        """Yield the output, then wait for the end."""
        offsets: dict[Stream, int] = {}
        pieces = list(self._behaviour.output)
        if self._behaviour.echoes and self._input:
            pieces.append((Stream.OUTPUT, self._input))
        for stream, data in pieces:
            if self._outcome is not None:
                return
            offset = offsets.get(stream, 0)
            offsets[stream] = offset + len(data)
            if offset >= self._told.get(stream, 0):
                yield Chunk(stream=stream, offset=offset, data=data)
                await asyncio.sleep(0)
        await self._until_ended()

    async def _until_ended(self) -> None:
        if self._behaviour.gate is not None and self._kept.outcome is None:
            gate = asyncio.create_task(self._behaviour.gate.wait())
            ended = asyncio.create_task(self._ended.wait())
            await asyncio.wait({gate, ended}, return_when=asyncio.FIRST_COMPLETED)
            for task in (gate, ended):
                task.cancel()
        self._end(self._kept.outcome or self._behaviour.outcome)

    def _end(self, outcome: Outcome) -> None:
        if self._outcome is None:
            self._outcome = outcome
            if not isinstance(outcome, Lost):
                self._kept.outcome = outcome
        self._ended.set()

    async def outcome(self) -> Outcome:
        """Return how it ended."""
        await self._ended.wait()
        assert self._outcome is not None  # noqa: S101 - set before the event
        return self._outcome

    async def stop(self, grace: float) -> StopReport:
        """End it, unless it is immortal."""
        del grace
        await asyncio.sleep(0)
        if self._behaviour.stop_gate is not None:
            await self._behaviour.stop_gate.wait()
        if self._kept.outcome is not None and not isinstance(self._kept.outcome, Lost):
            return StopReport(confirmed=True, signalled=0)
        if self._behaviour.immortal:
            return StopReport(confirmed=False, signalled=1, message="still running: pid 1")
        self._end(Signaled("TERM"))
        self._kept.outcome = Signaled("TERM")
        return StopReport(confirmed=True, signalled=1)

    async def suspend(self) -> StopReport:
        """Hold it, unless the host cannot."""
        if self._behaviour.unholdable and self._kept.outcome is None:
            return StopReport(confirmed=False, signalled=1, message="this host holds no work")
        return self._controlled()

    async def resume(self) -> StopReport:
        """Let it go on."""
        return self._controlled()

    def _controlled(self) -> StopReport:
        ended = self._kept.outcome is not None
        return StopReport(confirmed=not ended, signalled=int(not ended))

    async def release(self) -> None:
        """Forget all but the key."""
        self._kept.released = True

    def abandon(self) -> None:
        """Listen no more."""
        self._end(Lost("connection lost: abandoned"))


class MemoryKeyring:
    """Credentials in memory, under a passphrase if there is one."""

    def __init__(self, passphrase: str | None = None) -> None:
        """Begin empty; locked, if there is a passphrase."""
        self._passphrase = passphrase
        self._kept: dict[str, Credential] = {}
        self._unlocked = asyncio.Event()
        if passphrase is None:
            self._unlocked.set()

    async def get(self, name: str, caller: Caller) -> Credential:
        """Return a credential with its secret."""
        del caller
        self._check_unlocked()
        if name not in self._kept:
            there = ", ".join(sorted(self._kept)) or "none"
            msg = f"no credential {name!r}; there are: {there}"
            raise NoSuchCredential(msg)
        return self._kept[name]

    async def set(self, info: CredentialInfo, secret: Secret, caller: Caller) -> CredentialInfo:
        """Keep a credential."""
        del caller
        self._check_unlocked()
        check_credential_name(info.name)
        self._kept[info.name] = Credential(
            name=info.name, user=info.user, kind=info.kind, password=secret
        )
        return info

    async def list(self, caller: Caller) -> tuple[CredentialInfo, ...]:
        """Return all credentials by name."""
        del caller
        self._check_unlocked()
        return tuple(self._kept[name].info for name in sorted(self._kept))

    async def show(self, name: str, caller: Caller) -> CredentialInfo:
        """Return one credential."""
        return (await self.get(name, caller)).info

    async def remove(self, name: str, caller: Caller) -> CredentialInfo:
        """Forget a credential."""
        info = await self.show(name, caller)
        del self._kept[name]
        return info

    async def probe(self, caller: Caller) -> KeyringInfo:
        """Say that it works."""
        del caller
        self._check_unlocked()
        return KeyringInfo(backend="memory")

    async def unlock(self, passphrase: Secret, caller: Caller, *, new: bool = False) -> KeyringInfo:
        """Open it, or put it under a passphrase."""
        del caller
        if new == (self._passphrase is not None):
            msg = "memory exists already" if new else "there is no encrypted file to unlock"
            raise KeyringTrouble(msg)
        if not new and passphrase.reveal() != self._passphrase:
            msg = "wrong passphrase for memory"
            raise KeyringTrouble(msg)
        self._passphrase = passphrase.reveal()
        self._unlocked.set()
        return KeyringInfo(backend="memory")

    async def lock(self) -> KeyringInfo:
        """Close it."""
        if self._passphrase is None:
            msg = "there is no encrypted file to lock"
            raise KeyringTrouble(msg)
        self._unlocked.clear()
        return KeyringInfo(backend="memory", is_locked=True)

    async def unlocked(self, caller: Caller) -> None:
        """Wait until it is open."""
        del caller
        await self._unlocked.wait()

    def _check_unlocked(self) -> None:
        if not self._unlocked.is_set():
            msg = "the credentials in memory are locked: `remjobs unlock`"
            raise KeyringLocked(msg)


@asynccontextmanager
async def memory_engine(
    folder: Path,
    transport: MemoryTransport,
    keyring: MemoryKeyring | None = None,
) -> AsyncIterator[tuple[Engine, EngineService]]:
    """Give an engine over a real store in ``folder``, hosts and credentials in memory.

    Triggers of definitions fire within ``service.schedule.followed()``.
    """
    store = await SqlStore.open(folder)
    engine = Engine(store, {transport.name: transport}, keyring or MemoryKeyring())
    await engine.reconcile()
    try:
        yield engine, EngineService(engine, folder / "no-inventory")
    finally:
        await engine.close()
