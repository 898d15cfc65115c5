"""YAML with line numbers: every complaint says where, what was found and what was expected.

Only the plain core of YAML is taken: no tags, no anchors, no duplicate keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NoReturn

import yaml

from remjobs.errors import InventoryError

__all__ = ["Tree", "parse_yaml"]

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MAPPING: Final = "tag:yaml.org,2002:map"
_SEQUENCE: Final = "tag:yaml.org,2002:seq"
_SCALARS: Final = {
    "tag:yaml.org,2002:str": "a text",
    "tag:yaml.org,2002:int": "a number",
    "tag:yaml.org,2002:float": "a number",
    "tag:yaml.org,2002:bool": "true or false",
    "tag:yaml.org,2002:null": "nothing",
    "tag:yaml.org,2002:timestamp": "a date",
}
_DEEPEST: Final = 40
_RESOLVER: Final = yaml.SafeLoader("")


def parse_yaml(text: str, name: str) -> Tree:
    """Return the one document of a text.

    Raises:
        InventoryError: It is no YAML, or more than plain YAML.
    """
    try:
        _refuse_anchors(text, name)
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as exc:
        line = exc.problem_mark.line + 1 if exc.problem_mark else 1
        msg = f"{name}:{line}: not YAML: {exc.problem}"
        raise InventoryError(msg) from exc
    except (yaml.YAMLError, RecursionError) as exc:
        msg = f"{name}: not YAML: {exc}".replace("\n", " ")
        raise InventoryError(msg) from exc
    return Tree(node, name, 0)


def _refuse_anchors(text: str, name: str) -> None:
    """Refuse anchors and aliases, by which a small file can stand for a huge one."""
    if "&" not in text and "*" not in text:
        return
    for event in yaml.parse(text, Loader=_LOADER):
        if getattr(event, "anchor", None) is not None:
            line = event.start_mark.line + 1 if event.start_mark else 1
            msg = f"{name}:{line}: anchors and aliases (& and *) are not taken; write it out"
            raise InventoryError(msg)


class Tree:
    """A node of a YAML document."""

    def __init__(self, node: yaml.Node | None, name: str, depth: int) -> None:
        """Wrap a node; None is an empty document."""
        self._node = node
        self._name = name
        self._depth = depth
        if depth > _DEEPEST:
            self.refuse(f"at most {_DEEPEST} levels")

    @property
    def is_null(self) -> bool:
        """Whether nothing stands here."""
        return self._node is None or self._node.tag == "tag:yaml.org,2002:null"

    @property
    def is_list(self) -> bool:
        """Whether it is a list."""
        return isinstance(self._node, yaml.SequenceNode)

    @property
    def folder(self) -> Path:
        """The folder of the file, for relative paths in it."""
        return Path(self._name).expanduser().absolute().parent

    def complain(self, problem: str) -> NoReturn:
        """Raise an InventoryError about this place."""
        line = 1 if self._node is None else self._node.start_mark.line + 1
        msg = f"{self._name}:{line}: {problem}"
        raise InventoryError(msg)

    def refuse(self, expected: str) -> NoReturn:
        """Raise an InventoryError that says what was found here instead."""
        self.complain(f"found {self._description()}, expected {expected}")

    def items(self, expected: str = "a mapping") -> Iterator[tuple[str, Tree, Tree]]:
        """Yield a mapping's keys, as text and as a place, with their values; null has none."""
        if self.is_null:
            return
        if not isinstance(self._node, yaml.MappingNode) or self._node.tag != _MAPPING:
            self.refuse(expected)
        seen: set[str] = set()
        for key_node, value_node in self._node.value:
            key = self._child(key_node)
            text = key.text("a name")
            if text in seen:
                key.complain(f"{text!r} stands here for the second time")
            seen.add(text)
            yield text, key, self._child(value_node)

    def fields(self, allowed: tuple[str, ...]) -> dict[str, Tree]:
        """Return a mapping whose keys must be among those allowed."""
        found = {}
        for text, key, value in self.items(f"a mapping of {', '.join(allowed)}"):
            if text not in allowed:
                key.complain(f"unknown key {text!r}; expected one of: {', '.join(allowed)}")
            found[text] = value
        return found

    def elements(self, expected: str) -> Iterator[Tree]:
        """Yield a list's elements; null has none."""
        if self.is_null:
            return
        if not isinstance(self._node, yaml.SequenceNode) or self._node.tag != _SEQUENCE:
            self.refuse(expected)
        yield from map(self._child, self._node.value)

    def text(self, expected: str = "a text") -> str:
        """Return a scalar as it is written: a host may be called 10 or no."""
        if not isinstance(self._node, yaml.ScalarNode) or self._node.tag not in _SCALARS:
            self.refuse(expected)
        return str(self._node.value)

    def number(self, expected: str) -> float:
        """Return a number."""
        try:
            return float(self.text(expected))
        except ValueError:
            self.refuse(expected)

    def plain(self) -> object:
        """Return it as plain data, for variables."""
        if isinstance(self._node, yaml.MappingNode):
            return {key: value.plain() for key, _, value in self.items()}
        if isinstance(self._node, yaml.SequenceNode):
            return [element.plain() for element in self.elements("a list")]
        text = self.text("plain data")
        match self._node.tag if self._node is not None else "":
            case "tag:yaml.org,2002:null":
                return None
            case "tag:yaml.org,2002:timestamp":
                return text
        loader = _RESOLVER
        value: object = loader.construct_object(self._node)
        return value

    def _child(self, node: yaml.Node) -> Tree:
        return Tree(node, self._name, self._depth + 1)

    def _description(self) -> str:
        if self._node is None:
            return "nothing"
        if isinstance(self._node, yaml.MappingNode) and self._node.tag == _MAPPING:
            return "a mapping"
        if isinstance(self._node, yaml.SequenceNode) and self._node.tag == _SEQUENCE:
            return "a list"
        if self._node.tag in _SCALARS and isinstance(self._node, yaml.ScalarNode):
            shown = str(self._node.value)
            return f"{_SCALARS[self._node.tag]} ({shown[:40]!r})" if shown else "nothing"
        return f"the tag {self._node.tag}"
