"""What the asker's side reads before a request is sent: its surroundings and its files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from remjobs.errors import UsageError
from remjobs.model.request import Caller
from remjobs.model.work import Script

__all__ = ["read_caller", "read_file", "read_script"]


def read_caller(
    environment: Mapping[str, str] = os.environ,
    *,
    insecure_keyring: bool = False,
) -> Caller:
    """Return what of this process belongs to a request.

    Args:
        environment: Usually ``os.environ``.
        insecure_keyring: A keyring that others can read is used all the same.

    Raises:
        UsageError: The working directory is gone.
    """
    try:
        directory = str(Path.cwd())
    except OSError as exc:
        msg = "the working directory is gone; change to another"
        raise UsageError(msg) from exc
    return Caller(
        directory=directory,
        ssh_auth_sock=environment.get("SSH_AUTH_SOCK"),
        dbus_session_bus_address=environment.get("DBUS_SESSION_BUS_ADDRESS"),
        krb5ccname=environment.get("KRB5CCNAME"),
        insecure_keyring=insecure_keyring,
    )


def read_script(path: str) -> Script:
    """Read a script.

    Raises:
        UsageError: It cannot be read, or is none.
    """
    return Script(name=path, content=read_file(path, "the script"))


def read_file(path: str, what: str) -> bytes:
    """Read a file.

    Raises:
        UsageError: It cannot be read; the message names ``what`` it is.
    """
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as exc:
        msg = f"{path}: cannot read {what}: {exc.strerror}"
        raise UsageError(msg) from exc
