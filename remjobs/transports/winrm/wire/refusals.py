"""What is said where a host does not let us in."""

from __future__ import annotations

from remjobs.model.job import ReasonKind
from remjobs.model.ping import Stage
from remjobs.model.secret import Secret
from remjobs.transports.base import HostFailure
from remjobs.transports.winrm.wire.answer import Answer, shown
from remjobs.transports.winrm.wire.login import WinRmLogin

__all__ = ["not_offered", "not_proven", "password_of", "password_refused"]


def password_of(login: WinRmLogin) -> tuple[str, Secret]:
    """Return user and password.

    Raises:
        HostFailure: One of them is missing.
    """
    if login.user and login.secret is not None:
        return login.user, login.secret
    lacking = "user" if not login.user else f"password for {login.user}"
    raise HostFailure(
        ReasonKind.AUTHENTICATION,
        f"there is no {lacking} to log in with",
        stage=Stage.AUTHENTICATION,
    )


def password_refused(login: WinRmLogin) -> str:
    """Say whose password was refused."""
    return f"authentication refused: user or password of {login.user}"


def not_offered(scheme: str, answer: Answer | None) -> HostFailure:
    """Say that a host does not let anybody in so, and how it does."""
    names = () if answer is None else answer.offered
    offered = ", ".join(shown(name) for name in names) or "nothing"
    return HostFailure(
        ReasonKind.REFUSED,
        f"the host does not offer {scheme}; it offers: {offered}",
        stage=Stage.AUTHENTICATION,
    )


def not_proven(what: str) -> HostFailure:
    """Say that a host let us in without having shown that it is the one we mean."""
    return HostFailure(
        ReasonKind.HOST_KEY,
        f"the host did not prove who it is: {what}",
        stage=Stage.HOST_KEY,
    )
