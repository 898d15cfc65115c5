"""One connection: HTTP, who is at its other end, and what it asks for."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any, NoReturn

from winrm_endpoint import sealing, soap
from winrm_endpoint.codes import Code, WsmanFault
from winrm_endpoint.endpoint import Endpoint
from winrm_endpoint.faults import LOGIN
from winrm_endpoint.login import Identity, Login
from winrm_endpoint.sealing import NotSealed
from winrm_endpoint.soap import Request
from winrm_endpoint.trouble import go_wrong

PATH = "/wsman"
XML = "application/soap+xml;charset=UTF-8"
PATIENCE = 300
"""So long a connection may be silent, in seconds."""
NO_PLAIN = "Unencrypted traffic is disabled in the service configuration."


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A request by somebody who has logged in; ``protocol`` is how it was sealed, if it was."""

    identity: Identity
    protocol: str | None
    offers: Sequence[str]
    request: Request | None = None


class Connection(BaseHTTPRequestHandler):
    """Serves the requests of one connection, one after the other."""

    protocol_version = "HTTP/1.1"
    server_version = "Microsoft-HTTPAPI/2.0"
    sys_version = ""
    wbufsize = -1
    disable_nagle_algorithm = True

    def __init__(self, endpoint: Endpoint, *given: Any) -> None:
        self.endpoint = endpoint
        self.exchange: Exchange | None = None
        super().__init__(*given)

    def setup(self) -> None:
        """Shake hands, in the thread of this connection."""
        self.request.settimeout(PATIENCE)
        certificate = None
        if self.endpoint.tls:
            self.request = self.endpoint.tls.wrap_socket(self.request, server_side=True)
            certificate = self.request.getpeercert(binary_form=True)
        super().setup()
        self.login = Login(self.endpoint.site, certificate)
        self.era = self.endpoint.era
        self.number = self.endpoint.enter(self.cut)

    def finish(self) -> None:
        """Leave nothing open."""
        self.endpoint.leave(self.number)
        with suppress(OSError, ValueError):
            super().finish()
        with suppress(OSError):
            self.request.close()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
        """Say nothing."""

    def cut(self) -> None:
        """End the connection from another thread."""
        with suppress(OSError):
            self.request.shutdown(socket.SHUT_RDWR)

    def do_POST(self) -> None:
        """Serve one request."""
        endpoint, self.exchange = self.endpoint, None
        endpoint.ledger.requested(self.number)
        if self.era != endpoint.era:
            self.era = endpoint.era
            self.login.forget()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        said = self.headers.get("Authorization")
        if said or not self.login.identity:
            fault = endpoint.faults.take(LOGIN)
            if fault and go_wrong(self, fault):
                return
        outcome = self.login.judge(said, self.command, self.path)
        if not outcome.identity:
            self.plain(401, offers=outcome.challenges)
        elif self.path.partition("?")[0] != PATH:
            self.plain(404)
        elif not body:
            self.plain(200, offers=outcome.challenges)
        else:
            self._serve(outcome.identity, body, outcome.challenges)

    def _serve(self, identity: Identity, body: bytes, offers: Sequence[str]) -> None:
        """Open what came from somebody who has logged in, and answer."""
        protocol = sealing.kind(self.headers.get("Content-Type", ""))
        self.exchange = Exchange(identity=identity, protocol=protocol, offers=offers)
        try:
            if protocol:
                body = self._open(identity, protocol, body)
        except Exception:  # noqa: BLE001 - what does not open is a bad request, whatever the reason
            self.login.forget()
            self.plain(400)
            return
        try:
            request = self._read(body, protocol)
        except WsmanFault as problem:
            self.answer(500, soap.fault("", problem))
            return
        self.exchange = Exchange(
            identity=identity,
            protocol=protocol,
            offers=offers,
            request=request,
        )
        self._act(identity, request, protocol)

    def _open(self, identity: Identity, protocol: str, body: bytes) -> bytes:
        if not sealing.fits(identity.mechanism, protocol):
            raise NotSealed(protocol)
        return sealing.open_sealed(identity.context, protocol, body)

    def _read(self, body: bytes, protocol: str | None) -> Request:
        if not protocol and not self.endpoint.site.plain:
            raise WsmanFault(Code.ACCESS_DENIED, NO_PLAIN)
        if len(body) > self.endpoint.settings.max_envelope:
            raise WsmanFault(Code.TOO_LARGE)
        return soap.read(body)

    def _act(self, identity: Identity, request: Request, protocol: str | None) -> None:
        self.endpoint.ledger.asked(
            {
                "connection": self.number,
                "action": request.name,
                "user": identity.user,
                "mechanism": identity.mechanism,
                "negotiated": identity.negotiated,
                "delegated": identity.delegated,
                "sealed": protocol,
            },
        )
        fault = self.endpoint.faults.take(request.name)
        if not fault or not go_wrong(self, fault):
            self.answer(*self.perform())

    @property
    def message(self) -> str:
        """The id of the message that is answered."""
        return self.exchange.request.message if self.exchange and self.exchange.request else ""

    def perform(self) -> tuple[int, bytes]:
        """Do what the request asks for; return the status and the answer."""
        if not self.exchange or not self.exchange.request:
            return 200, b""
        user, request = self.exchange.identity.user, self.exchange.request
        try:
            return 200, self.endpoint.shells.serve(request, user)
        except WsmanFault as problem:
            return 500, soap.fault(request.message, problem)

    def answer(self, status: int, body: bytes, *, cut: bool = False) -> None:
        """Send an answer as its request came: sealed or not; cut: not all of it."""
        kind, exchange = XML, self.exchange
        if exchange and exchange.protocol:
            try:
                kind, body = sealing.seal(exchange.identity.context, exchange.protocol, body)
            except Exception:  # noqa: BLE001 - what does not seal any more is over: a ticket expired
                self.refuse()
                return
        self._head(status, {"Content-Type": kind}, len(body), exchange.offers if exchange else ())
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.wfile.flush()
        if cut:
            self.reset()

    def plain(
        self,
        status: int,
        headers: Mapping[str, str] | None = None,
        *,
        offers: Sequence[str] = (),
    ) -> None:
        """Send an answer without a body."""
        self._head(status, headers or {}, 0, offers)
        self.wfile.flush()

    def pour(self, chunks: Iterable[bytes]) -> None:
        """Send a body for as long as the client takes it."""
        self.last()
        self._head(200, {"Content-Type": XML}, None, ())
        for chunk in chunks:
            self.wfile.write(chunk)

    def _head(
        self,
        status: int,
        headers: Mapping[str, str],
        length: int | None,
        offers: Sequence[str],
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        for offer in offers:
            self.send_header("WWW-Authenticate", offer)
        if length is not None:
            self.send_header("Content-Length", str(length))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def refuse(self) -> None:
        """Answer as somebody who has not logged in is answered."""
        self.login.forget()
        self.plain(401, offers=self.login.judge(None, self.command, self.path).challenges)

    def last(self) -> None:
        """Let the connection end after this answer."""
        self.close_connection = True

    def reset(self) -> NoReturn:
        """Cut the connection, with a reset.

        Raises:
            ConnectionAbortedError: Nothing can be said any more.
        """
        linger = struct.pack("ii", 1, 0)
        with suppress(OSError):
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        for held in (self.wfile, self.rfile, self.request):
            with suppress(OSError):
                held.close()
        raise ConnectionAbortedError

    def drop_contexts(self) -> None:
        """Let the whole endpoint forget who has logged in."""
        self.endpoint.drop_contexts()
