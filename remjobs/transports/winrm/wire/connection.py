"""One HTTP connection to one listener, kept alive."""

from __future__ import annotations

import http.client
import select
import socket
import ssl
from collections.abc import Mapping
from typing import Final, cast
from urllib.parse import urlsplit

from remjobs.model.job import ReasonKind
from remjobs.model.ping import Stage
from remjobs.transports.base import HostFailure
from remjobs.transports.winrm.wire.answer import Answer
from remjobs.transports.winrm.wire.endpoint import Endpoint
from remjobs.transports.winrm.wire.errors import (
    AnswerRefused,
    ConnectionBroken,
    not_reached,
    went,
)
from remjobs.transports.winrm.wire.login import WinRmLogin
from remjobs.transports.winrm.wire.reading import Response
from remjobs.transports.winrm.wire.tls import TlsContexts, check_pin

__all__ = ["Connection"]

_COMMON: Final = {
    "User-Agent": "remjobs",
    "Connection": "Keep-Alive",
    "Accept-Encoding": "identity",
}


class Connection:
    """Sends requests one after the other; there is no second try of anything here.

    A login belongs to the connection it was made on ([MS-WSMV] 2.2.9.1), so this
    neither follows redirects nor opens itself anew.
    """

    def __init__(self, endpoint: Endpoint, login: WinRmLogin, tls: TlsContexts) -> None:
        """Contact nobody yet."""
        self._endpoint = endpoint
        self._login = login
        self._tls = tls
        self._http: _Http | None = None
        self.certificate: bytes | None = None
        """The host's (DER), while the connection stands; None over http."""

    @property
    def is_open(self) -> bool:
        """Whether it stands, as far as can be seen without sending."""
        sock = None if self._http is None else self._http.sock
        return sock is not None and _is_quiet(sock)

    def open(self) -> None:
        """Connect.

        Raises:
            HostFailure: Nobody answers, or it is not the host we know.
        """
        self.close()
        self._http = _Http(self._endpoint, self._context())
        try:
            self._http.connect()
            self.certificate = self._http.peer_certificate()
            if self.certificate is not None:
                check_pin(self.certificate, self._endpoint)
        except (OSError, http.client.HTTPException, ValueError) as exc:
            self.close()
            raise not_reached(exc, self._endpoint) from exc
        except HostFailure:
            self.close()
            raise

    def post(self, body: bytes, headers: Mapping[str, str | bytes]) -> Answer:
        """Send a request on the open connection and return what comes.

        Raises:
            ConnectionBroken: The connection went; the request may have arrived.
            HostFailure: The host refuses our certificate.
        """
        if self._http is None or self._http.sock is None:
            msg = f"the connection was closed ({self._endpoint.authority})"
            raise ConnectionBroken(
                HostFailure(ReasonKind.UNREACHABLE, msg, stage=Stage.TCP), sent=False
            )
        try:
            self._http.be_patient(self._endpoint.read_timeout)
            self._http.request("POST", self._http.target, body, {**_COMMON, **headers})
            with self._http.answered() as response:
                answer = Answer(
                    status=response.status,
                    phrase=response.reason,
                    headers=response.headers,
                    body=response.whole(),
                )
        except (OSError, http.client.HTTPException) as exc:
            failure = went(_last_words(self._http.sock) or exc, self._endpoint)
            self.close()
            if failure.reason is ReasonKind.AUTHENTICATION:
                raise failure from exc  # TLS 1.3 says only now that our certificate is refused.
            raise ConnectionBroken(failure, sent=True) from exc
        except AnswerRefused:
            self.close()
            raise
        return answer

    def close(self) -> None:
        """End it; what was agreed on it is void."""
        if self._http is not None:
            self._http.close()
        self._http = None
        self.certificate = None

    def _context(self) -> ssl.SSLContext | None:
        if not self._endpoint.is_https:
            return None
        try:
            return self._tls.get(self._endpoint, self._login)
        except OSError as exc:
            msg = "the files with certificates cannot be used any more"
            raise HostFailure(ReasonKind.HOST_KEY, msg, stage=Stage.HOST_KEY) from exc


class _Http(http.client.HTTPConnection):
    """http.client's connection, by a proxy and with TLS as the endpoint says."""

    auto_open = 0
    response_class = Response

    def __init__(self, endpoint: Endpoint, tls: ssl.SSLContext | None) -> None:
        self._endpoint = endpoint
        self._tls = tls
        proxy = None if endpoint.proxy is None else urlsplit(endpoint.proxy)
        host = endpoint.address if proxy is None else proxy.hostname
        port = endpoint.port if proxy is None else proxy.port
        super().__init__(host or "", port, timeout=endpoint.connect_timeout)
        self.target = endpoint.target
        if proxy is not None:
            # Even plain http goes through a tunnel: a login belongs to one connection,
            # and a proxy may share its own among its clients.
            self.set_tunnel(endpoint.address, endpoint.port)

    def connect(self) -> None:
        """Connect, by way of the proxy if there is one."""
        super().connect()
        if self._tls is not None:
            self.sock = self._tls.wrap_socket(self.sock, server_hostname=self._endpoint.name)

    def answered(self) -> Response:
        """Return the answer, of which the head has come."""
        return cast("Response", self.getresponse())

    def be_patient(self, seconds: float) -> None:
        """Wait so long for answers from now on."""
        self._socket().settimeout(seconds)

    def peer_certificate(self) -> bytes | None:
        """Return the host's certificate (DER); None without TLS."""
        sock = self._socket()
        return sock.getpeercert(binary_form=True) if isinstance(sock, ssl.SSLSocket) else None

    def _socket(self) -> socket.socket:
        sock: socket.socket = self.sock
        return sock


def _is_quiet(sock: socket.socket) -> bool:
    """Whether a listener says nothing: between requests it has nothing to say but goodbye."""
    ear = select.poll()
    ear.register(sock, select.POLLIN)
    if not ear.poll(0):
        return True
    if not isinstance(sock, ssl.SSLSocket):
        return False
    # TLS has words of its own, as session tickets (RFC 8446, section 4.6.1).
    patience = sock.gettimeout()
    sock.settimeout(0)
    try:
        sock.recv(1)
    except ssl.SSLWantReadError:
        return True
    except OSError:
        return False
    finally:
        sock.settimeout(patience)
    return False


def _last_words(sock: socket.socket | None) -> ssl.SSLError | None:
    """Return why a host ended TLS, if it said so before we could not send any more."""
    if not isinstance(sock, ssl.SSLSocket):
        return None
    sock.settimeout(0)
    try:
        sock.recv(1)
    except (ssl.SSLWantReadError, ssl.SSLEOFError):
        return None
    except ssl.SSLError as exc:
        return exc
    except (OSError, ValueError):
        return None
    return None
