"""What a reader fills in: names are checked, secrets dropped, contradictions told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NoReturn

from remjobs.errors import InventoryError, UsageError
from remjobs.inventory.base import Group, Inventory, Place, Setting, Settings, printable
from remjobs.inventory.meanings import UNCHECKED
from remjobs.inventory.secrets import Encrypted, is_secret, without_secrets
from remjobs.model.host import check_host_name

__all__ = ["VARIABLES", "Draft"]

VARIABLES: Final = "variables."
_PRIORITY: Final = "ansible_group_priority"
_MOST_WARNINGS: Final = 10


class Draft:
    """An inventory while it is read."""

    def __init__(self, name: str) -> None:
        """Read the file of this name."""
        self.name = name
        self._hosts: dict[str, Settings] = {}
        self._places: dict[str, Place] = {}
        self._groups: dict[str, Group] = {}
        self._aliases: dict[str, str] = {}
        self._dropped: dict[str, list[int]] = {}
        self._warnings: list[str] = []
        self._unsaid = 0

    def complain(self, line: int, problem: str) -> NoReturn:
        """Raise an InventoryError about a line."""
        msg = f"{Place(self.name, line)}: {printable(problem)}"
        raise InventoryError(msg)

    def warn(self, line: int, problem: str) -> None:
        """Tell of a line what is odd; of very many the first ones."""
        if len(self._warnings) < _MOST_WARNINGS:
            self._warnings.append(f"{Place(self.name, line)}: {printable(problem)}")
        else:
            self._unsaid += 1

    def host(
        self,
        name: str,
        line: int,
        expected: str = "",
        file: str | None = None,
    ) -> Settings:
        """Return a host's own settings, to be filled in; it exists from now on.

        Args:
            name: Its name.
            line: Where it is named.
            expected: What should be there, if that is no name.
            file: The file, if it is another one that this one includes.
        """
        settings = self._hosts.get(name)
        if settings is None:
            try:
                check_host_name(name)
            except UsageError as exc:
                problem = f"{exc}; expected {expected}" if expected else str(exc)
                msg = f"{Place(file or self.name, line)}: {problem}"
                raise InventoryError(msg) from exc
            settings = self._hosts[name] = {}
            self._places[name] = Place(file or self.name, line)
        return settings

    def has_host(self, name: str) -> bool:
        """Whether a host of this name was read."""
        return name in self._hosts

    def alias(self, name: str, host: str) -> None:
        """Give a host a further name, if nobody has it."""
        self._aliases.setdefault(name, host)

    def group(self, name: str, line: int) -> Group:
        """Return a group, to be filled in; it exists from now on."""
        found = self._groups.get(name)
        if found is None:
            if not name.isprintable() or not name.strip() or name.startswith("-"):
                self.complain(line, f"{name!r} is not a group's name")
            found = self._groups[name] = Group()
        return found

    def has_group(self, name: str) -> bool:
        """Whether a group of this name was read."""
        return name in self._groups

    def child(self, parent: str, child: str, line: int) -> None:
        """Make one group a child of another."""
        self.group(child, line)
        self.group(parent, line).children.setdefault(child, Place(self.name, line))

    def set(self, settings: Settings, key: str, value: object, line: int, whose: str) -> None:
        """Set something of a host or group; the later one of two counts, with a warning."""
        place = Place(self.name, line)
        former = settings.pop(key, None)
        if former is not None and former.value != value and former.place.file == self.name:
            shown = key.removeprefix(VARIABLES)
            self.warn(
                line,
                f"{whose}: {shown} is {value!r} here, but {former.value!r} in line "
                f"{former.place.line}; the later one counts",
            )
        settings[key] = Setting(value, place)

    def variable(
        self,
        settings: Settings,
        name: str,
        value: object,
        line: int,
        whose: str,
    ) -> None:
        """Set a variable, unless it holds a secret."""
        if is_secret(name) or (isinstance(value, Encrypted) and not name.startswith("ansible_")):
            self._dropped.setdefault(name, []).append(line)
            return
        kept, lost = without_secrets(value)
        if lost:
            self._dropped.setdefault(name, []).append(line)
        self.set(settings, VARIABLES + name, kept, line, whose)

    def of_hosts(
        self,
        names: Sequence[str],
        variables: Iterable[tuple[str, object, int]],
    ) -> None:
        """Set variables of the hosts that one entry names.

        Raises:
            InventoryError: They would leave the certificates of several hosts unchecked.
        """
        for variable, value, line in variables:
            if len(names) > 1 and variable in UNCHECKED and value == "ignore":
                self.complain(line, f"{variable}: ignore can be said of a single host only")
            for name in names:
                self.variable(self._hosts[name], variable, value, line, name)

    def of_group(self, name: str, variable: str, value: object, line: int) -> None:
        """Set a variable of a group, or its priority."""
        group = self.group(name, line)
        if variable != _PRIORITY:
            self.variable(group.settings, variable, value, line, name)
            return
        try:
            group.priority = int(str(value))
        except ValueError:
            self.complain(line, f"{_PRIORITY} is {value!r}, expected a whole number")

    def finish(self, folders: Iterable[Path] = ()) -> Inventory:
        """Return what was read."""
        for name in self._hosts.keys() & self._groups.keys():
            self.warn(self._places[name].line, f"{name!r} names a host and a group; -t takes both")
        return Inventory(
            hosts=self._hosts,
            places=self._places,
            groups=self._groups,
            aliases={a: host for a, host in self._aliases.items() if a not in self._hosts},
            folders=tuple(folders),
            warnings=tuple(self._told()),
        )

    def _told(self) -> Iterable[str]:
        yield from self._warnings
        if self._unsaid:
            yield f"{self.name}: {self._unsaid} more of this kind"
        for name, lines in self._dropped.items():
            more = f" (and {len(lines) - 1} more lines)" if len(lines) > 1 else ""
            what = f"{Place(self.name, lines[0])}: {printable(name)} is not kept{more}"
            yield f"{what}: a secret belongs in the keyring, never in an inventory"
