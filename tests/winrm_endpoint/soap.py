"""WS-Management envelopes: requests read with a parser, answers and faults written."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from winrm_endpoint.codes import Code, WsmanFault, words

SOAP = "http://www.w3.org/2003/05/soap-envelope"
ADDRESSING = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
WSMAN = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
FAULT = "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault"
DETAIL = "http://schemas.dmtf.org/wbem/wsman/1/wsman/faultDetail"
FAULT_ACTION = "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault"
PLUGIN = r'provider="Shell cmd plugin" path="%systemroot%\system32\winrscmd.dll"'
CMD = f"{SHELL}/cmd"
NAMES = {"s": SOAP, "a": ADDRESSING, "x": TRANSFER, "w": WSMAN, "rsp": SHELL}
DEFAULT_TIMEOUT = 60.0
LEAST_ENVELOPE = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One envelope that came in; ``timeout`` in seconds, ``most`` in bytes."""

    action: str
    resource: str
    message: str
    timeout: float
    most: int
    selectors: Mapping[str, str]
    options: Mapping[str, str]
    body: ET.Element

    @property
    def name(self) -> str:
        """The last word of the action: Create, Command, Receive."""
        return self.action.rpartition("/")[2]

    def part(self, path: str) -> ET.Element:
        """Return an element of the body that must be there.

        Raises:
            WsmanFault: It is not.
        """
        found = self.body.find(path, NAMES)
        if found is None:
            raise WsmanFault(Code.SCHEMA)
        return found


def read(data: bytes) -> Request:
    """Read a request.

    Raises:
        WsmanFault: It is none.
    """
    try:
        root = ET.fromstring(data)  # noqa: S314 - from tests alone
    except ET.ParseError as exc:
        raise WsmanFault(Code.SCHEMA) from exc
    header, body = root.find("s:Header", NAMES), root.find("s:Body", NAMES)
    if header is None or body is None:
        raise WsmanFault(Code.SCHEMA)
    return Request(
        action=_said(header, "a:Action"),
        resource=_said(header, "w:ResourceURI"),
        message=_said(header, "a:MessageID"),
        timeout=seconds(_said(header, "w:OperationTimeout"), DEFAULT_TIMEOUT),
        most=_most(_said(header, "w:MaxEnvelopeSize")),
        selectors=_named(header, "w:SelectorSet/w:Selector"),
        options=_named(header, "w:OptionSet/w:Option"),
        body=body,
    )


def _said(header: ET.Element, path: str) -> str:
    return (header.findtext(path, "", NAMES) or "").strip()


def _named(header: ET.Element, path: str) -> dict[str, str]:
    return {item.get("Name", ""): item.text or "" for item in header.findall(path, NAMES)}


def _most(text: str) -> int:
    most = int(text) if text.isdigit() else 153_600
    if most < LEAST_ENVELOPE:
        raise WsmanFault(Code.ENVELOPE_TOO_SMALL)
    return most


_DURATION = re.compile(
    r"P(?:(\d+)D)?(?:T(?:(\d+(?:\.\d+)?)H)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)S)?)?",
)


def seconds(text: str, default: float) -> float:
    """Read an xs:duration.

    Raises:
        WsmanFault: It is none.
    """
    if not text:
        return default
    if not (found := _DURATION.fullmatch(text)) or not any(found.groups()):
        raise WsmanFault(Code.SCHEMA)
    days, hours, minutes, rest = (float(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + rest


def answer(request: Request, body: str) -> bytes:
    """Write the answer to a request."""
    return _envelope(f"{request.action}Response", request.message, body)


def fault(message: str, problem: WsmanFault) -> bytes:
    """Write a fault ([MS-WSMV] 2.2.4.43), as the answer to the message of that id."""
    said = words(problem.code)
    text = escape(problem.text or said.text)
    detail = escape(problem.message or "") or text
    if said.provider:
        detail = f"<f:ProviderFault {PLUGIN}>{detail}</f:ProviderFault>"
    named = f"<w:FaultDetail>{DETAIL}/{said.detail}</w:FaultDetail>" if said.detail else ""
    return _envelope(
        FAULT_ACTION,
        message,
        f"<s:Fault><s:Code><s:Value>s:{said.sender}</s:Value>"
        f"<s:Subcode><s:Value>{said.subcode}</s:Value></s:Subcode></s:Code>"
        f'<s:Reason><s:Text xml:lang="en-US">{text}</s:Text></s:Reason><s:Detail>{named}'
        f'<f:WSManFault xmlns:f="{FAULT}" Code="{problem.code}" Machine="localhost">'
        f"<f:Message>{detail}</f:Message></f:WSManFault></s:Detail></s:Fault>",
    )


def _envelope(action: str, message: str, body: str) -> bytes:
    relates = f"<a:RelatesTo>{escape(message)}</a:RelatesTo>" if message else ""
    spaces = " ".join(f'xmlns:{name}="{uri}"' for name, uri in NAMES.items())
    return (
        f'<s:Envelope xml:lang="en-US" {spaces}><s:Header><a:Action>{escape(action)}</a:Action>'
        f"<a:MessageID>uuid:{str(uuid.uuid4()).upper()}</a:MessageID>"
        f"<a:To>{ADDRESSING}/role/anonymous</a:To>{relates}</s:Header>"
        f"<s:Body>{body}</s:Body></s:Envelope>"
    ).encode()
