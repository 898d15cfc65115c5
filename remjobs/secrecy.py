"""Keeping this process's memory to itself: no core dump, no debugger of the same user."""

from __future__ import annotations

import ctypes
import resource
import sys
from typing import Final

__all__ = ["keep_memory_private"]

_PR_SET_DUMPABLE: Final = 4
"""prctl(2)."""


def keep_memory_private() -> None:
    """Write no core file, and let nobody but root look into our memory (Linux).

    /proc/PID/mem and ptrace(2) are closed to processes of the same user as well, and
    so are /proc/PID/environ and the like.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
