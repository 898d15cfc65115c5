"""The options that ``push`` and ``fetch`` share: where, how fast, and how they are followed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated
from uuid import uuid4

import typer

from remjobs.caller import read_caller
from remjobs.cli.target_options import (
    AllowDuplicates,
    AuthenticationName,
    ConnectTimeout,
    Exclude,
    Identity,
    Inventory,
    Keepalive,
    KnownHosts,
    LoginTimeout,
    Port,
    SshConfig,
    Target,
    ThrottleLimit,
    User,
    connection_of,
    targets_of,
    throttle_of,
)
from remjobs.cli.work_options import Name
from remjobs.model.request import StartRequest
from remjobs.model.work import Work

__all__ = ["Background", "build_copy"]

Background = Annotated[
    bool,
    typer.Option("--background", help="Give the prompt back at once, as start does."),
]
StopGrace = Annotated[
    float,
    typer.Option("--stop-grace", metavar="S", help="Seconds a stop leaves what is on its way."),
]
Timeout = Annotated[
    float | None,
    typer.Option("--timeout", metavar="S", help="Seconds for the copy on one host."),
]


def build_copy(
    target: Target = None,
    exclude: Exclude = None,
    inventory: Inventory = None,
    allow_duplicates: AllowDuplicates = False,
    name: Name = None,
    throttle_limit: ThrottleLimit = None,
    stop_grace: StopGrace = 5.0,
    timeout: Timeout = None,
    user: User = None,
    port: Port = None,
    authentication: AuthenticationName = None,
    identity: Identity = None,
    ssh_config: SshConfig = None,
    known_hosts: KnownHosts = None,
    connect_timeout: ConnectTimeout = None,
    login_timeout: LoginTimeout = None,
    keepalive: Keepalive = None,
    *,
    copy: Callable[..., Work],
) -> StartRequest:
    """Make a request of what was typed.

    ``copy`` is the verb's: it makes the work, of fields that copies have as all work.

    Raises:
        UsageError: It contradicts itself, or a file cannot be read.
    """
    connection = connection_of(
        user=user,
        port=port,
        authentication=authentication,
        identity_files=tuple(identity or ()),
        config_file=ssh_config,
        known_hosts_file=known_hosts,
        connect_timeout=connect_timeout,
        login_timeout=login_timeout,
        keepalive_interval=keepalive,
    )
    return StartRequest(
        instance_id=uuid4(),
        work=copy(stop_grace=stop_grace, timeout=timeout),
        targets=targets_of(target, exclude, inventory, allow_duplicates=allow_duplicates),
        connection=connection,
        name=name,
        throttle_limit=throttle_of(throttle_limit),
        caller=read_caller(),
    )
