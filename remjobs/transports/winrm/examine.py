"""What logging in to Windows hosts needs on our side, looked through for ``doctor``."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from remjobs.model.doctor import Finding, Verdict

__all__ = ["examine"]

_CHECK: Final = "winrm: Kerberos"
_REMEDY: Final = "pip install 'remjobs[kerberos]'; it needs a compiler and libkrb5-dev"


def examine(ccache: str | None) -> tuple[Finding, ...]:
    """Return whether Kerberos can be had; NTLM and CredSSP need nothing more."""
    missing = [name for name in ("gssapi", "krb5") if find_spec(name) is None]
    if missing:
        said = f"not installed: {', '.join(missing)}; Windows hosts get NTLM"
        return (Finding(check=_CHECK, verdict=Verdict.WARNING, message=said, remedy=_REMEDY),)
    where = ccache or "the default cache"
    said = f"can be had, with tickets of {where} or a password"
    return (Finding(check=_CHECK, verdict=Verdict.OK, message=said),)
