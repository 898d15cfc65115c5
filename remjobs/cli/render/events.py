"""Whatever is received, in the form that was asked for."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

from remjobs.cli.boundary import complain
from remjobs.cli.options import OutputForm
from remjobs.cli.render.fold import Folder
from remjobs.cli.render.json_ import print_json
from remjobs.cli.render.progress import Progress
from remjobs.cli.render.text import TextRenderer, escape
from remjobs.model.job import Child
from remjobs.model.record import Record, Stream
from remjobs.model.wire import event_json, record_json
from remjobs.service import Event

__all__ = ["Printer", "printer", "show", "tell"]


class Printer(Protocol):
    """Takes records as they come."""

    def record(self, record: Record) -> None:
        """Take a record."""
        ...

    def finish(self) -> None:
        """Print what was held back."""
        ...


class _Fold:
    def __init__(self, *, raw: bool) -> None:
        self._folder = Folder()
        self._escaped = sys.stdout.isatty() and not raw

    def record(self, record: Record) -> None:
        self._folder.record(record)

    def finish(self) -> None:
        sys.stdout.write(self._folder.text(escaped=self._escaped))
        sys.stdout.flush()


class _JsonArray:
    def __init__(self) -> None:
        self._records: list[dict[str, Any]] = []

    def record(self, record: Record) -> None:
        self._records.append(record_json(record))

    def finish(self) -> None:
        print_json(self._records)


class _JsonLines:
    def record(self, record: Record) -> None:
        print_json(event_json(record))

    def finish(self) -> None:
        """Hold nothing back."""


class _WithoutProgress:
    """Leaves out Progress records: in text they are noise, unless they are asked for."""

    def __init__(self, printer: Printer) -> None:
        self._printer = printer

    def record(self, record: Record) -> None:
        if record.stream is not Stream.PROGRESS:
            self._printer.record(record)

    def finish(self) -> None:
        self._printer.finish()


def printer(form: OutputForm, *, labelled: bool, raw: bool, progress: bool = False) -> Printer:
    """Return what prints records in this form.

    Args:
        form: For people, or for programs, which get every record.
        labelled: Put the host's name before each line of text.
        raw: Escape nothing.
        progress: Show people the Progress records too.
    """
    chosen = _printer(form, labelled=labelled, raw=raw)
    for_people = form in {OutputForm.TEXT, OutputForm.FOLD}
    return _WithoutProgress(chosen) if for_people and not progress else chosen


def _printer(form: OutputForm, *, labelled: bool, raw: bool) -> Printer:
    match form:
        case OutputForm.FOLD:
            return _Fold(raw=raw)
        case OutputForm.JSON:
            return _JsonArray()
        case OutputForm.NDJSON:
            return _JsonLines()
        case OutputForm.TEXT:
            return TextRenderer(labelled=labelled, raw=raw)


async def show(
    events: AsyncIterator[Event],
    out: Printer,
    progress: Progress,
    told: Callable[[Child], None],
) -> None:
    """Print events as they come, with the progress line kept below them."""
    progress.draw()
    try:
        async for event in events:
            progress.clear()
            if isinstance(event, Record):
                out.record(event)
            else:
                progress.change(event)
                told(event)
            progress.draw()
    finally:
        progress.clear()
        out.finish()


def tell(child: Child) -> None:
    """Say on standard error how a child stands, and why."""
    reason = ""
    if child.reason is not None:
        why = child.reason.message.removeprefix(f"{child.host}: ")
        reason = f" ({child.reason.kind}): {why}"
    complain(escape(f"{child.host}: {child.state}{reason}"))
