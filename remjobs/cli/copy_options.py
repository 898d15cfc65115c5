"""The options that ``push`` and ``fetch`` share: where, how fast, and how they are followed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated
from uuid import uuid4

import typer

from remjobs.cli.target_options import ThrottleLimit, throttle_of
from remjobs.cli.work_options import Name
from remjobs.model.pace import Pace
from remjobs.model.request import Caller, Connection, StartRequest, Targets
from remjobs.model.work import Work

__all__ = ["Background", "build_copy"]

Background = Annotated[
    bool,
    typer.Option("--background", help="Give the prompt back at once, as start does."),
]
StopGrace = Annotated[
    float,
    typer.Option("--stop-grace", metavar="S", help="Seconds a stop leaves what is on its way."),
]
Timeout = Annotated[
    float | None,
    typer.Option("--timeout", metavar="S", help="Seconds for the copy on one host."),
]


def build_copy(
    name: Name = None,
    throttle_limit: ThrottleLimit = None,
    stop_grace: StopGrace = 5.0,
    timeout: Timeout = None,
    *,
    targets: Targets | None,
    connection: Connection,
    caller: Caller,
    pace: Pace,
    copy: Callable[..., Work],
) -> StartRequest:
    """Make a request of what was typed.

    ``copy`` is the verb's: it makes the work, of fields that copies have as all work. The
    others after the star are made of options of their own.

    Raises:
        UsageError: It contradicts itself, or a file cannot be read.
    """
    return StartRequest(
        instance_id=uuid4(),
        work=copy(stop_grace=stop_grace, timeout=timeout),
        targets=targets,
        connection=connection,
        name=name,
        throttle_limit=throttle_of(throttle_limit),
        pace=pace,
        caller=caller,
    )
