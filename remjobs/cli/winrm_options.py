"""The options that say how Windows hosts are reached by WinRM."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from remjobs.model.host import WinRmScheme

__all__ = [
    "CaFile",
    "CertificateFile",
    "CertificateKey",
    "Delegate",
    "Fingerprint",
    "InsecureTls",
    "RemoteTransport",
    "Scheme",
    "TransportName",
]


class RemoteTransport(StrEnum):
    """Ways to hosts that can be asked for by name."""

    SSH = "ssh"
    WINRM = "winrm"


TransportName = Annotated[
    RemoteTransport | None,
    typer.Option("--transport", help="How hosts are reached. [default: as the inventory says]"),
]
Scheme = Annotated[
    WinRmScheme | None,
    typer.Option("--winrm-scheme", help="What carries WinRM. [default: https]"),
]
CaFile = Annotated[
    str | None,
    typer.Option("--ca-file", metavar="FILE", help="Who signs certificates of WinRM hosts (PEM)."),
]
Fingerprint = Annotated[
    str | None,
    typer.Option(
        "--tls-fingerprint",
        metavar="SHA256",
        help="The one certificate that a host may have.",
    ),
]
InsecureTls = Annotated[
    bool,
    typer.Option("--insecure-tls", help="Take any certificate, of hosts named one by one only."),
]
CertificateFile = Annotated[
    str | None,
    typer.Option("--certificate", metavar="FILE", help="Certificate to log in with (PEM)."),
]
CertificateKey = Annotated[
    str | None,
    typer.Option("--certificate-key", metavar="FILE", help="Its key. [default: in the same file]"),
]
Delegate = Annotated[
    bool,
    typer.Option("--delegate", help="Kerberos: let WinRM hosts reach further ones as you."),
]
