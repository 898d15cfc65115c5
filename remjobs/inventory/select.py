"""From target expressions to hosts."""

from __future__ import annotations

import difflib
import gc
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import translate
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Final

from remjobs.errors import UsageError
from remjobs.inventory.base import ALL, UNGROUPED, InventorySource
from remjobs.inventory.files import InventoryFile
from remjobs.inventory.kinds import split_kind
from remjobs.inventory.merged import Merged
from remjobs.inventory.patterns import Term, compile_regex, is_glob, numbers_of, terms
from remjobs.inventory.plain import parse_host, parse_lines, split_port
from remjobs.inventory.script import InventoryScript
from remjobs.inventory.text import read_text
from remjobs.model.host import Host
from remjobs.model.ranges import expand, fold
from remjobs.model.request import Targets

__all__ = ["Selection", "Sources", "resolve", "select"]

_NOTHING: Final[Mapping[str, Sequence[Host]]] = MappingProxyType({})
_MOST_GLOBS: Final = 200
_MOST_CANDIDATES: Final = 5000
_IMPLICIT: Final = frozenset({ALL, "*"})
_ALWAYS: Final = frozenset({ALL, UNGROUPED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The hosts that were meant, and what seemed odd."""

    hosts: tuple[Host, ...]
    warnings: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    """Terms by which hosts were included that are not a host's own name."""


class Sources:
    """The inventories that a request names, or the usual ones."""

    def __init__(self, targets: Targets, directory: str, usual: Sequence[Path]) -> None:
        """Read them.

        Args:
            targets: Names them.
            directory: Relative paths are meant from here.
            usual: The inventories if none is named, those of them that exist.

        Raises:
            InventoryError: One cannot be read.
        """
        self.base = Path(directory)
        sources: list[InventorySource] = []
        for text in targets.inventories:
            kind, path = split_kind(text)
            sources.append(InventoryFile(self.base / Path(path).expanduser(), kind))
        sources += [
            InventoryScript(self.base / Path(path).expanduser(), self.base)
            for path in targets.scripts
        ]
        if not sources:
            sources += [InventoryFile(path) for path in usual if path.exists()]
        self.where = ", ".join(source.name for source in sources)
        """What they are called."""
        self.inventory: Merged | None = None
        """None if there is none, and names are hosts as they are."""
        if sources:
            with _uncollected():
                loaded = [inventory for source in sources for inventory in source.load()]
                self.inventory = Merged(loaded, self.base)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Let Python look for no garbage: there is none while 100,000 hosts are read.

    Looking through all that is there, again and again, takes longer than reading.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def resolve(
    targets: Targets,
    directory: str,
    usual: Sequence[Path],
    found: Mapping[str, Sequence[Host]] = _NOTHING,
) -> Selection:
    """Return the hosts that targets select, in the order of the expressions.

    Args:
        targets: What was asked for.
        directory: Relative paths are meant from here.
        usual: The inventories if none is named, those of them that exist.
        found: For terms that no inventory knows, the hosts that they stand for.

    Raises:
        UsageError: A name is unknown, or nothing is left.
        InventoryError: A file cannot be read.
    """
    return select(Sources(targets, directory, usual), targets, found)


def select(
    sources: Sources,
    targets: Targets,
    found: Mapping[str, Sequence[Host]] = _NOTHING,
) -> Selection:
    """Return the hosts that targets select from sources that were read; see ``resolve``."""
    finder = _Finder(sources, targets.standard_input, found)
    included = [_Match(host.name, host) for host in targets.hosts]
    included += finder.combined(targets.include)
    for expression in targets.exclude:
        excluded = {match.name for match in finder.combined([expression], excluding=True)}
        kept = [match for match in included if match.name not in excluded]
        if len(kept) == len(included):
            finder.warnings.append(f"-x {expression} excludes nothing")
        included = kept
    if not targets.allow_duplicates:
        included, repeated = _distinct(included)
        if repeated:
            finder.warnings.append(_told(repeated))
    if not included:
        asked = ", ".join(targets.include) or "no target"
        without = f" without {', '.join(targets.exclude)}" if targets.exclude else ""
        msg = f"no host matched: {asked}{without}"
        raise UsageError(msg)
    with _uncollected():
        hosts = tuple(map(finder.host, included))
    odd = sources.inventory.warnings if sources.inventory is not None else ()
    return Selection(
        hosts=hosts,
        warnings=(*odd, *finder.warnings),
        patterns=tuple(finder.patterns(targets.include)),
    )


def _told(repeated: Sequence[str]) -> str:
    if len(repeated) == 1:
        return f"{repeated[0]} is named more than once; it is one child"
    return f"{fold(repeated)} are named more than once; each is one child"


@dataclass(frozen=True, slots=True)
class _Match:
    name: str
    host: Host | None = None
    """None is the inventory's host of this name."""


def _distinct(matches: Sequence[_Match]) -> tuple[list[_Match], list[str]]:
    found: dict[str, _Match] = {}
    repeated: dict[str, None] = {}
    for match in matches:
        if match.name in found:
            repeated[match.name] = None
        else:
            found[match.name] = match
    return list(found.values()), list(repeated)


class _Finder:
    """Finds what expressions name, in the inventory if there is one."""

    def __init__(
        self,
        sources: Sources,
        standard_input: str | None,
        found: Mapping[str, Sequence[Host]],
    ) -> None:
        self._sources = sources
        self._inventory = sources.inventory
        self._standard_input = standard_input
        self._found = found
        self.warnings: list[str] = []

    def host(self, match: _Match) -> Host:
        """Return the host that was matched, with its settings."""
        if match.host is not None:
            return match.host
        assert self._inventory is not None  # noqa: S101 - it was found there
        return self._inventory.host(match.name)

    def patterns(self, expressions: Sequence[str]) -> Iterator[str]:
        """Yield the terms that are not one host's own name, written out."""
        for term in (term for expression in expressions for term in terms(expression)):
            if not self._is_a_name(term):
                yield str(term)

    def _is_a_name(self, term: Term) -> bool:
        """Whether a term is a host's own name as it is written, with user and port or not."""
        text = term.text
        groups = self._inventory.groups if self._inventory is not None else ()
        if term.operator or text in self._found or text in groups or text[:1] in {"-", "@", "~"}:
            return False
        _, _, rest = text.rpartition("@")
        named = [match.name for match in islice(self._term(term, needed=False), 2)]
        return named == [split_port(rest)[0]]

    def combined(self, expressions: Iterable[str], *, excluding: bool = False) -> list[_Match]:
        """Return what expressions select together: ``&`` and ``!`` count after all others."""
        parts = [term for expression in expressions for term in terms(expression)]
        added = [term for term in parts if not term.operator]
        if parts and not added:
            added = [Term(ALL)]
        result = [m for term in added for m in self._term(term, needed=not excluding)]
        for term in parts:
            if term.operator:
                result = self._applied(term, result)
        return result

    def _applied(self, term: Term, matches: list[_Match]) -> list[_Match]:
        named = {match.name for match in self._term(term, needed=False)}
        if term.operator == "&":
            return [match for match in matches if match.name in named]
        kept = [match for match in matches if match.name not in named]
        if len(kept) == len(matches):
            self.warnings.append(f"{term} excludes nothing")
        return kept

    def _term(self, term: Term, *, needed: bool) -> list[_Match]:
        """Return what one term names; nothing at all is an error if it is needed."""
        text = term.text
        if text in self._found:
            return [_Match(host.name, host) for host in self._found[text]]
        if text == "-":
            if self._standard_input is None:
                msg = "-t - needs names on standard input"
                raise UsageError(msg)
            return list(self._listed(self._standard_input, "standard input"))
        if text.startswith("@"):
            path = self._sources.base / Path(text[1:]).expanduser()
            return list(self._listed(read_text(path), str(path)))
        return self._named(text, needed=needed)

    def _listed(self, text: str, name: str) -> Iterator[_Match]:
        for line, content in parse_lines(text):
            try:
                for term in terms(content):
                    yield from self._of_list(term)
            except UsageError as exc:
                msg = f"{name}:{line}: {exc}"
                raise UsageError(msg) from exc

    def _of_list(self, term: Term) -> list[_Match]:
        if term.operator:
            msg = f"{term}: a list only adds hosts; & and ! belong into the expression"
            raise UsageError(msg)
        return self._named(term.text, needed=True)

    def _named(self, text: str, *, needed: bool) -> list[_Match]:
        if self._inventory is None:
            return self._as_it_is(text)
        return [_Match(name) for name in self._known(text, self._inventory, needed=needed)]

    @staticmethod
    def _as_it_is(text: str) -> list[_Match]:
        if text in _IMPLICIT or text.startswith("~") or "*" in text or "?" in text:
            msg = f"{text!r} needs an inventory: name one with -i, or put one at the default place"
            raise UsageError(msg)
        return [_Match(host.name, host) for host in parse_host(text)]

    def _known(self, text: str, inventory: Merged, *, needed: bool) -> Iterable[str]:
        """Return the names of hosts that a term stands for."""
        if text in _IMPLICIT:
            return inventory.hosts
        if text.startswith("~"):
            return self._matching([compile_regex(text[1:])], text, inventory, needed=needed)
        if (literal := self._literal(text, inventory)) is not None:
            if not literal:
                self.warnings.append(f"the group {text!r} has no hosts")
            return literal
        numbers = numbers_of(text)
        if numbers is not None and numbers.group in inventory.groups:
            return numbers.chosen(list(inventory.members(numbers.group)))
        globs: list[str] = []
        names: list[str] = []
        for name in expand(text):
            if is_glob(name):
                globs.append(name)
            else:
                names += self._looked_up(name, inventory)
        if globs:
            names += self._globbed(globs, text, inventory, needed=needed)
        return names

    @staticmethod
    def _literal(text: str, inventory: Merged) -> Sequence[str] | None:
        """Return the hosts of a group, and the host that is called so."""
        found: Sequence[str] | None = None
        if text in inventory.groups:
            found = inventory.members(text)
        name = inventory.aliases.get(text, text)
        if name in inventory.hosts and (found is None or name not in found):
            found = [*(found or ()), name]
        return found

    def _looked_up(self, name: str, inventory: Merged) -> Sequence[str]:
        if name in inventory.hosts and name not in inventory.groups:
            return (name,)
        literal = self._literal(name, inventory)
        if literal is not None:
            return literal
        msg = f"no host or group {name!r} in {self._sources.where}{_near(name, inventory)}"
        raise UsageError(msg)

    def _globbed(
        self,
        globs: list[str],
        text: str,
        inventory: Merged,
        *,
        needed: bool,
    ) -> list[str]:
        if len(globs) > _MOST_GLOBS:
            msg = f"{text!r} stands for {len(globs)} globs; at most {_MOST_GLOBS} can be sought"
            raise UsageError(msg)
        compiled = [re.compile(translate(glob)) for glob in globs]
        return self._matching(compiled, text, inventory, needed=needed)

    def _matching(
        self,
        patterns: Sequence[re.Pattern[str]],
        text: str,
        inventory: Merged,
        *,
        needed: bool,
    ) -> list[str]:
        """Return the hosts that match, or are in a group that does, in inventory order.

        The groups that are always there do not match: ``a*`` is not every host.
        """
        in_groups = {
            host
            for group in inventory.groups
            if group not in _ALWAYS and any(pattern.match(group) for pattern in patterns)
            for host in inventory.members(group)
        }
        found = [
            name
            for name in inventory.hosts
            if name in in_groups or any(pattern.match(name) for pattern in patterns)
        ]
        if not found and needed:
            hint = _near(text.strip("~*?"), inventory)
            msg = f"no host or group matches {text!r} in {self._sources.where}{hint}"
            raise UsageError(msg)
        return found


def _near(name: str, inventory: Merged) -> str:
    """Return a hint at names that are nearly this one."""
    known = [*inventory.groups, *inventory.aliases, *inventory.hosts]
    if len(known) > _MOST_CANDIDATES:
        # Comparing is slow: what begins alike is likeliest to be meant.
        alike = [word for word in known if word[:2] == name[:2]]
        known = (alike or known)[:_MOST_CANDIDATES]
    near = difflib.get_close_matches(name, known, n=3)
    return f"; did you mean {', '.join(near)}?" if near else ""
