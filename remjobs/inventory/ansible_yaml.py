"""Ansible's inventories in YAML (or JSON): groups with hosts, children and vars."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from remjobs.errors import UsageError
from remjobs.inventory.ansible_ranges import expand_ansible
from remjobs.inventory.draft import VARIABLES, Draft
from remjobs.inventory.yaml_tree import Document, Node, is_null, parse_yaml

__all__ = ["read_yaml"]

_SECTIONS: Final = ("hosts", "children", "vars")
_DEEPEST: Final = 60
_OURS: Final = ("hosts", "groups", "defaults")


def read_yaml(text: str, draft: Draft) -> None:
    """Read an inventory as Ansible's yaml plugin does.

    Raises:
        InventoryError: The message names line, what was found and expected.
    """
    document = parse_yaml(text, draft.name)
    if document.root is None or is_null(document.root):
        return
    if document.root.tag == "!vault":
        draft.complain(1, "encrypted by ansible-vault, and not read")
    reader = _Reader(document, draft)
    for name, key, value in document.pairs(document.root, "a mapping of groups"):
        if name == "plugin":
            document.complain(key, "configures a plugin of Ansible, which remjobs does not run")
        reader.group(name, key, value, 0)


class _Reader:
    def __init__(self, document: Document, draft: Draft) -> None:
        self._document = document
        self._draft = draft

    def group(self, name: str, place: Node, body: Node, depth: int) -> None:
        if depth > _DEEPEST:
            self._document.refuse(place, f"groups within groups at most {_DEEPEST} deep")
        if not (body.is_mapping or is_null(body)):
            hint = "; the file's own form is TOML now" if depth == 0 and name in _OURS else ""
            self._document.refuse(body, f"a group: a mapping of {', '.join(_SECTIONS)}{hint}")
        self._draft.group(name, place.line)
        for section, key, value in self._document.pairs(body, "a group"):
            if section not in _SECTIONS:
                known = ", ".join(_SECTIONS)
                problem = f"unknown key {section!r} in group {name!r} is passed over; expected one"
                self._draft.warn(key.line, f"{problem} of: {known}")
                continue
            for text, inner_key, inner in self._section(value, section, name):
                if section == "hosts":
                    self._hosts(name, text, inner_key, inner)
                elif section == "children":
                    self.group(text, inner_key, inner, depth + 1)
                    self._draft.child(name, text, inner_key.line)
                else:
                    plain = self._document.plain(inner)
                    self._draft.of_group(name, text, plain, inner_key.line)

    def _section(self, value: Node, section: str, group: str) -> Iterator[tuple[str, Node, Node]]:
        """Yield what a section holds; a text stands for a mapping with this one key."""
        if isinstance(value.content, str) and not is_null(value):
            yield value.content, value, Node("", None, value.line, is_mapping=False)
            return
        yield from self._document.pairs(value, f"a mapping of the {section} of group {group!r}")

    def _hosts(self, group: str, text: str, key: Node, value: Node) -> None:
        draft = self._draft
        try:
            names, port = expand_ansible(text)
        except UsageError as exc:
            draft.complain(key.line, str(exc))
        variables = [
            (name, self._document.plain(inner), place.line)
            for name, place, inner in self._document.pairs(value, "a mapping of variables")
        ]
        members = draft.group(group, key.line).hosts
        for name in names:
            known = draft.has_host(name)
            settings = draft.host(name, key.line)
            members[name] = None
            if port is not None and not known:
                draft.set(settings, VARIABLES + "ansible_port", port, key.line, name)
        draft.of_hosts(names, variables)
