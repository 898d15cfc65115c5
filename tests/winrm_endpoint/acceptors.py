"""pyspnego's acceptors, and what they tell of those who try."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import spnego
from spnego.channel_bindings import GssChannelBindings

from winrm_endpoint import ntlm

CHANNEL_BOUND = 0x800
"""The flag by which GSSAPI says that bindings were given and are right."""


class BadBindings(Exception):
    """The channel is not the one that the client logged in over."""


class Watched:
    """A context of a mechanism, which notes who knocks and checks channel bindings.

    CredSSP has another one of the same kind inside.
    """

    def __init__(self, binding: str, bindings: GssChannelBindings | None) -> None:
        self.binding = binding
        self.bindings = None if binding == "none" else bindings
        self.context: Any = None
        self.claimed = ""
        self.inner: Watched | None = None

    def step(self, token: bytes, make: Callable[[], Any] | None = None) -> bytes | None:
        """Take a token and return the next.

        Raises:
            BadBindings: The channel is another one.
        """
        if self.context is None and make:
            self.context = make()
        bindings = self.bindings
        if said := ntlm.authenticate(token):
            self.claimed = said.user
            if not said.bound:
                bindings = None
                if self.required:
                    raise BadBindings
        answer: bytes | None = self.context.step(token, channel_bindings=bindings)
        return answer

    @property
    def required(self) -> bool:
        """Whether there is a channel to bind to, and it must be."""
        return self.bindings is not None and self.binding == "required"

    @property
    def complete(self) -> bool:
        """Whether somebody has logged in."""
        return bool(self.context.complete)

    @property
    def principal(self) -> str:
        """Who has."""
        return str(self.context.client_principal or "")

    def bound(self, mechanism: str) -> bool:
        """Return whether channel bindings are as they must be; NTLM's were checked before."""
        if not self.required or mechanism == "credssp":
            return True
        if self.context.negotiated_protocol == "ntlm":
            return True
        return bool(int(_flags(self.context)) & CHANNEL_BOUND)


def _flags(context: Any) -> int:
    inner = getattr(context, "_context", None)
    return (
        int(inner.actual_flags)
        if inner is not None and hasattr(inner, "actual_flags")
        else (_flags(inner) if inner is not None else 0)
    )


class Inner:
    """The context inside CredSSP's: the same, watched."""

    def __init__(self, outer: Watched, context: Any) -> None:
        self._outer = outer
        self._context = context

    def step(self, token: bytes) -> bytes | None:
        """Take a token, and note who it is from."""
        if said := ntlm.authenticate(token):
            self._outer.claimed = said.user
        answer: bytes | None = self._context.step(token)
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)


def accept_context(mechanism: str, watched: Watched) -> Any:
    """Make the acceptor of a mechanism."""
    if mechanism == "credssp":
        inner = Inner(watched, spnego.server(protocol="negotiate"))
        return spnego.server(protocol="credssp", credssp_negotiate_context=inner)
    return spnego.server(protocol=mechanism)
