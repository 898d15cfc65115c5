"""One wire to one Windows host."""

from __future__ import annotations

from remjobs.transports.winrm.wire.endpoint import Endpoint
from remjobs.transports.winrm.wire.login import WinRmLogin

__all__ = ["Wire"]


class Wire:
    """Carries SOAP messages to a host, connecting and logging in as needed."""

    def __init__(self, endpoint: Endpoint, login: WinRmLogin) -> None:
        """Contact nobody yet."""
        self._endpoint = endpoint
        self._login = login

    @property
    def authentication(self) -> str:
        """The mechanism that let us in: ``Kerberos``, ``Negotiate (NTLM)``; empty before."""
        raise NotImplementedError

    @property
    def notes(self) -> tuple[str, ...]:
        """What is odd about how we log in, for whoever asked for it."""
        raise NotImplementedError

    def send_message(self, message: bytes | str) -> bytes:
        """Send a SOAP request and return the answer's body.

        Raises:
            HostFailure: The host cannot be used; it was not given this request, or refused it.
            LoginRefused: As that, because of the secret.
            ConnectionBroken: After the host had let us in; it says whether this
                request may have reached it.
            winrm.exceptions.WinRMTransportError: HTTP 500 with a SOAP fault, which
                pywinrm's ``Protocol`` reads.
        """
        raise NotImplementedError

    def close(self) -> None:
        """End the connection; the next message makes another one."""
        raise NotImplementedError

    def close_session(self) -> None:
        """As ``close``: pywinrm calls it so."""
        self.close()
