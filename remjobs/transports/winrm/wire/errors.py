"""What goes wrong on the wire, as the transport is told; the system's errors, translated once."""

from __future__ import annotations

import errno
import http.client
import os
import socket
import ssl
from typing import Final

from remjobs.model.job import ReasonKind
from remjobs.model.ping import Stage
from remjobs.transports.base import HostFailure
from remjobs.transports.winrm.wire.endpoint import Endpoint

__all__ = ["AnswerRefused", "ConnectionBroken", "LoginRefused", "not_reached", "went"]

_NAMES: Final = frozenset({62, 64})
"""X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH (openssl-verify(1))."""
_TIMES: Final = {9: "is not valid yet", 10: "has expired"}
_OF_OURS: Final = ("alert bad certificate", "alert certificate", "alert unknown ca")
"""How a host refuses a client's certificate, or the lack of one (RFC 8446, section 6.2)."""

_TUNNEL: Final = "Tunnel connection failed: "
"""How http.client begins what it says of a proxy."""


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


def not_reached(exc: Exception, endpoint: Endpoint) -> HostFailure:
    """Say why there is no connection to an endpoint."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        return _not_trusted(exc, endpoint)
    if isinstance(exc, ssl.SSLError):
        return _no_tls(exc, endpoint)
    stage = Stage.NAME if isinstance(exc, socket.gaierror) else Stage.TCP
    words = _network(exc, endpoint.connect_timeout)
    return HostFailure(ReasonKind.UNREACHABLE, f"{words} ({endpoint.authority})", stage=stage)


def went(exc: Exception, endpoint: Endpoint) -> HostFailure:
    """Say how a connection to an endpoint went that stood."""
    if isinstance(exc, ssl.SSLError) and not isinstance(exc, ssl.SSLEOFError):
        return _no_tls(exc, endpoint)
    words = _network(exc, endpoint.read_timeout)
    return HostFailure(ReasonKind.UNREACHABLE, f"{words} ({endpoint.authority})", stage=Stage.TCP)


def _not_trusted(exc: ssl.SSLCertVerificationError, endpoint: Endpoint) -> HostFailure:
    remedy = "give its CA (ca_file), or pin the certificate by its fingerprint"
    if exc.verify_code in _NAMES:
        msg = f"the certificate is not for {endpoint.name}"
        remedy = "name the host as its certificate does, or pin it by its fingerprint"
    elif exc.verify_code in _TIMES:
        msg = f"the certificate {_TIMES[exc.verify_code]}"
        remedy = "give the listener a valid certificate; see that both clocks are right"
    else:
        msg = f"the certificate is not trusted: {exc.verify_message}"
    return HostFailure(
        ReasonKind.HOST_KEY,
        f"{msg} ({endpoint.authority})",
        stage=Stage.HOST_KEY,
        remedy=remedy,
    )


def _no_tls(exc: ssl.SSLError, endpoint: Endpoint) -> HostFailure:
    words = (exc.reason or "the connection was closed").replace("_", " ").lower()
    if any(alert in words for alert in _OF_OURS):
        refused = "wants a client certificate" if "required" in words else "refuses our certificate"
        msg = f"the host {refused}: {words} ({endpoint.authority})"
        return HostFailure(ReasonKind.AUTHENTICATION, msg, stage=Stage.AUTHENTICATION)
    remedy = "is this port for https?" if "wrong version" in words else ""
    msg = f"TLS failed: {words} ({endpoint.authority})"
    return HostFailure(ReasonKind.UNREACHABLE, msg, stage=Stage.TCP, remedy=remedy)


_WORDS: Final[tuple[tuple[tuple[type[Exception], ...], str], ...]] = (
    ((socket.gaierror,), "name not found"),
    ((ConnectionRefusedError,), "connection refused"),
    (
        (http.client.RemoteDisconnected, ssl.SSLEOFError, BrokenPipeError),
        "the connection was closed",
    ),
    ((ConnectionResetError,), "connection reset"),
    ((http.client.IncompleteRead,), "the connection was closed in mid-answer"),
    ((http.client.HTTPException,), "what answers does not speak HTTP"),
)


def _network(exc: Exception, limit: float) -> str:
    if isinstance(exc, TimeoutError):
        return f"no answer in {limit:g} s"
    for kinds, words in _WORDS:
        if isinstance(exc, kinds):
            return words
    if not isinstance(exc, OSError):
        return "the connection failed"
    if str(exc).startswith(_TUNNEL):
        return f"the proxy does not connect us: {str(exc).removeprefix(_TUNNEL)}"
    if exc.errno == errno.EHOSTUNREACH:
        return "no route to host"
    return "the connection failed" if exc.errno is None else os.strerror(exc.errno).lower()
