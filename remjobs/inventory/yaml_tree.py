"""YAML with line numbers, made of the parser's events: every complaint says where.

PyYAML's own trees cost five times as much. Nothing is constructed but plain data:
a tag other than the core's, ``!unsafe`` and ``!vault`` is refused. Aliases are
followed, but only so often that a small file cannot stand for a huge one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Final, NoReturn

import yaml

from remjobs.errors import InventoryError
from remjobs.inventory.base import Place, printable
from remjobs.inventory.secrets import Encrypted

__all__ = ["Document", "Node", "parse_yaml"]

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CORE: Final = "tag:yaml.org,2002:"
_NULL: Final = _CORE + "null"
_DEEPEST: Final = 60
_MOST_EXPANDED: Final = 100_000
"""Values that aliases may stand for, or ten times what is written."""
_RESOLVER: Final = yaml.SafeLoader("")
_VAULT: Final = "$ANSIBLE_VAULT;"


class Node:
    """A scalar (its content is a text), a list, or a mapping (its content are pairs)."""

    __slots__ = ("content", "is_mapping", "line", "tag")

    def __init__(self, content: Any, tag: str | None, line: int, *, is_mapping: bool) -> None:
        """Stand at this line; a plain scalar's tag is yet to be found."""
        self.content = content
        self.tag = tag
        self.line = line
        self.is_mapping = is_mapping


class Document:
    """One YAML document."""

    def __init__(self, name: str, root: Node | None, size: int = 0) -> None:
        """Be called so in messages, and hold so many values."""
        self.name = name
        self.root = root
        self._left = max(_MOST_EXPANDED, 10 * size)

    def complain(self, node: Node | None, problem: str) -> NoReturn:
        """Raise an InventoryError about a place."""
        msg = f"{Place(self.name, 1 if node is None else node.line)}: {printable(problem)}"
        raise InventoryError(msg)

    def refuse(self, node: Node, expected: str) -> NoReturn:
        """Raise an InventoryError that says what was found here instead."""
        self.complain(node, f"found {_description(node)}, expected {expected}")

    def pairs(self, node: Node, expected: str) -> Iterator[tuple[str, Node, Node]]:
        """Yield a mapping's keys, as text and as a place, with values; merge keys come first."""
        self._count(node)
        if node.content == "" or is_null(node):
            return
        if not node.is_mapping or node.tag not in {None, _CORE + "map"}:
            self.refuse(node, expected)
        for key, value in node.content:
            if isinstance(key.content, str) and key.content == "<<" and key.tag is None:
                for merged in [value] if value.is_mapping else self.elements(value, expected):
                    yield from self.pairs(merged, "a mapping to merge")
        for key, value in node.content:
            if not isinstance(key.content, str):
                self.refuse(key, "a name")
            if key.content != "<<" or key.tag is not None:
                yield key.content, key, value

    def elements(self, node: Node, expected: str) -> Sequence[Node]:
        """Return a list's elements."""
        self._count(node)
        if node.is_mapping or not isinstance(node.content, list):
            self.refuse(node, expected)
        return node.content

    def plain(self, node: Node, depth: int = 0) -> object:
        """Return a value as plain data; what ansible-vault encrypted as Encrypted."""
        self._count(node)
        if depth > _DEEPEST:
            self.refuse(node, f"at most {_DEEPEST} levels")
        if node.tag is not None and node.tag.endswith(("!vault", "!vault-encrypted")):
            return Encrypted()
        if node.is_mapping:
            return {
                text: self.plain(value, depth + 1)
                for text, _, value in self.pairs(node, "a mapping")
            }
        if isinstance(node.content, list):
            if node.tag not in {None, _CORE + "seq"}:
                self.refuse(node, "plain data")
            return [self.plain(item, depth + 1) for item in node.content]
        return self._scalar(node)

    def _scalar(self, node: Node) -> object:
        if node.tag is None:
            return _resolved(node.content)
        if node.tag in {_CORE + "str", "!", "!unsafe"}:
            return node.content
        if not node.tag.startswith(_CORE) or "/" in node.tag:
            self.refuse(node, "plain data")
        try:
            return _constructed(node.content, node.tag)
        except (ValueError, yaml.YAMLError):
            self.refuse(node, f"{node.tag.removeprefix(_CORE)}")

    def _count(self, node: Node) -> None:
        self._left -= 1
        if self._left < 0:
            self.complain(node, "the file's aliases make too much of it; write it out")


def is_null(node: Node) -> bool:
    """Whether nothing stands here."""
    return isinstance(node.content, str) and (
        node.tag == _NULL
        or (node.tag is None and node.content in {"", "~", "null", "Null", "NULL"})
    )


def parse_yaml(text: str, name: str) -> Document:
    """Return the one document of a text.

    Raises:
        InventoryError: It is no YAML.
    """
    if text.startswith(_VAULT):
        return Document(name, Node("", "!vault", 1, is_mapping=False))
    try:
        builder = _compose(text, name)
    except yaml.MarkedYAMLError as exc:
        line = exc.problem_mark.line + 1 if exc.problem_mark else 1
        msg = f"{name}:{line}: not YAML: {printable(str(exc.problem))}"
        raise InventoryError(msg) from exc
    except yaml.YAMLError as exc:
        msg = f"{name}: not YAML: {exc}".replace("\n", " ")
        raise InventoryError(msg) from exc
    return Document(name, builder.root, builder.size)


def _compose(text: str, name: str) -> _Builder:
    """Build the tree without recursion, so that no depth can overflow us."""
    builder = _Builder(name)
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.ScalarEvent):
            builder.scalar(event)
        elif isinstance(event, yaml.CollectionStartEvent):
            builder.begin(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            builder.end()
        elif isinstance(event, yaml.AliasEvent):
            builder.alias(event)
        elif isinstance(event, yaml.DocumentStartEvent):
            builder.document(event)
    return builder


def _line(event: yaml.Event) -> int:
    return 1 + (event.start_mark.line if event.start_mark is not None else 0)


class _Builder:
    """Takes events; what is open lies on a stack."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._anchors: dict[str, Node] = {}
        self._open: list[Node] = []
        self._filling: list[list[Node]] = [[]]
        self._documents = 0
        self.size = 0

    @property
    def root(self) -> Node | None:
        return self._filling[0][0] if self._filling[0] else None

    def scalar(self, event: yaml.ScalarEvent) -> None:
        tag = event.tag
        if tag is None and not event.implicit[0]:
            tag = _CORE + "str"
        node = Node(event.value, tag, _line(event), is_mapping=False)
        self._filling[-1].append(node)
        if event.anchor is not None:
            self._anchors[event.anchor] = node

    def begin(self, event: yaml.CollectionStartEvent) -> None:
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        node = Node([], event.tag, _line(event), is_mapping=is_mapping)
        self._filling[-1].append(node)
        self._open.append(node)
        self._filling.append([])
        if event.anchor is not None:
            self._anchors[event.anchor] = node

    def end(self) -> None:
        found, node = self._filling.pop(), self._open.pop()
        pairs = zip(found[::2], found[1::2], strict=True) if node.is_mapping else found
        node.content = list(pairs)
        self.size += len(found)

    def alias(self, event: yaml.AliasEvent) -> None:
        node = self._anchors.get(event.anchor or "")
        if node is None or node in self._open:
            self._refuse(event, f"the alias *{event.anchor} stands for nothing that has ended")
        self._filling[-1].append(node)

    def document(self, event: yaml.DocumentStartEvent) -> None:
        self._documents += 1
        if self._documents > 1:
            self._refuse(event, "a second document begins; expected one")

    def _refuse(self, event: yaml.Event, problem: str) -> NoReturn:
        msg = f"{Place(self._name, _line(event))}: {printable(problem)}"
        raise InventoryError(msg)


@lru_cache(maxsize=65536)
def _resolved(text: str) -> object:
    """Return what a plain scalar stands for."""
    tag = _tag(text)
    if tag == _CORE + "timestamp":
        return text
    try:
        return _constructed(text, tag)
    except (ValueError, yaml.YAMLError):
        return text


def _tag(text: str) -> str:
    tag: str = _RESOLVER.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    return tag


def _constructed(text: str, tag: str) -> object:
    value: object = _RESOLVER.construct_object(yaml.ScalarNode(tag, text))
    return value if isinstance(value, str | int | float | bool | None) else text


def _description(node: Node) -> str:
    if node.tag is not None and not node.tag.startswith(_CORE) and node.tag != "!":
        return f"the tag {node.tag}"
    if node.tag is not None and "/" in node.tag:
        return f"the tag {node.tag}"
    if node.is_mapping:
        return "a mapping"
    if isinstance(node.content, list):
        return "a list"
    if is_null(node):
        return "nothing"
    kinds = {"int": "a number", "float": "a number", "bool": "true or false", "str": "a text"}
    tag = node.tag or _tag(node.content)
    return f"{kinds.get(tag.removeprefix(_CORE), 'a text')} ({node.content[:40]!r})"
