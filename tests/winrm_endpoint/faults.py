"""Faults on demand: what goes wrong with the next requests of a kind."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

KINDS = (
    "status",
    "empty",
    "truncated",
    "doctype",
    "redirect",
    "reset-before",
    "reset-middle",
    "delay",
    "endless",
    "close",
    "drop-contexts",
)
LOGIN = "Login"
"""Stands for any request that comes before somebody has logged in on its connection."""

ENTITIES = b"""<?xml version="1.0"?>
<!DOCTYPE bomb [
<!ENTITY a "bang bang bang bang bang bang bang bang bang bang">
<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">
<!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">
<!ENTITY e "&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;">
]>
<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body>&e;</s:Body></s:Envelope>
"""


@dataclass(slots=True, kw_only=True)
class Fault:
    """One kind of fault, for some more requests of an action, or of any.

    Attributes:
        perform: Whether what the request asks for is done nevertheless.
    """

    kind: str
    action: str | None = None
    times: int = 1
    perform: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)


class Faults:
    """The faults that are still to come."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Let it happen."""
        with self._lock:
            self._faults.append(fault)

    def take(self, action: str) -> Fault | None:
        """Return what is to go wrong with a request now."""
        with self._lock:
            for fault in self._faults:
                if fault.action == action or (fault.action is None and action != LOGIN):
                    fault.times -= 1
                    if fault.times <= 0:
                        self._faults.remove(fault)
                    return fault
        return None

    def clear(self) -> None:
        """Let none of them happen."""
        with self._lock:
            self._faults.clear()

    def status(self) -> dict[str, Any]:
        """Return how many are still to come."""
        with self._lock:
            return {"faults": sum(fault.times for fault in self._faults)}
