"""Certificates of a test's own: an authority, servers and clients; good ones and bad ones."""

from __future__ import annotations

import datetime as dt
import hashlib
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

UPN = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")
DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A certificate; ``file`` holds it and its key."""

    file: Path
    certificate: Path
    key: Path
    fingerprint: str


class Authority:
    """Signs certificates; ``file`` is its own, as PEM."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named("remjobs test authority")
        self.file = folder / "ca.pem"
        made = (
            _builder(self._name, self._name, self._key, expired=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=True,
                    content_commitment=False,
                    key_encipherment=False,
                    data_encipherment=False,
                    key_agreement=False,
                    key_cert_sign=True,
                    crl_sign=True,
                    encipher_only=False,
                    decipher_only=False,
                ),
                critical=True,
            )
            .sign(self._key, hashes.SHA256())
        )
        self.file.write_bytes(made.public_bytes(Encoding.PEM))

    def server(self, kind: str) -> Made:
        """Make a server's: good, wrong-name, expired, or self-signed."""
        names: list[x509.GeneralName] = [
            x509.DNSName("localhost"),
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
            x509.IPAddress(ipaddress.ip_address("::1")),
        ]
        if kind == "wrong-name":
            names = [x509.DNSName("elsewhere.example")]
        subject = "elsewhere.example" if kind == "wrong-name" else "localhost"
        return self._make(f"server-{kind}", subject, names, ExtendedKeyUsageOID.SERVER_AUTH, kind)

    def client(self, user: str, kind: str) -> tuple[Path, Path]:
        """Make a user's: good, expired, or self-signed."""
        # The UPN is an ASN.1 UTF8String: its tag, its length, itself.
        said = user.encode()
        names: list[x509.GeneralName] = [x509.OtherName(UPN, b"\x0c" + bytes([len(said)]) + said)]
        safe = "".join(letter if letter.isalnum() else "-" for letter in user)
        usage = ExtendedKeyUsageOID.CLIENT_AUTH
        made = self._make(f"client-{safe}-{kind}", user, names, usage, kind)
        return made.certificate, made.key

    def _make(
        self,
        file: str,
        subject: str,
        names: list[x509.GeneralName],
        usage: x509.ObjectIdentifier,
        kind: str,
    ) -> Made:
        key = ec.generate_private_key(ec.SECP256R1())
        own = kind == "self-signed"
        issuer, signer = (_named(subject), key) if own else (self._name, self._key)
        made = (
            _builder(_named(subject), issuer, key, expired=kind == "expired")
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),
                critical=False,
            )
            .sign(signer, hashes.SHA256())
        )
        return self._write(file, made, key)

    def _write(self, file: str, made: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Made:
        certificate = made.public_bytes(Encoding.PEM)
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        paths = [self._folder / f"{file}{end}" for end in (".pem", ".crt", ".key")]
        for path, data in zip(paths, (certificate + secret, certificate, secret), strict=True):
            path.touch(0o600)
            path.write_bytes(data)
        digest = hashlib.sha256(made.public_bytes(Encoding.DER)).hexdigest()
        return Made(file=paths[0], certificate=paths[1], key=paths[2], fingerprint=digest)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    *,
    expired: bool,
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    start, end = (now - 30 * DAY, now - DAY) if expired else (now - DAY, now + 30 * DAY)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
            critical=False,
        )
    )
