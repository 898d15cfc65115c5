"""Who is at the other end of a connection: the server's side of each mechanism."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from spnego.channel_bindings import GssChannelBindings

from winrm_endpoint import ntlm
from winrm_endpoint.acceptors import Watched, begins
from winrm_endpoint.digest import Nonces
from winrm_endpoint.ledger import Ledger
from winrm_endpoint.settings import Settings

MUTUAL = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual"
OFFERS = {
    "negotiate": "Negotiate",
    "kerberos": "Kerberos",
    "ntlm": "NTLM",
    "credssp": "CredSSP",
    "basic": 'Basic realm="WSMAN"',
}
UPN = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Somebody who has logged in.

    Attributes:
        mechanism: How, as the Authorization named it.
        negotiated: What it came to: ``kerberos`` or ``ntlm`` where that was negotiated.
        delegated: Whether credentials came along.
        context: What seals, where the mechanism can.
    """

    user: str
    mechanism: str
    negotiated: str = ""
    delegated: bool = False
    context: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What to answer: an identity, or else the challenges of a 401."""

    identity: Identity | None = None
    challenges: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What all connections of an endpoint share."""

    settings: Settings
    ledger: Ledger
    nonces: Nonces
    bindings: GssChannelBindings | None
    secure: bool

    @property
    def plain(self) -> bool:
        """Whether what is not sealed may come in."""
        return self.secure or self.settings.allow_unencrypted

    def takes(self, mechanism: str) -> bool:
        """Return whether somebody may log in by a mechanism here."""
        if mechanism == "certificate" and not self.secure:
            return False
        if mechanism in {"basic", "digest"} and not self.plain:
            return False
        return mechanism in self.settings.mechanisms


class Login:
    """How far one connection is with logging in; only its own thread uses it."""

    def __init__(self, site: Site, certificate: bytes | None) -> None:
        self._site = site
        self._certificate = certificate
        self._context: Watched | None = None
        self.identity: Identity | None = None
        self._known: set[tuple[str, str]] = set()

    def judge(self, said: str | None, method: str, target: str) -> Outcome:
        """Take the Authorization of a request; None says that there was none."""
        if said is None:
            return self._passed(self.identity) if self.identity else self._refused()
        if said == MUTUAL:
            return self._mutual()
        scheme, _, rest = said.partition(" ")
        name = scheme.lower()
        if not self._site.takes(name):
            return self._refused()
        if name == "basic":
            return self._basic(rest)
        if name == "digest":
            return self._digest(rest, method, target)
        return self._negotiated(scheme, rest)

    def forget(self) -> None:
        """Lose the security context, as a host that was restarted."""
        self._context = self.identity = None

    def _passed(self, identity: Identity, *challenges: str) -> Outcome:
        return Outcome(identity=identity, challenges=challenges)

    def _refused(self, *, stale: bool = False) -> Outcome:
        site = self._site
        offers = [offer for name, offer in OFFERS.items() if site.takes(name)]
        if site.takes("digest"):
            offers.append(site.nonces.challenge(stale=stale))
        return Outcome(challenges=offers)

    def _count(self, user: str, mechanism: str, *, accepted: bool) -> None:
        """Note a login by what comes with each request: refusals, the first acceptance."""
        if accepted and (user, mechanism) in self._known:
            return
        if accepted:
            self._known.add((user, mechanism))
        self._site.ledger.login(user, mechanism, accepted=accepted)

    def _basic(self, said: str) -> Outcome:
        try:
            given = base64.b64decode(said, validate=True)
        except binascii.Error:
            return self._refused()
        user, _, password = _text(given).partition(":")
        right = self._site.settings.users.get(user)
        accepted = right is not None and hmac.compare_digest(right.encode(), password.encode())
        self._count(user, "basic", accepted=accepted)
        if not accepted:
            return self._refused()
        return self._passed(Identity(user=user, mechanism="basic"))

    def _digest(self, said: str, method: str, target: str) -> Outcome:
        found = self._site.nonces
        users = self._site.settings.users
        name = ntlm.quoted(said, "username")
        verdict = found.check(said, method, target, users.get(name))
        if verdict.stale:
            return self._refused(stale=True)
        self._count(verdict.user, "digest", accepted=verdict.right)
        if not verdict.right:
            return self._refused()
        return self._passed(Identity(user=verdict.user, mechanism="digest"))

    def _mutual(self) -> Outcome:
        if not self._site.takes("certificate"):
            return self._refused()
        user = _mapped(self._certificate)
        accepted = user in self._site.settings.users
        self._count(user, "certificate", accepted=accepted)
        if not accepted:
            return self._refused()
        return self._passed(Identity(user=user, mechanism="certificate"))

    def _negotiated(self, scheme: str, said: str) -> Outcome:
        name = scheme.lower()
        try:
            token = base64.b64decode(said, validate=True)
        except binascii.Error:
            return self._refused()
        if begins(token):
            settings = self._site.settings
            self.forget()
            self._context = Watched(name, settings.channel_binding, self._site.bindings)
        if not (context := self._context) or context.mechanism != name:
            return self._refused()
        try:
            answer = context.step(token)
        except Exception:  # noqa: BLE001 - whatever an acceptor does not like is no login
            return self._failed(context)
        if context.complete:
            return self._finished(context, scheme, answer)
        challenge = f"{scheme} {base64.b64encode(answer or b'').decode()}"
        if context.refused:
            self._failed(context)
        return Outcome(challenges=[challenge])

    def _failed(self, context: Watched) -> Outcome:
        self.forget()
        self._count(context.claimed, context.mechanism, accepted=False)
        return self._refused()

    def _finished(self, context: Watched, scheme: str, answer: bytes | None) -> Outcome:
        user = self._user(context.principal)
        if user is None or not context.bound:
            context.claimed = user or context.principal
            return self._failed(context)
        self._site.ledger.login(user, context.mechanism, accepted=True)
        self._site.ledger.negotiated(context.negotiated)
        self.identity = Identity(
            user=user,
            mechanism=context.mechanism,
            negotiated=context.negotiated,
            delegated=context.delegated,
            context=context.context,
        )
        more = [f"{scheme} {base64.b64encode(answer).decode()}"] if answer else []
        return self._passed(self.identity, *more)

    def _user(self, principal: str) -> str | None:
        """Return the user that a principal is: by its whole name, or without its realm."""
        for name in (principal, principal.partition("@")[0]):
            for user in self._site.settings.users:
                if user.lower() == name.lower():
                    return user
        return None


def _text(given: bytes) -> str:
    """Decode what Basic brings: clients differ in how they encode it (RFC 7617, 3)."""
    try:
        return given.decode()
    except UnicodeDecodeError:
        return given.decode("latin-1")


def _mapped(certificate: bytes | None) -> str:
    """Return the user name in a client's certificate (its UPN), which TLS has checked."""
    if not certificate:
        return ""
    found = x509.load_der_x509_certificate(certificate)
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ""
    others = names.get_values_for_type(x509.OtherName)
    return next((name.value[2:].decode() for name in others if name.type_id == UPN), "")
