"""WS-Man faults and unreadable answers, translated once ([MS-WSMV], section 2.2.4.43)."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from remjobs.model.job import ReasonKind
from remjobs.model.ping import Stage
from remjobs.transports.base import HostFailure

__all__ = ["Code", "Fault"]


class Code(IntEnum):
    """Codes of WSManFault that mean something to us (winerror.h, wsmerror.h)."""

    ACCESS_DENIED = 5
    BROKEN_PIPE = 109
    PIPE_CLOSING = 232
    ABORTED = 995
    TIMED_OUT = 2150858793
    """There is nothing new within the operation time-out: ask again."""
    NO_SHELL = 2150858843
    TOO_MANY_SHELLS = 2150859173
    TOO_MANY_OPERATIONS = 2150859174


_NOT_ALLOWED: Final = (
    "access denied: the account may not use WinRM there; its groups Administrators and "
    "Remote Management Users may"
)
_REMEDY: Final = {
    Code.ACCESS_DENIED: (
        "add the account to Remote Management Users, or look at "
        "`winrm configSDDL default` on the host"
    ),
    Code.TOO_MANY_SHELLS: (
        "see `winrm enumerate shell` on the host, and MaxShellsPerUser in winrm/config/winrs"
    ),
    Code.TOO_MANY_OPERATIONS: (
        "see MaxConcurrentOperationsPerUser in winrm/config/service on the host"
    ),
}


class Fault(Exception):
    """The host refused a request, which was not carried out, but for what ``is_unsure``."""

    def __init__(self, code: int | None, message: str) -> None:
        """Keep the fault's code and its words."""
        super().__init__(message)
        self.code = code

    @property
    def is_of_kept(self) -> bool:
        """Whether a shell that was kept may be at fault, and a new one may do."""
        return self.code in {Code.NO_SHELL, Code.TOO_MANY_OPERATIONS}

    @property
    def is_unsure(self) -> bool:
        """Whether the request may have been carried out all the same."""
        return self.code in {Code.TIMED_OUT, Code.ABORTED}

    @property
    def failure(self) -> HostFailure:
        """The same, as what keeps work from being begun."""
        known = self.code in set(Code)
        remedy = _REMEDY.get(Code(self.code), "") if known and self.code is not None else ""
        if self.code == Code.ACCESS_DENIED:
            return HostFailure(
                ReasonKind.REFUSED, _NOT_ALLOWED, stage=Stage.AUTHENTICATION, remedy=remedy
            )
        msg = f"WinRM refuses: {self}"
        return HostFailure(ReasonKind.REFUSED, msg, stage=Stage.SHELL, remedy=remedy)
