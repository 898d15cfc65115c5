"""The history as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from remjobs.cli.render.columns import local_time, print_rows
from remjobs.cli.render.table import style
from remjobs.model.history import Asker, JobEntry

__all__ = ["print_history"]

_COLUMNS: Final = ("Id", "When", "Who", "State", "Counts", "Kept", "Location", "Command")


def print_history(entries: Sequence[JobEntry]) -> None:
    """Print a line for each job."""
    rows = [
        (
            str(entry.id),
            local_time(entry.submit_time or entry.begin_time),
            _who(entry.asker),
            entry.state.value,
            ", ".join(f"{count} {state}" for state, count in entry.counts.items()),
            str(entry.remove_time is None),
            entry.location,
            entry.command,
        )
        for entry in entries
    ]
    print_rows(_COLUMNS, rows, shrinks=("Who", "Counts", "Location", "Command"), style=style)


def _who(asker: Asker) -> str:
    """Say who it was: ``alice as root @web1 from 10.0.0.7``, as far as it is known."""
    user = asker.user or ""
    if asker.sudo_user not in {None, asker.user}:
        user = f"{asker.sudo_user} as {user}"
    machine = f"@{asker.machine}" if asker.machine else ""
    return user + machine + (f" from {asker.came_from}" if asker.came_from else "")
