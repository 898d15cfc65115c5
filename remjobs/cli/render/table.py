"""Jobs as tables on a terminal, and as plain columns elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from remjobs.cli.render.groups import groups, shorten
from remjobs.cli.render.text import escape
from remjobs.model.job import Child, Job
from remjobs.model.state import JobState

__all__ = ["print_children", "print_details", "print_groups", "print_jobs"]

_COLUMNS: Final = ("Id", "Name", "PSJobTypeName", "State", "HasMoreData", "Location", "Command")
_CHILD_COLUMNS: Final = ("Id", "Host", "State", "Exit", "HasMoreData", "Reason")
_GROUP_COLUMNS: Final = ("Count", "State", "Exit", "HasMoreData", "Hosts", "Reason")
_LEAST_WIDTH: Final = 8
_WIDEST_PLAIN: Final = 40
"""Characters to which plain columns are filled up; a longer cell moves its own row only."""
_READABLE: Final = 40
"""Children that a terminal shows one by one."""
_IF_ANY: Final = frozenset({"RetryOf"})
"""Properties that few jobs have."""
_COLOURS: Final = {
    JobState.COMPLETED: "green",
    JobState.FAILED: "red",
    JobState.DISCONNECTED: "magenta",
    JobState.STOPPED: "yellow",
    JobState.BLOCKED: "yellow",
    JobState.SUSPENDED: "yellow",
}


def print_jobs(jobs: Sequence[Job], *, children: bool = False) -> None:
    """Print a line for each job; with ``children``, and for each of theirs."""
    items: list[Job | Child] = []
    for job in jobs:
        items += [job, *(job.children or () if children else ())]
    rows = [
        (
            str(item.id),
            item.name,
            item.type.value,
            item.state.value,
            str(item.has_more_data),
            item.location if isinstance(item, Job) else item.host,
            item.command,
        )
        for item in items
    ]
    _print(_COLUMNS, rows, shrinks=("Name", "Location", "Command"))


def print_children(children: Sequence[Child]) -> None:
    """Print a line for each child."""
    rows = [
        (
            str(child.id),
            child.host,
            child.state.value,
            _exit(child),
            str(child.has_more_data),
            _why(child),
        )
        for child in children
    ]
    _print(_CHILD_COLUMNS, rows, shrinks=("Host",), wraps=("Reason",))


def print_groups(children: Sequence[Child]) -> None:
    """Print a line for children that are alike."""
    rows = [
        (
            str(group.count),
            group.first.state.value,
            _exit(group.first),
            str(group.first.has_more_data),
            group.hosts,
            group.why,
        )
        for group in groups(children, _why)
    ]
    _print(_GROUP_COLUMNS, rows, shrinks=(), wraps=("Hosts", "Reason"))


def print_details(item: Job | Child, *, every_child: bool = True) -> None:
    """Print every property of a job or child, one a line, and a job's children.

    Without ``every_child`` a terminal shows many children in groups.
    """
    for name, value in _details(item):
        print(f"{name:<15}: {escape(value)}".replace("\n", "\n" + " " * 17).rstrip())
    if not (isinstance(item, Job) and item.children):
        return
    print()
    if every_child or len(item.children) <= _READABLE or not sys.stdout.isatty():
        print_children(item.children)
    else:
        print_groups(item.children)


def _details(item: Job | Child) -> list[tuple[str, str]]:
    own = _of_job(item) if isinstance(item, Job) else _of_child(item)
    properties = [
        ("Id", str(item.id)),
        ("InstanceId", str(item.instance_id)),
        ("Name", item.name),
        ("PSJobTypeName", item.type.value),
        ("State", item.state.value),
        ("HasMoreData", str(item.has_more_data)),
        ("Location", _place(item)),
        ("Command", item.command),
        ("StatusMessage", item.status_message),
        ("JobStateInfo", _state_info(item)),
        ("PSBeginTime", _local(item.begin_time)),
        ("PSEndTime", _local(item.end_time)),
        *own,
    ]
    return [(name, value) for name, value in properties if value or name not in _IF_ANY]


def _of_job(job: Job) -> list[tuple[str, str]]:
    counts = ", ".join(f"{count} {state}" for state, count in job.counts.items())
    return [
        ("ThrottleLimit", str(job.throttle_limit)),
        ("RetryOf", "" if job.retry_of is None else str(job.retry_of)),
        ("ChildJobs", f"{_ids(job.children or ())}: {counts}".removeprefix(": ")),
    ]


def _ids(children: Sequence[Child]) -> str:
    """Return the ids of children, which follow one another."""
    if len(children) <= 1:
        return "".join(str(child.id) for child in children)
    return f"{children[0].id}-{children[-1].id}"


def _place(item: Job | Child) -> str:
    where = item.location if isinstance(item, Job) else item.host
    return shorten(where) if sys.stdout.isatty() else where


def _state_info(item: Job | Child) -> str:
    if item.reason is None:
        return item.state.value
    return f"{item.state} ({item.reason.kind}): {item.reason.message}"


def _of_child(child: Child) -> list[tuple[str, str]]:
    return [
        ("Transport", child.transport),
        ("ExitCode", "" if child.exit_code is None else str(child.exit_code)),
        ("Signal", child.signal or ""),
        ("Attempt", str(child.attempt)),
        ("ParentId", str(child.parent_id)),
    ]


def _exit(child: Child) -> str:
    if child.signal is not None:
        return child.signal
    return "" if child.exit_code is None else str(child.exit_code)


def _why(child: Child) -> str:
    reason = child.reason.message.removeprefix(f"{child.host}: ") if child.reason else ""
    message = "" if child.status_message == reason else child.status_message
    return "; ".join(filter(None, [reason, message]))


def _local(time: datetime | None) -> str:
    return time.astimezone().isoformat(sep=" ", timespec="seconds") if time else ""


def _print(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    shrinks: Sequence[str],
    wraps: Sequence[str] = (),
) -> None:
    """Print rows under columns.

    Args:
        columns: The headings.
        rows: The cells, as text.
        shrinks: Columns that are cut where the terminal is too narrow.
        wraps: Columns that go on below instead: what they say must not be cut.
    """
    safe = [[escape(cell).replace("\n", "\\n") for cell in row] for row in rows]
    if sys.stdout.isatty():
        _print_table(columns, safe, shrinks, wraps)
    else:
        _print_columns(columns, safe)


def _print_columns(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [
        max(len(column), min(_WIDEST_PLAIN, max(map(len, cells), default=0)))
        for column, *cells in zip(columns, *rows, strict=True)
    ]
    for row in (columns, *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


def _print_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    shrinks: Sequence[str],
    wraps: Sequence[str],
) -> None:
    from rich.console import Console  # noqa: PLC0415 - only a terminal pays for it
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column, *cells in zip(columns, *rows, strict=True):
        width = max(map(len, (column, *cells)))
        elastic = column in shrinks or column in wraps
        table.add_column(
            column,
            no_wrap=column not in wraps,
            overflow="fold" if column in wraps else "ellipsis",
            min_width=min(width, _LEAST_WIDTH) if elastic else width,
        )
    for row in rows:
        table.add_row(*(Text(cell, style=_style(cell)) for cell in row))
    Console(highlight=False).print(table)


def _style(cell: str) -> str:
    try:
        return _COLOURS.get(JobState(cell), "")
    except ValueError:
        return ""
