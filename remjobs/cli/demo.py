"""``remjobs demo``: the main job, on a fleet made for the purpose."""

from __future__ import annotations

from remjobs.cli.boundary import perform

__all__ = ["demo"]


def demo() -> None:
    """Show the main job on five SSH servers on this machine, one of them down."""
    from remjobs.demo.tour import tour  # noqa: PLC0415 - asyncssh is heavy

    perform(tour())
