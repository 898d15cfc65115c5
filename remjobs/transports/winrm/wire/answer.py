"""What a host answers over HTTP, and what of it is taken."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from email.message import Message
from typing import Final

from remjobs.model.job import ReasonKind
from remjobs.model.ping import Stage
from remjobs.transports.base import HostFailure
from remjobs.transports.winrm.wire.errors import AnswerRefused

__all__ = ["Answer", "check_envelope", "refusal", "shown"]

_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_SCHEME: Final = re.compile(r"(?:^|,)\s*([A-Za-z][A-Za-z0-9-]*)(?=\s*(?:,|$)|\s+[^=\s])")
_DECLARED: Final = re.compile(rb"""^<\?xml[^>]*?encoding\s*=\s*["']([^"'>]*)""")
_ENDED: Final = re.compile(rb"</(?:[\w.-]+:)?Envelope\s*>\s*$")
_BOM: Final = b"\xef\xbb\xbf"
_SHOWN: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP answer."""

    status: int
    phrase: str
    """What the host calls the status."""
    headers: Message
    body: bytes

    @property
    def content_type(self) -> str:
        """Media type in small letters, without parameters."""
        return self.headers.get_content_type()

    @property
    def challenges(self) -> list[str]:
        """Each WWW-Authenticate field (RFC 9110, section 11.6.1)."""
        return [str(value) for value in self.headers.get_all("WWW-Authenticate") or ()]

    @property
    def offered(self) -> list[str]:
        """The schemes that the host would let us in by, as it writes them."""
        bare = [_QUOTED.sub('""', challenge) for challenge in self.challenges]
        return list(dict.fromkeys(name for text in bare for name in _SCHEME.findall(text)))

    def offers(self, scheme: str) -> bool:
        """Whether a scheme is among them."""
        return scheme.casefold() in (offered.casefold() for offered in self.offered)

    def token(self, scheme: str) -> bytes | None:
        """Return the token that comes with a scheme, if there is one.

        Raises:
            HostFailure: It is not base64.
        """
        form = re.compile(rf"(?:^|,)\s*{re.escape(scheme)}\s+([A-Za-z0-9+/]+=*)", re.IGNORECASE)
        found = next((match for text in self.challenges if (match := form.search(text))), None)
        if found is None:
            return None
        try:
            return base64.b64decode(found[1], validate=True)
        except binascii.Error as exc:
            msg = f"the host's {scheme} token is not base64"
            raise HostFailure(ReasonKind.REFUSED, msg, stage=Stage.AUTHENTICATION) from exc


def shown(text: str) -> str:
    """Return words of a host's in a form that can neither forge lines nor run on."""
    return "".join(char if char.isprintable() else "?" for char in text)[:_SHOWN]


def refusal(answer: Answer) -> HostFailure:
    """Say what an answer means that is neither a result nor about the login.

    Nothing was carried out: the request was turned away for what it is, not for
    what it asks.
    """
    said = f"{answer.status} {shown(answer.phrase)}".strip()
    remedy = ""
    stage = Stage.SHELL
    if answer.status in range(300, 400):
        where = shown(answer.headers.get("Location") or "nowhere")
        msg = f"the host redirects to {where} ({said}), and redirects are not followed"
    elif answer.status == 407:  # noqa: PLR2004 - RFC 9110, section 15.5.8
        msg, stage = f"the proxy wants a login of its own ({said})", Stage.TCP
    elif answer.status == 404:  # noqa: PLR2004 - RFC 9110, section 15.5.5
        msg = f"there is no WinRM listener under this path ({said})"
        remedy = "`winrm enumerate winrm/config/listener` on the host shows port and path"
    else:
        msg = f"the host refuses: {said}"
    return HostFailure(ReasonKind.REFUSED, msg, stage=stage, remedy=remedy)


def check_envelope(body: bytes) -> bytes:
    """Return a SOAP envelope that may go to an XML parser.

    SOAP forbids document types (SOAP 1.2 part 1, section 5), which are what entity
    bombs and outside entities need. Another encoding could hide one from this look.

    Raises:
        AnswerRefused: It has one, or is none.
    """
    if not body:
        raise AnswerRefused("the host answered with nothing")
    text = body.removeprefix(_BOM).lstrip()
    if not text.startswith(b"<"):
        raise AnswerRefused("the host's answer is not XML")
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise AnswerRefused("the host's answer has a document type, which SOAP does not allow")
    declared = _DECLARED.match(text)
    if b"\0" in text or (declared and declared[1].lower() not in {b"utf-8", b"us-ascii"}):
        raise AnswerRefused("the host's answer is not in UTF-8")
    if not _ENDED.search(text):
        raise AnswerRefused("the host's answer is cut off, or is no SOAP envelope")
    return body
