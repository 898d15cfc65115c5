"""What clients ask of a JobService, as values that can cross a socket."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from math import isnan
from typing import Final
from uuid import UUID

from remjobs.errors import UsageError
from remjobs.model.authentication import Authentication
from remjobs.model.credential import check_credential_name
from remjobs.model.host import Become, Host, SshOptions, WinRmOptions, check_user_name
from remjobs.model.job import JobType
from remjobs.model.pace import Pace
from remjobs.model.record import Stream
from remjobs.model.state import JobState
from remjobs.model.work import Work, check_text

_LAST_PORT: Final = 65535

__all__ = [
    "DEFAULT_THROTTLE",
    "Caller",
    "Connection",
    "JobQuery",
    "ReceiveOptions",
    "RetryRequest",
    "StartRequest",
    "Targets",
    "WaitOptions",
    "check_connection",
    "check_throttle",
]

DEFAULT_THROTTLE: Final = 32
"""Children of one job that may run at a time."""
MOST_AT_ONCE: Final = 1_000_000


def check_throttle(limit: int) -> None:
    """Refuse a throttle limit that lets nothing run, or is a slip.

    Raises:
        UsageError: It is below 1, or no such number of hosts can be.
    """
    if limit < 1:
        msg = f"throttle limit {limit} is not 1 or more"
        raise UsageError(msg)
    if limit > MOST_AT_ONCE:
        msg = f"throttle limit {limit} is more than {MOST_AT_ONCE}"
        raise UsageError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Connection settings that override what the inventory says, for every host."""

    transport: str | None = None
    user: str | None = None
    port: int | None = None
    authentication: Authentication | None = None
    credential: str | None = None
    """What logs in, by its name in the keyring, or a user, whose password is asked for;
    for local work whom to be, by sudo."""
    become: Become | None = None
    """Whom to be, once logged in; without a user it is root."""
    ssh: SshOptions = SshOptions()
    winrm: WinRmOptions = WinRmOptions()

    def __post_init__(self) -> None:
        """Refuse names and ports that are none."""
        become = self.become or Become()
        for name in (self.credential, become.credential):
            if name is not None:
                check_credential_name(name)
        for user in (self.user, become.user):
            if user is not None:
                check_user_name(user)
        if self.port is not None and not 1 <= self.port <= _LAST_PORT:
            msg = f"port {self.port} is not between 1 and 65535"
            raise UsageError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """What belongs to the one who asks, and would be stale in the controller."""

    directory: str = "/"
    """Relative paths in the request are meant from here."""
    ssh_auth_sock: str | None = None
    dbus_session_bus_address: str | None = None
    krb5ccname: str | None = None
    """Where Kerberos tickets are kept (kerberos(7)); None is the default place."""
    insecure_keyring: bool = False
    """A keyring that forgets, or that others can read, is used all the same."""
    user: str | None = None
    """The account that asks."""
    sudo_user: str | None = None
    """Who became that account by sudo."""
    machine: str | None = None
    """The machine on which it asks."""
    came_from: str | None = None
    """The address from which it is logged in there over SSH."""
    inventories: tuple[str, ...] = ()
    """Inventories that are read where none is named, those of them that exist; none
    is what the one who answers has set."""
    defaults: Connection = Connection()
    """For hosts of which neither the request nor the inventory says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """Which hosts: expressions, to be resolved against inventories."""

    include: tuple[str, ...] = ()
    """What ``-t`` was given: names, groups, ranges, ``@file``, ``-``."""
    exclude: tuple[str, ...] = ()
    inventories: tuple[str, ...] = ()
    """Paths of inventory files, as ``PATH`` or ``KIND:PATH``; none means the default one,
    if it exists."""
    scripts: tuple[str, ...] = ()
    """Paths of programs that print an inventory; they win over the files."""
    standard_input: str | None = None
    """The text that ``-`` stands for."""
    hosts: tuple[Host, ...] = ()
    """Hosts given whole, from Python; they need no inventory."""
    allow_duplicates: bool = False


def check_connection(connection: Connection, targets: Targets | None) -> None:
    """Refuse to say how hosts are reached where there are none.

    What was meant for them, or for another user, would be done here, as us.

    Raises:
        UsageError: It says what to do instead.
    """
    if targets is not None:
        return
    if connection.user is not None:
        msg = f"-u {connection.user} is for hosts (-t); on this machine --credential says who"
        raise UsageError(msg)
    if connection.port is not None or connection.ssh != SshOptions():
        msg = "a port and options of SSH are for hosts: which ones? -t names them"
        raise UsageError(msg)
    if connection.winrm != WinRmOptions() or connection.transport is not None:
        msg = "a transport and options of WinRM are for hosts: which ones? -t names them"
        raise UsageError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest:
    """Everything that makes a job."""

    instance_id: UUID
    """Made by the asker: starting the same id twice gives the same job."""
    work: Work
    targets: Targets | None = None
    """None is a local job."""
    connection: Connection = Connection()
    name: str | None = None
    throttle_limit: int = DEFAULT_THROTTLE
    pace: Pace = Pace()
    caller: Caller = Caller()

    @property
    def type(self) -> JobType:
        """The type that its job has, if no definition starts it."""
        return JobType.BACKGROUND if self.targets is None else JobType.REMOTE

    def __post_init__(self) -> None:
        """Refuse what can never run."""
        check_throttle(self.throttle_limit)
        if self.name is not None and not self.name.strip():
            msg = "the job's name is empty"
            raise UsageError(msg)
        check_text("the job's name", self.name or "")
        check_connection(self.connection, self.targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRequest:
    """Which hosts of a job are to be tried again, with the same work."""

    instance_id: UUID
    """Made by the asker: the same id twice gives the same job."""
    selector: str
    """The job."""
    failed: bool = False
    """Hosts where it failed after it had begun, and those that were never begun."""
    unreachable: bool = False
    """Hosts that could not be reached or refused us, and those that were never begun."""
    disconnected: bool = False
    """Hosts whose outcome is not known: the work may have run there."""
    hosts: tuple[str, ...] = ()
    """Only these hosts (names or globs), whatever became of them, but for what runs
    and for Disconnected ones."""
    name: str | None = None
    """The new job's name; None is the first one's."""
    throttle_limit: int | None = None
    """The new job's limit; None is the first one's."""
    caller: Caller = Caller()

    def __post_init__(self) -> None:
        """Refuse what can never run."""
        if self.throttle_limit is not None:
            check_throttle(self.throttle_limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobQuery:
    """Which jobs: all, or those that every one of these keeps."""

    selectors: tuple[str, ...] = ()
    """Ids, UUIDs or a unique beginning, names, globs, ``@last``; none is all."""
    states: frozenset[JobState] = frozenset()
    """Parents in these states; none is any."""
    has_more_data: bool | None = None
    """Parents with, or without, something to receive; None is any."""
    child_states: frozenset[JobState] = frozenset()
    """Parents with children in these states, and of these children only those."""
    include_children: bool = False
    """A list has the children as well."""
    newest: int | None = None
    """So many that ended last; those that have not ended come after all others."""
    after: datetime | None = None
    """Parents that ended after this."""
    before: datetime | None = None
    """Parents that ended before this."""
    command: str | None = None
    """Parents whose command matches this glob, without regard to case."""

    def __post_init__(self) -> None:
        """Refuse what keeps nothing by mistake."""
        if self.newest is not None and self.newest < 1:
            msg = f"--newest {self.newest}: expected 1 or more"
            raise UsageError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveOptions:
    """How to receive."""

    keep: bool = False
    """Leave the read position where it is."""
    everything: bool = False
    """From the first record again, whatever was received."""
    wait: bool = False
    """Follow to the end."""
    events: bool = False
    """Tell each child's change of state as well."""
    hosts: tuple[str, ...] = ()
    streams: frozenset[Stream] = field(default_factory=frozenset)
    since: datetime | None = None
    """Only what arrived after this. It is a look: the read position stays, since what
    came earlier would count as received otherwise."""
    recurse: bool = True
    """A parent's receive gives its children's records; a parent has none of its own."""

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if self.since is not None and self.wait:
            msg = "--since and --wait do not go together: --since leaves the read position"
            raise UsageError(msg)
        if self.keep and self.wait:
            msg = "--keep and --wait do not go together"
            raise UsageError(msg)
        if self.events and not self.wait:
            msg = "--events needs --wait"
            raise UsageError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitOptions:
    """Until when to wait."""

    any_: bool = False
    """Until one of the jobs is so far; else all must be."""
    timeout: float | None = None
    """Seconds for the whole call; None is for ever."""
    force: bool = False
    """Go on until final, through Blocked, Suspended and Disconnected."""
    state: JobState | None = None
    """Until they are in this state, or can be so no more; None is until they have ended."""

    def __post_init__(self) -> None:
        """Refuse a time that is none."""
        if self.timeout is not None and isnan(self.timeout):
            msg = "the time-out is not a number of seconds"
            raise UsageError(msg)
        if self.timeout is not None and self.timeout < 0:
            msg = f"the time-out cannot be negative: {self.timeout:g}"
            raise UsageError(msg)
