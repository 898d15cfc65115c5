"""What to do about a connection that did not come up, stage by stage."""

from __future__ import annotations

from remjobs.model.job import ReasonKind
from remjobs.model.ping import Stage
from remjobs.transports.base import HostFailure
from remjobs.transports.ssh.config import Resolved

__all__ = ["mended"]


def mended(failure: HostFailure, stage: Stage, settings: Resolved) -> HostFailure:
    """Return the failure with the stage that it belongs to, and how to mend it."""
    failure.stage = stage
    failure.remedy = _remedy(failure, stage, settings)
    return failure


def _remedy(failure: HostFailure, stage: Stage, settings: Resolved) -> str:
    if stage is Stage.NAME:
        return (
            f"is {settings.address} spelled right? The inventory or HostName in the "
            "ssh config can give its address"
        )
    if stage is Stage.TCP:
        return _no_answer(str(failure), settings.port)
    if stage is Stage.AUTHENTICATION:
        return (
            "is the user right (-u), is the key in an agent or named by --identity, and is it "
            "in authorized_keys there? `ssh -v` to the host shows what each side offers"
        )
    if failure.reason is ReasonKind.UNREACHABLE:
        return f"is it an SSH server that listens on port {settings.port}?"
    # What is said of a host key says what to do as well.
    return "" if failure.reason is ReasonKind.HOST_KEY else "its sshd may be too old, or is set so"


def _no_answer(message: str, port: int) -> str:
    if "refused" in message:
        return f"the host is up and nothing listens on port {port}: start sshd, or name its port"
    if "no route" in message or "unreachable" in message:
        return "is this machine's network up, and its route or VPN to that address?"
    return f"is the host up, and does a firewall on the way let port {port} through?"
