"""The order and the pace in which a job's hosts are begun, and what halts it.

Pure rules: ``next_step`` is asked before each start, with how the children stand.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final
from uuid import UUID

from remjobs.errors import UsageError
from remjobs.model.job import NOT_REACHED, Child
from remjobs.model.seconds import check_seconds
from remjobs.model.state import JobState

__all__ = [
    "Amount",
    "Halt",
    "Order",
    "Pace",
    "Step",
    "Tally",
    "next_step",
    "ordered",
    "was_not_reached",
    "went_wrong",
]

_AMOUNT: Final = re.compile(r"(\d+)(%?)")
_WHOLE: Final = 100


class Order(StrEnum):
    """In which order the hosts are begun."""

    INVENTORY = "inventory"
    RANDOM = "random"
    SORTED = "sorted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """So many hosts, or such a share of all."""

    number: int
    is_percent: bool = False

    @classmethod
    def parse(cls, text: str) -> Amount:
        """Read ``10`` or ``10%``.

        Raises:
            UsageError: It is neither.
        """
        match = _AMOUNT.fullmatch(text.strip())
        if match is None or (match[2] and int(match[1]) > _WHOLE):
            msg = f"{text!r} is not a number of hosts such as 10, or a share such as 10%"
            raise UsageError(msg)
        return cls(number=int(match[1]), is_percent=bool(match[2]))

    def of(self, total: int) -> int:
        """Return how many hosts of so many that is, rounded down."""
        return total * self.number // _WHOLE if self.is_percent else self.number


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast a job goes through its hosts, and what stops it."""

    order: Order = Order.INVENTORY
    batches: tuple[Amount, ...] = ()
    """Sizes of the batches, the last one again and again; each begins when the one
    before has ended. None: the throttle alone rules."""
    canary: int = 0
    """So many hosts go first, and one that does not complete halts the job."""
    pause: bool = False
    """After the canary wait for ``resume``."""
    max_failures: Amount | None = None
    """More hosts that fail than this halt the job; None: all are tried."""
    max_unreachable: Amount | None = None
    """The same for hosts that are not reached; None: they count as failures."""
    delay: float = 0.0
    """Seconds between one start and the next."""
    jitter: float = 0.0
    """Up to so many seconds more, at random."""
    retries: int = 0
    """How often a host that is not reached is tried again."""
    retry_on_exit: bool = False
    """Count an exit code that is no success as a reason to run the work again, too."""
    retry_delay: float = 5.0
    """Seconds before the first try, doubled each time, half of it at random."""
    total_timeout: float | None = None
    """Seconds from the start of the job after which all of it is stopped."""

    def __post_init__(self) -> None:
        """Refuse what can never go on."""
        if any(batch.number < 1 for batch in self.batches):
            msg = "a batch is 1 host or more"
            raise UsageError(msg)
        if self.pause and not self.canary:
            msg = "--pause waits after the canary: give --canary too"
            raise UsageError(msg)
        check_seconds("the delay", self.delay)
        check_seconds("the jitter", self.jitter)
        check_seconds("the retry delay", self.retry_delay)
        check_seconds("the job's time-out", self.total_timeout)
        if min(self.delay, self.jitter, self.retry_delay, self.canary, self.retries) < 0:
            msg = "canary, delay, jitter, retries and their delay cannot be negative"
            raise UsageError(msg)
        if self.total_timeout is not None and self.total_timeout <= 0:
            msg = f"the job's time-out is {self.total_timeout:g} s; it must be above 0"
            raise UsageError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How the children of a job stand, for its pace."""

    total: int
    begun: int = 0
    """Connected to at least, whatever became of them."""
    ended: int = 0
    """Of those begun: final, or given up."""
    failed: int = 0
    """Failed, or with an outcome that is not known."""
    unreachable: int = 0
    """Not reached, or refused."""


class Step(Enum):
    """What comes next."""

    START = "start"
    WAIT = "wait"
    """Until something has ended."""
    PAUSE = "pause"
    """Until a person goes on."""


@dataclass(frozen=True, slots=True)
class Halt:
    """Nothing more is begun; the message says why."""

    message: str


def went_wrong(child: Child) -> bool:
    """Whether a child that nothing works on any more counts against its job's limits."""
    return child.state in {JobState.FAILED, JobState.DISCONNECTED}


def was_not_reached(child: Child) -> bool:
    """Whether its work never began, since the host was not reached or refused us."""
    return child.reason is not None and child.reason.kind in NOT_REACHED


def next_step(pace: Pace, so_far: Tally, *, canary_passed: bool) -> Step | Halt:
    """Say whether one more host may be begun.

    Args:
        pace: What was asked for.
        so_far: How the children stand.
        canary_passed: A person has gone on after the canary.
    """
    if (halt := _halt(pace, so_far)) is not None:
        return halt
    before = max((b for b in _bounds(pace, so_far.total) if b <= so_far.begun), default=0)
    if so_far.ended < before:
        return Step.WAIT
    if pace.pause and so_far.begun == min(pace.canary, so_far.total) and not canary_passed:
        return Step.PAUSE
    return Step.START


def _halt(pace: Pace, so_far: Tally) -> Halt | None:
    total, bad = so_far.total, so_far.failed + so_far.unreachable
    if pace.canary and so_far.begun <= pace.canary and bad:
        return Halt(f"halted: {bad} of {min(pace.canary, total)} canary hosts did not complete")
    counted = so_far.failed if pace.max_unreachable is not None else bad
    if pace.max_failures is not None and counted > pace.max_failures.of(total):
        return Halt(f"halted: {counted} of {total} failed")
    away = so_far.unreachable
    if pace.max_unreachable is not None and away > pace.max_unreachable.of(total):
        return Halt(f"halted: {away} of {total} were not reached")
    return None


def _bounds(pace: Pace, total: int) -> list[int]:
    """Return after how many hosts each batch ends, the canary being the first."""
    bounds = [pace.canary] if pace.canary else []
    sizes = [max(1, batch.of(total)) for batch in pace.batches]
    while sizes and (bounds[-1] if bounds else 0) < total:
        size = sizes.pop(0) if len(sizes) > 1 else sizes[0]
        bounds.append((bounds[-1] if bounds else 0) + size)
    return bounds


def ordered(order: Order, names: Sequence[str], seed: UUID) -> list[int]:
    """Return the places of these names in the order in which they are begun.

    Args:
        order: Which.
        names: Host names in inventory order.
        seed: The same one shuffles the same way, so that a restart keeps the order.
    """
    places = list(range(len(names)))
    if order is Order.RANDOM:
        random.Random(seed.int).shuffle(places)  # noqa: S311 - an order, no secret
    elif order is Order.SORTED:
        places.sort(key=lambda place: _natural(names[place]))
    return places


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a key by which web9 comes before web10."""
    return [(int(part) if part.isdigit() else -1, part) for part in re.split(r"(\d+)", name)]
