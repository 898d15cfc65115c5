"""asyncssh's and the system's errors, translated once into host failures."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Sequence
from typing import Final

import asyncssh
from asyncssh.constants import OPEN_CONNECT_FAILED

from remjobs.model.job import ReasonKind
from remjobs.transports.base import HostFailure

__all__ = ["translate"]

_TOO_MANY: Final = "too many authentication failures"


def translate(exc: Exception, where: str, notes: Sequence[str] = ()) -> HostFailure:
    """Say what a failed connection means for the host at ``where`` (host:port).

    Args:
        exc: What connecting ended with.
        where: The host.
        notes: What else there was to log in with, and could not be used.
    """
    if isinstance(exc, asyncssh.PermissionDenied) or _is_fed_up(exc):
        said = "; ".join([str(getattr(exc, "reason", exc)), *notes])
        return HostFailure(ReasonKind.AUTHENTICATION, f"authentication refused: {said}")
    if isinstance(exc, asyncssh.ChannelOpenError):
        return _not_passed_on(exc, where)
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


def _is_fed_up(exc: Exception) -> bool:
    """Whether the server hung up because of too many tries (sshd's MaxAuthTries)."""
    return isinstance(exc, asyncssh.DisconnectError) and _TOO_MANY in exc.reason.casefold()


def _not_passed_on(exc: asyncssh.ChannelOpenError, where: str) -> HostFailure:
    """Say why a host on the way does not connect us."""
    kind = ReasonKind.UNREACHABLE if exc.code == OPEN_CONNECT_FAILED else ReasonKind.REFUSED
    words = exc.reason.casefold() or "no reason given"
    return HostFailure(kind, f"the host on the way does not connect us: {words} ({where})")


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
