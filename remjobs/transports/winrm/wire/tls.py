"""TLS: whom we take for the host, and what ties a login to the connection."""

from __future__ import annotations

import hashlib
import hmac
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes

from remjobs.errors import UsageError
from remjobs.model.job import ReasonKind
from remjobs.model.ping import Stage
from remjobs.transports.base import HostFailure
from remjobs.transports.winrm.wire.endpoint import Endpoint
from remjobs.transports.winrm.wire.login import WinRmLogin

__all__ = ["TlsContexts", "binding_of", "check_files", "check_pin", "is_fingerprint"]

_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}")
_ANY: Final = "\0any"
_SYSTEM: Final = "\0system"
"""Of authorities that are no file."""
_WEAK: Final = (hashes.MD5, hashes.SHA1)


class TlsContexts:
    """Contexts of TLS that connections share: reading all CAs takes long."""

    def __init__(self) -> None:
        """Read nothing yet."""
        self._made: dict[tuple[str, str | None, str | None], ssl.SSLContext] = {}
        self._lock = threading.Lock()

    def get(self, endpoint: Endpoint, login: WinRmLogin) -> ssl.SSLContext:
        """Return what a connection is secured with.

        Raises:
            OSError: A file cannot be read, or holds no certificate or key.
        """
        files = (_authority(endpoint), login.certificate_file, login.certificate_key_file)
        with self._lock:
            if files not in self._made:
                self._made[files] = _made(*files)
            return self._made[files]


def check_files(endpoint: Endpoint, login: WinRmLogin) -> None:
    """See that certificates and keys can be used.

    Raises:
        UsageError: It names the file.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if (authority := _authority(endpoint)) not in {_ANY, _SYSTEM}:
        with _named(authority, "it holds no certificate in PEM"):
            context.load_verify_locations(authority)
    if login.certificate_file is not None:
        key = login.certificate_key_file or login.certificate_file
        with _named(login.certificate_file, "it cannot be read"):
            Path(login.certificate_file).read_bytes()
        with _named(key, "it is no key of the certificate in PEM, or it has a passphrase"):
            _load_own(context, login.certificate_file, login.certificate_key_file)


@contextmanager
def _named(file: str, otherwise: str) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        why = otherwise if isinstance(exc, ssl.SSLError) else (exc.strerror or otherwise)
        msg = f"cannot use {file}: {why}"
        raise UsageError(msg) from exc


def _authority(endpoint: Endpoint) -> str:
    """Return who signs certificates; a pin takes the place of CA and name: it says more."""
    if endpoint.fingerprint is not None or endpoint.insecure_tls:
        return _ANY
    return endpoint.ca_file or _SYSTEM


def _made(authority: str, certificate: str | None, key: str | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if authority == _ANY:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif authority == _SYSTEM:
        context.load_default_certs()
    else:
        context.load_verify_locations(authority)
    if certificate is not None:
        _load_own(context, certificate, key)
    return context


def _load_own(context: ssl.SSLContext, certificate: str, key: str | None) -> None:
    # A listener may ask for it only once it has seen the request (RFC 8446, 4.6.2).
    context.post_handshake_auth = True
    # Without a password OpenSSL would ask at the terminal.
    context.load_cert_chain(certificate, key, password="")


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
