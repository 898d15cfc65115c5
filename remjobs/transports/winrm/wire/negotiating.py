"""Mechanisms that agree on a security context: Negotiate, Ntlm, Kerberos and CredSSP.

Tokens are exchanged in empty requests (RFC 4559; [MS-WSMV] 2.2.9.1), so no message
is sent to a host that has not let us in. Over http the context then seals them.
"""

from __future__ import annotations

import struct
from base64 import b64encode
from dataclasses import replace
from email.message import Message
from typing import Final

from spnego import ContextProxy, ContextReq
from spnego.exceptions import BadBindingsError, SpnegoError

from remjobs.model.authentication import Authentication
from remjobs.model.job import ReasonKind
from remjobs.model.ping import Stage
from remjobs.transports.base import HostFailure
from remjobs.transports.winrm.wire.admission import SOAP
from remjobs.transports.winrm.wire.answer import Answer, refusal
from remjobs.transports.winrm.wire.clocks import clock_words
from remjobs.transports.winrm.wire.connection import Connection
from remjobs.transports.winrm.wire.contexts import Contexts
from remjobs.transports.winrm.wire.endpoint import Endpoint
from remjobs.transports.winrm.wire.errors import AnswerRefused, LoginRefused
from remjobs.transports.winrm.wire.login import WinRmLogin
from remjobs.transports.winrm.wire.refusals import not_offered, not_proven, password_refused
from remjobs.transports.winrm.wire.sealing import seal, unseal
from remjobs.transports.winrm.wire.tickets import code_of, kerberos_failure

__all__ = ["Negotiating"]

_TYPE: Final = f"{SOAP};charset=UTF-8"
_SCHEMES: Final = {
    # A listener that has Kerberos without its own scheme takes its tokens in the other.
    Authentication.KERBEROS: ("Kerberos", "Negotiate"),
    Authentication.NTLM: ("Negotiate", "NTLM"),
    Authentication.CREDSSP: ("CredSSP",),
}
_SEALED: Final = {
    "Kerberos": "application/HTTP-Kerberos-session-encrypted",
    "CredSSP": "application/HTTP-CredSSP-session-encrypted",
}
_SPNEGO: Final = "application/HTTP-SPNEGO-session-encrypted"
_KEPT_SECRET: Final = ContextReq.confidentiality | ContextReq.integrity
_NAMES: Final = {"kerberos": "Kerberos", "ntlm": "NTLM"}
_MAX_LEGS: Final = 12
_OK: Final = 200
_UNAUTHORIZED: Final = 401
_ANSWERS: Final = frozenset({200, 500})
_PASSWORD_STAGES: Final = frozenset({"Public key exchange", "Credential exchange"})
"""When CredSSP has shown the host what NTLM makes of the password."""
_MALFORMED: Final = (ValueError, LookupError, TypeError, struct.error)
"""What pyspnego raises of tokens that are none."""


class Negotiating:
    """A login that holds for one connection."""

    is_kept = True

    def __init__(self, mechanism: Authentication, endpoint: Endpoint, login: WinRmLogin) -> None:
        """Ask nobody yet."""
        self._mechanism = mechanism
        self._schemes = _SCHEMES.get(mechanism, ("Negotiate",))
        self._endpoint = endpoint
        self._login = login
        self._contexts = Contexts(mechanism, endpoint, login)
        self._context: ContextProxy | None = None
        self._protocol = ""

    @property
    def authentication(self) -> str:
        """The mechanism, and what it settled on."""
        if self._mechanism in {Authentication.KERBEROS, Authentication.NTLM}:
            return str(self._mechanism)
        inner = None if self._context is None else self._context.negotiated_protocol
        return f"{self._mechanism} ({_NAMES.get(inner or '', 'nothing yet')})"

    def enter(self, connection: Connection) -> None:
        """Agree on a context."""
        self._context = None
        self._contexts.prepare()
        answer = None
        for scheme in self._schemes:
            if not connection.is_open:
                connection.open()
            context = self._new(connection.certificate)
            answer = self._converse(connection, scheme, context)
            if answer is None:
                self._context = context
                self._protocol = _SEALED.get(scheme, _SPNEGO)
                return
        raise not_offered(self._schemes[0], answer)

    def post(self, connection: Connection, message: bytes) -> Answer:
        """Send a message, sealed where TLS does not do it."""
        if self._endpoint.is_https or self._context is None:
            return connection.post(message, {"Content-Type": _TYPE})
        kind, body = seal(self._context, self._protocol, message)
        answer = connection.post(body, {"Content-Type": kind})
        if answer.status not in _ANSWERS:
            return answer
        try:
            opened = unseal(self._context, answer.headers, answer.body)
        except (SpnegoError, *_MALFORMED) as exc:
            raise AnswerRefused("the host's encrypted answer cannot be decrypted") from exc
        return replace(answer, headers=_soap(), body=opened)

    def close(self) -> None:
        """Forget context and tickets."""
        self._context = None
        self._contexts.close()

    def _new(self, certificate: bytes | None) -> ContextProxy:
        try:
            return self._contexts.new(certificate)
        except SpnegoError as exc:
            raise kerberos_failure(exc, self._login, self._contexts.principal) from exc

    def _converse(
        self, connection: Connection, scheme: str, context: ContextProxy
    ) -> Answer | None:
        """Exchange tokens until we are in.

        Returns:
            None, or the answer of a host that does not know the scheme.
        """
        token = self._step(context, None)
        for leg in range(_MAX_LEGS):
            said = f"{scheme} {b64encode(token or b'').decode('ascii')}"
            answer = connection.post(b"", {"Authorization": said, "Content-Type": _TYPE})
            if answer.status not in {_OK, _UNAUTHORIZED}:
                raise refusal(answer)
            if leg == 0 and answer.status == _UNAUTHORIZED and not answer.offers(scheme):
                return answer
            reply = answer.token(scheme)
            needs = reply is not None and not context.complete
            token = self._step(context, reply, answer, leg) if needs else None
            if answer.status == _OK:
                self._check_proven(context)
                return None
            if not token:
                raise self._turned_away(context, answer, leg)
        raise HostFailure(
            ReasonKind.REFUSED, "the host does not end the login", stage=Stage.AUTHENTICATION
        )

    def _step(
        self,
        context: ContextProxy,
        token: bytes | None,
        answer: Answer | None = None,
        leg: int = 0,
    ) -> bytes | None:
        """Take the host's token, that came with an answer, and return ours."""
        try:
            return context.step(token)
        except BadBindingsError as exc:
            raise not_proven("its CredSSP is not at the end of this connection") from exc
        except (SpnegoError, *_MALFORMED) as exc:
            if "protocol version" in str(exc):
                raise _too_old() from exc
            if answer is None or code_of(exc) is not None:
                raise kerberos_failure(exc, self._login, self._contexts.principal) from exc
            raise self._turned_away(context, answer, leg) from exc

    def _has_shown_password(self, context: ContextProxy, leg: int) -> bool:
        """Whether the host has seen what NTLM makes of the password, and answered that."""
        if context.negotiated_protocol != "ntlm":
            return False
        if self._mechanism is Authentication.CREDSSP:
            return context.get_extra_info("auth_stage") in _PASSWORD_STAGES
        return leg > 0

    def _turned_away(self, context: ContextProxy, answer: Answer, leg: int) -> HostFailure:
        """Say why a host does not let us in after so many tokens."""
        if self._has_shown_password(context, leg):
            return LoginRefused(password_refused(self._login))
        skew = clock_words(answer.headers.get("Date"))
        if context.negotiated_protocol == "kerberos":
            msg = f"the host refuses the Kerberos ticket for {self._contexts.principal}"
            remedy = "is this the name that the host has in its realm?"
        else:
            what = _NAMES.get(context.negotiated_protocol or "", self._mechanism)
            msg, remedy = f"the host refuses {what}", "see its policies and its log"
        if skew:
            msg, remedy = f"{msg}: {skew}", "set both clocks (NTP): Kerberos allows five minutes"
        return HostFailure(
            ReasonKind.AUTHENTICATION, msg, stage=Stage.AUTHENTICATION, remedy=remedy
        )

    def _check_proven(self, context: ContextProxy) -> None:
        """See that the host proved who it is, and that the context can keep a secret."""
        if not context.complete:
            raise not_proven("it let us in without ending the login")
        if self._endpoint.is_https or self._mechanism is Authentication.CREDSSP:
            return
        if context.context_attr & _KEPT_SECRET != _KEPT_SECRET:
            raise HostFailure(
                ReasonKind.REFUSED,
                "the host does not agree to encrypted messages",
                stage=Stage.AUTHENTICATION,
            )


def _too_old() -> HostFailure:
    msg = "the host's CredSSP is older than version 5, which is not safe (CVE-2018-0886)"
    return HostFailure(
        ReasonKind.REFUSED, msg, stage=Stage.AUTHENTICATION, remedy="update the host"
    )


def _soap() -> Message:
    headers = Message()
    headers["Content-Type"] = _TYPE
    return headers
