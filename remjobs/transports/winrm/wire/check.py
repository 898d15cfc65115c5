"""What can never log in, refused before anything starts."""

from __future__ import annotations

from remjobs.transports.winrm.wire.endpoint import Endpoint
from remjobs.transports.winrm.wire.login import WinRmLogin

__all__ = ["check_login"]


def check_login(endpoint: Endpoint, login: WinRmLogin, host: str) -> None:
    """Refuse what can never log in; a secret may still be missing.

    Args:
        endpoint: Where.
        login: How.
        host: What the message calls it.

    Raises:
        UsageError: It names the host and what to do.
    """
