"""Whatever is received, as it comes, beside how the jobs stand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable

from remjobs.cli.boundary import complain
from remjobs.cli.render.forms import Printer
from remjobs.cli.render.progress import Progress
from remjobs.cli.render.text import escape
from remjobs.model.job import Child, Job
from remjobs.model.record import Record, Stream
from remjobs.model.state import JobState
from remjobs.service import Event

__all__ = ["show", "tell", "tell_ends"]


async def show(
    events: AsyncIterator[Event],
    out: Printer,
    progress: Progress,
    told: Callable[[Child], None],
) -> None:
    """Show events as they come, with the progress kept below them."""
    async with progress:
        async for event in events:
            with progress.aside():
                if isinstance(event, Record):
                    if event.stream is Stream.PROGRESS:
                        progress.tell(event)
                    out.record(event)
                else:
                    progress.change(event)
                    out.change(event)
                    told(event)


def tell(child: Child) -> None:
    """Say on standard error how a child stands, and why."""
    reason = ""
    if child.reason is not None:
        why = child.reason.message.removeprefix(f"{child.host}: ")
        reason = f" ({child.reason.kind}): {why}"
    complain(escape(f"{child.host}: {child.state}{reason}"))


def tell_ends(items: Iterable[Job | Child]) -> None:
    """Say on standard error why jobs were halted, and what waits for a person."""
    for item in items:
        if isinstance(item, Job) and item.is_final and item.status_message:
            complain(escape(f"job {item.id} {item.state}: {item.status_message}"))
        elif item.state in {JobState.SUSPENDED, JobState.BLOCKED}:
            complain(f"job {item.id} is {item.state} and may stay so")
            children = (item.children or ()) if isinstance(item, Job) else (item,)
            for child in children:
                if child.state is JobState.BLOCKED:
                    complain(escape(f"{child.host}: {child.status_message}"))
