"""PowerShell's streams, as it writes them to standard error where that is no terminal.

Started with ``-EncodedCommand`` it takes whoever started it for another PowerShell, and
writes all records but those of the output there as CLIXML ([MS-PSRP], section 2.2.5): a
line ``#< CLIXML``, the head of an ``<Objs>`` document, each record as it comes, and the
document's end at its own. Other programs write to the same standard error, so that
their bytes stand before, behind and between the records: no XML parser reads the whole.
"""

from __future__ import annotations

import re
from typing import Any, Final
from xml.etree import ElementTree as ET

from psrpcore.types import (
    ClixmlStream,
    ProgressRecord,
    ProgressRecordType,
    PSCryptoProvider,
    deserialize_clixml,
)

from remjobs.model.record import Stream

__all__ = ["Clixml"]

_STREAMS: Final = {
    ClixmlStream.WARNING: Stream.WARNING,
    ClixmlStream.VERBOSE: Stream.VERBOSE,
    ClixmlStream.DEBUG: Stream.DEBUG,
    ClixmlStream.INFORMATION: Stream.INFORMATION,
    ClixmlStream.PROGRESS: Stream.PROGRESS,
}
_LONGEST: Final = 16 * 1024 * 1024
"""Bytes of a record; what is longer is no record of anybody's."""
_KEPT: Final = 64
"""Records that define the names of types, for later ones that refer to them."""

_UNSAID: Final = re.compile(rb"<(AV|SD)(?:\s*/>|></\1>)")
"""Activity or status of a progress record that has none: psrpcore reads no such record."""

_OUTSIDE: Final = re.compile(rb"(?P<head>#< CLIXML\s{0,4}<Objs(?: [^<>]*)?>)")
_INSIDE: Final = re.compile(
    rb"(?P<head>(?:#< CLIXML\s{0,4})?<Objs(?: [^<>]*)?>)"
    rb"|(?P<end></Objs\s*>)"
    rb'|(?P<record><(?P<name>[A-Za-z][A-Za-z0-9]*) S="[A-Za-z]+"[^<>]*>)',
)
_FOLLOWING: Final = re.compile(rb"\s*(?P<head><Objs(?: [^<>]*)?>)")


def _beginnings(word: str) -> str:
    """Return a pattern of all beginnings of a word, the empty one too."""
    return f"(?:{re.escape(word[0])}{_beginnings(word[1:])})?" if word else ""


_HALF_HEAD: Final = (
    f"#{_beginnings('< CLIXML')}"
    rf"|#< CLIXML\s{{0,4}}(?:<Objs(?: [^<>]*)?|{_beginnings('<Objs')})"
)
_HALF_OUTSIDE: Final = re.compile(_HALF_HEAD.encode())
_HALF_INSIDE: Final = re.compile(
    rf"{_HALF_HEAD}|<|</{_beginnings('Objs')}\s*|<[A-Za-z][A-Za-z0-9]*(?: [^<>]*)?".encode(),
)
_HALF_FOLLOWING: Final = re.compile(rf"\s*(?:<Objs(?: [^<>]*)?|{_beginnings('<Objs')})".encode())
_HALF_END: Final = re.compile(rf"\s*<?/?{_beginnings('Objs')}\s*".encode())

Found = list[tuple[Stream, bytes]]


class Clixml:
    """Takes standard error as it comes, and gives the streams that it is made of."""

    def __init__(self) -> None:
        """Begin outside of any document."""
        self._held = b""
        self._depth = 0
        """Documents that are open: a PowerShell started by another one writes within its."""
        self._follows = False
        """Whether a document has just ended: the next one may come without its line."""
        self._defining: list[bytes] = []

    def feed(self, data: bytes) -> Found:
        """Return what is known of the bytes so far; what could go either way waits."""
        self._held += data
        found: Found = []
        while self._held and (step := self._step()) is not None:
            found += step
        return found

    def close(self) -> Found:
        """Return what is left at the end: bytes that became no record stay bytes."""
        rest, self._held = self._held, b""
        cut_at_end = self._depth and _HALF_END.fullmatch(rest)
        return [] if cut_at_end or not rest else [(Stream.ERROR, rest)]

    def _step(self) -> Found | None:
        """Take the next token off; None if more bytes are needed to know it."""
        if self._follows:
            if match := _FOLLOWING.match(self._held):
                return self._take(match)
            if _HALF_FOLLOWING.fullmatch(self._held):
                return None
            self._follows = False
        match = (_INSIDE if self._depth else _OUTSIDE).search(self._held)
        if match is None:
            return self._text(self._half())
        if match.start() > 0:
            return self._text(match.start())
        return self._take(match)

    def _half(self) -> int:
        """Return where a token begins that is not whole yet, or the end."""
        half = _HALF_INSIDE if self._depth else _HALF_OUTSIDE
        for mark in (b"#", b"<"):
            at = self._held.rfind(mark)
            # A head has both marks, and begins with the first.
            if mark == b"#" and at >= 0 and half.fullmatch(self._held, at):
                return at
            if mark == b"<" and self._depth and at >= 0 and half.fullmatch(self._held, at):
                return at
        return len(self._held)

    def _text(self, until: int) -> Found | None:
        text, self._held = self._held[:until], self._held[until:]
        return [(Stream.ERROR, text)] if text else None

    def _take(self, match: re.Match[bytes]) -> Found | None:
        groups = match.groupdict()
        if groups.get("record"):
            return self._record(match["name"])
        self._held = self._held[match.end() :]
        if groups["head"]:
            self._depth += 1
            self._follows = False
        else:
            self._depth -= 1
            self._follows = self._depth == 0
            self._defining.clear()
        return []

    def _record(self, name: bytes) -> Found | None:
        """Take the record off that the held bytes begin with."""
        depth = 0
        for tag in re.finditer(rb"<(/?)%s(?:\s[^<>]*?)?(/?)>" % name, self._held):
            depth += -1 if tag[1] else 0 if tag[2] else 1
            if depth == 0:
                xml, self._held = self._held[: tag.end()], self._held[tag.end() :]
                return [self._told(xml)]
        return None if len(self._held) < _LONGEST else self._text(1)

    def _told(self, xml: bytes) -> tuple[Stream, bytes]:
        """Return a record as text; what is none after all stays as it came."""
        record = _UNSAID.sub(rb"<\1> </\1>", xml)
        text = b"<Objs>%s%s</Objs>" % (b"".join(self._defining), record)
        try:
            *_, (value, kind) = deserialize_clixml(
                text.decode("utf-8", "replace"),
                _NoSecrets(),
                preserve_streams=True,
            )
        except ET.ParseError:
            return Stream.ERROR, xml
        except Exception:  # noqa: BLE001 - an object nobody knows is told as far as can be
            words = ET.fromstring(text.decode("utf-8", "replace"))[-1].itertext()  # noqa: S314
            return Stream.ERROR, f"{''.join(words)}\n".encode("utf-8", "replace")
        if b"<TN " in xml and len(self._defining) < _KEPT:
            self._defining.append(record)
        stream = _STREAMS.get(kind, Stream.ERROR)
        return stream, _as_text(stream, value).encode("utf-8", "replace")


class _NoSecrets(PSCryptoProvider):
    """Decrypts nothing: a SecureString stays as it came."""

    def decrypt(self, value: str) -> str:
        """Return nothing."""
        del value
        return ""

    def encrypt(self, value: str) -> str:
        """Return nothing."""
        del value
        return ""

    def register_key(self, key: bytes) -> None:
        """Take no key."""


def _as_text(stream: Stream, value: Any) -> str:
    if isinstance(getattr(value, "Record", None), ProgressRecord):
        return _progress(value.Record)
    text = str(value).replace("\r\n", "\n")
    # Errors come formatted, in pieces that have their own line ends.
    formatted = stream is Stream.ERROR and isinstance(value, str)
    return text if formatted else text.rstrip("\n") + "\n"


def _progress(record: Any) -> str:
    if record.RecordType == ProgressRecordType.Completed:
        said = "completed"
    else:
        share = f"({record.PercentComplete} %)" if record.PercentComplete >= 0 else ""
        said = f"{str(record.StatusDescription or '').strip()} {share}".strip()
    return f"{record.Activity}: {said}".removeprefix(" : ").rstrip() + "\n"
