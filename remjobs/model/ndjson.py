"""A job as a stream of JSON lines, and back: what ``--output ndjson`` prints.

Each line is an object whose ``event`` says what it is:

- ``job``: a job with its children, as ``get --json`` shows it, and ``schema``; first as
  it was when it was asked for, last as it stood at the end,
- ``child``: a child after a change of its state,
- ``record``: a piece of output.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from remjobs.errors import UsageError
from remjobs.model.job import Child, Job
from remjobs.model.record import Record, Stream
from remjobs.model.wire import child_json, decode, job_json, parse, record_json

__all__ = ["SCHEMA", "Replayed", "line_of", "replay"]

SCHEMA: Final = 1
"""Grows when a line is to be read in another way; keys may be added without that."""


@dataclass(slots=True)
class Replayed:
    """What a stream of lines tells."""

    jobs: dict[int, Job] = field(default_factory=dict)
    children: dict[int, Child] = field(default_factory=dict)
    """As they were last told of."""
    output: dict[tuple[int, Stream], bytes] = field(default_factory=dict)
    """By child and stream, in the order in which it came."""


def line_of(item: Job | Child | Record) -> dict[str, Any]:
    """Return the line that tells of a job, a child or a record."""
    if isinstance(item, Record):
        return {"event": "record", **record_json(item)}
    if isinstance(item, Child):
        return {"event": "child", **child_json(item)}
    return {"event": "job", "schema": SCHEMA, **job_json(item)}


def replay(lines: Iterable[str | bytes]) -> Replayed:
    """Rebuild jobs, children and output from lines.

    Raises:
        UsageError: A line is none of ours, or of a schema that is newer.
    """
    told = Replayed()
    for line in lines:
        if line.strip():
            _take(told, parse(line.encode() if isinstance(line, str) else line))
    return told


def _take(told: Replayed, line: Mapping[str, Any]) -> None:
    match line.get("event"):
        case "job":
            if line.get("schema") != SCHEMA:
                msg = f"schema {line.get('schema')} is not one that is known here: {SCHEMA}"
                raise UsageError(msg)
            job = decode(line, Job)
            told.jobs[job.id] = replace(job, children=None)
            told.children |= {child.id: child for child in job.children or ()}
        case "child":
            child = decode(line, Child)
            told.children[child.id] = child
        case "record":
            text, raw = line.get("text"), line.get("base64")
            data = base64.b64decode(raw) if raw is not None else str(text).encode()
            key = (int(line["child_id"]), Stream(line["stream"]))
            told.output[key] = told.output.get(key, b"") + data
        case other:
            msg = f"no event {other!r}; there are: job, child, record"
            raise UsageError(msg)
