"""Following work that PowerShell may run, without loading what its streams take unless it does."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from remjobs.model.record import Stream
from remjobs.transports.base import Execution

__all__ = ["with_streams"]


def with_streams(
    execution: Execution,
    known: Mapping[Stream, int] = MappingProxyType({}),
    *,
    by_powershell: bool,
) -> Execution:
    """Return the execution, with the streams that PowerShell has if it runs the work.

    Args:
        execution: Yields standard output, and standard error as it is.
        known: Bytes of each stream that need not come again.
        by_powershell: Whether it does.
    """
    if not by_powershell:
        return execution
    from remjobs.transports.powershell.streams import (  # noqa: PLC0415 - it is heavy
        PowerShellExecution,
    )

    return PowerShellExecution(execution, known)
