"""Who holds a lease, as others on the host are told."""

from __future__ import annotations

import os
import pwd
import socket
from dataclasses import replace
from typing import Final

from remjobs.model.work import Work
from remjobs.store.base import StoredJob

__all__ = ["with_holder"]

_LONGEST_NAME: Final = 80


def with_holder(stored: StoredJob) -> Work:
    """Return a job's work; if it wants a lease, with who we are and what for."""
    if stored.work.exclusive is None:
        return stored.work
    job = stored.job
    name = "".join(letter if letter.isprintable() else " " for letter in job.name)
    called = "" if name == f"Job{job.id}" else f' "{name[:_LONGEST_NAME]}"'
    holder = f"{_user()}@{socket.gethostname()} for job {job.id}{called}"
    return replace(stored.work, holder=holder)


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
