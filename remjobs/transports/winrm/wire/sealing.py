"""Encrypted messages ([MS-WSMV] 2.2.9.1): a security context's, in MIME."""

from __future__ import annotations

import re
import struct
from email.message import Message
from typing import Final

from spnego import ContextProxy

from remjobs.transports.winrm.wire.errors import AnswerRefused

__all__ = ["seal", "unseal"]

_BOUNDARY: Final = "Encrypted Boundary"
_TYPES: Final = frozenset({"multipart/encrypted", "multipart/x-multi-encrypted"})
_PIECE: Final = 16_384
"""Bytes of one TLS record, which is what CredSSP seals ([MS-WSMV] 2.2.9.1.3)."""
_LENGTH: Final = re.compile(rb"OriginalContent:[^\r\n]*;\s*Length=(\d+)", re.IGNORECASE)
_CREDSSP: Final = "application/HTTP-CredSSP-session-encrypted"
_PADDING: Final = 16


def seal(context: ContextProxy, protocol: str, message: bytes) -> tuple[str, bytes]:
    """Return content type and body of an encrypted message.

    Args:
        context: Established.
        protocol: Media type that names the mechanism.
        message: SOAP in UTF-8.
    """
    size = _PIECE if protocol == _CREDSSP else max(len(message), 1)
    pieces = [message[at : at + size] for at in range(0, len(message), size)] or [b""]
    kind = "multipart/encrypted" if len(pieces) == 1 else "multipart/x-multi-encrypted"
    body = b"".join(_part(context, protocol, piece) for piece in pieces)
    content_type = f'{kind};protocol="{protocol}";boundary="{_BOUNDARY}"'
    return content_type, body + f"--{_BOUNDARY}--\r\n".encode("ascii")


def _part(context: ContextProxy, protocol: str, piece: bytes) -> bytes:
    sealed = context.wrap_winrm(piece)
    length = len(piece) + sealed.padding_length
    head = (
        f"--{_BOUNDARY}\r\n"
        f"\tContent-Type: {protocol}\r\n"
        f"\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length={length}\r\n"
        f"--{_BOUNDARY}\r\n"
        "\tContent-Type: application/octet-stream\r\n"
    )
    signature = struct.pack("<I", len(sealed.header)) + sealed.header
    return head.encode("ascii") + signature + sealed.data


def unseal(context: ContextProxy, headers: Message, body: bytes) -> bytes:
    """Return an encrypted answer's message.

    Raises:
        AnswerRefused: It is not encrypted, or not as it should be.
    """
    if headers.get_content_type() not in _TYPES:
        raise AnswerRefused("the host answered an encrypted request without encryption")
    boundary = re.escape(str(headers.get_param("boundary") or _BOUNDARY).encode())
    # Exchange's listeners put a blank behind the dashes.
    parts = re.split(rb"--\s?" + boundary + rb"(?:\r\n|--\r\n|--\Z)", body)
    parts = [part for part in parts if part]
    if not parts or len(parts) % 2:
        raise AnswerRefused("the host's encrypted answer is cut off")
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return b"".join(_opened(context, about, data) for about, data in pairs)


def _opened(context: ContextProxy, about: bytes, data: bytes) -> bytes:
    told = _LENGTH.search(about)
    _, found, packed = data.partition(b"octet-stream\r\n")
    if told is None or not found or len(packed) < struct.calcsize("<I"):
        raise AnswerRefused("the host's encrypted answer has no length or no data")
    (length,) = struct.unpack_from("<I", packed)
    header, sealed = packed[4 : 4 + length], packed[4 + length :]
    if len(header) != length:
        raise AnswerRefused("the host's encrypted answer is cut off")
    message = context.unwrap_winrm(header, sealed)
    if not 0 <= int(told[1]) - len(message) <= _PADDING:
        raise AnswerRefused("the host's encrypted answer is not as long as it says")
    return message
