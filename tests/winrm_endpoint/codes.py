"""Codes of faults, and what a Windows host says with them ([MS-WSMV] 2.2.4.43, wsmerror.h)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple


class Code(IntEnum):
    """Codes of WSManFault, as winerror.h and wsmerror.h have them."""

    ACCESS_DENIED = 5
    BAD_PARAMETER = 87
    BROKEN_PIPE = 109
    ABORTED = 995
    NO_SUCH_FILE = 2147942402
    LINE_TOO_LONG = 2147942606
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
    """What is said with a code.

    Attributes:
        sender: Whose fault it is, as SOAP has it.
        text: The reason.
        provider: Whether the message comes from the Shell's plug-in, in an element of its own.
        detail: Which of the details it is that DSP0226 (section 14.6) has names for, if any.
    """

    sender: str
    subcode: str
    text: str
    provider: bool = False
    detail: str = ""


NO_COMMAND = (
    "The Windows Remote Shell received a request to perform an operation on a command identifier"
    " that does not exist. Either the command has completed execution or the client specified an"
    " invalid command identifier."
)
NO_SHELL = (
    "The request for the Windows Remote Shell with ShellId {} failed because the shell was not"
    " found on the server. Possible causes are: the specified ShellId is incorrect or the shell no"
    " longer exists on the server. Provide the correct ShellId or create a new shell and retry the"
    " operation."
)
_SERVICE = "The WS-Management service"
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
        provider=True,
    ),
    Code.LINE_TOO_LONG: Words(
        "Receiver",
        "w:InternalError",
        "The filename or extension is too long.",
        provider=True,
    ),
    Code.NOT_A_FOLDER: Words(
        "Receiver",
        "w:InternalError",
        "The directory name is invalid.",
        provider=True,
    ),
    Code.BAD_PARAMETER: Words(
        "Sender",
        "w:InvalidParameter",
        "The parameter is incorrect.",
        provider=True,
        detail="InvalidValue",
    ),
    Code.SCHEMA: Words(
        "Sender",
        "w:SchemaValidationError",
        "The SOAP XML in the message does not match the corresponding XML schema definition."
        " Change the XML and retry.",
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
        f"{_SERVICE} cannot process the request because the request contained invalid selectors"
        " for the resource.",
        detail="UnexpectedSelectors",
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
    """A request that is answered with a fault.

    Attributes:
        text: Its reason, None for the usual one.
        message: What the host says besides, where that is not the reason again.
    """

    def __init__(self, code: int, text: str | None = None, message: str | None = None) -> None:
        super().__init__(code, text, message)
        self.code = code
        self.text = text
        self.message = message
