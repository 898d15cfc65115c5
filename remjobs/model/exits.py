"""The CLI's exit codes, from how a job's children stand. Frozen: scripts test them."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Final

from remjobs.model.job import NOT_REACHED, Child, ReasonKind
from remjobs.model.state import JobState

__all__ = ["ExitCode", "exit_code"]


class ExitCode(IntEnum):
    """What the CLI ends with."""

    OK = 0
    COMMAND_FAILED = 1
    USAGE = 2
    NO_SUCH_JOB = 3
    NOT_REACHED = 4
    FAILED_AND_NOT_REACHED = 5
    UNKNOWN = 6
    HALTED = 8
    INTERNAL = 70
    TIMEOUT = 124
    INTERRUPTED = 130
    TERMINATED = 143


_CUT_SHORT: Final = {
    ReasonKind.HALTED: ExitCode.HALTED,
    ReasonKind.TIMEOUT: ExitCode.TIMEOUT,
}
"""Why a host's part was stopped, where nobody asked for it by hand."""


def exit_code(children: Iterable[Child]) -> ExitCode:
    """Say how ``run``, ``wait`` and ``receive --wait`` end for these children.

    An unknown outcome outranks everything, a fault of ours, a limit that halted the
    job and its time-out the rest; a child that has not ended, or was stopped, did not
    succeed.
    """
    seen = frozenset(map(_verdict, children))
    if ExitCode.UNKNOWN in seen:
        return ExitCode.UNKNOWN
    for outranks in (ExitCode.INTERNAL, ExitCode.HALTED, ExitCode.TIMEOUT):
        if outranks in seen:
            return outranks
    if seen >= {ExitCode.COMMAND_FAILED, ExitCode.NOT_REACHED}:
        return ExitCode.FAILED_AND_NOT_REACHED
    return max(seen, default=ExitCode.OK)


def _verdict(child: Child) -> ExitCode:
    if child.state is JobState.DISCONNECTED:
        return ExitCode.UNKNOWN
    if child.state is JobState.COMPLETED:
        return ExitCode.OK
    if child.state is JobState.STOPPED and child.reason is not None:
        return _CUT_SHORT.get(child.reason.kind, ExitCode.COMMAND_FAILED)
    if child.state is JobState.FAILED and child.reason is not None:
        if child.reason.kind is ReasonKind.INTERNAL:
            return ExitCode.INTERNAL
        if child.reason.kind in NOT_REACHED:
            return ExitCode.NOT_REACHED
    return ExitCode.COMMAND_FAILED
