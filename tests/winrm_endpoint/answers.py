"""Bodies of the Shell's answers ([MS-WSMV] 2.2.4)."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from winrm_endpoint import soap

STATE = f"{soap.SHELL}/CommandState"


def created(shell: str, owner: str, idle: float) -> str:
    """Say that a shell has been opened, and where it is."""
    return (
        f"<x:ResourceCreated><a:Address>{soap.ADDRESSING}/role/anonymous</a:Address>"
        f"<a:ReferenceParameters><w:ResourceURI>{soap.CMD}</w:ResourceURI><w:SelectorSet>"
        f'<w:Selector Name="ShellId">{escape(shell)}</w:Selector></w:SelectorSet>'
        "</a:ReferenceParameters></x:ResourceCreated>"
        f"<rsp:Shell><rsp:ShellId>{escape(shell)}</rsp:ShellId>"
        f"<rsp:ResourceUri>{soap.CMD}</rsp:ResourceUri><rsp:Owner>{escape(owner)}</rsp:Owner>"
        f"<rsp:ClientIP>127.0.0.1</rsp:ClientIP><rsp:IdleTimeOut>PT{idle:.3f}S</rsp:IdleTimeOut>"
        "<rsp:InputStreams>stdin</rsp:InputStreams>"
        "<rsp:OutputStreams>stdout stderr</rsp:OutputStreams>"
        "<rsp:ShellRunTime>P0DT0H0M0S</rsp:ShellRunTime>"
        "<rsp:ShellInactivity>P0DT0H0M0S</rsp:ShellInactivity></rsp:Shell>"
    )


def received(
    command: str,
    came: Sequence[tuple[str, bytes]],
    names: Sequence[str],
    code: int | None,
) -> str:
    """Give output; a code says that this was all of it, and that the command has ended."""
    parts = [_stream(command, name, data) for name, data in came]
    if code is None:
        parts.append(f'<rsp:CommandState CommandId={quoteattr(command)} State="{STATE}/Running"/>')
    else:
        parts += [_stream(command, name, None) for name in names]
        parts.append(
            f'<rsp:CommandState CommandId={quoteattr(command)} State="{STATE}/Done">'
            f"<rsp:ExitCode>{code}</rsp:ExitCode></rsp:CommandState>",
        )
    return f"<rsp:ReceiveResponse>{''.join(parts)}</rsp:ReceiveResponse>"


def _stream(command: str, name: str, data: bytes | None) -> str:
    """Return a piece of a stream; None is its end."""
    of = f"Name={quoteattr(name)} CommandId={quoteattr(command)}"
    if data is None:
        return f'<rsp:Stream {of} End="true"/>'
    return f"<rsp:Stream {of}>{base64.b64encode(data).decode()}</rsp:Stream>"
