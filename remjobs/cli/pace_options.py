"""The options that say in which order and how fast a job goes through its hosts."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from remjobs.model.pace import Amount, Order, Pace

__all__ = ["build_pace"]


class RetryReason(StrEnum):
    """What is tried again."""

    UNREACHABLE = "unreachable"
    EXIT = "exit"


Batch = Annotated[
    str | None,
    typer.Option(
        "--batch",
        metavar="N|P%,...",
        help="Hosts of a batch; the next one begins when it has ended (1,10%,50%).",
    ),
]
Canary = Annotated[
    int, typer.Option("--canary", metavar="N", help="Hosts that go first; a failure there halts.")
]
Pause = Annotated[bool, typer.Option("--pause", help="After the canary wait for `resume`.")]
MaxFailures = Annotated[
    str | None,
    typer.Option("--max-failures", metavar="N|P%", help="Halt when more hosts than this fail."),
]
MaxUnreachable = Annotated[
    str | None,
    typer.Option(
        "--max-unreachable",
        metavar="N|P%",
        help="Halt when more are not reached. [default: they count as failures]",
    ),
]
Delay = Annotated[float, typer.Option("--delay", metavar="S", help="Seconds between two starts.")]
Jitter = Annotated[
    float, typer.Option("--jitter", metavar="S", help="Up to so many more, at random.")
]
HostOrder = Annotated[Order, typer.Option("--order", help="The order of the hosts.")]
Retries = Annotated[
    int,
    typer.Option("--retries", metavar="N", help="Tries more for a host that is not reached."),
]
RetryOn = Annotated[
    RetryReason,
    typer.Option("--retry-on", help="What is tried again; exit runs work again that failed."),
]
RetryDelay = Annotated[
    float,
    typer.Option("--retry-delay", metavar="S", help="Seconds before the first, then doubled."),
]
TotalTimeout = Annotated[
    float | None,
    typer.Option("--total-timeout", metavar="S", help="Seconds for the whole job."),
]


def build_pace(
    batch: Batch = None,
    canary: Canary = 0,
    pause: Pause = False,
    max_failures: MaxFailures = None,
    max_unreachable: MaxUnreachable = None,
    delay: Delay = 0.0,
    jitter: Jitter = 0.0,
    order: HostOrder = Order.INVENTORY,
    retries: Retries = 0,
    retry_on: RetryOn = RetryReason.UNREACHABLE,
    retry_delay: RetryDelay = Pace().retry_delay,
    total_timeout: TotalTimeout = None,
) -> Pace:
    """Make a pace of what was typed.

    Raises:
        UsageError: It makes no sense.
    """
    return Pace(
        order=order,
        batches=tuple(map(Amount.parse, batch.split(","))) if batch is not None else (),
        canary=canary,
        pause=pause,
        max_failures=_amount(max_failures),
        max_unreachable=_amount(max_unreachable),
        delay=delay,
        jitter=jitter,
        retries=retries,
        retry_on_exit=retry_on is RetryReason.EXIT,
        retry_delay=retry_delay,
        total_timeout=total_timeout,
    )


def _amount(text: str | None) -> Amount | None:
    return None if text is None else Amount.parse(text)
