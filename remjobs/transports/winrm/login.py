"""Where a WinRM host is, and who we are there."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final

from remjobs.model.authentication import Authentication
from remjobs.model.host import Host, WinRmScheme
from remjobs.model.job import ReasonKind
from remjobs.model.ping import Stage
from remjobs.model.secret import Secret
from remjobs.transports.base import Access, HostFailure, SecretUse
from remjobs.transports.winrm.wire import Endpoint, WinRmLogin

__all__ = ["WITHOUT_PASSWORD", "endpoint_of", "login_of", "operation_timeout", "secret_of"]

_PORTS: Final = {WinRmScheme.HTTPS: 5986, WinRmScheme.HTTP: 5985}
_CONNECT: Final = 10.0
_OPERATION: Final = 20.0
_MORE_TO_READ: Final = 10.0
_BY_PASSWORD: Final = frozenset(
    {
        Authentication.BASIC,
        Authentication.CREDSSP,
        Authentication.DIGEST,
        Authentication.NTLM,
    }
)
WITHOUT_PASSWORD: Final[Mapping[Authentication, str]] = {
    Authentication.CERTIFICATE: "logs in with a certificate",
    Authentication.NEGOTIATE_WITH_IMPLICIT_CREDENTIAL: "logs in with your own ticket",
}
"""Mechanisms that no credential is for, and why."""


def endpoint_of(host: Host) -> Endpoint:
    """Return where a host listens: as is usual, port 5985 alone means http."""
    options = host.winrm
    usual = WinRmScheme.HTTP if host.port == _PORTS[WinRmScheme.HTTP] else WinRmScheme.HTTPS
    scheme = options.scheme or usual
    operation = operation_timeout(host)
    return Endpoint(
        scheme=scheme.value,
        address=host.address or host.name,
        port=host.port or _PORTS[scheme],
        path=options.path or "wsman",
        host_name=_name_of(host),
        ca_file=options.ca_file,
        fingerprint=options.fingerprint,
        insecure_tls=options.insecure_tls,
        allow_plaintext=options.allow_plaintext,
        proxy=options.proxy,
        connect_timeout=options.connect_timeout or _CONNECT,
        read_timeout=options.read_timeout or operation + _MORE_TO_READ,
    )


def _name_of(host: Host) -> str:
    """Return what certificate and Kerberos know the host by: where it is, if that is a name.

    An IP address is only where it is; then the inventory's own name counts.
    """
    try:
        ip_address((host.address or "").partition("%")[0])
    except ValueError:
        return host.address or host.name
    return host.name


def operation_timeout(host: Host) -> float:
    """Return the seconds after which a host answers that there is nothing new."""
    asked, most = host.winrm.operation_timeout, host.winrm.read_timeout
    if asked is not None:
        return asked
    return _OPERATION if most is None else min(_OPERATION, max(1.0, most / 2))


def login_of(host: Host, user: str | None, secret: Secret | None, ccache: str | None) -> WinRmLogin:
    """Return who we are on a host."""
    return WinRmLogin(
        mechanism=host.authentication,
        user=user,
        secret=secret,
        certificate_file=host.winrm.certificate_file,
        certificate_key_file=host.winrm.certificate_key_file,
        delegate=host.winrm.delegate,
        service=host.winrm.service or "HTTP",
        ccache=ccache,
    )


async def secret_of(host: Host, user: str | None, access: Access | None) -> Secret | None:
    """Return the password that logs in to a host, if one does.

    Raises:
        NeedsAnswer: A person must be asked first.
        HostFailure: It cannot be had, or nobody is named whose it would be.
    """
    mechanism = host.authentication
    if access is None or mechanism in WITHOUT_PASSWORD:
        return None
    question = f"password of {user}"
    must = mechanism in _BY_PASSWORD or host.asks_for_password
    if not must and not await access.ready(SecretUse.LOGIN, question):
        return None
    if user is None:
        msg = f"{mechanism} needs a user: -u, or a credential that names one"
        raise HostFailure(ReasonKind.AUTHENTICATION, msg, stage=Stage.AUTHENTICATION)
    return await access.secret(SecretUse.LOGIN, question)
