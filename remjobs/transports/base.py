"""The transport seam: Transport, Session and Execution, and how they fail.

A transport opens a session on a host; a session starts work, or adopts work
started earlier; an execution yields chunks of output and ends in an outcome.
Every implementation passes the suite in tests/contract/test_transport.py.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Protocol, runtime_checkable
from uuid import UUID

from remjobs.errors import RemjobsError, UsageError
from remjobs.model.doctor import Finding
from remjobs.model.host import Host
from remjobs.model.job import ReasonKind
from remjobs.model.known_hosts import AcceptedKeys, ChosenKeys, OfferedKey
from remjobs.model.ping import Stage
from remjobs.model.record import Chunk, Stream
from remjobs.model.request import Caller
from remjobs.model.secret import Secret
from remjobs.model.work import Work

__all__ = [
    "Access",
    "Execution",
    "Exited",
    "Greeting",
    "HostFailure",
    "HostKeys",
    "KeepsHostKeys",
    "Login",
    "Lost",
    "NeedsAnswer",
    "NeverStarted",
    "NotCopied",
    "NotInitialized",
    "Outcome",
    "OutcomeUnknown",
    "Prospect",
    "Rebooted",
    "SecretUse",
    "Session",
    "Signaled",
    "StopReport",
    "SweepReport",
    "Transport",
    "TransportFactory",
    "UnfitHost",
    "Unknown",
]


class UnfitHost(UsageError):
    """What is said of this host cannot be used: it fails, and others are not harmed.

    If it is so for every host of a job, nothing starts.
    """

    kind = "unfit-host"


class HostFailure(RemjobsError):
    """A host could not be used, and the work certainly did not begin there."""

    kind = "host-failure"

    def __init__(
        self,
        reason: ReasonKind,
        message: str,
        *,
        stage: Stage | None = None,
        remedy: str = "",
    ) -> None:
        """Say why.

        Args:
            reason: As a kind.
            message: As a sentence.
            stage: How far one got; None where the reason's kind says it.
            remedy: How to mend it, as a sentence.
        """
        super().__init__(message)
        self.reason = reason
        self.stage = stage
        self.remedy = remedy


class SecretUse(Enum):
    """What a host asks a secret for."""

    LOGIN = "login"
    KEY = "key"
    """To open a private key, on our side."""
    BECOME = "become"
    """To be another user there."""
    HOP = "hop"
    """To log in to a host on the way, which the host's own credential is not for."""


class NeedsAnswer(Exception):
    """Connecting needs a secret from a person: connect again with it."""

    is_answerable: ClassVar[bool] = True
    """Whether `remjobs answer` is how to go on."""

    def __init__(
        self,
        question: str,
        use: SecretUse = SecretUse.LOGIN,
        *,
        is_shared: bool = False,
    ) -> None:
        """Ask this; an answer that is shared holds for all hosts of the job."""
        super().__init__(question)
        self.question = question
        self.use = use
        self.is_shared = is_shared


class Access(Protocol):
    """What lets us in to one host, handed out as it is asked for."""

    async def user(self) -> str | None:
        """Return whom to log in as, if that is said anywhere.

        Raises:
            NeedsAnswer: The keyring must be unlocked first.
            HostFailure: The credential cannot be had.
        """
        ...

    async def ready(self, use: SecretUse, question: str = "") -> bool:
        """Whether there is a secret for this use, without asking a person.

        Raises:
            NeedsAnswer: The keyring must be unlocked first.
            HostFailure: The credential cannot be had.
        """
        ...

    async def secret(
        self, use: SecretUse, question: str, *, once: bool = False, shared: bool = True
    ) -> Secret:
        """Return the secret that is asked for now, as soon as it may be tried.

        Args:
            use: What it is for.
            question: What a person is asked, if there is nothing else.
            once: It holds for this time only, as a one-time code does.
            shared: A person's answer is for all hosts of the job.

        Raises:
            NeedsAnswer: A person must be asked first.
            HostFailure: It was refused elsewhere, and is not tried here.
        """
        ...

    def accepted(self, use: SecretUse) -> None:
        """Note that the host took what it was given."""
        ...

    def refused(self, use: SecretUse) -> None:
        """Note that the host refused what it was given."""
        ...


class OutcomeUnknown(RemjobsError):
    """The work was sent, and what became of it cannot be known."""

    kind = "outcome-unknown"


class NeverStarted(RemjobsError):
    """The host knows nothing of a key: its work did not begin there."""

    kind = "never-started"


@dataclass(frozen=True, slots=True)
class Exited:
    """The work ended with an exit status."""

    code: int


@dataclass(frozen=True, slots=True)
class Signaled:
    """The work was ended by a signal, named without ``SIG``."""

    name: str


@dataclass(frozen=True, slots=True)
class NotInitialized:
    """The initialization failed, with this exit status; the work was not run."""

    code: int


@dataclass(frozen=True, slots=True)
class NotCopied:
    """A copy could not be finished, and is known to have ended so."""

    message: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection went before the work ended; it may still run, and be adopted."""

    message: str


@dataclass(frozen=True, slots=True)
class Rebooted:
    """The host was restarted while the work ran, and ended it so."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """The host was asked, and cannot say how the work ended."""

    message: str


Outcome = Exited | Signaled | NotInitialized | NotCopied | Lost | Rebooted | Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class StopReport:
    """What a stop (suspend, resume) found and did on the host."""

    confirmed: bool
    """No process of the work is left there (not held, held)."""
    signalled: int = 0
    """How many processes were signalled; 0 means it had ended by itself."""
    message: str = ""
    """What stood in the way, where it is not confirmed."""
    answered: bool = True
    """The host was reached and said so itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepReport:
    """What was cleaned on a host."""

    swept: int
    """Keys whose folders were removed."""
    kept: int
    """Keys that run, or that are too young."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """How we came to be on a host."""

    address: str = ""
    """``address:port``; empty for this machine."""
    user: str = ""
    authentication: str = ""
    """The method that let us in."""
    notes: tuple[str, ...] = ()
    """What is odd about it, as that the host did not prove who it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """What would be done on a host."""

    address: str = ""
    """``address:port``; empty for this machine."""
    user: str = ""
    command: str = ""
    """What the host's shell would get."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeting:
    """What a host says when it is asked to run next to nothing."""

    system: str
    """Name and release of its kernel, and its machine."""
    notes: tuple[str, ...] = ()
    """What is odd there."""


class Execution(Protocol):
    """Work that runs on a host. Iterate it once; then ask for the outcome."""

    def __aiter__(self) -> AsyncIterator[Chunk]:
        """Yield output as it comes, offsets growing without gaps per stream.

        Raises:
            HostFailure: The host refused the work before it began.
        """
        ...

    async def outcome(self) -> Outcome:
        """Return how it ended; waits for the end."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What is worth telling about it beside the outcome."""
        ...

    async def stop(self, grace: float) -> StopReport:
        """End the whole process tree and confirm that it is gone.

        Args:
            grace: Seconds between the gentle signal and the kill.
        """
        ...

    async def suspend(self) -> StopReport:
        """Hold the whole process tree, and confirm that it is held."""
        ...

    async def resume(self) -> StopReport:
        """Let the whole process tree go on."""
        ...

    async def release(self) -> None:
        """Tell the host that the outcome is stored: it may forget all but the key.

        Never fails; what could not be cleaned is swept by its age later.
        """
        ...

    def abandon(self) -> None:
        """Listen no more: the iteration ends, the outcome is ``Lost``."""
        ...


class Session(Protocol):
    """A connection to one host."""

    @property
    def login(self) -> Login:
        """How we came there."""
        ...

    async def greet(self) -> Greeting:
        """See whether the host runs programs for us, and what it is.

        Raises:
            HostFailure: It does not.
        """
        ...

    async def start(self, key: UUID, work: Work) -> Execution:
        """Start work under a key that names this execution for ever.

        Durable work goes on without the session. Once it is returned here, the
        host has said that it began; starting its key again follows it.

        Raises:
            HostFailure: It was certainly not started.
            OutcomeUnknown: It may have been started.
        """
        ...

    async def adopt(self, key: UUID, work: Work, offsets: Mapping[Stream, int]) -> Execution:
        """Go on with this durable work, started earlier, from these offsets (bytes).

        Raises:
            NeverStarted: The host knows nothing of this key.
            HostFailure: The host could not be asked just now.
            OutcomeUnknown: This host or way of running cannot say.
        """
        ...

    async def stop(self, key: UUID, grace: float) -> StopReport:
        """End what runs under a durable key, and keep it from ever beginning here."""
        ...

    async def sweep(self, days: float) -> SweepReport:
        """Remove from the host what ended more than so many days ago.

        Raises:
            HostFailure: The host could not be asked.
        """
        ...

    async def close(self) -> None:
        """End the connection."""
        ...


class Transport(Protocol):
    """A way to reach hosts, made once for each job."""

    @property
    def keeps_work(self) -> bool:
        """Whether durable work goes on there without us; else all work is attached."""
        ...

    def check(self, host: Host, work: Work) -> None:
        """Refuse, before anything starts, what can never work on this host.

        Raises:
            UsageError: It names the thing and what to do.
            UnfitHost: The same, but ``connect`` will say so too.
        """
        ...

    def preview(self, host: Host, work: Work) -> Prospect:
        """Return what would be done with this work, without connecting.

        Raises:
            UsageError: What says how the host is reached cannot be read.
        """
        ...

    async def connect(self, host: Host, access: Access | None) -> Session:
        """Open a session.

        Args:
            host: Which.
            access: What lets us in; None for nothing but what needs no secret.

        Raises:
            HostFailure: The host could not be reached, or refused us.
            NeedsAnswer: A person must be asked first.
        """
        ...

    async def examine(self) -> tuple[Finding, ...]:
        """Look through what this way of reaching hosts needs on our side; contact none."""
        ...

    async def close(self) -> None:
        """End what sessions shared, such as the connection to a host on the way."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HostKeys:
    """The keys that a host offers."""

    name: str
    """What known_hosts calls the host."""
    file: str
    """Where an accepted key is kept; empty if nowhere."""
    keys: tuple[OfferedKey, ...]


@runtime_checkable
class KeepsHostKeys(Protocol):
    """What a transport can do beside, whose hosts prove by keys who they are."""

    async def scan_keys(self, host: Host) -> HostKeys:
        """Return the keys that a host offers, without logging in.

        Raises:
            HostFailure: It was not reached, or offers none that we take.
        """
        ...

    async def accept_keys(self, host: Host, chosen: ChosenKeys) -> AcceptedKeys:
        """Keep keys that a person has accepted.

        Raises:
            HostFailure: They cannot be kept, or what is known has changed meanwhile.
        """
        ...


TransportFactory = Callable[[Caller], Transport]
"""Makes a transport for one job, with what belongs to its caller."""
