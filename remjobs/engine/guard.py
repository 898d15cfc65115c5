"""Keeping accounts from being locked: how often one secret may be tried in one job."""

from __future__ import annotations

import asyncio
from typing import Final

from remjobs.model.job import ReasonKind
from remjobs.transports.base import HostFailure

__all__ = ["Guard"]

_ENOUGH: Final = 2
"""Refusals after which a secret is tried no more; the common lock-out comes at three."""


class Guard:
    """Lets one host try a secret at a time until one has taken it, and none after two refusals.

    After a refusal hosts go one at a time again, until the next one has taken it.
    """

    def __init__(self, what: str) -> None:
        """Guard a secret that messages call so."""
        self._what = what
        self._refused_by: list[str] = []
        self._is_good = False
        self._turn = asyncio.Lock()

    async def begin(self) -> bool:
        """Wait until it may be tried; return whether the turn must be given back.

        Raises:
            HostFailure: It was refused too often.
        """
        self.check()
        if self._is_good:
            return False
        await self._turn.acquire()
        try:
            self.check()
        except HostFailure:
            self._turn.release()
            raise
        if self._is_good:
            self._turn.release()
            return False
        return True

    def end(self) -> None:
        """Give the turn back."""
        self._turn.release()

    def accepted(self) -> None:
        """Note that a host has taken it."""
        self._is_good = True

    def refused(self, host: str) -> None:
        """Note that a host has refused it."""
        self._is_good = False
        self._refused_by.append(host)

    def check(self) -> None:
        """See that it was not refused too often; from any thread.

        Raises:
            HostFailure: It was.
        """
        if len(self._refused_by) < _ENOUGH:
            return
        msg = (
            f"not tried: {self._what} was refused by {', '.join(self._refused_by)}; "
            "mend it, then `remjobs retry`"
        )
        raise HostFailure(ReasonKind.AUTHENTICATION, msg)
