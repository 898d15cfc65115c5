"""JSON on standard output."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from remjobs.model.job import Child, Job
from remjobs.model.wire import child_json, dumps, job_json

__all__ = ["item_json", "print_json", "print_one_or_many"]


def item_json(item: Job | Child) -> dict[str, Any]:
    """Return a job or child as JSON shows it."""
    return job_json(item) if isinstance(item, Job) else child_json(item)


def print_json(value: object) -> None:
    """Print a value on one line."""
    sys.stdout.buffer.write(dumps(value) + b"\n")
    sys.stdout.buffer.flush()


def print_one_or_many(items: Sequence[Job | Child]) -> None:
    """Print one item as an object, several (or none) as an array."""
    shown = [item_json(item) for item in items]
    print_json(shown[0] if len(shown) == 1 else shown)
