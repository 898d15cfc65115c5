"""Security contexts of pyspnego, one for each mechanism that keeps one."""

from __future__ import annotations

from typing import Any, Final

import spnego
from spnego import (
    ContextProxy,
    ContextReq,
    Credential,
    KerberosCCache,
    NegotiateOptions,
    Password,
)
from spnego.channel_bindings import GssChannelBindings

from remjobs.model.authentication import Authentication
from remjobs.transports.base import HostFailure
from remjobs.transports.winrm.wire.endpoint import Endpoint
from remjobs.transports.winrm.wire.login import WinRmLogin
from remjobs.transports.winrm.wire.refusals import password_of
from remjobs.transports.winrm.wire.tickets import Tickets, has_kerberos, is_final
from remjobs.transports.winrm.wire.tls import binding_of

__all__ = ["Contexts"]

_NO_TICKETS: Final = "MEMORY:remjobs-without-tickets"
_PROTOCOLS: Final = {Authentication.NTLM: "ntlm", Authentication.KERBEROS: "kerberos"}
_MIN_CREDSSP: Final = 5
"""The first version that binds the login to TLS as it should (CVE-2018-0886)."""


class Contexts:
    """Makes contexts for one endpoint and login."""

    def __init__(self, mechanism: Authentication, endpoint: Endpoint, login: WinRmLogin) -> None:
        """Ask nobody yet."""
        self._mechanism = mechanism
        self._endpoint = endpoint
        self._login = login
        self._tickets = Tickets(login)
        self._credentials: list[Credential] = []

    @property
    def principal(self) -> str:
        """The host's service principal, without its realm."""
        return f"{self._login.service}/{self._endpoint.name}"

    def prepare(self) -> None:
        """Get what we log in with; a KDC may be asked, and may take its time.

        Raises:
            LoginRefused: The KDC refuses the password.
            HostFailure: There is nothing to log in with.
        """
        if self._mechanism is Authentication.NTLM:
            self._credentials = [self._password()]
        elif self._mechanism is Authentication.KERBEROS:
            self._credentials = [self._ticket()]
        else:
            self._credentials = self._either()

    def new(self, certificate: bytes | None) -> ContextProxy:
        """Return a context that has said nothing yet.

        Args:
            certificate: The host's (DER), which the login is tied to.

        Raises:
            SpnegoError: It cannot be made.
        """
        said = self._said(certificate)
        if self._mechanism is Authentication.CREDSSP:
            return self._credssp(said)
        protocol = _PROTOCOLS.get(self._mechanism, "negotiate")
        return spnego.client(self._credentials, protocol=protocol, **said)

    def close(self) -> None:
        """Forget passwords, and destroy tickets that were had for this."""
        self._credentials = []
        self._tickets.close()

    def _said(self, certificate: bytes | None) -> dict[str, Any]:
        flags = ContextReq.default
        if self._login.delegate:
            flags |= ContextReq.delegate
        binding = None
        if certificate is not None and self._login.channel_binding:
            binding = GssChannelBindings(application_data=binding_of(certificate))
        # Not every system's library can seal as WinRM does, which over https nobody asks for.
        sealing = NegotiateOptions.wrapping_winrm
        return {
            "hostname": self._endpoint.name,
            "service": self._login.service,
            "channel_bindings": binding,
            "context_req": flags,
            "options": NegotiateOptions.none if self._endpoint.is_https else sealing,
        }

    def _credssp(self, said: dict[str, Any]) -> ContextProxy:
        """Return one whose inner login is tied to the TLS around both, too."""
        inner = spnego.client(self._credentials, protocol="negotiate", **said)
        return spnego.client(
            self._credentials,
            protocol="credssp",
            credssp_negotiate_context=inner,
            credssp_min_protocol=_MIN_CREDSSP,
            **said,
        )

    def _password(self) -> Password:
        user, password = password_of(self._login)
        return Password(username=user, password=password.reveal())

    def _ticket(self) -> KerberosCCache:
        named = self._login.principal if self._login.secret is None else None
        return KerberosCCache(self._tickets.cache(), principal=named)

    def _either(self) -> list[Credential]:
        """Return what Negotiate chooses from: a ticket first, the password for NTLM.

        pyspnego left to itself would show the password to the KDC and, refused
        there, to the host: two tries of the same one. So the ticket is had here.
        """
        if self._login.secret is None and self._mechanism is not Authentication.CREDSSP:
            return [self._ticket()]
        password = self._password()
        if not (self._login.has_realm and has_kerberos()):
            return [KerberosCCache(_NO_TICKETS), password]
        try:
            return [self._ticket(), password]
        except HostFailure as exc:
            if is_final(exc):
                raise
            return [KerberosCCache(_NO_TICKETS), password]
