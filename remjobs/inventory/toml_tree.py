"""TOML with line numbers: tomllib reads the file, and each statement again for its line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

from remjobs.errors import InventoryError
from remjobs.inventory.base import Place, printable

__all__ = ["Tree", "parse_toml"]

_MAY_END: Final = re.compile(r"(?:\]|\}|\"\"\"|''')\s*(?:#.*)?$")
_MOST_TRIES: Final = 1000
_AT_LINE: Final = re.compile(r" \(at line (\d+), column \d+\)$")
Path_ = tuple[str, ...]


def parse_toml(text: str, name: str) -> Tree:
    """Return a TOML document.

    Raises:
        InventoryError: It is no TOML.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        problem = str(exc)
        at = _AT_LINE.search(problem)
        line = int(at[1]) if at else text.count("\n") + 1
        msg = f"{name}:{line}: not TOML: {_AT_LINE.sub('', problem)}"
        raise InventoryError(msg) from exc
    except RecursionError as exc:
        msg = f"{name}: not TOML: nested too deep"
        raise InventoryError(msg) from exc
    return Tree(document, name, (), dict(_lines(text)))


def _lines(text: str) -> Iterator[tuple[Path_, int]]:
    """Yield the path of each key and header, and its line; the text is known to be TOML."""
    table: Path_ = ()
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        begin = at
        found = _statement(lines, begin)
        if found is None:
            return
        parsed, at = found
        if not parsed:
            continue
        if lines[begin].lstrip().startswith("["):
            table = _deepest(parsed)
            yield table, begin + 1
        else:
            for path in _paths(parsed):
                yield table + path, begin + 1


def _statement(lines: list[str], begin: int) -> tuple[Mapping[str, Any], int] | None:
    """Return one statement parsed alone, and the line after it; None if it is too long."""
    tries = 0
    for end in range(begin + 1, len(lines) + 1):
        if end > begin + 1 and _MAY_END.search(lines[end - 1]) is None:
            continue
        try:
            return tomllib.loads("\n".join(lines[begin:end])), end
        except tomllib.TOMLDecodeError:
            tries += 1
            if tries > _MOST_TRIES:
                return None
    return None


def _deepest(parsed: Mapping[str, Any]) -> Path_:
    path: Path_ = ()
    here: Any = parsed
    while isinstance(here, dict | list) and here:
        if isinstance(here, list):
            here = here[0]
            continue
        [(key, here)] = here.items()
        path += (key,)
    return path


def _paths(parsed: Mapping[str, Any]) -> Iterator[Path_]:
    for key, value in parsed.items():
        yield (key,)
        if isinstance(value, dict):
            for path in _paths(value):
                yield (key, *path)


class Tree:
    """A value of a TOML document, and where it stands."""

    def __init__(self, value: object, name: str, path: Path_, lines: Mapping[Path_, int]) -> None:
        """Be reached by this path of keys."""
        self.value = value
        self._name = name
        self._path = path
        self._lines = lines

    @property
    def line(self) -> int:
        """The line where it, or what it is in, begins."""
        for length in range(len(self._path), 0, -1):
            if (line := self._lines.get(self._path[:length])) is not None:
                return line
        return 1

    @property
    def folder(self) -> Path:
        """The folder of the file, for relative paths in it."""
        return Path(self._name).expanduser().absolute().parent

    def complain(self, problem: str) -> NoReturn:
        """Raise an InventoryError about this place."""
        msg = f"{Place(self._name, self.line)}: {printable(problem)}"
        raise InventoryError(msg)

    def refuse(self, expected: str) -> NoReturn:
        """Raise an InventoryError that says what was found here instead."""
        self.complain(f"found {_description(self.value)}, expected {expected}")

    def items(self, expected: str = "a table") -> Iterator[tuple[str, Tree]]:
        """Yield a table's keys and values."""
        if not isinstance(self.value, dict):
            self.refuse(expected)
        for key, value in self.value.items():
            yield key, Tree(value, self._name, (*self._path, key), self._lines)

    def fields(self, allowed: tuple[str, ...]) -> dict[str, Tree]:
        """Return a table whose keys must be among those allowed."""
        found = {}
        for key, value in self.items(f"a table of {', '.join(allowed)}"):
            if key not in allowed:
                value.complain(f"unknown key {key!r}; expected one of: {', '.join(allowed)}")
            found[key] = value
        return found

    def elements(self, expected: str) -> Iterator[Tree]:
        """Yield a list's elements."""
        if not isinstance(self.value, list):
            self.refuse(expected)
        for value in self.value:
            yield Tree(value, self._name, self._path, self._lines)

    def text(self, expected: str = "a text") -> str:
        """Return a text."""
        if not isinstance(self.value, str):
            self.refuse(expected)
        return self.value

    def number(self, expected: str) -> float:
        """Return a number."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            self.refuse(expected)
        return self.value

    def plain(self) -> object:
        """Return it as plain data, for variables; dates as texts."""
        if isinstance(self.value, dict):
            return {key: value.plain() for key, value in self.items()}
        if isinstance(self.value, list):
            return [element.plain() for element in self.elements("a list")]
        return self.value if isinstance(self.value, str | int | float) else str(self.value)


def _description(value: object) -> str:
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return "true or false"
    kind = "a text" if isinstance(value, str) else "a number"
    return f"{kind} ({str(value)[:40]!r})"
