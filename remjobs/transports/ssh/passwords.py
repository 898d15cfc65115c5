"""Answering what a server asks while somebody logs in (RFC 4252, section 8; RFC 4256).

A password is sent once on a connection, and never again once it was refused. What is
not a password, such as a one-time code, is asked of a person; the connection ends
meanwhile, and the next one is made with the answer.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import Final

from remjobs.model.job import ReasonKind
from remjobs.transports.base import Access, HostFailure, NeedsAnswer, SecretUse

__all__ = ["TURN", "Passwords"]

TURN: Final = 90.0
"""Seconds for which a login may wait until its password may be tried; a server waits
for two minutes (sshd_config(5), LoginGraceTime)."""
_LONGEST: Final = 80
"""Characters of a server's question that a person sees."""
_ASKS_PASSWORD: Final = re.compile(r"(\S+'s )?password( for \S+)?\s*:?\s*", re.IGNORECASE)
"""What is asked so is the account's password; "One-time password:" is not."""


class Passwords:
    """Answers one connection's questions."""

    def __init__(
        self,
        access: Access | None,
        who: str,
        *,
        asks: bool = False,
        use: SecretUse = SecretUse.LOGIN,
    ) -> None:
        """Answer from this access.

        Args:
            access: Gives the secrets; None: nothing is answered.
            who: Whose password it is, as a person is asked for it.
            asks: A person is asked where nothing else answers.
            use: What the secrets are for.
        """
        self._access = access
        self._asks = asks
        self._use = use
        self._who = who
        self._question = f"password of {who}"
        self._sent = False
        self._rounds = 0
        self._patience: Callable[[float], None] = _nothing
        self.failure: Exception | None = None
        """Why an answer could not be had: ``NeedsAnswer``, or ``HostFailure``."""

    def on_waiting(self, act: Callable[[float], None]) -> None:
        """Call this with the seconds that a login is about to wait, and with 0 after it."""
        self._patience = act

    async def password(self) -> str | None:
        """Return the password, once."""
        return await self._password() if not self._sent and await self._may_answer() else None

    async def interactive(self) -> bool:
        """Whether to take part in a round of questions; there is one for each connection."""
        self._rounds += 1
        return self._rounds == 1 and await self._may_answer()

    async def challenge(self, prompts: Sequence[tuple[str, bool]]) -> list[str] | None:
        """Return what is answered to these prompts (and whether they echo)."""
        found: list[str] = []
        for prompt, echoes in prompts:
            answer = await self._answer(_shown(prompt), echoes=echoes)
            if answer is None:
                return None
            found.append(answer)
        return found

    def took(self) -> None:
        """Note that the server let us in."""
        if self._sent and self._access is not None:
            self._access.accepted(self._use)

    def was_refused(self) -> None:
        """Note that the server did not; broken off for a question, it has not judged."""
        if self._sent and self.failure is None and self._access is not None:
            self._access.refused(self._use)

    async def _may_answer(self) -> bool:
        if self._access is None or self.failure is not None:
            return False
        try:
            return self._asks or await self._access.ready(self._use, self._question)
        except (NeedsAnswer, HostFailure) as exc:
            self.failure = exc
            return False

    async def _answer(self, prompt: str, *, echoes: bool) -> str | None:
        if echoes or not _ASKS_PASSWORD.fullmatch(prompt):
            return await self._had(f"{self._who} is asked: {prompt}".rstrip(": "), once=True)
        return None if self._sent else await self._password()

    async def _password(self) -> str | None:
        return await self._had(self._question, once=False)

    async def _had(self, question: str, *, once: bool) -> str | None:
        if self._access is None:
            return None
        shared = not once or self._use is SecretUse.HOP
        self._patience(TURN)
        try:
            async with asyncio.timeout(TURN):
                secret = await self._access.secret(self._use, question, once=once, shared=shared)
        except (NeedsAnswer, HostFailure) as exc:
            self.failure = exc
            return None
        except TimeoutError:
            msg = f"not tried: for {TURN:g} s no other host has said whether the secret is right"
            self.failure = HostFailure(ReasonKind.AUTHENTICATION, msg)
            return None
        finally:
            self._patience(0)
        self._sent = True
        return secret.reveal()


def _shown(prompt: str) -> str:
    """Return a server's words as a person may see them: one line without control characters.

    What stands behind a semicolon in a question is ours.
    """
    printable = "".join(c if c.isprintable() else " " for c in prompt.replace(";", ","))
    return " ".join(printable.split())[:_LONGEST]


def _nothing(_seconds: float) -> None:
    """Have nothing to call."""
