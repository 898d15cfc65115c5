"""TLS: whom we take for the host, and what ties a login to the connection."""

from __future__ import annotations

import hashlib
import hmac
import re
import ssl
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes

from remjobs.model.job import ReasonKind
from remjobs.model.ping import Stage
from remjobs.transports.base import HostFailure
from remjobs.transports.winrm.wire.endpoint import Endpoint
from remjobs.transports.winrm.wire.login import WinRmLogin

__all__ = ["binding_of", "check_pin", "is_fingerprint", "tls_context"]

_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}")
_WEAK: Final = (hashes.MD5, hashes.SHA1)


def tls_context(endpoint: Endpoint, login: WinRmLogin) -> ssl.SSLContext:
    """Return what a connection is secured with.

    A pin takes the place of CA and name: it says more than both.

    Raises:
        OSError: A file cannot be read, or holds no certificate or key.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if endpoint.fingerprint is not None or endpoint.insecure_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif endpoint.ca_file is not None:
        context.load_verify_locations(endpoint.ca_file)
    else:
        context.load_default_certs()
    if login.certificate_file is not None:
        # A listener may ask for it only once it has seen the request (RFC 8446, 4.6.2).
        context.post_handshake_auth = True
        # Without a password OpenSSL would ask at the terminal.
        context.load_cert_chain(login.certificate_file, login.certificate_key_file, password="")
    return context


def is_fingerprint(text: str) -> bool:
    """Whether it is a SHA-256 in hex."""
    return _FINGERPRINT.fullmatch(_plain(text)) is not None


def check_pin(certificate: bytes, endpoint: Endpoint) -> None:
    """Compare a certificate (DER) with the one that is pinned.

    Raises:
        HostFailure: It is another one.
    """
    if endpoint.fingerprint is None:
        return
    own = hashlib.sha256(certificate).hexdigest()
    if hmac.compare_digest(own, _plain(endpoint.fingerprint)):
        return
    msg = (
        f"the certificate is not the pinned one: SHA-256 {_plain(endpoint.fingerprint)} is "
        f"expected, {own} was shown ({endpoint.authority})"
    )
    remedy = "if the certificate was renewed, pin the new fingerprint; else somebody is in between"
    raise HostFailure(ReasonKind.HOST_KEY, msg, stage=Stage.HOST_KEY, remedy=remedy)


def binding_of(certificate: bytes) -> bytes:
    """Return a certificate's channel binding (RFC 5929, section 4.1)."""
    try:
        signed_with = x509.load_der_x509_certificate(certificate).signature_hash_algorithm
    except (UnsupportedAlgorithm, ValueError):
        signed_with = None
    weak = signed_with is None or isinstance(signed_with, _WEAK)
    digest = hashes.Hash(hashes.SHA256() if weak or signed_with is None else signed_with)
    digest.update(certificate)
    return b"tls-server-end-point:" + digest.finalize()


def _plain(fingerprint: str) -> str:
    return fingerprint.replace(":", "").strip().lower()
