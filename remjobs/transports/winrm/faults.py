"""WS-Man faults and unreadable answers, translated once ([MS-WSMV], section 2.2.4.43)."""

from __future__ import annotations

from collections.abc import Mapping
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
    IDLE_TOO_LONG = 2150859250
    """The host has a shorter idle time-out for shells, and takes no longer one."""
    TOO_MANY_SHELLS = 2150859173
    TOO_MANY_OPERATIONS = 2150859174
    NO_SUCH_FILE = 2147942402
    NO_SUCH_PATH = 2147942403
    LINE_TOO_LONG = 2147942606
    NOT_A_FOLDER = 2147942667


_NOT_ALLOWED: Final = (
    "access denied: the account may not use WinRM there; its groups Administrators and "
    "Remote Management Users may"
)
_REMEDY: Final[Mapping[int | None, str]] = {
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


_REFUSED: Final = frozenset(
    {
        Code.ACCESS_DENIED,
        Code.NO_SHELL,
        Code.TOO_MANY_SHELLS,
        Code.TOO_MANY_OPERATIONS,
        Code.NO_SUCH_FILE,
        Code.NO_SUCH_PATH,
        Code.LINE_TOO_LONG,
        Code.NOT_A_FOLDER,
    }
)
"""With these no process was created: the last four are how Windows says so itself."""


class Fault(Exception):
    """The host answered a request with a fault; whether it was carried out may be unknown."""

    def __init__(self, code: int | None, message: str, *, is_senders: bool = False) -> None:
        """Keep what the host says.

        Args:
            code: The WSManFault's, if there is one.
            message: Its words.
            is_senders: The host finds the request itself at fault (SOAP 1.2, section 5.4.6).
        """
        super().__init__(message)
        self.code = code
        self._is_senders = is_senders

    @property
    def is_of_kept(self) -> bool:
        """Whether a shell that was kept may be at fault, and a new one may do."""
        return self.code in {Code.NO_SHELL, Code.TOO_MANY_OPERATIONS}

    @property
    def is_refusal(self) -> bool:
        """Whether a command that is answered so was certainly not begun."""
        return self._is_senders or self.code in _REFUSED

    @property
    def failure(self) -> HostFailure:
        """The same, as what keeps work from being begun."""
        remedy = _REMEDY.get(self.code, "")
        if self.code == Code.ACCESS_DENIED:
            return HostFailure(
                ReasonKind.REFUSED, _NOT_ALLOWED, stage=Stage.AUTHENTICATION, remedy=remedy
            )
        msg = f"WinRM refuses: {self}"
        return HostFailure(ReasonKind.REFUSED, msg, stage=Stage.SHELL, remedy=remedy)
