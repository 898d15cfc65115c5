"""What can never log in, refused before anything starts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from remjobs.errors import UsageError
from remjobs.model.authentication import OF_WINRM, Authentication
from remjobs.transports.winrm.wire.endpoint import Endpoint
from remjobs.transports.winrm.wire.login import WinRmLogin
from remjobs.transports.winrm.wire.tickets import has_kerberos
from remjobs.transports.winrm.wire.tls import check_files, is_fingerprint

__all__ = ["check_login", "check_secrecy"]

A: Final = Authentication
_PATH: Final = re.compile(r"[!-~]*")
_BY_TICKET: Final = frozenset({A.KERBEROS, A.NEGOTIATE_WITH_IMPLICIT_CREDENTIAL})


def check_login(endpoint: Endpoint, login: WinRmLogin, host: str) -> None:
    """Refuse what can never log in; a secret may still be missing.

    Args:
        endpoint: Where.
        login: How.
        host: What the message calls it.

    Raises:
        UsageError: It names the host and what to do.
    """
    whys = (
        *_of_mechanism(login),
        *_of_scheme(endpoint, login),
        *_of_tls(endpoint, login),
        *_of_way(endpoint),
    )
    for why in whys:
        msg = f"{host}: {why}"
        raise UsageError(msg)


def check_secrecy(endpoint: Endpoint, login: WinRmLogin) -> None:
    """Refuse what would be read on the way.

    Raises:
        UsageError: It says what to do.
    """
    for why in _of_scheme(endpoint, login):
        raise UsageError(why)


def _of_mechanism(login: WinRmLogin) -> Iterator[str]:
    mechanism = login.mechanism
    if mechanism not in OF_WINRM:
        yield f"WinRM has no authentication {mechanism}; there are: {', '.join(OF_WINRM)}"
    if mechanism in _BY_TICKET and not has_kerberos():
        yield f"{mechanism} needs more packages: `pip install 'remjobs[kerberos]'`"
    if mechanism is A.NEGOTIATE_WITH_IMPLICIT_CREDENTIAL and login.secret is not None:
        yield f"{mechanism} uses your Kerberos ticket: leave the credential out"
    if mechanism is A.CERTIFICATE and login.secret is not None:
        yield "Certificate has no password: leave the credential out"
    if mechanism is A.CERTIFICATE and login.certificate_file is None:
        yield "Certificate needs a client certificate (certificate_file)"


def _of_scheme(endpoint: Endpoint, login: WinRmLogin) -> Iterator[str]:
    if endpoint.is_https:
        return
    if login.mechanism is A.BASIC and not endpoint.allow_plaintext:
        yield (
            "Basic over http shows password and work to everybody on the way: "
            "use https; in an inventory a host may say winrm.allow_plaintext"
        )
    if login.mechanism in {A.DIGEST, A.CERTIFICATE}:
        yield f"{login.mechanism} cannot keep the work secret over http: use https"
    if endpoint.fingerprint is not None:
        yield "there is no certificate to pin over http: use https"


def _of_tls(endpoint: Endpoint, login: WinRmLogin) -> Iterator[str]:
    if endpoint.fingerprint is not None and not is_fingerprint(endpoint.fingerprint):
        yield "the fingerprint is no SHA-256 in hex (64 digits, colons allowed)"
    if endpoint.is_https:
        try:
            check_files(endpoint, login)
        except UsageError as exc:
            yield str(exc)


def _of_way(endpoint: Endpoint) -> Iterator[str]:
    if not _PATH.fullmatch(endpoint.path):
        yield f"{endpoint.path!r} is no path of a URL"
