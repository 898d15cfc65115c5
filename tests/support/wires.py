"""Wires to the endpoint of tests: where it is, who logs in, and a relay that listens in."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Any, Self, cast

from support.winrm import PASSWORD, WinRmEndpoint
from winrm.protocol import Protocol
from winrm.transport import Transport

from remjobs.model.authentication import Authentication
from remjobs.model.secret import Secret
from remjobs.transports.winrm.wire import Endpoint, WinRmLogin, Wire

SEALED = {
    "Ntlm": "application/HTTP-SPNEGO-session-encrypted",
    "Negotiate": "application/HTTP-SPNEGO-session-encrypted",
    "NegotiateWithImplicitCredential": "application/HTTP-SPNEGO-session-encrypted",
    "Kerberos": "application/HTTP-Kerberos-session-encrypted",
    "Credssp": "application/HTTP-CredSSP-session-encrypted",
}


def endpoint_of(host: WinRmEndpoint, **more: Any) -> Endpoint:
    """Return where a host is; over https its authority is known."""
    said: dict[str, Any] = {
        "scheme": host.scheme,
        "address": host.address,
        "port": host.port,
        "ca_file": str(host.ca_file) if host.scheme == "https" else None,
    }
    return Endpoint(**{**said, **more})


def login_of(mechanism: Authentication, user: str | None = None, **more: Any) -> WinRmLogin:
    """Return who logs in; a user has the right password if nothing else is said."""
    secret = Secret(PASSWORD) if user else None
    return WinRmLogin(**{"mechanism": mechanism, "user": user, "secret": secret, **more})


def soap_over(wire: Wire) -> Protocol:
    """Return pywinrm's protocol on a wire."""
    protocol = Protocol("http://nowhere.invalid", "kerberos")
    protocol.transport = cast(Transport, wire)
    return protocol


class Relay:
    """Stands between a client and a host on loopback, and keeps every byte."""

    def __init__(self, port: int) -> None:
        self._to = ("127.0.0.1", port)
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._bytes = bytearray()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for held in (self._listener, *self._open):
            with suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)
            held.close()

    @property
    def crossed(self) -> bytes:
        """Return what has crossed so far, both ways."""
        with self._lock:
            return bytes(self._bytes)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._to)
                self._open += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                with self._lock:
                    self._bytes += data
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)
