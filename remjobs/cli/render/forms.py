"""The forms in which what is received can be shown, one class each."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Sequence
from typing import Any, Final, Protocol

from remjobs.cli.output_options import Showing
from remjobs.cli.render import fold
from remjobs.cli.render.columns import print_rows
from remjobs.cli.render.files import OutputFolder
from remjobs.cli.render.json_ import print_json
from remjobs.cli.render.text import TextRenderer
from remjobs.model.job import Child, Job
from remjobs.model.ndjson import line_of
from remjobs.model.output import OutputForm
from remjobs.model.record import Record, Stream
from remjobs.model.results import Result, Results, normalized
from remjobs.model.wire import record_json

__all__ = ["Printer", "printer"]

_FOR_PEOPLE: Final = frozenset({OutputForm.TEXT, OutputForm.FOLD, OutputForm.TABLE})
_COLUMNS: Final = ("Host", "State", "Exit", "Seconds", "First line")
_CSV: Final = (
    "job_id",
    "child_id",
    "host",
    "state",
    "exit_code",
    "signal",
    "reason",
    "begin_time",
    "end_time",
    "seconds",
    "attempt",
    "output",
    "error",
)


class Printer(Protocol):
    """Takes records and changes of state as they come."""

    def record(self, record: Record) -> None:
        """Take a record."""
        ...

    def change(self, child: Child) -> None:
        """Take a child as it is now."""
        ...

    def finish(self, items: Sequence[Job | Child]) -> None:
        """Print what was held back; these are the jobs as they stand now."""
        ...


class _Lines:
    def __init__(self, *, label_width: int | None, raw: bool) -> None:
        self._text = TextRenderer(label_width=label_width, raw=raw)

    def record(self, record: Record) -> None:
        self._text.record(record)

    def change(self, child: Child) -> None:
        """Show output alone."""

    def finish(self, items: Sequence[Job | Child]) -> None:
        self._text.finish()


class _Gathering:
    """What can be shown only once all is there."""

    def __init__(self, children: Sequence[Child]) -> None:
        self._results = Results(children)

    def record(self, record: Record) -> None:
        self._results.record(record)

    def change(self, child: Child) -> None:
        self._results.change(child)

    def finish(self, items: Sequence[Job | Child]) -> None:
        for item in items:
            for child in [item] if isinstance(item, Child) else item.children or ():
                self._results.change(child)
        self.show()

    def show(self) -> None:
        raise NotImplementedError


class _Fold(_Gathering):
    def __init__(self, children: Sequence[Child], showing: Showing) -> None:
        super().__init__(children)
        self._showing = showing

    def show(self) -> None:
        seen_as = normalized if self._showing.normalize else _as_it_is
        found = fold.groups(self._results, seen_as)
        escaped = not self._showing.raw
        sys.stdout.write(fold.text(found, diff=self._showing.diff, escaped=escaped))
        sys.stdout.flush()


class _Table(_Gathering):
    def show(self) -> None:
        print_rows(_COLUMNS, [_row(result) for result in self._results], shrinks=("First line",))


class _Csv(_Gathering):
    def show(self) -> None:
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(_CSV)
        rows.writerows(map(_cells, self._results))
        sys.stdout.buffer.write(text.getvalue().encode("utf-8", "surrogateescape"))
        sys.stdout.buffer.flush()


class _JsonArray:
    def __init__(self) -> None:
        self._records: list[dict[str, Any]] = []

    def record(self, record: Record) -> None:
        self._records.append(record_json(record))

    def change(self, child: Child) -> None:
        """Show records alone."""

    def finish(self, items: Sequence[Job | Child]) -> None:
        print_json(self._records)


class _JsonLines:
    def __init__(self, items: Sequence[Job | Child]) -> None:
        for item in items:
            print_json(line_of(item))

    def record(self, record: Record) -> None:
        print_json(line_of(record))

    def change(self, child: Child) -> None:
        print_json(line_of(child))

    def finish(self, items: Sequence[Job | Child]) -> None:
        for item in items:
            print_json(line_of(item))


class _Quiet:
    def record(self, record: Record) -> None:
        """Show nothing."""

    def change(self, child: Child) -> None:
        """Show nothing."""

    def finish(self, items: Sequence[Job | Child]) -> None:
        """Show nothing."""


class _WithoutProgress:
    """Leaves out Progress records: in text they are noise, unless they are asked for."""

    def __init__(self, printer: Printer) -> None:
        self.change = printer.change
        self.finish = printer.finish
        self._printer = printer

    def record(self, record: Record) -> None:
        if record.stream is not Stream.PROGRESS:
            self._printer.record(record)


class _WithFiles:
    """Writes files beside what another printer shows."""

    def __init__(self, printer: Printer, folder: OutputFolder) -> None:
        self.change = printer.change
        self._printer = printer
        self._folder = folder

    def record(self, record: Record) -> None:
        self._folder.record(record)
        self._printer.record(record)

    def finish(self, items: Sequence[Job | Child]) -> None:
        self._folder.close()
        self._printer.finish(items)


def printer(
    showing: Showing,
    items: Sequence[Job | Child],
    folder: OutputFolder | None = None,
    *,
    progress: bool = False,
) -> Printer:
    """Return what shows records and changes as it was asked for.

    Args:
        showing: How.
        items: The jobs, or children, whose output comes.
        folder: Where files are written as well.
        progress: Show people the Progress records too.
    """
    chosen = _chosen(showing, items)
    if showing.form in _FOR_PEOPLE and not progress:
        chosen = _WithoutProgress(chosen)
    return chosen if folder is None else _WithFiles(chosen, folder)


def _chosen(showing: Showing, items: Sequence[Job | Child]) -> Printer:
    children = [
        child
        for item in items
        for child in ([item] if isinstance(item, Child) else item.children or ())
    ]
    match showing.form:
        case OutputForm.TEXT:
            width = max((len(child.host) for child in children), default=0)
            told_apart = _has_several(items) or len({child.host for child in children}) > 1
            return _Lines(label_width=width if told_apart else None, raw=showing.raw)
        case OutputForm.FOLD:
            return _Fold(children, showing)
        case OutputForm.TABLE:
            return _Table(children)
        case OutputForm.CSV:
            return _Csv(children)
        case OutputForm.JSON:
            return _JsonArray()
        case OutputForm.NDJSON:
            return _JsonLines(items)
        case OutputForm.QUIET:
            return _Quiet()


def _has_several(items: Sequence[Job | Child]) -> bool:
    """Whether one of these is a job on several hosts, be it the same one twice."""
    return any(isinstance(item, Job) and len(item.children or ()) > 1 for item in items)


def _as_it_is(result: Result) -> Result:
    return result


def _row(result: Result) -> tuple[str, ...]:
    child = result.child
    code = child.signal or ("" if child.exit_code is None else str(child.exit_code))
    took = "" if result.seconds is None else f"{result.seconds:.1f}"
    first = result.first_line() or (child.reason.message if child.reason else "")
    return child.host, child.state.value, code, took, first


def _cells(result: Result) -> list[object]:
    child = result.child
    seconds = result.seconds
    return [
        child.parent_id,
        child.id,
        child.host,
        child.state.value,
        child.exit_code,
        child.signal,
        child.reason.message if child.reason else None,
        child.begin_time and child.begin_time.isoformat(),
        child.end_time and child.end_time.isoformat(),
        None if seconds is None else round(seconds, 3),
        child.attempt,
        *(
            result.streams.get(stream, b"").decode("utf-8", "replace").replace("\0", "")
            for stream in (Stream.OUTPUT, Stream.ERROR)
        ),
    ]
