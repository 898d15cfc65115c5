"""What an outcome makes of a child: pure rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from remjobs.model.job import Reason, ReasonKind
from remjobs.model.state import JobState
from remjobs.transports.base import (
    Exited,
    Lost,
    NotCopied,
    NotInitialized,
    Outcome,
    Rebooted,
    Signaled,
    StopReport,
    Unknown,
)

__all__ = ["Verdict", "verdict"]


_UNSIGNED: Final = 0xFFFFFFFF
"""Windows' exit codes have 32 bits, and people write them with a sign or without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A child's end."""

    state: JobState
    reason: Reason | None = None
    message: str = ""
    exit_code: int | None = None
    signal: str | None = None


def verdict(
    outcome: Outcome,
    success_codes: frozenset[int],
    stop: StopReport | None = None,
    overdue: Reason | None = None,
) -> Verdict:
    """Say how a child ended.

    Args:
        outcome: How its work ended, as the transport saw it.
        success_codes: Exit codes that count as success.
        stop: What a stop found on the host, if there was one.
        overdue: Its time was up, and the stop is ours: it has failed so.
    """
    natural = _natural(outcome, success_codes)
    unknown = isinstance(outcome, Lost | Unknown)
    if stop is None or (stop.confirmed and not stop.signalled and not unknown):
        return natural
    if stop.confirmed:
        return Verdict(
            state=JobState.STOPPED if overdue is None else JobState.FAILED,
            reason=overdue,
            message=stop.message,
            exit_code=natural.exit_code,
            signal=natural.signal,
        )
    message = f"kill not confirmed: {stop.message}"
    return Verdict(
        state=JobState.DISCONNECTED,
        reason=Reason(kind=ReasonKind.LOST, message=message),
        message=message,
        exit_code=natural.exit_code,
        signal=natural.signal,
    )


def _natural(outcome: Outcome, success_codes: frozenset[int]) -> Verdict:
    match outcome:
        case Exited(code) if code in success_codes or code & _UNSIGNED in success_codes:
            return Verdict(state=JobState.COMPLETED, exit_code=code)
        case Exited(code):
            reason = Reason(kind=ReasonKind.EXIT, message=f"exit code {code}")
            return Verdict(state=JobState.FAILED, reason=reason, exit_code=code)
        case Signaled(name):
            reason = Reason(kind=ReasonKind.SIGNAL, message=f"killed by signal {name}")
            return Verdict(state=JobState.FAILED, reason=reason, signal=name)
        case NotInitialized(code):
            message = "initialization failed"
            reason = Reason(kind=ReasonKind.INITIALIZATION, message=f"{message}: exit code {code}")
            return Verdict(state=JobState.FAILED, reason=reason, message=message)
        case NotCopied(message):
            return Verdict(
                state=JobState.FAILED,
                reason=Reason(kind=ReasonKind.COPY, message=message),
            )
        case Rebooted():
            reason = Reason(kind=ReasonKind.LOST, message="the host was restarted while it ran")
            return Verdict(state=JobState.FAILED, reason=reason)
        case Lost(message) | Unknown(message):
            reason = Reason(kind=ReasonKind.LOST, message=f"{message}; outcome unknown")
            return Verdict(state=JobState.DISCONNECTED, reason=reason)
