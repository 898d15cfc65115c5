"""The seam of the mechanisms: how a host is made to let us in."""

from __future__ import annotations

from typing import Final, Protocol

from remjobs.transports.winrm.wire.answer import Answer
from remjobs.transports.winrm.wire.connection import Connection

__all__ = ["SOAP", "Admission"]

SOAP: Final = "application/soap+xml"


class Admission(Protocol):
    """One way of being let in, with what it has to show."""

    @property
    def authentication(self) -> str:
        """What let us in."""
        ...

    @property
    def is_kept(self) -> bool:
        """Whether a login holds for the connection it was made on, until that ends."""
        ...

    def enter(self, connection: Connection) -> None:
        """Log in on a new connection, as far as that goes without a message.

        Raises:
            HostFailure: The host does not let us in.
            ConnectionBroken: The connection went.
        """
        ...

    def post(self, connection: Connection, message: bytes) -> Answer:
        """Send a message; the answer's body can be read, whatever it was on the way.

        Raises:
            HostFailure: The host refuses us.
            ConnectionBroken: The connection went, or its answer cannot be trusted.
        """
        ...

    def close(self) -> None:
        """Forget what was had for the login."""
        ...
