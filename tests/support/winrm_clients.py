"""Clients of WinRM that are not ours: bare pywinrm, and pypsrp's WinRS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import pypsrp.wsman
from pypsrp.shell import Process, WinRS
from support.credssp import HttpCredSspAuth
from support.winrm import PASSWORD, WinRmEndpoint
from winrm.protocol import Protocol

# It wants a package that has this under another name.
vars(pypsrp.wsman)["HttpCredSSPAuth"] = HttpCredSspAuth


class Came(NamedTuple):
    """What a command gave."""

    code: int | None
    output: bytes
    errors: bytes


@contextmanager
def pywinrm(
    host: WinRmEndpoint,
    transport: Any = "ntlm",
    *,
    user: str = "alice",
    password: str = PASSWORD,
    timeout: int = 5,
    **more: Any,
) -> Iterator[Protocol]:
    """Connect with pywinrm."""
    protocol = Protocol(
        host.url,
        transport=transport,
        username=user,
        password=password,
        ca_trust_path=str(host.ca_file),
        proxy=None,
        operation_timeout_sec=timeout,
        read_timeout_sec=timeout + 30,
        **more,
    )
    try:
        yield protocol
    finally:
        protocol.transport.close_session()


@contextmanager
def pypsrp_connection(
    host: WinRmEndpoint,
    auth: str = "negotiate",
    *,
    user: str | None = "alice",
    password: str | None = PASSWORD,
    timeout: int = 5,
    **more: Any,
) -> Iterator[pypsrp.wsman.WSMan]:
    """Connect with pypsrp."""
    authority: Any = str(host.ca_file)
    connection = pypsrp.wsman.WSMan(
        host.address,
        port=host.port,
        username=user,
        password=password,
        ssl=host.scheme == "https",
        auth=auth,
        cert_validation=authority,
        operation_timeout=timeout,
        no_proxy=True,
        **more,
    )
    with connection:
        yield connection


def run_pywinrm(
    host: WinRmEndpoint,
    transport: str,
    command: str,
    arguments: Sequence[str] = (),
    *,
    sent: bytes = b"",
    **more: Any,
) -> Came:
    """Run a command in a shell of its own, by pywinrm."""
    with pywinrm(host, transport, **more) as protocol:
        shell = protocol.open_shell(codepage=65001)
        key = protocol.run_command(shell, command, arguments)
        protocol.send_command_input(shell, key, sent, end=True)
        output, errors, code = protocol.get_command_output(shell, key)
        protocol.cleanup_command(shell, key)
        protocol.close_shell(shell)
        return Came(code, output, errors)


def run_pypsrp(
    host: WinRmEndpoint,
    auth: str,
    command: str,
    arguments: Sequence[str] = (),
    *,
    sent: bytes = b"",
    **more: Any,
) -> Came:
    """Run a command in a shell of its own, by pypsrp."""
    with pypsrp_connection(host, auth, **more) as connection, WinRS(connection) as shell:
        process = Process(shell, command, list(arguments))
        process.begin_invoke()
        process.send(sent, end=True)
        process.end_invoke()
        return Came(process.rc, process.stdout, process.stderr)
