"""Codes of faults, and what a Windows host says with them ([MS-WSMV] 2.2.4.43, wsmerror.h)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple


class Code(IntEnum):
    """Codes of WSManFault, as winerror.h and wsmerror.h have them."""

    ACCESS_DENIED = 5
    BROKEN_PIPE = 109
    ABORTED = 995
    NO_SUCH_FILE = 2147942402
    BAD_PARAMETER = 2147942487
    NOT_A_FOLDER = 2147942667
    NO_SUCH_ACTION = 2150858771
    TOO_LARGE = 2150858790
    TIMED_OUT = 2150858793
    BAD_RESOURCE = 2150858811
    SCHEMA = 2150858817
    NO_SHELL = 2150858843
    ENVELOPE_TOO_SMALL = 2150858878
    TOO_MANY_SHELLS = 2150859173
    TOO_MANY_OPERATIONS = 2150859174


class Words(NamedTuple):
    """Whose fault it is (SOAP's code), its subcode, and its text."""

    sender: str
    subcode: str
    text: str


_SERVICE = "The WS-Management service"
_SHELL = "The request for the Windows Remote Shell"
_PROCESS = f"{_SERVICE} cannot process the request."
_QUOTA = f"{_PROCESS} The maximum number of concurrent"
_OTHER = Words("Receiver", "w:InternalError", "The request failed.")
_WORDS: Mapping[int, Words] = {
    Code.ACCESS_DENIED: Words("Sender", "w:AccessDenied", "Access is denied."),
    Code.BROKEN_PIPE: Words("Receiver", "w:InternalError", "The pipe has been ended."),
    Code.ABORTED: Words(
        "Receiver",
        "w:InternalError",
        "The I/O operation has been aborted.",
    ),
    Code.NO_SUCH_FILE: Words(
        "Receiver",
        "w:InternalError",
        "The system cannot find the file specified.",
    ),
    Code.NOT_A_FOLDER: Words("Receiver", "w:InternalError", "The directory name is invalid."),
    Code.BAD_PARAMETER: Words("Sender", "w:InvalidParameter", "The parameter is incorrect."),
    Code.SCHEMA: Words(
        "Sender",
        "w:SchemaValidationError",
        f"{_SERVICE} cannot process the request because the XML is invalid.",
    ),
    Code.BAD_RESOURCE: Words(
        "Sender", "a:DestinationUnreachable", f"{_PROCESS} The resource URI was not found."
    ),
    Code.TIMED_OUT: Words(
        "Receiver",
        "w:TimedOut",
        f"{_SERVICE} cannot complete the operation within the time specified in OperationTimeout.",
    ),
    Code.NO_SUCH_ACTION: Words(
        "Sender",
        "a:ActionNotSupported",
        f"{_SERVICE} does not support the action specified in the request.",
    ),
    Code.NO_SHELL: Words(
        "Sender",
        "w:InvalidSelectors",
        f"{_SHELL} failed because the shell was not found on the server.",
    ),
    Code.TOO_LARGE: Words("Sender", "w:EncodingLimit", f"{_PROCESS} The envelope is too large."),
    Code.TOO_MANY_SHELLS: Words(
        "Sender", "w:QuotaLimit", f"{_QUOTA} shells for this user has been exceeded."
    ),
    Code.TOO_MANY_OPERATIONS: Words(
        "Sender", "w:QuotaLimit", f"{_QUOTA} operations for this user has been exceeded."
    ),
    Code.ENVELOPE_TOO_SMALL: Words(
        "Sender", "w:EncodingLimit", f"{_PROCESS} The MaxEnvelopeSize is too small."
    ),
}


def words(code: int) -> Words:
    """Return what goes with a code."""
    return _WORDS.get(code, _OTHER)


class WsmanFault(Exception):
    """A request that is answered with a fault."""

    def __init__(self, code: int, text: str | None = None) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text
