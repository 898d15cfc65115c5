"""What goes wrong on the wire, as the transport is told."""

from __future__ import annotations

from remjobs.model.job import ReasonKind
from remjobs.model.ping import Stage
from remjobs.transports.base import HostFailure

__all__ = ["AnswerRefused", "ConnectionBroken", "LoginRefused"]


class LoginRefused(HostFailure):
    """The host, or the KDC, refused the secret that it was given: it must not be tried again."""

    def __init__(self, message: str, *, remedy: str = "") -> None:
        """Say what was refused."""
        super().__init__(
            ReasonKind.AUTHENTICATION, message, stage=Stage.AUTHENTICATION, remedy=remedy
        )


class ConnectionBroken(Exception):
    """The connection went, or became useless, once the host had let us in.

    Closing is done; the next message connects and logs in anew.
    """

    def __init__(self, failure: HostFailure, *, sent: bool) -> None:
        """Say what happened.

        Args:
            failure: The same as a host failure, for work that has not begun.
            sent: The SOAP request may have reached the host.
        """
        super().__init__(str(failure))
        self.failure = failure
        self.sent = sent


class AnswerRefused(ConnectionBroken):
    """The host answered what we do not take: the request may have been carried out."""

    def __init__(self, message: str) -> None:
        """Say what is wrong with the answer."""
        super().__init__(HostFailure(ReasonKind.REFUSED, message, stage=Stage.SHELL), sent=True)
