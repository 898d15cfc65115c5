"""Asks ansible-core what it makes of inventories; run as a program, many at a time.

Standard input is a JSON list of objects with ``sources`` (paths) and ``patterns``;
standard output one of what ``ansible-inventory --list`` is made of: ``groups`` with all
their hosts, ``variables`` of each host, and the hosts of each pattern.
"""

import json
import sys

from ansible.constants import INTERNAL_STATIC_VARS
from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.vars.manager import VariableManager


def main():
    """Answer."""
    init_plugin_loader()
    json.dump([answer(**question) for question in json.load(sys.stdin)], sys.stdout, default=str)


def answer(sources, patterns):
    """Read some sources anew."""
    loader = DataLoader()
    inventory = InventoryManager(loader=loader, sources=sources)
    manager = VariableManager(loader=loader, inventory=inventory)
    return {
        "groups": {
            name: [host.name for host in group.get_hosts()]
            for name, group in inventory.groups.items()
        },
        "variables": {
            name: {
                key: value
                for key, value in manager.get_vars(
                    host=host,
                    include_hostvars=False,
                    stage="all",
                ).items()
                if key not in INTERNAL_STATIC_VARS
            }
            for name, host in inventory.hosts.items()
        },
        "patterns": {pattern: chosen(inventory, pattern) for pattern in patterns},
    }


def chosen(inventory, pattern):
    """Return the hosts of a pattern; a number that no host has stands for none."""
    try:
        return [host.name for host in inventory.get_hosts(pattern)]
    except AnsibleError:
        return []


if __name__ == "__main__":
    main()
