"""How each fault on demand is made."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from itertools import repeat
from typing import Protocol

from winrm_endpoint import soap
from winrm_endpoint.codes import WsmanFault
from winrm_endpoint.faults import ENTITIES, Fault

Answer = tuple[int, bytes]
PERFORM = ("truncated", "reset-middle")
"""These do what was asked for, to have an answer that they can spoil."""


class Wire(Protocol):
    """A connection in the middle of a request; ``answer`` seals if the request was sealed."""

    @property
    def message(self) -> str: ...
    def perform(self) -> Answer: ...
    def answer(self, status: int, body: bytes, *, cut: bool = False) -> None: ...
    def plain(self, status: int, headers: Mapping[str, str] | None = None) -> None: ...
    def pour(self, chunks: repeat[bytes]) -> None: ...
    def refuse(self) -> None: ...
    def reset(self) -> None: ...
    def last(self) -> None: ...
    def drop_contexts(self) -> None: ...


def go_wrong(wire: Wire, fault: Fault) -> bool:
    """Make a fault happen; return whether the request has had its answer by that."""
    if fault.kind == "delay":
        time.sleep(float(fault.details["seconds"]))
        return False
    if fault.kind == "close":
        wire.last()
        return False
    if fault.perform and fault.kind not in PERFORM:
        wire.perform()
    _MAKERS[fault.kind](wire, fault)
    return True


def _status(wire: Wire, fault: Fault) -> None:
    status = int(fault.details.get("status", 500))
    if "code" in fault.details:
        problem = WsmanFault(int(fault.details["code"]), fault.details.get("text"))
        wire.answer(status, soap.fault(wire.message, problem))
    elif status == 401:
        wire.refuse()
    else:
        wire.plain(status)


def _truncated(wire: Wire, _: Fault) -> None:
    status, body = wire.perform()
    wire.answer(status, body[: len(body) // 2])


def _reset_middle(wire: Wire, _: Fault) -> None:
    wire.answer(*wire.perform(), cut=True)


def _drop_contexts(wire: Wire, _: Fault) -> None:
    wire.drop_contexts()
    wire.refuse()


_MAKERS: Mapping[str, Callable[[Wire, Fault], None]] = {
    "status": _status,
    "empty": lambda wire, _: wire.plain(200),
    "truncated": _truncated,
    "doctype": lambda wire, _: wire.answer(200, ENTITIES),
    "redirect": lambda wire, fault: wire.plain(307, {"Location": fault.details["url"]}),
    "reset-before": lambda wire, _: wire.reset(),
    "reset-middle": _reset_middle,
    "endless": lambda wire, _: wire.pour(repeat(b" " * 65536)),
    "drop-contexts": _drop_contexts,
}
