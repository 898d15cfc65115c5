"""The JSON forms: what ``--json`` prints and what crosses the socket.

Keys are snake_case and stable. Times are RFC 3339 in UTC. A record's bytes are
``text`` where they are UTF-8, else ``base64``.
"""

from __future__ import annotations

import base64
import reprlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

import msgspec

from remjobs.errors import UsageError
from remjobs.model.job import Child, Job
from remjobs.model.record import Record
from remjobs.model.trigger import KINDS, Trigger

__all__ = [
    "child_json",
    "decode",
    "dumps",
    "event_from_json",
    "event_json",
    "job_json",
    "parse",
    "record_json",
]

T = TypeVar("T")


def dumps(value: object) -> bytes:
    """Encode any of our values, or lists and mappings of them, as JSON.

    Raises:
        UsageError: A text in it is not Unicode: bytes from a command line, say.
    """
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError as exc:
        msg = f"{reprlib.repr(exc.object)} is not UTF-8 text"
        raise UsageError(msg) from exc


def parse(data: bytes) -> Any:
    """Parse JSON.

    Raises:
        UsageError: It is not JSON.
    """
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError as exc:
        msg = f"not JSON: {exc}"
        raise UsageError(msg) from exc


def decode(value: object, into: type[T]) -> T:
    """Rebuild one of our dataclasses from parsed JSON.

    Raises:
        UsageError: The value has not the shape of the type.
    """
    try:
        return msgspec.convert(value, into, dec_hook=_trigger)
    except msgspec.ValidationError as exc:
        msg = f"not a {into.__name__}: {exc}"
        raise UsageError(msg) from exc


def _trigger(into: type, value: Any) -> object:
    """Rebuild a trigger: the one type of ours that has several classes."""
    if into is not Trigger:
        if isinstance(value, into):
            return value
        msg = f"not a {into.__name__}"
        raise ValueError(msg)
    kind = str(value.get("kind")) if isinstance(value, dict) else ""
    if kind not in KINDS:
        msg = f"no trigger {kind!r}; there are: {', '.join(KINDS)}"
        raise ValueError(msg)
    return msgspec.convert(value, KINDS[kind])


def child_json(child: Child) -> dict[str, Any]:
    """Return a child as ``get --json`` shows it: with what any job has, but for children."""
    shown = dict(msgspec.to_builtins(child))
    if child.streams is None:
        del shown["streams"]
    return shown | {"location": child.host, "counts": {child.state.value: 1}}


def job_json(job: Job) -> dict[str, Any]:
    """Return a job as ``--json`` shows it: without ``children`` if it has none here."""
    shown: dict[str, Any] = msgspec.to_builtins(job)
    if job.children is None:
        del shown["children"]
    else:
        shown["children"] = [child_json(child) for child in job.children]
    if not job.warnings:
        del shown["warnings"]
    if job.streams is None:
        del shown["streams"]
    return shown


def record_json(record: Record) -> dict[str, Any]:
    """Return a record as ``receive --json`` shows it."""
    shown: dict[str, Any] = {
        "job_id": record.job_id,
        "child_id": record.child_id,
        "host": record.host,
        "stream": record.stream.value,
        "seq": record.seq,
        "time": record.time,
    }
    try:
        return shown | {"text": record.data.decode()}
    except UnicodeDecodeError:
        return shown | {"base64": base64.b64encode(record.data).decode()}


def event_json(event: Record | Child) -> dict[str, Any]:
    """Return what a receiver gets, told apart by ``stream`` (a record) or not."""
    return record_json(event) if isinstance(event, Record) else child_json(event)


def event_from_json(value: Mapping[str, Any]) -> Record | Child:
    """Rebuild what ``event_json`` gave."""
    if "stream" not in value:
        return decode(value, Child)
    fields = dict(value)
    if "text" in fields:
        data = fields.pop("text").encode()
    else:
        data = base64.b64decode(fields.pop("base64"))
    return replace(decode(fields | {"data": ""}, Record), data=data)
