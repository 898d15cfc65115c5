"""From target expressions to hosts."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Final

from remjobs.errors import UsageError
from remjobs.inventory.base import Inventory, InventorySource, merge
from remjobs.inventory.files import InventoryFile, read_text
from remjobs.inventory.plain import parse_host, parse_lines, split_port
from remjobs.model.host import Host
from remjobs.model.ranges import expand
from remjobs.model.request import Targets

__all__ = ["Selection", "resolve", "terms"]

_ALL = "all"
_NOTHING: Final[Mapping[str, Sequence[Host]]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The hosts that were meant, and what seemed odd."""

    hosts: tuple[Host, ...]
    warnings: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    """Terms by which hosts were included that are not a host's own name."""


def resolve(
    targets: Targets,
    directory: str,
    default: Path,
    found: Mapping[str, Sequence[Host]] = _NOTHING,
) -> Selection:
    """Return the hosts that targets select, in the order of the expressions.

    Args:
        targets: What was asked for.
        directory: Relative paths are meant from here.
        default: The inventory if none is named; it need not exist.
        found: For terms that no inventory knows, the hosts that they stand for.

    Raises:
        UsageError: A name is unknown, or nothing is left.
        InventoryError: A file cannot be read.
    """
    base = Path(directory)
    sources = _sources(targets, base, default)
    finder = _Finder(sources, base, targets.standard_input, found)
    included = [*targets.hosts, *finder.hosts(targets.include)]
    excluded = {host.name for host in finder.hosts(targets.exclude)}
    warnings = [f"-x {name} excludes nothing" for name in _idle(finder, targets, included)]
    kept = [host for host in included if host.name not in excluded]
    if not targets.allow_duplicates:
        kept, repeated = _distinct(kept)
        warnings += [f"{name} is named more than once; it is one child" for name in repeated]
    if not kept:
        asked = ", ".join(targets.include) or "no target"
        without = f" without {', '.join(targets.exclude)}" if targets.exclude else ""
        msg = f"no host matched: {asked}{without}"
        raise UsageError(msg)
    return Selection(
        hosts=tuple(kept),
        warnings=tuple(warnings),
        patterns=tuple(finder.patterns(targets.include)),
    )


def _sources(targets: Targets, base: Path, default: Path) -> list[InventorySource]:
    named = [base / Path(path).expanduser() for path in targets.inventories]
    if not named and default.exists():
        named = [default]
    return [InventoryFile(path) for path in named]


def _idle(finder: _Finder, targets: Targets, included: Sequence[Host]) -> Iterator[str]:
    names = {host.name for host in included}
    for expression in targets.exclude:
        if not any(host.name in names for host in finder.hosts([expression])):
            yield expression


def _distinct(hosts: Sequence[Host]) -> tuple[list[Host], list[str]]:
    found: dict[str, Host] = {}
    repeated: dict[str, None] = {}
    for host in hosts:
        if host.name in found:
            repeated[host.name] = None
        found.setdefault(host.name, host)
    return list(found.values()), list(repeated)


class _Finder:
    """Finds what expressions name, in the inventory if there is one."""

    def __init__(
        self,
        sources: Sequence[InventorySource],
        base: Path,
        standard_input: str | None,
        found: Mapping[str, Sequence[Host]],
    ) -> None:
        self._where = ", ".join(source.name for source in sources)
        self._inventory = merge(source.load() for source in sources) if sources else None
        self._base = base
        self._standard_input = standard_input
        self._found = found

    def hosts(self, expressions: Sequence[str]) -> list[Host]:
        """Return the hosts of several expressions; one may come more than once."""
        return [
            host
            for expression in expressions
            for term in terms(expression)
            for host in self._term(term)
        ]

    def patterns(self, expressions: Sequence[str]) -> Iterator[str]:
        """Yield the terms that are not one host's own name, written out."""
        for term in (term for expression in expressions for term in terms(expression)):
            if self._is_list(term) or self._first_names(term) != [_name_in(term)]:
                yield term

    def _first_names(self, term: str) -> list[str]:
        return [host.name for host in islice(self._term(term), 2)]

    def _is_list(self, term: str) -> bool:
        groups = self._inventory.groups if self._inventory is not None else ()
        return term in self._found or term in {"-", _ALL} or term[0] == "@" or term in groups

    def _term(self, term: str) -> Iterator[Host]:
        if term in self._found:
            yield from self._found[term]
        elif term == "-":
            if self._standard_input is None:
                msg = "-t - needs names on standard input"
                raise UsageError(msg)
            yield from self._listed(self._standard_input, "standard input")
        elif term.startswith("@"):
            path = self._base / Path(term[1:]).expanduser()
            yield from self._listed(read_text(path), str(path))
        else:
            yield from self._named(term)

    def _listed(self, text: str, name: str) -> Iterator[Host]:
        for line, content in parse_lines(text):
            try:
                for term in terms(content):
                    yield from self._named(term)
            except UsageError as exc:
                msg = f"{name}:{line}: {exc}"
                raise UsageError(msg) from exc

    def _named(self, term: str) -> Iterator[Host]:
        if self._inventory is None:
            yield from self._as_it_is(term)
        else:
            yield from self._known(term, self._inventory)

    @staticmethod
    def _as_it_is(term: str) -> Iterator[Host]:
        if term == _ALL:
            msg = "'all' needs an inventory: name one with -i, or put one at the default place"
            raise UsageError(msg)
        yield from parse_host(term)

    def _known(self, term: str, inventory: Inventory) -> Iterator[Host]:
        if term == _ALL:
            yield from inventory.hosts.values()
        elif term in inventory.groups:
            yield from (inventory.hosts[name] for name in inventory.groups[term])
        else:
            for name in expand(term):
                yield self._lookup(name, inventory)

    def _lookup(self, name: str, inventory: Inventory) -> Host:
        if name in inventory.hosts:
            return inventory.hosts[name]
        near = difflib.get_close_matches(name, [*inventory.hosts, *inventory.groups], n=3)
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        msg = f"no host or group {name!r} in {self._where}{hint}"
        raise UsageError(msg)


def _name_in(term: str) -> str:
    """Return the name in ``[user@]name[:port]``, as it is written."""
    _, _, rest = term.rpartition("@")
    return split_port(rest)[0]


def terms(expression: str) -> list[str]:
    """Split at commas outside brackets; empty terms fall away."""
    terms, depth = [""], 0
    for letter in expression:
        depth += {"[": 1, "]": -1}.get(letter, 0)
        if letter == "," and depth <= 0:
            terms.append("")
        else:
            terms[-1] += letter
    return [term.strip() for term in terms if term.strip()]
