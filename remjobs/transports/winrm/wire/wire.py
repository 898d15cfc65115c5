"""One wire to one Windows host."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from remjobs.model.authentication import Authentication
from remjobs.model.job import ReasonKind
from remjobs.model.ping import Stage
from remjobs.transports.base import HostFailure
from remjobs.transports.winrm.wire.admission import SOAP, Admission
from remjobs.transports.winrm.wire.answer import Answer, check_envelope, refusal, shown
from remjobs.transports.winrm.wire.check import check_secrecy
from remjobs.transports.winrm.wire.connection import Connection
from remjobs.transports.winrm.wire.endpoint import Endpoint
from remjobs.transports.winrm.wire.errors import AnswerRefused, ConnectionBroken, LoginRefused
from remjobs.transports.winrm.wire.login import WinRmLogin
from remjobs.transports.winrm.wire.plain import Basic, Certificate
from remjobs.transports.winrm.wire.tickets import has_kerberos
from remjobs.transports.winrm.wire.tls import TlsContexts

__all__ = ["Wire"]

_OK: Final = 200
_UNAUTHORIZED: Final = 401
_UNKNOWN_CONTEXT: Final = frozenset({400, 401})
"""How a listener answers what was sealed for a connection that it no longer knows."""
_TURNED_AWAY: Final = frozenset(range(300, 500)) - {408}
"""Statuses of a request that was not carried out. Of all others nobody knows: a gateway may
tell of its own patience (RFC 9110, sections 15.5.9 and 15.6), or that work was accepted."""


class Wire:
    """Carries SOAP messages to a host, connecting and logging in as needed.

    A secret that was refused is not shown again, whoever asks.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        login: WinRmLogin,
        tls: TlsContexts | None = None,
        may_connect: Callable[[], None] | None = None,
    ) -> None:
        """Contact nobody yet.

        Args:
            endpoint: Where.
            login: As whom.
            tls: What wires share, so that CAs are read once; None: nothing.
            may_connect: Called before each connection; raises where the login must not
                be shown any more.
        """
        self._endpoint = endpoint
        self._login = login
        self._connection = Connection(endpoint, login, tls or TlsContexts())
        self._may_connect = may_connect
        self._admission: Admission | None = None
        self._has_answered = False
        self._refused = ""
        self.was_let_in = False
        """Whether a host has completed a login that is made before there is a message."""

    @property
    def authentication(self) -> str:
        """The mechanism that let us in: ``Kerberos``, ``Negotiate (NTLM)``; empty before."""
        return "" if self._admission is None else self._admission.authentication

    @property
    def notes(self) -> tuple[str, ...]:
        """What is odd about how we log in, for whoever asked for it."""
        return tuple(_notes(self._endpoint, self._login))

    def send_message(self, message: bytes | str) -> bytes:
        """Send a SOAP request and return the answer's body.

        Raises:
            HostFailure: The host cannot be used; it was not given this request, or refused it.
            LoginRefused: As that, because of the secret.
            ConnectionBroken: After the host had let us in; it says whether this
                request may have reached it.
            winrm.exceptions.WinRMTransportError: An HTTP error with a SOAP fault, which
                pywinrm's ``Protocol`` reads.
        """
        if self._refused:
            raise LoginRefused(self._refused)
        body = message.encode() if isinstance(message, str) else message
        try:
            return self._taken(self._answered(body))
        except LoginRefused as exc:
            self._refused = str(exc)
            self._connection.close()
            raise
        except (HostFailure, ConnectionBroken):
            self._connection.close()
            raise

    def close(self) -> None:
        """End the connection; the next message makes another one."""
        self._connection.close()
        if self._admission is not None:
            self._admission.close()

    def close_session(self) -> None:
        """As ``close``: pywinrm calls it so."""
        self.close()

    def _answered(self, body: bytes) -> Answer:
        """Send a message, and once more where it met a login that was gone.

        A listener that closed an idle connection has lost the context, and says so
        by a status: it has not read the message. After anything else there is no
        second time.
        """
        was_in = self._connection.is_open
        admission = self._entered()
        answer = admission.post(self._connection, body)
        if was_in and admission.is_kept and answer.status in _UNKNOWN_CONTEXT:
            self._connection.close()
            answer = self._entered().post(self._connection, body)
        self._has_answered = True
        return answer

    def _entered(self) -> Admission:
        """See that we are in."""
        if self._admission is None:
            self._admission = _admission(self._endpoint, self._login)
        if self._connection.is_open:
            return self._admission
        if self._may_connect is not None:
            self._may_connect()
        try:
            self._connection.open()
            self._admission.enter(self._connection)
            self.was_let_in = self._admission.is_kept
        except ConnectionBroken as exc:
            raise self._in_place_of(exc.failure) from exc
        except HostFailure as exc:
            if exc.reason is not ReasonKind.UNREACHABLE:
                raise
            raise self._in_place_of(exc) from exc
        return self._admission

    def _in_place_of(self, failure: HostFailure) -> HostFailure | ConnectionBroken:
        """Return what a host is said to be that is gone: it may run what we began."""
        return ConnectionBroken(failure, sent=False) if self._has_answered else failure

    def _taken(self, answer: Answer) -> bytes:
        """Return an answer's body, if it is one."""
        if answer.status == _OK:
            body = check_envelope(answer.body)
            if answer.content_type != SOAP:
                msg = f"the host's answer is no SOAP: {shown(answer.content_type)}"
                raise AnswerRefused(msg)
            return body
        if answer.status > _OK and answer.content_type == SOAP and answer.body:
            raise _fault(answer)
        if answer.status not in _TURNED_AWAY:
            msg = f"the host answers {answer.status} {shown(answer.phrase)} without saying why"
            raise AnswerRefused(msg)
        if answer.status == _UNAUTHORIZED:
            msg = f"{self.authentication} let us in, but the host refuses the request (401)"
            raise HostFailure(ReasonKind.AUTHENTICATION, msg, stage=Stage.AUTHENTICATION)
        raise refusal(answer)


def _fault(answer: Answer) -> Exception:
    """Return a fault as pywinrm's own transport would raise it."""
    from winrm.exceptions import WinRMTransportError  # noqa: PLC0415 - slow to load

    text = check_envelope(answer.body).decode("utf-8", "replace")
    return WinRMTransportError("http", answer.status, text)


def _admission(endpoint: Endpoint, login: WinRmLogin) -> Admission:
    check_secrecy(endpoint, login)
    mechanism = _resolved(login)
    if mechanism is Authentication.BASIC:
        return Basic(login)
    if mechanism is Authentication.CERTIFICATE:
        return Certificate()
    # What only Windows hosts need is slow to load, and a controller may have none.
    if mechanism is Authentication.DIGEST:
        from remjobs.transports.winrm.wire.digest import Digest  # noqa: PLC0415

        return Digest(login, endpoint.url)
    from remjobs.transports.winrm.wire.negotiating import Negotiating  # noqa: PLC0415

    return Negotiating(mechanism, endpoint, login)


def _resolved(login: WinRmLogin) -> Authentication:
    """Return the mechanism that Default stands for: a password is for who it belongs to."""
    if login.mechanism is not Authentication.DEFAULT:
        return login.mechanism
    if has_kerberos() and (login.has_realm or login.secret is None):
        return Authentication.KERBEROS
    return Authentication.NEGOTIATE


def _notes(endpoint: Endpoint, login: WinRmLogin) -> list[str]:
    notes = []
    if login.mechanism is Authentication.CREDSSP:
        notes.append("CredSSP gives the host user and password: whoever has the host has them")
    if login.delegate:
        notes.append("delegation: the host may act as the user elsewhere")
    if endpoint.is_https and endpoint.insecure_tls and endpoint.fingerprint is None:
        notes.append("insecure TLS: the host did not prove who it is")
    if login.mechanism is Authentication.BASIC and not endpoint.is_https:
        notes.append("Basic over http: password and work can be read on the way")
    return notes
