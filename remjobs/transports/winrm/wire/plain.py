"""Mechanisms that say with each message who we are: Basic and Certificate."""

from __future__ import annotations

from base64 import b64encode
from typing import Final

from remjobs.model.job import ReasonKind
from remjobs.model.ping import Stage
from remjobs.transports.base import HostFailure
from remjobs.transports.winrm.wire.admission import SOAP
from remjobs.transports.winrm.wire.answer import Answer
from remjobs.transports.winrm.wire.connection import Connection
from remjobs.transports.winrm.wire.errors import LoginRefused
from remjobs.transports.winrm.wire.login import WinRmLogin
from remjobs.transports.winrm.wire.refusals import not_offered, password_of, password_refused

__all__ = ["Basic", "Certificate"]

_TYPE: Final = f"{SOAP};charset=UTF-8"
_MUTUAL: Final = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual"
"""WS-Management (DSP0226), annex C.3."""
_UNAUTHORIZED: Final = 401


class Basic:
    """User and password with each message (RFC 7617)."""

    authentication = "Basic"
    is_kept = False

    def __init__(self, login: WinRmLogin) -> None:
        """Show this."""
        self._login = login

    def enter(self, connection: Connection) -> None:
        """Do nothing: the message says it."""

    def post(self, connection: Connection, message: bytes) -> Answer:
        """Send a message with the password."""
        user, password = password_of(self._login)
        pair = f"{user}:{password.reveal()}".encode("utf-8", "surrogatepass")
        said = f"Basic {b64encode(pair).decode('ascii')}"
        answer = connection.post(message, {"Authorization": said, "Content-Type": _TYPE})
        if answer.status == _UNAUTHORIZED:
            raise self._refused(answer)
        return answer

    def _refused(self, answer: Answer) -> HostFailure:
        if not answer.offers("Basic"):
            return not_offered("Basic", answer)
        return LoginRefused(password_refused(self._login))

    def close(self) -> None:
        """Do nothing: there is nothing that is kept."""


class Certificate:
    """A client certificate in TLS, which the host maps to one of its accounts."""

    authentication = "Certificate"
    is_kept = False

    def enter(self, connection: Connection) -> None:
        """Do nothing: TLS has shown it."""

    def post(self, connection: Connection, message: bytes) -> Answer:
        """Send a message as whom the certificate says."""
        answer = connection.post(message, {"Authorization": _MUTUAL, "Content-Type": _TYPE})
        if answer.status == _UNAUTHORIZED:
            raise HostFailure(
                ReasonKind.AUTHENTICATION,
                "the host does not let the certificate in",
                stage=Stage.AUTHENTICATION,
                remedy="the host must map it to an account (winrm create winrm/config/service/"
                "certmapping), and allow Certificate",
            )
        return answer

    def close(self) -> None:
        """Do nothing: there is nothing that is kept."""
