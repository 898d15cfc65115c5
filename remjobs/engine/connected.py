"""A host as a request wants it to be reached."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Final, TypeVar

from remjobs.model.host import Become, Host, SshOptions, WinRmOptions
from remjobs.model.request import Connection

__all__ = ["connected", "with_defaults"]

_ROOT: Final = "root"
_Options = TypeVar("_Options", SshOptions, WinRmOptions)


def connected(host: Host, connection: Connection) -> Host:
    """Return the host with a request's connection settings over its own."""
    return replace(
        host,
        transport=connection.transport or host.transport,
        user=connection.user or host.user,
        port=connection.port or host.port,
        authentication=connection.authentication or host.authentication,
        credential=connection.credential or host.credential,
        asks_for_password=connection.credential is not None or host.asks_for_password,
        become=_become(host.become, connection.become),
        ssh=_over(host.ssh, connection.ssh),
        winrm=_over(host.winrm, connection.winrm),
    )


def with_defaults(host: Host, defaults: Connection) -> Host:
    """Return the host with a user, credential and settings where it has none of its own."""
    return replace(
        host,
        user=host.user or defaults.user,
        credential=host.credential or defaults.credential,
        ssh=_over(defaults.ssh, host.ssh),
        winrm=_over(defaults.winrm, host.winrm),
    )


def _over(below: _Options, above: _Options) -> _Options:
    """Return options, of which those that are set above win."""
    given = {f.name: getattr(above, f.name) for f in fields(above)}
    return replace(below, **{name: value for name, value in given.items() if value})


def _become(own: Become, asked: Become | None) -> Become:
    if asked is None:
        return own
    return Become(
        user=asked.user or own.user or _ROOT,
        method=asked.method,
        credential=asked.credential or own.credential,
    )
