"""Wires to the endpoint of tests: where it is, who logs in, and a relay that listens in."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, BinaryIO, Self, cast

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

    def __init__(self, port: int, address: str = "127.0.0.1") -> None:
        self._to = port
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self._bytes = bytearray()
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.create_server((address, 0), family=family)
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        self._begin(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for held in self._open:
            with suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for held in (self._listener, *self._open):
            held.close()

    @property
    def crossed(self) -> bytes:
        """Return what has crossed so far, both ways."""
        with self._lock:
            return bytes(self._bytes)

    def _begin(self, work: Callable[..., None], *given: socket.socket) -> None:
        thread = threading.Thread(target=work, args=given, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self._open.append(near)
                if (port := self._asked(near)) is None:
                    continue
                far = socket.create_connection(("127.0.0.1", port))
                self._open.append(far)
                self._answered(near)
                self._begin(self._pass, near, far)
                self._begin(self._pass, far, near)

    def _asked(self, near: socket.socket) -> int | None:
        """Return where a client is to be connected to."""
        return self._to

    def _answered(self, near: socket.socket) -> None:
        """Tell a client that it is."""

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                with self._lock:
                    self._bytes += data
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)


class Proxy(Relay):
    """An HTTP proxy that tunnels, unless it wants a login; ``asked`` says where to."""

    def __init__(self, *, wants_login: bool = False) -> None:
        super().__init__(0)
        self._wants_login = wants_login
        self.asked: list[str] = []

    def _asked(self, near: socket.socket) -> int | None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += near.recv(4096)
        if self._wants_login:
            near.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            near.shutdown(socket.SHUT_WR)
            return None
        line = head.split(b"\r\n")[0].decode()
        self.asked.append(line.rpartition(" ")[0])
        return int(self.asked[-1].rpartition(":")[2])

    def _answered(self, near: socket.socket) -> None:
        near.sendall(b"HTTP/1.1 200 OK\r\n\r\n")


Script = Callable[[dict[str, str], bytes], bytes]
"""Given a request's header fields (in small letters) and body, returns the answer's bytes."""


class Scripted:
    """A host that answers as a script says; ``seen`` has what it was sent."""

    def __init__(self, *scripts: Script | bytes) -> None:
        self._scripts = list(scripts)
        self.seen: list[tuple[dict[str, str], bytes]] = []
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for held in (*self._open, self._listener):
            with suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        for held in (*self._open, self._listener):
            held.close()

    @property
    def endpoint(self) -> Endpoint:
        """Where it is."""
        return Endpoint(scheme="http", address="127.0.0.1", port=self.port, allow_plaintext=True)

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self._open.append(near)
                with near.makefile("rb") as lines:
                    while self._scripts and (line := lines.readline()):
                        assert line.startswith(b"POST ")
                        near.sendall(self._answer(lines))
                near.shutdown(socket.SHUT_WR)

    def _answer(self, lines: BinaryIO) -> bytes:
        fields = {}
        while (line := lines.readline().decode().strip()) != "":
            name, _, value = line.partition(":")
            fields[name.lower()] = value.strip()
        body = lines.read(int(fields.get("content-length", "0")))
        self.seen.append((fields, body))
        script = self._scripts.pop(0)
        return script if isinstance(script, bytes) else script(fields, body)


def answered(status: int, body: bytes = b"", *fields: str) -> bytes:
    """Return an HTTP answer."""
    lines = [f"HTTP/1.1 {status} So", f"Content-Length: {len(body)}", *fields, "", ""]
    return "\r\n".join(lines).encode() + body
