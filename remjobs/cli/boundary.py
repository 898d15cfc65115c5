"""The boundary between the CLI and the shell: errors become one line and an exit code."""

from __future__ import annotations

import asyncio
import functools
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, NoReturn

from remjobs.controller.client import ControllerClient
from remjobs.controller.paths import Paths
from remjobs.errors import RemjobsError
from remjobs.model.exits import ExitCode
from remjobs.settings import Settings

__all__ = ["client", "complain", "paths", "perform", "settings"]


@functools.cache
def settings() -> Settings:
    """Return this process's settings, resolved once.

    Raises:
        UsageError: File or environment have what they cannot have.
    """
    resolved = Settings.resolve(os.environ)
    if resolved.color == "never":
        # The sign that our own drawing and rich's both heed (no-color.org).
        os.environ["NO_COLOR"] = "1"
    return resolved


def paths() -> Paths:
    """Return where the controller of this environment lives."""
    return Paths(settings().home)


def client(*, launch: bool = True) -> ControllerClient:
    """Return a client of this environment's controller, which starts it if need be."""
    return ControllerClient(paths(), launch=launch)


def complain(message: str) -> None:
    """Write a message for a person."""
    sys.stdout.flush()
    print(f"remjobs: {message}", file=sys.stderr, flush=True)


def perform(work: Coroutine[Any, Any, int | None]) -> NoReturn:
    """Run a verb and end the process as it says.

    A fault of ours is told in one line; REMJOBS_DEBUG=1 shows where it was.
    """
    try:
        code = asyncio.run(work) or ExitCode.OK
        sys.stdout.flush()
    except RemjobsError as exc:
        for line in str(exc).splitlines():
            complain(line)
        code = exc.exit_code
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone, as `| head` does. Python would
        # complain once more when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.OK
    except Exception as exc:
        if os.environ.get("REMJOBS_DEBUG"):
            raise
        complain(f"a fault of remjobs: {type(exc).__name__}: {exc} ({_where(exc)})")
        code = ExitCode.INTERNAL
    raise SystemExit(int(code))


def _where(exc: BaseException) -> str:
    traceback = exc.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None:
        return "nowhere"
    return f"{Path(traceback.tb_frame.f_code.co_filename).name}:{traceback.tb_lineno}"
