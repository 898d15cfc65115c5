"""Jobs as tables on a terminal, and as plain columns elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

from remjobs.cli.render.columns import local_time, print_properties, print_rows
from remjobs.cli.render.groups import groups, shorten
from remjobs.model.job import Child, Job
from remjobs.model.state import JobState

__all__ = ["print_children", "print_details", "print_groups", "print_jobs", "style"]

_COLUMNS: Final = ("Id", "Name", "PSJobTypeName", "State", "HasMoreData", "Location", "Command")
_CHILD_COLUMNS: Final = ("Id", "Host", "State", "Exit", "HasMoreData", "Reason")
_GROUP_COLUMNS: Final = ("Count", "State", "Exit", "HasMoreData", "Hosts", "Reason")
_READABLE: Final = 40
"""Children that a terminal shows one by one."""
_IF_ANY: Final = frozenset({"RetryOf", "Exclusive", "Definition"})
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
    print_rows(_COLUMNS, rows, shrinks=("Name", "Location", "Command"), style=style)


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
    print_rows(_CHILD_COLUMNS, rows, shrinks=("Host",), wraps=("Reason",), style=style)


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
    print_rows(_GROUP_COLUMNS, rows, wraps=("Hosts", "Reason"), style=style)


def print_details(item: Job | Child, *, every_child: bool = True) -> None:
    """Print every property of a job or child, one a line, and a job's children.

    Without ``every_child`` a terminal shows many children in groups.
    """
    print_properties(_details(item))
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
        ("PSBeginTime", local_time(item.begin_time)),
        ("PSEndTime", local_time(item.end_time)),
        ("Streams", ", ".join(f"{name} {_size(size)}" for name, size in _streams(item))),
        *own,
    ]
    return [(name, value) for name, value in properties if value or name not in _IF_ANY]


def _streams(item: Job | Child) -> Sequence[tuple[str, int]]:
    return [(stream.value, size) for stream, size in (item.streams or {}).items()]


def _size(size: int) -> str:
    return f"{size:,} byte" + ("" if size == 1 else "s")


def _of_job(job: Job) -> list[tuple[str, str]]:
    counts = ", ".join(f"{count} {state}" for state, count in job.counts.items())
    return [
        ("ThrottleLimit", str(job.throttle_limit)),
        ("RetryOf", "" if job.retry_of is None else str(job.retry_of)),
        ("Exclusive", job.exclusive or ""),
        ("Definition", job.definition or ""),
        ("ChildJobs", f"{_ids(job.children or ())}: {counts}".removeprefix(": ")),
    ]


def _ids(children: Sequence[Child]) -> str:
    """Return the ids of children: a range where they follow one another."""
    ids = [child.id for child in children]
    if len(ids) > 1 and ids == list(range(ids[0], ids[0] + len(ids))):
        return f"{ids[0]}-{ids[-1]}"
    return ",".join(map(str, ids))


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


def style(cell: str) -> str:
    """Return the colour of a cell: a state has one."""
    try:
        return _COLOURS.get(JobState(cell), "")
    except ValueError:
        return ""
