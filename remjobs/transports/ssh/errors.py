"""asyncssh's and the system's errors, translated once into host failures."""

from __future__ import annotations

import errno
import os
import socket

import asyncssh

from remjobs.model.job import ReasonKind
from remjobs.transports.base import HostFailure

__all__ = ["translate"]


def translate(exc: Exception, where: str) -> HostFailure:
    """Say what a failed connection means for the host at ``where`` (host:port)."""
    if isinstance(exc, asyncssh.PermissionDenied):
        return HostFailure(ReasonKind.AUTHENTICATION, f"authentication refused: {exc.reason}")
    if isinstance(exc, asyncssh.HostKeyNotVerifiable):
        return HostFailure(ReasonKind.HOST_KEY, exc.reason)
    if isinstance(exc, asyncssh.KeyExchangeFailed):
        return HostFailure(ReasonKind.REFUSED, f"no common algorithm: {exc.reason}")
    if isinstance(exc, asyncssh.ConnectionLost):
        return HostFailure(ReasonKind.UNREACHABLE, f"{_lost(exc)} ({where})")
    if isinstance(exc, asyncssh.DisconnectError):
        return HostFailure(ReasonKind.REFUSED, f"the host ended the connection: {exc.reason}")
    if isinstance(exc, asyncssh.Error | asyncssh.KeyImportError | ValueError):
        return HostFailure(ReasonKind.REFUSED, str(exc))
    return HostFailure(ReasonKind.UNREACHABLE, f"{_network(exc)} ({where})")


def _lost(exc: asyncssh.ConnectionLost) -> str:
    if "Login timeout" in exc.reason:
        return "the login did not finish in time"
    return "the connection was closed before the login"


def _network(exc: Exception) -> str:
    if isinstance(exc, socket.gaierror):
        return "name not found"
    if isinstance(exc, ConnectionRefusedError):
        return "connection refused"
    if isinstance(exc, ConnectionResetError):
        return "connection reset"
    if isinstance(exc, OSError) and exc.errno == errno.EHOSTUNREACH:
        return "no route to host"
    if isinstance(exc, OSError) and exc.errno is not None:
        return os.strerror(exc.errno).lower()
    return str(exc) or type(exc).__name__
