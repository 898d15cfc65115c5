"""The options that say which hosts, and how they are reached."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from remjobs.caller import read_caller
from remjobs.cli.boundary import settings
from remjobs.cli.completing import authentications, targets
from remjobs.cli.winrm_options import (
    CaFile,
    CertificateFile,
    CertificateKey,
    Delegate,
    Fingerprint,
    InsecureTls,
    Scheme,
    TransportName,
)
from remjobs.errors import UsageError
from remjobs.model.authentication import parse_authentication
from remjobs.model.host import Become, BecomeMethod, HostKeyChecking, SshOptions, WinRmOptions
from remjobs.model.request import Caller, Connection, Targets

__all__ = [
    "Exclude",
    "InsecureKeyring",
    "Inventory",
    "InventoryScript",
    "Reach",
    "ThrottleLimit",
    "build_caller",
    "build_connection",
    "build_targets",
    "read_input",
    "throttle_of",
]

Target = Annotated[
    list[str] | None,
    typer.Option(
        "-t",
        "--target",
        "-w",
        metavar="PATTERN",
        help="Hosts: names, groups, ranges, globs, ~regex, a,b, &a, !a, group[0], @FILE, "
        "@JOB:STATE or -. None: this machine.",
        autocompletion=targets,
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(
        "-x",
        "--exclude",
        metavar="PATTERN",
        help="Hosts to leave out (repeatable).",
        autocompletion=targets,
    ),
]
Inventory = Annotated[
    list[str] | None,
    typer.Option(
        "-i",
        "--inventory",
        metavar="[KIND:]FILE",
        help="Inventory to read (repeatable).",
    ),
]
InventoryScript = Annotated[
    list[str] | None,
    typer.Option(
        "--inventory-script",
        metavar="PATH",
        help="Program to run that prints an inventory (repeatable).",
    ),
]
AllowDuplicates = Annotated[
    bool,
    typer.Option("--allow-duplicates", help="A host named twice is two children."),
]
User = Annotated[str | None, typer.Option("-u", "--user", help="User to log in as.")]
Port = Annotated[int | None, typer.Option("-p", "--port", help="Port to connect to.")]
Identity = Annotated[
    list[str] | None,
    typer.Option("--identity", metavar="FILE", help="Private key for SSH (repeatable)."),
]
AuthenticationName = Annotated[
    str | None,
    typer.Option(
        "--authentication",
        metavar="NAME",
        help="Mechanism to log in by, as PublicKey.",
        autocompletion=authentications,
    ),
]
SshConfig = Annotated[
    str | None,
    typer.Option("--ssh-config", metavar="FILE", help="SSH config to read; none for none."),
]
KnownHosts = Annotated[
    str | None,
    typer.Option("--known-hosts", metavar="FILE", help="Host keys that are trusted."),
]
HostKeys = Annotated[
    HostKeyChecking | None,
    typer.Option("--host-key-checking", help="Of keys that are not known. [default: strict]"),
]
ConnectTimeout = Annotated[
    float | None,
    typer.Option("--connect-timeout", metavar="S", help="Seconds to connect. [default: 10]"),
]
LoginTimeout = Annotated[
    float | None,
    typer.Option("--login-timeout", metavar="S", help="Seconds to log in. [default: 30]"),
]
Keepalive = Annotated[
    float | None,
    typer.Option("--keepalive", metavar="S", help="Seconds between keepalives. [default: 15]"),
]
ForwardAgent = Annotated[
    bool, typer.Option("--forward-agent", help="Let work on the hosts use your agent, if attached.")
]
Credential = Annotated[
    str | None,
    typer.Option(
        "--credential",
        metavar="NAME",
        help="Log in with this one of the keyring, or a user's password; without -t: by sudo.",
    ),
]
InsecureKeyring = Annotated[
    bool,
    typer.Option("--insecure-keyring", help="Use a keyring that others can read, or that forgets."),
]
BecomeFlag = Annotated[bool, typer.Option("--become", help="Be root there, by sudo.")]
BecomeUser = Annotated[
    str | None, typer.Option("--become-user", metavar="USER", help="Be this user there.")
]
BecomeMethodName = Annotated[
    BecomeMethod | None, typer.Option("--become-method", help="By which program. [default: sudo]")
]
BecomeCredential = Annotated[
    str | None,
    typer.Option(
        "--become-credential", metavar="NAME", help="What sudo is answered. [default: as logged in]"
    ),
]
ThrottleLimit = Annotated[
    int | None,
    typer.Option("-f", "--throttle-limit", metavar="N", help="Hosts at a time. [default: 32]"),
]


def build_targets(
    target: Target = None,
    exclude: Exclude = None,
    inventory: Inventory = None,
    inventory_script: InventoryScript = None,
    allow_duplicates: AllowDuplicates = False,
) -> Targets | None:
    """Return the targets that were typed; None where no ``-t`` was.

    Raises:
        UsageError: Something was typed that makes no sense without them.
    """
    if not target:
        if exclude or inventory or inventory_script:
            msg = "-x and -i need -t: which hosts?"
            if inventory_script:
                msg = "--inventory-script needs -t: which hosts?"
            raise UsageError(msg)
        return None
    return Targets(
        include=tuple(target),
        exclude=tuple(exclude or ()),
        inventories=tuple(inventory or ()),
        scripts=tuple(inventory_script or ()),
        standard_input=_read_names() if _asks_for_input(target) else None,
        allow_duplicates=allow_duplicates,
    )


def _asks_for_input(expressions: list[str]) -> bool:
    """Whether a term is ``-``, with an operator before it or not."""
    terms = (term for expression in expressions for term in expression.split(","))
    return any(term.strip().lstrip("!& ") == "-" for term in terms)


def _read_names() -> str:
    try:
        return read_input().decode()
    except UnicodeDecodeError as exc:
        msg = "-t -: standard input is not UTF-8 text; write one host a line"
        raise UsageError(msg) from exc


def build_connection(
    user: User = None,
    port: Port = None,
    authentication: AuthenticationName = None,
    credential: Credential = None,
    become: BecomeFlag = False,
    become_user: BecomeUser = None,
    become_method: BecomeMethodName = None,
    become_credential: BecomeCredential = None,
    identity: Identity = None,
    ssh_config: SshConfig = None,
    known_hosts: KnownHosts = None,
    forward_agent: ForwardAgent = False,
    host_key_checking: HostKeys = None,
    connect_timeout: ConnectTimeout = None,
    login_timeout: LoginTimeout = None,
    keepalive: Keepalive = None,
    transport: TransportName = None,
    winrm_scheme: Scheme = None,
    ca_file: CaFile = None,
    tls_fingerprint: Fingerprint = None,
    insecure_tls: InsecureTls = False,
    certificate: CertificateFile = None,
    certificate_key: CertificateKey = None,
    delegate: Delegate = False,
) -> Connection:
    """Return how hosts are reached, as typed.

    Raises:
        UsageError: There is no such mechanism, or no such name.
    """
    return Connection(
        transport=None if transport is None else transport.value,
        user=user,
        port=port,
        authentication=None if authentication is None else parse_authentication(authentication),
        credential=credential,
        become=_become(become, become_user, become_method, become_credential),
        ssh=SshOptions(
            identity_files=tuple(identity or ()),
            config_file=ssh_config,
            known_hosts_file=known_hosts,
            forward_agent=forward_agent,
            host_key_checking=host_key_checking,
            connect_timeout=connect_timeout,
            login_timeout=login_timeout,
            keepalive_interval=keepalive,
        ),
        winrm=WinRmOptions(
            scheme=winrm_scheme,
            ca_file=_absolute(ca_file),
            fingerprint=tls_fingerprint,
            insecure_tls=insecure_tls,
            certificate_file=_absolute(certificate),
            certificate_key_file=_absolute(certificate_key),
            delegate=delegate,
            connect_timeout=connect_timeout,
        ),
    )


def build_caller(insecure_keyring: InsecureKeyring = False) -> Caller:
    """Return what of the asker's surroundings goes with a request."""
    return read_caller(insecure_keyring=insecure_keyring)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Which hosts an errand is for, and how they are reached."""

    targets: Targets | None
    connection: Connection
    caller: Caller


def _absolute(path: str | None) -> str | None:
    """Return a path that means the same in the controller."""
    return None if path is None else str(Path(path).expanduser().absolute())


def _become(
    wanted: bool,
    user: str | None,
    method: BecomeMethod | None,
    credential: str | None,
) -> Become | None:
    """Return whom to be, as typed; None where nothing of it was."""
    if not (wanted or user or method or credential):
        return None
    return Become(user=user, method=method or BecomeMethod.SUDO, credential=credential)


def throttle_of(limit: int | None) -> int:
    """Return the throttle limit that was typed, else the one that is set."""
    return settings().throttle_limit if limit is None else limit


def read_input() -> bytes:
    """Return all of our standard input."""
    return sys.stdin.buffer.read()
