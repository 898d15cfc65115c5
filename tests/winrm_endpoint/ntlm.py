"""NTLM's messages, as far as an endpoint looks into them ([MS-NLMP] 2.2)."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from spnego._ntlm_raw.crypto import ntowfv1
from spnego._ntlm_raw.messages import Authenticate, AvId, NTClientChallengeV2

_AUTHENTICATE = b"NTLMSSP\0\x03\0\0\0"
_RESPONSE = 24
"""Responses of NTLMv1 are as long as this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Who a client says it is, and whether it binds to its channel."""

    user: str
    bound: bool


def authenticate(token: bytes) -> Said | None:
    """Read an AUTHENTICATE_MESSAGE, in SPNEGO or bare; None where there is none."""
    at = token.find(_AUTHENTICATE)
    if at < 0:
        return None
    message = Authenticate.unpack(token[at:])
    user = message.user_name or ""
    if message.domain_name:
        user = f"{message.domain_name}\\{user}"
    response = message.nt_challenge_response or b""
    if len(response) <= _RESPONSE:
        return Said(user=user, bound=False)
    pairs = NTClientChallengeV2.unpack(response[16:]).av_pairs
    return Said(user=user, bound=any(pairs.get(AvId.channel_bindings, b"")))


def write_users(path: Path, users: Mapping[str, str]) -> None:
    """Write the file that pyspnego's acceptor reads: hashes, and no password."""
    lines = [
        f"{user}:0:{'0' * 32}:{base64.b16encode(ntowfv1(password)).decode()}:[U]:LCT-0"
        for user, password in users.items()
    ]
    path.touch(0o600)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def quoted(said: str, name: str) -> str:
    """Return a quoted field of a header."""
    found = re.search(rf'{name}="((?:[^"\\]|\\.)*)"', said)
    return re.sub(r"\\(.)", r"\1", found[1]) if found else ""
