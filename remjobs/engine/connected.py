"""A host as a request wants it to be reached."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Final

from remjobs.model.host import Become, Host, SshOptions
from remjobs.model.request import Connection

__all__ = ["connected", "with_defaults"]

_ROOT: Final = "root"


def connected(host: Host, connection: Connection) -> Host:
    """Return the host with a request's connection settings over its own."""
    given = {f.name: getattr(connection.ssh, f.name) for f in fields(SshOptions)}
    ssh = replace(host.ssh, **{name: value for name, value in given.items() if value})
    return replace(
        host,
        user=connection.user or host.user,
        port=connection.port or host.port,
        authentication=connection.authentication or host.authentication,
        credential=connection.credential or host.credential,
        asks_for_password=connection.credential is not None or host.asks_for_password,
        become=_become(host.become, connection.become),
        ssh=ssh,
    )


def with_defaults(host: Host, defaults: Connection) -> Host:
    """Return the host with a user, credential and settings where it has none of its own."""
    own = {f.name: getattr(host.ssh, f.name) for f in fields(SshOptions)}
    ssh = replace(defaults.ssh, **{name: value for name, value in own.items() if value})
    return replace(
        host,
        user=host.user or defaults.user,
        credential=host.credential or defaults.credential,
        ssh=ssh,
    )


def _become(own: Become, asked: Become | None) -> Become:
    if asked is None:
        return own
    return Become(
        user=asked.user or own.user or _ROOT,
        method=asked.method,
        credential=asked.credential or own.credential,
    )
