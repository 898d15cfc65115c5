"""Reading an answer: so much at most, and in so much time."""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import Any, Final

from remjobs.transports.winrm.wire.errors import AnswerRefused

__all__ = ["LIMIT", "Response"]

LIMIT: Final = 8 * 2**20
"""Bytes of one answer. A listener's default limit of an envelope is 500 KiB."""
_PIECE: Final = 65_536


class Response(http.client.HTTPResponse):
    """http.client's answer, head and body each in the socket's time-out from the first wait on.

    A host may not keep us by a byte now and then.
    """

    def __init__(self, sock: socket.socket, *given: Any, **named: Any) -> None:
        """Begin to wait."""
        super().__init__(sock, *given, **named)
        self.fp.close()
        self._bytes = _Bytes(sock)
        self.fp = io.BufferedReader(self._bytes)

    def whole(self) -> bytes:
        """Return the body.

        Raises:
            AnswerRefused: It is larger than any listener's should be.
            http.client.IncompleteRead: It ended early.
            TimeoutError: It took too long.
        """
        self._bytes.begin()
        body = bytearray()
        while len(body) <= LIMIT and (piece := self.read1(_PIECE)):
            body += piece
        if len(body) > LIMIT:
            msg = f"the host's answer is larger than {LIMIT // 2**20} MiB"
            raise AnswerRefused(msg)
        if self.length:
            raise http.client.IncompleteRead(b"", self.length)
        return bytes(body)


class _Bytes(io.RawIOBase):
    """What comes in at a socket, until its time is up."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        # It keeps the socket until we are done, though http.client may close it before.
        self._raw = sock.makefile("rb", buffering=0)
        self._patience = sock.gettimeout() or 0.0
        self.begin()

    def begin(self) -> None:
        """Wait anew."""
        self._end = time.monotonic() + self._patience

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()
