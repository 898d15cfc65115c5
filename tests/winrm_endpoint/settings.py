"""What one endpoint is told to be."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

MECHANISMS = ("basic", "digest", "ntlm", "negotiate", "kerberos", "credssp", "certificate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    r"""The configuration of one endpoint.

    Attributes:
        users: Names, ``DOMAIN\name`` and ``name@REALM`` too, and their passwords.
        denied: Users who log in well and still may do nothing.
        certificate: PEM file of the server's certificate and key, for HTTPS.
        client_ca: PEM file of the authority of client certificates.
        channel_binding: ``none``: not looked at; ``allowed``: right if there is one;
            ``required``: there must be one.
        digest_uses: How many requests a nonce is good for; then it is stale.
        tls: The highest version spoken, where it is not the newest: ``1.1`` or ``1.2``.
        programs: A folder that comes first on the PATH of commands, and is their drive C.
        max_envelope: The largest request taken, in bytes.
    """

    folder: Path
    users: Mapping[str, str] = field(repr=False)
    address: str = "127.0.0.1"
    port: int = 0
    mechanisms: Sequence[str] = MECHANISMS
    denied: Sequence[str] = ()
    allow_unencrypted: bool = False
    certificate: Path | None = None
    client_ca: Path | None = None
    channel_binding: str = "allowed"
    tls: str | None = None
    digest_algorithm: str = "MD5"
    digest_uses: int = 1000
    programs: Path | None = None
    shells_per_user: int = 30
    operations_per_user: int = 1500
    max_envelope: int = 512_000
    idle_timeout: float = 7200.0

    @classmethod
    def read(cls, line: str) -> Settings:
        """Take them from a line of JSON."""
        said = json.loads(line)
        for name in ("folder", "certificate", "client_ca", "programs"):
            if said.get(name) is not None:
                said[name] = Path(said[name])
        return cls(**said)
