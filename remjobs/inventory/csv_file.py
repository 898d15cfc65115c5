"""A table: CSV (RFC 4180) with a header; semicolons or tabs do as well as commas."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Final

from remjobs.errors import UsageError
from remjobs.inventory.draft import Draft
from remjobs.inventory.plain import LAST_PORT
from remjobs.model.authentication import parse_authentication
from remjobs.model.host import check_host_name, check_user_name
from remjobs.model.ranges import expand

__all__ = ["read_csv"]

_NAMES: Final = ("name", "host", "hostname")
_MEANS: Final[Mapping[str, str]] = {
    "address": "address",
    "ip": "address",
    "port": "port",
    "user": "user",
    "username": "user",
    "transport": "transport",
    "authentication": "authentication",
    "credential": "credential",
}
_GROUPS: Final = ("group", "groups")
_EXPECTED: Final = (
    "a header with a column name (or host), and any of: address, port, user, transport, "
    "authentication, credential, groups; other columns are variables"
)


def read_csv(text: str, draft: Draft) -> None:
    """Read hosts from a table.

    Raises:
        InventoryError: A row is no host, or there is no header.
    """
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header: list[str] | None = None
        for cells in reader:
            if not any(cell.strip() for cell in cells) or cells[0].startswith("#"):
                continue
            if header is None:
                header = _header(cells, reader.line_num, draft)
            else:
                _row(header, [cell.strip() for cell in cells], reader.line_num, draft)
    except csv.Error as exc:
        draft.complain(reader.line_num, f"not CSV: {exc}")


def _header(cells: list[str], line: int, draft: Draft) -> list[str]:
    header = [cell.strip().lower() for cell in cells]
    named = [column for column in _NAMES if column in header]
    if not named:
        draft.complain(line, f"no column says the host's name; expected {_EXPECTED}")
    for column in header:
        if header.count(column) > 1:
            draft.complain(line, f"the column {column!r} stands here twice")
    header[header.index(named[0])] = ""
    return header


def _row(header: list[str], cells: list[str], line: int, draft: Draft) -> None:
    if len(cells) != len(header):
        draft.complain(line, f"{len(cells)} cells, expected {len(header)} as in the header")
    row = dict(zip(header, cells, strict=True))
    try:
        names = [check_host_name(name) for name in expand(row.pop(""))]
        settings = [_setting(column, cell) for column, cell in row.items() if cell]
    except UsageError as exc:
        draft.complain(line, str(exc))
    for name in names:
        own = draft.host(name, line)
        for column, key, value in settings:
            if key is not None:
                draft.set(own, key, value, line, name)
            elif column in _GROUPS:
                for group in str(value).replace(";", " ").replace("|", " ").split():
                    draft.group(group, line).hosts[name] = None
            else:
                draft.variable(own, column, value, line, name)


def _setting(column: str, cell: str) -> tuple[str, str | None, object]:
    key = _MEANS.get(column)
    if key == "port":
        if not cell.isdecimal() or not 1 <= int(cell) <= LAST_PORT:
            msg = f"port {cell!r} is not between 1 and {LAST_PORT}"
            raise UsageError(msg)
        return column, key, int(cell)
    if key == "address":
        return column, key, check_host_name(cell)
    if key == "user":
        return column, key, check_user_name(cell)
    if key == "authentication":
        return column, key, parse_authentication(cell)
    return column, key, cell
