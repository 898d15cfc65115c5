from dataclasses import dataclass

from remjobs.model.host import Host
from remjobs.model.ranges import expand


@dataclass
class Selection:
    hosts: tuple
    warnings: tuple


def resolve(targets, directory, default):
    return Selection(
        tuple(targets.hosts) + tuple(Host(name=n) for e in targets.include for n in expand(e)), ()
    )
