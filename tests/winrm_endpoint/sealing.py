"""Encrypted messages in their MIME parts ([MS-WSMV] 2.2.9.1)."""

from __future__ import annotations

import re
import struct
from typing import Protocol

CHUNK = 16 * 1024
BOUNDARY = b"--Encrypted Boundary"
ORIGINAL = b"\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length=%d\r\n"
STREAM = b"\tContent-Type: application/octet-stream\r\n"
KINDS = {
    "credssp": "application/HTTP-CredSSP-session-encrypted",
    "kerberos": "application/HTTP-Kerberos-session-encrypted",
    "negotiate": "application/HTTP-SPNEGO-session-encrypted",
}
_KIND = re.compile(r'multipart/(?:x-multi-)?encrypted\s*;.*protocol="?([^";]+)"?', re.IGNORECASE)
_PART = re.compile(
    rb"\s*Content-Type:\s*([^\r\n]+)\r\n\s*OriginalContent:\s*[^\r\n]*Length=(\d+)\r\n",
    re.IGNORECASE,
)


class Wrapped(Protocol):
    """What one sealing gives."""

    @property
    def header(self) -> bytes: ...
    @property
    def data(self) -> bytes: ...
    @property
    def padding_length(self) -> int: ...


class Seal(Protocol):
    """A security context that seals and opens."""

    def wrap_winrm(self, data: bytes) -> Wrapped: ...
    def unwrap_winrm(self, header: bytes, data: bytes) -> bytes: ...


class NotSealed(ValueError):
    """What came is no sealed message, or does not open."""


def kind(content_type: str) -> str | None:
    """Return the protocol that a sealed message names, None if it is not sealed."""
    found = _KIND.match(content_type)
    return found.group(1) if found else None


def fits(mechanism: str, protocol: str) -> bool:
    """Return whether who has logged in by a mechanism may seal by a protocol."""
    named = {KINDS.get(mechanism, KINDS["negotiate"])}
    # Clients seal what Kerberos gave them by either name.
    return protocol in named | ({KINDS["negotiate"]} if mechanism == "kerberos" else set())


def open_sealed(context: Seal, protocol: str, body: bytes) -> bytes:
    """Open a message.

    Raises:
        NotSealed: It is none, or has been changed; contexts raise errors of their own.
    """
    text, end, _ = body.rpartition(BOUNDARY + b"--")
    parts = text.split(BOUNDARY + b"\r\n")
    if not end or len(parts) < 3 or parts[0] or len(parts) % 2 != 1:
        raise NotSealed("no parts")
    pairs = zip(parts[1::2], parts[2::2], strict=True)
    return b"".join(_open(context, protocol, head, data) for head, data in pairs)


def _open(context: Seal, protocol: str, head: bytes, data: bytes) -> bytes:
    said = _PART.fullmatch(head)
    if not said or said.group(1).decode() != protocol or not data.startswith(STREAM):
        raise NotSealed("no such part")
    sealed = data.removeprefix(STREAM)
    (length,) = struct.unpack_from("<I", sealed)
    plain = context.unwrap_winrm(sealed[4 : 4 + length], sealed[4 + length :])
    if len(plain) != int(said.group(2)):
        raise NotSealed("another length")
    return plain


def seal(context: Seal, protocol: str, message: bytes) -> tuple[str, bytes]:
    """Seal a message; return its content type and its body."""
    chunks = [message]
    # A TLS record holds no more than this.
    if protocol == KINDS["credssp"] and len(message) > CHUNK:
        chunks = [message[at : at + CHUNK] for at in range(0, len(message), CHUNK)]
    body = b"".join(_seal(context, protocol, chunk) for chunk in chunks)
    multi = "x-multi-encrypted" if len(chunks) > 1 else "encrypted"
    named = f'multipart/{multi};protocol="{protocol}";boundary="Encrypted Boundary"'
    return named, body + BOUNDARY + b"--\r\n"


def _seal(context: Seal, protocol: str, chunk: bytes) -> bytes:
    wrapped = context.wrap_winrm(chunk)
    return b"".join(
        [
            BOUNDARY + b"\r\n",
            f"\tContent-Type: {protocol}\r\n".encode(),
            ORIGINAL % (len(chunk) + wrapped.padding_length),
            BOUNDARY + b"\r\n",
            STREAM,
            struct.pack("<I", len(wrapped.header)) + wrapped.header + wrapped.data,
        ],
    )
