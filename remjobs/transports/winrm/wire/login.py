"""Who we are to a Windows host."""

from __future__ import annotations

from dataclasses import dataclass

from remjobs.model.authentication import Authentication
from remjobs.model.secret import Secret

__all__ = ["WinRmLogin"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WinRmLogin:
    """What a host is shown so that it lets us in."""

    mechanism: Authentication = Authentication.DEFAULT
    """Default: Kerberos with the caller's ticket or for a user with a realm, else Negotiate."""
    user: str | None = None
    """``user``, ``DOMAIN\\user`` or ``user@REALM``."""
    secret: Secret | None = None
    certificate_file: str | None = None
    """Client certificate, PEM."""
    certificate_key_file: str | None = None
    """Its private key, PEM; None: in the same file."""
    delegate: bool = False
    """Kerberos: the host may act as us elsewhere."""
    service: str = "HTTP"
    """First part of the host's service principal."""
    ccache: str | None = None
    """The caller's KRB5CCNAME; None: the default cache."""
    channel_binding: bool = True
    """Tie the login to the TLS connection (RFC 5929, tls-server-end-point)."""

    @property
    def has_realm(self) -> bool:
        """Whether the user's name says a Kerberos realm."""
        return self.user is not None and "@" in self.user

    @property
    def principal(self) -> str | None:
        """Whose tickets are meant; None: whosever there are."""
        return None if not self.user or "\\" in self.user else self.user
