"""Rows under columns: cut or wrapped to a terminal's width, plain elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from remjobs.cli.render.text import escape

__all__ = ["fit", "local_time", "print_properties", "print_rows"]

_READABLE: Final = 14
"""Characters that a column which is cut keeps as long as there is room."""
_WIDEST_PLAIN: Final = 40
"""Characters to which plain columns are filled up; a longer cell moves its own row only."""


def print_rows(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    shrinks: Sequence[str] = (),
    wraps: Sequence[str] = (),
    style: Callable[[str], str] = lambda _cell: "",
) -> None:
    """Print rows under columns.

    Args:
        columns: The headings.
        rows: The cells, as text.
        shrinks: Columns that are cut where the terminal is too narrow.
        wraps: Columns that go on below instead: what they say must not be cut.
        style: Gives a cell's colour on a terminal.
    """
    safe = [[escape(cell).replace("\n", "\\n") for cell in row] for row in rows]
    if sys.stdout.isatty():
        _print_table(columns, safe, (*shrinks, *wraps), wraps, style)
    else:
        _print_plain(columns, safe)


def print_properties(properties: Sequence[tuple[str, str]]) -> None:
    """Print names and values, one a line; a value's further lines stand below it."""
    for name, value in properties:
        print(f"{name:<15}: {escape(value)}".replace("\n", "\n" + " " * 17).rstrip())


def local_time(moment: datetime | None) -> str:
    """Return a moment on our clock, to the second."""
    return moment.astimezone().isoformat(sep=" ", timespec="seconds") if moment else ""


def _print_plain(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
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
    elastic: Sequence[str],
    wraps: Sequence[str],
    style: Callable[[str], str],
) -> None:
    from rich.cells import cell_len  # noqa: PLC0415 - only a terminal pays for it
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(highlight=False)
    natural = [max(map(cell_len, cells)) for cells in zip(columns, *rows, strict=True)]
    room = console.width - (len(columns) - 1)
    widths = fit(natural, [column in elastic for column in columns], room)
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    for column, width in zip(columns, widths, strict=True):
        wrapped = column in wraps
        table.add_column(
            column,
            no_wrap=not wrapped,
            overflow="fold" if wrapped else "ellipsis",
            width=width,
        )
    for row in rows:
        table.add_row(*(Text(cell, style=style(cell)) for cell in row))
    console.print(table)


def fit(natural: Sequence[int], elastic: Sequence[bool], room: int) -> list[int]:
    """Return widths that fit into the room; the widest gives way first.

    Elastic columns give way while they stay readable, then all but the first,
    which says what a row is about.
    """
    readable = [
        min(width, _READABLE) if gives else width
        for width, gives in zip(natural, elastic, strict=True)
    ]
    least = [natural[0], *(1 for _ in natural[1:])]
    return _cut(_cut(natural, readable, room), least, room)


def _cut(widths: Sequence[int], floors: Sequence[int], room: int) -> list[int]:
    cut = list(widths)
    while sum(cut) > room:
        above = [at for at, width in enumerate(cut) if width > floors[at]]
        if not above:
            break
        cut[max(above, key=cut.__getitem__)] -= 1
    return cut
