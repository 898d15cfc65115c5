"""The Windows Remote Shell ([MS-WSMV], section 3.1.4), on pywinrm's SOAP and our wire.

It blocks, and one thread at a time may use it.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, ParamSpec, TypeVar
from xml.etree import ElementTree as ET

from winrm.exceptions import WinRMOperationTimeoutError, WinRMTransportError, WSManFaultError
from winrm.protocol import Protocol

from remjobs.transports.windows.launch import Launch, Surroundings
from remjobs.transports.winrm.faults import Code, Fault
from remjobs.transports.winrm.wire import AnswerRefused, Wire

__all__ = ["CHUNK", "Received", "RemoteShell"]

P = ParamSpec("P")
T = TypeVar("T")

CHUNK: Final = 96 * 1024
"""Bytes of input in a message. In base64 and with its envelope that is below 153,600, which
every Windows takes (MaxEnvelopeSizekb is 150 at least, and 500 since Windows Server 2012)."""
_UTF_8: Final = 65001
_IDLE: Final = 600
"""Seconds, besides the operation time-out, after which a host closes a shell that nobody asks
about: one that we left behind. Whoever listens asks within the operation time-out."""
_UNREADABLE: Final = (
    ET.ParseError,
    StopIteration,
    AssertionError,
    ValueError,
    binascii.Error,
    KeyError,
    AttributeError,
    TypeError,
)
"""How pywinrm takes answers that are not what they should be."""
_LONGEST_WORDS: Final = 500
_MESSAGE: Final = ".//{http://schemas.microsoft.com/wbem/wsman/1/wsmanfault}Message"


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What a Receive brought."""

    output: bytes
    error: bytes
    code: int | None
    """The exit code, once the command has ended: -2147483648 to 2147483647."""


class _Soap(Protocol):
    """pywinrm's messages on a wire of ours; its own transport is never made."""

    def __init__(self, wire: Wire, operation_timeout: int) -> None:
        self.transport: Any = wire
        self.operation_timeout_sec = operation_timeout


class RemoteShell:
    """Asks one host to open shells and to run commands in them.

    All of its methods raise:
        Fault: The host answered the request with a fault.
        HostFailure: The host cannot be used, and was not given the request.
        ConnectionBroken: The connection went meanwhile.
    """

    def __init__(self, wire: Wire, operation_timeout: float) -> None:
        """Use this wire; the host answers within the time-out (seconds), if only with that."""
        self.wire = wire
        self._soap = _Soap(wire, max(1, round(operation_timeout)))

    def open(self, surroundings: Surroundings) -> str:
        """Open a shell and return its id."""
        try:
            return self._opened(surroundings, f"PT{_IDLE + self._soap.operation_timeout_sec}S")
        except Fault as exc:
            if exc.code != Code.IDLE_TOO_LONG:
                raise
            return self._opened(surroundings, None)

    def _opened(self, surroundings: Surroundings, idle: str | None) -> str:
        found = self._asked(
            self._soap.open_shell,
            codepage=_UTF_8,
            noprofile=False,
            working_directory=surroundings.directory,
            env_vars=dict(surroundings.environment),
            idle_timeout=idle,
        )
        return _named(found, "shell")

    def begin(self, shell: str, launch: Launch) -> str:
        """Begin a command, its standard input a pipe, and return its id."""
        found = self._asked(
            self._soap.run_command,
            shell,
            launch.line,
            console_mode_stdin=False,
        )
        return _named(found, "command")

    def send(self, shell: str, command: str, data: bytes, *, end: bool) -> None:
        """Write to a command's standard input."""
        self._asked(self._soap.send_command_input, shell, command, data, end=end)

    def receive(self, shell: str, command: str) -> Received | None:
        """Return the next output; None if there was none within the operation time-out."""
        try:
            out, err, code, done = self._asked(self._soap.get_command_output_raw, shell, command)
        except Fault as exc:
            if exc.code == Code.TIMED_OUT:
                return None
            raise
        return Received(output=out, error=err, code=_whole(code) if done else None)

    def end(self, shell: str, command: str) -> None:
        """End a command's processes, if there are any left, and have it forgotten."""
        self._asked(self._soap.cleanup_command, shell, command)

    def close(self, shell: str) -> None:
        """Close a shell; what runs in it is ended."""
        self._asked(partial(self._soap.close_shell, close_session=False), shell)

    def _asked(self, ask: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Ask, and translate what pywinrm makes of refusals and of nonsense."""
        try:
            return ask(*args, **kwargs)
        except WinRMOperationTimeoutError as exc:
            msg = "it did not come to an answer within the operation time-out"
            raise Fault(Code.TIMED_OUT, msg) from exc
        except WSManFaultError as exc:
            raise _fault(exc) from exc
        except WinRMTransportError as exc:
            msg = f"the host answers HTTP {exc.code}, and no fault that can be read"
            raise AnswerRefused(msg) from exc
        except _UNREADABLE as exc:
            what = str(exc) or type(exc).__name__
            msg = f"the host's answer cannot be read: {_words(what)}"
            raise AnswerRefused(msg) from exc


def _named(found: str | None, what: str) -> str:
    """Return the id that an answer gives, if it gives one."""
    if not found or not found.strip():
        msg = f"the host's answer cannot be read: it names no {what}"
        raise AnswerRefused(msg)
    return found


def _fault(exc: WSManFaultError) -> Fault:
    is_senders = (exc.fault_code or "").rpartition(":")[2] == "Sender"
    return Fault(exc.wsman_fault_code, _words(_said(exc)), is_senders=is_senders)


def _said(exc: WSManFaultError) -> str:
    """Return what a host says of a fault: the reason goes by its code, the message by the case."""
    message = ET.fromstring(exc.response).find(_MESSAGE)  # noqa: S314 - the wire looked at it
    text = "" if message is None else "".join(message.itertext())
    return text if text.strip() else exc.reason


def _words(text: str | None) -> str:
    """Return a host's words as one line without control characters."""
    printable = "".join(c if c.isprintable() else " " for c in text or "no reason given")
    return " ".join(printable.split())[:_LONGEST_WORDS]


def _whole(code: int) -> int:
    """Return an exit code as ``$LASTEXITCODE`` and ``%ERRORLEVEL%`` have it: signed, 32 bits."""
    return (code & 0xFFFFFFFF ^ 0x80000000) - 0x80000000
