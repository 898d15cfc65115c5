"""Answering what a server asks while somebody logs in (RFC 4252, section 8; RFC 4256).

A password is sent once on a connection, and never again once it was refused. What is
not a password, such as a one-time code, is asked of a person; the connection ends
meanwhile, and the next one is made with the answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from remjobs.model.authentication import Authentication
from remjobs.transports.base import Access, HostFailure, NeedsAnswer, SecretUse

__all__ = ["TURN", "Passwords"]

TURN: Final = 90.0
"""Seconds for which a login may wait until its password may be tried; a server waits
for two minutes (sshd_config(5), LoginGraceTime)."""
_LONGEST: Final = 80
"""Characters of a server's question that a person sees."""


class Passwords:
    """Answers one connection's questions."""

    def __init__(self, access: Access | None, mechanism: Authentication, who: str) -> None:
        """Answer from this access.

        Args:
            access: Gives the secrets; None: nothing is answered.
            mechanism: Asked for by name, a person is asked where nothing else answers.
            who: Whose password it is, ``user``.
        """
        self._access = access
        self._asks = mechanism in {Authentication.PASSWORD, Authentication.KEYBOARD_INTERACTIVE}
        self._question = f"password of {who}"
        self._sent = False
        self._patience: Callable[[float], None] = _nothing
        self.failure: Exception | None = None
        """Why an answer could not be had: ``NeedsAnswer``, or ``HostFailure``."""

    def on_waiting(self, act: Callable[[float], None]) -> None:
        """Call this with the seconds that a login is about to wait, and with 0 after it."""
        self._patience = act

    async def password(self) -> str | None:
        """Return the password, once."""
        if self._sent:
            self.was_refused()
            return None
        if not await self.answers():
            return None
        return await self._password()

    async def answers(self) -> bool:
        """Whether there is anything to answer with."""
        if self._access is None or self.failure is not None:
            return False
        return self._asks or await self._ready()

    async def challenge(self, prompts: Sequence[tuple[str, bool]]) -> list[str] | None:
        """Return what is answered to these prompts (and whether they echo)."""
        found: list[str] = []
        for prompt, echoes in prompts:
            answer = await self._answer(prompt, echoes=echoes)
            if answer is None:
                return None
            found.append(answer)
        return found

    async def _answer(self, prompt: str, *, echoes: bool) -> str | None:
        if echoes or "password" not in prompt.casefold():
            return await self._code(prompt)
        if self._sent:
            self.was_refused()
            return None
        return await self._password()

    def was_refused(self) -> None:
        """Note that the server did not take the password."""
        if self._sent and self._access is not None:
            self._access.refused(SecretUse.LOGIN)

    @property
    def was_sent(self) -> bool:
        """Whether the server has had the password."""
        return self._sent

    async def _ready(self) -> bool:
        assert self._access is not None  # noqa: S101 - see answers
        try:
            return await self._access.ready(SecretUse.LOGIN, self._question)
        except (NeedsAnswer, HostFailure) as exc:
            self.failure = exc
            return False

    async def _password(self) -> str | None:
        secret = await self._had(self._question, once=False)
        self._sent = secret is not None
        return secret

    async def _code(self, prompt: str) -> str | None:
        words = " ".join("".join(c if c.isprintable() else " " for c in prompt).split())
        return await self._had(f"it asks: {words[:_LONGEST]}".rstrip(": "), once=True)

    async def _had(self, question: str, *, once: bool) -> str | None:
        if self._access is None:
            return None
        self._patience(TURN)
        try:
            async with asyncio.timeout(TURN):
                secret = await self._access.secret(SecretUse.LOGIN, question, once=once)
        except (NeedsAnswer, HostFailure) as exc:
            self.failure = exc
            return None
        except TimeoutError:
            return None
        finally:
            self._patience(0)
        return secret.reveal()


def _nothing(_seconds: float) -> None:
    """Have nothing to call."""
