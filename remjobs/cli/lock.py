"""``remjobs lock``: close the encrypted file that keeps credentials."""

from __future__ import annotations

from remjobs.cli.boundary import client, complain, perform

__all__ = ["lock"]


def lock() -> None:
    """Close the encrypted file for credentials: jobs that need one wait for `unlock`."""

    async def work() -> None:
        keyring = await client().credentials.lock()
        complain(f"{keyring.backend} is locked")

    perform(work())
