"""Digest (RFC 7616), over https: requests' own answer to a challenge, and our own flow."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Final

from requests.auth import HTTPDigestAuth
from requests.utils import parse_dict_header

from remjobs.model.job import ReasonKind
from remjobs.model.ping import Stage
from remjobs.transports.base import HostFailure
from remjobs.transports.winrm.wire.admission import SOAP
from remjobs.transports.winrm.wire.answer import Answer, refusal
from remjobs.transports.winrm.wire.connection import Connection
from remjobs.transports.winrm.wire.errors import LoginRefused
from remjobs.transports.winrm.wire.login import WinRmLogin
from remjobs.transports.winrm.wire.refusals import not_offered, password_of, password_refused

__all__ = ["Digest", "Responder"]

_TYPE: Final = f"{SOAP};charset=UTF-8"
_SCHEME: Final = "digest "
_UNAUTHORIZED: Final = 401

Challenge = dict[str, str]


class Digest:
    """A hash over user, password and the host's nonce with each message."""

    authentication = "Digest"
    is_kept = False

    def __init__(self, login: WinRmLogin, url: str) -> None:
        """Show this at that URL."""
        self._login = login
        self._url = url
        self._challenge: Challenge | None = None
        self._responder: Responder | None = None

    def enter(self, connection: Connection) -> None:
        """Fetch a challenge with an empty request, once: it outlives the connection."""
        if self._challenge is None:
            password_of(self._login)
            self._challenge = _challenge(connection.post(b"", {}))

    def post(self, connection: Connection, message: bytes) -> Answer:
        """Send a message; a second time only where its nonce was too old.

        A host that says so has seen that the password is right (RFC 7616, 3.3).
        """
        answer = self._post(connection, message)
        if answer.status != _UNAUTHORIZED:
            return answer
        fresh = _challenge(answer)
        if fresh.get("stale", "").lower() == "true" and fresh["nonce"] != self._nonce:
            self._challenge = fresh
            answer = self._post(connection, message)
        if answer.status == _UNAUTHORIZED:
            raise LoginRefused(password_refused(self._login))
        return answer

    def close(self) -> None:
        """Forget the challenge."""
        self._challenge = self._responder = None

    @property
    def _nonce(self) -> str:
        return "" if self._challenge is None else self._challenge["nonce"]

    def _post(self, connection: Connection, message: bytes) -> Answer:
        if self._responder is None:
            user, password = password_of(self._login)
            self._responder = Responder(user, password.reveal())
        if not connection.is_open:
            connection.open()
        said = self._responder.respond(self._challenge or {}, self._url)
        return connection.post(message, {"Authorization": said.encode(), "Content-Type": _TYPE})


class Responder(HTTPDigestAuth):
    """requests' Digest without its flow, which tries a refused password again."""

    def __init__(self, user: str, password: str) -> None:
        """Answer for this user."""
        super().__init__(user, password)
        # requests counts a nonce's uses for each thread, a host counts them all.
        self._thread_local: Any = SimpleNamespace()

    def respond(self, challenge: Challenge, url: str) -> str:
        """Answer a challenge.

        Raises:
            HostFailure: It asks for what is not known.
        """
        self.init_per_thread_state()
        self._thread_local.chal = challenge
        said: str | None = self.build_digest_header("POST", url)  # type: ignore[no-untyped-call]
        if said is None:
            msg = "the host's Digest asks for an algorithm that is not known"
            raise HostFailure(ReasonKind.REFUSED, msg, stage=Stage.AUTHENTICATION)
        return said


def _challenge(answer: Answer) -> Challenge:
    """Return a host's challenge.

    Raises:
        HostFailure: There is none.
    """
    if answer.status != _UNAUTHORIZED:
        raise refusal(answer)
    for text in answer.challenges:
        if text.lower().startswith(_SCHEME):
            words = text[len(_SCHEME) :]
            found: Challenge = parse_dict_header(words)  # type: ignore[no-untyped-call]
            if found.get("realm") is not None and found.get("nonce"):
                return found
    raise not_offered("Digest", answer)
