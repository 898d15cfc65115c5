"""What all connections of one endpoint share."""

from __future__ import annotations

import hashlib
import ssl
import threading
import warnings
from collections.abc import Callable
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from spnego.channel_bindings import GssChannelBindings

from winrm_endpoint.digest import Nonces
from winrm_endpoint.faults import Faults
from winrm_endpoint.ledger import Ledger
from winrm_endpoint.login import Site
from winrm_endpoint.settings import Settings
from winrm_endpoint.shells import Shells


class Endpoint:
    """One host, as its clients see it; ``era`` grows when it forgets who has logged in."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.ledger = Ledger()
        self.faults = Faults()
        self.shells = Shells(settings)
        self.era = 0
        self.tls = _tls(settings)
        self.site = Site(
            settings=settings,
            ledger=self.ledger,
            nonces=Nonces(settings.digest_algorithm, settings.digest_uses),
            bindings=_bindings(settings),
            secure=self.tls is not None,
        )
        self._lock = threading.Lock()
        self._cuts: dict[int, Callable[[], None]] = {}

    def enter(self, cut: Callable[[], None]) -> int:
        """Note a connection, and how to cut it; return its number."""
        number = self.ledger.connected()
        with self._lock:
            self._cuts[number] = cut
        return number

    def leave(self, number: int) -> None:
        """Note the end of a connection."""
        with self._lock:
            self._cuts.pop(number, None)
        self.ledger.closed(number)

    def drop_contexts(self) -> None:
        """Forget who has logged in where, as a service that was started anew."""
        self.era += 1
        self.site.nonces.forget()

    def cut(self) -> None:
        """Cut every connection."""
        with self._lock:
            cuts = list(self._cuts.values())
        for cut in cuts:
            cut()

    def status(self) -> dict[str, Any]:
        """Return what was seen and what there is."""
        return {**self.ledger.status(), **self.shells.status(), **self.faults.status()}


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if settings.tls:
        _limit(context, settings.tls)
    context.load_cert_chain(settings.certificate)
    if settings.client_ca is not None and "certificate" in settings.mechanisms:
        context.load_verify_locations(settings.client_ca)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def _limit(context: ssl.SSLContext, version: str) -> None:
    """Speak no newer TLS than this; the old ones need what OpenSSL has switched off."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion[f"TLSv{version.replace('.', '_')}"]


def _bindings(settings: Settings) -> GssChannelBindings | None:
    """Return what binds to the channel: a hash of the certificate (RFC 5929, 4.1)."""
    if settings.certificate is None or settings.channel_binding == "none":
        return None
    found = x509.load_pem_x509_certificate(settings.certificate.read_bytes())
    digest = hashlib.sha256(found.public_bytes(Encoding.DER)).digest()
    return GssChannelBindings(application_data=b"tls-server-end-point:" + digest)
