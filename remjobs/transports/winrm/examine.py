"""What logging in to Windows hosts needs on our side, looked through for ``doctor``."""

from __future__ import annotations

from typing import Final

from remjobs.model.doctor import Finding, Verdict
from remjobs.transports.winrm.wire.tickets import has_kerberos

__all__ = ["examine"]

_CHECK: Final = "kerberos"
_MISSING: Final = "not installed (`pip install 'remjobs[kerberos]'`): Windows hosts get NTLM"


def examine(ccache: str | None) -> tuple[Finding, ...]:
    """Return whether Kerberos can be had; NTLM and CredSSP need nothing more."""
    if not has_kerberos():
        return (Finding(check=_CHECK, verdict=Verdict.OK, message=_MISSING),)
    said = f"can be had, with tickets of {ccache or 'the default cache'} or a password"
    return (Finding(check=_CHECK, verdict=Verdict.OK, message=said),)
