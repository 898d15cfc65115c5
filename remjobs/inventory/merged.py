"""Several inventories as one: who is in which group, and which setting wins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Final

from remjobs.errors import InventoryError
from remjobs.inventory.base import ALL, UNGROUPED, Group, Inventory, Place, Settings
from remjobs.inventory.connection import host_of
from remjobs.inventory.vars_files import VarsFolder
from remjobs.model.host import Host

__all__ = ["Merged"]

_NOTHING: Final[tuple[str, ...]] = ()


class Merged:
    """Hosts and groups of all inventories, later ones winning setting by setting.

    As in Ansible, what is said of a host wins over what is said of its groups,
    whichever inventory says it; then the group that is farther from ``all`` wins,
    then the higher priority, then the later name in the alphabet. ``group_vars`` win
    over what the inventories themselves say of groups, ``host_vars`` over what they
    say of hosts.
    """

    def __init__(self, inventories: Iterable[Inventory], directory: Path) -> None:
        """Merge them, the last one winning.

        Args:
            inventories: In the order of rising precedence.
            directory: Relative paths of Ansible's variables are meant from here.

        Raises:
            InventoryError: Groups contain each other.
        """
        self.hosts: dict[str, Settings] = {}
        self.places: dict[str, Place] = {}
        self.groups: dict[str, Group] = {ALL: Group(), UNGROUPED: Group()}
        self.aliases: dict[str, str] = {}
        self._directory = directory
        folders: dict[Path, None] = {}
        warnings: dict[str, None] = {}
        for inventory in inventories:
            self._add(inventory)
            warnings.update(dict.fromkeys(inventory.warnings))
            for folder in inventory.folders:
                folders.pop(folder, None)
                folders[folder] = None
        self._folders = [VarsFolder(folder) for folder in folders]
        self._warnings = warnings
        self._order = self._topological()
        self._members: dict[str, tuple[str, ...]] = {}
        self._bases: dict[tuple[str, ...], Settings] = {}
        self._prototypes: dict[int, Host] = {}

    def _add(self, inventory: Inventory) -> None:
        for name, settings in inventory.hosts.items():
            if name in self.hosts:
                _over(self.hosts[name], settings)
            else:
                self.hosts[name] = settings
                self.places[name] = inventory.places[name]
        for name, group in inventory.groups.items():
            ours = self.groups.setdefault(name, Group())
            ours.hosts |= group.hosts
            ours.children |= group.children
            _over(ours.settings, group.settings)
            if group.priority != 1:
                ours.priority = group.priority
        self.aliases |= inventory.aliases

    @property
    def warnings(self) -> tuple[str, ...]:
        """What seemed odd so far; asking for hosts may add to it."""
        return tuple(
            dict.fromkeys([*self._warnings, *(w for f in self._folders for w in f.warnings)]),
        )

    def _topological(self) -> list[str]:
        """Return the groups, parents before children.

        Raises:
            InventoryError: There is none such: groups contain each other.
        """
        parents: dict[str, list[str]] = {name: [] for name in self.groups}
        for name, group in self.groups.items():
            for child in group.children:
                parents[child].append(name)
        try:
            return list(TopologicalSorter(parents).static_order())
        except CycleError as exc:
            cycle: list[str] = exc.args[1]
            place = self.groups[cycle[0]].children[cycle[1]]
            msg = f"{place}: groups contain each other: {' > '.join(cycle)}"
            raise InventoryError(msg) from exc

    @cached_property
    def _ancestors(self) -> Mapping[str, frozenset[str]]:
        above: dict[str, frozenset[str]] = {name: frozenset() for name in self._order}
        for name in self._order:
            for child in self.groups[name].children:
                above[child] |= above[name] | {name}
        return above

    @cached_property
    def _depths(self) -> Mapping[str, int]:
        depths = dict.fromkeys(self._order, 1)
        depths[ALL] = 0
        for name in self._order:
            for child in self.groups[name].children:
                depths[child] = max(depths[child], depths[name] + 1)
        return depths

    @cached_property
    def _direct(self) -> Mapping[str, tuple[str, ...]]:
        """For each host the groups that name it, without ``all`` and ``ungrouped``."""
        found: dict[str, tuple[str, ...]] = {}
        for name, group in self.groups.items():
            if name not in {ALL, UNGROUPED}:
                one = (name,)
                for host in group.hosts:
                    found[host] = found[host] + one if host in found else one
        return found

    @property
    def group_names(self) -> Sequence[str]:
        """All groups, parents before children, else as they stand."""
        rank = {name: at for at, name in enumerate(self.groups)}
        depths = self._depths
        return sorted(self.groups, key=lambda name: (depths[name], rank[name]))

    @property
    def own_groups(self) -> Sequence[str]:
        """The groups that somebody wrote: all but ``all`` and ``ungrouped``."""
        return [name for name in self.group_names if name not in {ALL, UNGROUPED}]

    def members(self, group: str) -> Sequence[str]:
        """Return the hosts of a group and of the groups below it, each once."""
        if group == ALL:
            return tuple(self.hosts)
        if group == UNGROUPED:
            return tuple(host for host in self.hosts if host not in self._direct)
        if not self._members:
            for name in reversed(self._order):
                own = self.groups[name]
                below = (self._members[child] for child in own.children)
                found = dict.fromkeys(own.hosts)
                for members in below:
                    found |= dict.fromkeys(members)
                self._members[name] = tuple(found)
        return self._members[group]

    def groups_of(self, host: str) -> Sequence[str]:
        """Return all groups of a host but ``all``, in the order of rising precedence."""
        return self._ranked(self._direct.get(host, _NOTHING))

    def _ranked(self, direct: tuple[str, ...]) -> list[str]:
        found = {UNGROUPED} if not direct else set(direct)
        for group in direct:
            found |= self._ancestors[group]
        rank = self._depths
        return sorted(found - {ALL}, key=lambda g: (rank[g], self.groups[g].priority, g))

    def settings(self, host: str) -> Settings:
        """Return a host's settings, from wherever they come, each with its place.

        Raises:
            InventoryError: A file of variables cannot be read.
        """
        return self._with(host, self._own(host))

    def _with(self, host: str, own: Sequence[Settings]) -> Settings:
        """Return what is said of a host's groups, and over it what is said of itself."""
        base = self._base(self._direct.get(host, _NOTHING))
        if not own:
            return base
        merged = dict(base)
        for layer in own:
            _over(merged, layer)
        return merged

    def sayers(self, host: str) -> Mapping[str, str]:
        """Return for each of a host's settings the group that says it; empty for the host.

        Raises:
            InventoryError: A file of variables cannot be read.
        """
        groups = self._of_groups(self._direct.get(host, _NOTHING))
        layers = [*groups, *(("", layer) for layer in self._own(host))]
        return {key: sayer for sayer, layer in layers for key in layer}

    def _own(self, host: str) -> Sequence[Settings]:
        """Return what is said of a host itself, rising; files of variables are read for it."""
        layers = [self.hosts[host], *(folder.of_host(host) for folder in self._folders)]
        return [layer for layer in layers if layer]

    def _of_groups(self, direct: tuple[str, ...]) -> Iterator[tuple[str, Settings]]:
        """Yield what the groups say, rising."""
        groups = (ALL, *self._ranked(direct))
        for group in groups:
            yield group, self.groups[group].settings
        for chosen in (groups[:1], groups[1:]):
            for folder in self._folders:
                for group in chosen:
                    yield group, folder.of_group(group)

    def _base(self, direct: tuple[str, ...]) -> Settings:
        """Return what the groups say; hosts of the same groups share it."""
        if direct not in self._bases:
            merged: Settings = {}
            for _, layer in self._of_groups(direct):
                _over(merged, layer)
            self._bases[direct] = merged
        return self._bases[direct]

    def host(self, name: str) -> Host:
        """Return a host with all that is said of it.

        Raises:
            InventoryError: A setting cannot be taken.
        """
        own = self._own(name)
        settings = self._with(name, own)
        if own:
            said = [setting for layer in own for setting in layer.values()]
            host, warnings = host_of(name, settings, self._directory, said)
            self._warnings.update(dict.fromkeys(warnings))
            return host
        prototype = self._prototypes.get(id(settings))
        if prototype is None:
            prototype, warnings = host_of(name, settings, self._directory)
            self._warnings.update(dict.fromkeys(warnings))
            self._prototypes[id(settings)] = prototype
        return Host(
            name=name,
            transport=prototype.transport,
            address=prototype.address,
            port=prototype.port,
            user=prototype.user,
            authentication=prototype.authentication,
            credential=prototype.credential,
            variables=prototype.variables,
            ssh=prototype.ssh,
            winrm=prototype.winrm,
        )


def _over(below: Settings, above: Settings) -> None:
    """Put settings over others; what was set last stands last."""
    for key, setting in above.items():
        below.pop(key, None)
        below[key] = setting
