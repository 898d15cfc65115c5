"""pyspnego's acceptors, and what they tell of those who try."""

from __future__ import annotations

from typing import Any

import spnego
from spnego.channel_bindings import GssChannelBindings

from winrm_endpoint import ntlm

CHANNEL_BOUND = 0x800
"""The flag by which GSSAPI says that bindings were given and are right."""


DELEGATED = 0x1
"""The flag by which GSSAPI says that credentials came along (RFC 2744)."""


class BadBindings(Exception):
    """The channel is not the one that the client logged in over."""


def begins(token: bytes) -> bool:
    """Return whether a token is the first of a login."""
    # What GSSAPI begins with (RFC 2743, 3.1), NTLM bare, and the ClientHello of CredSSP's TLS.
    hello = token[:1] == b"\x16" and token[5:6] == b"\x01"
    return token.startswith((b"\x60", b"NTLMSSP\0\x01")) or hello


class Watched:
    """An acceptor, which notes who knocks and checks channel bindings.

    Attributes:
        claimed: Who the client says it is, where that is told in the clear.
        refused: Somebody has been refused inside CredSSP, which goes on to say so.
    """

    def __init__(self, mechanism: str, binding: str, bindings: GssChannelBindings | None) -> None:
        self.mechanism = mechanism
        self.claimed = ""
        self.refused = False
        self.context = self._accept()
        self._bindings = bindings
        self._required = bindings is not None and binding == "required"

    def _accept(self) -> Any:
        if self.mechanism != "credssp":
            return spnego.server(protocol=self.mechanism)
        inner = Inner(self, spnego.server(protocol="negotiate"))
        return spnego.server(protocol="credssp", credssp_negotiate_context=inner)

    def step(self, token: bytes) -> bytes | None:
        """Take a token and return the next.

        Raises:
            BadBindings: There are none, and must be.
            SpnegoError: The token is not right; libraries below raise others.
        """
        bindings = self._bindings
        if said := ntlm.authenticate(token):
            self.claimed = said.user
            if not said.bound:
                bindings = None
                if self._required:
                    raise BadBindings
        answer: bytes | None = self.context.step(token, channel_bindings=bindings)
        return answer

    @property
    def complete(self) -> bool:
        """Whether somebody has logged in."""
        return bool(self.context.complete)

    @property
    def principal(self) -> str:
        """Who has."""
        return str(self.context.client_principal or "")

    @property
    def negotiated(self) -> str:
        """By which mechanism in the end: kerberos or ntlm."""
        return str(self.context.negotiated_protocol)

    @property
    def bound(self) -> bool:
        """Whether channel bindings are as they must be; NTLM's were checked before."""
        if not self._required or self.mechanism == "credssp" or self.negotiated == "ntlm":
            return True
        return bool(_flags(self.context) & CHANNEL_BOUND)

    @property
    def delegated(self) -> bool:
        """Whether the client has handed over its credentials."""
        if self.mechanism == "credssp":
            return True
        return self.negotiated == "kerberos" and bool(_flags(self.context) & DELEGATED)


def _flags(context: Any) -> int:
    """Return the flags of the GSSAPI context that is somewhere inside."""
    while not hasattr(context, "actual_flags"):
        context = context._context
    return int(context.actual_flags)


class Inner:
    """The acceptor inside CredSSP's, whose refusals that one keeps to itself."""

    def __init__(self, outer: Watched, context: Any) -> None:
        self._outer = outer
        self._context = context

    def step(self, token: bytes) -> bytes | None:
        """Take a token; note who it is from, and whether it is refused."""
        if said := ntlm.authenticate(token):
            self._outer.claimed = said.user
        try:
            answer: bytes | None = self._context.step(token)
        except Exception:
            self._outer.refused = True
            raise
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)
