"""Being somebody else through sudo(8), su(1) or doas(1): asked once, answered once.

sudo reads the password from its standard input (``-S``) one byte at a time up to the
newline, and its prompt (``-p``) is a word that nobody else knows: what stands on the
input behind it is never taken for a password. Without a password sudo is told not to
ask (``-n``): a question left open would count as a failed login. ``-k`` makes it ask
whenever its rules say so, and not only when it has forgotten the last time; a session
that began with the password can then go on with it.

su asks in words of its own, before it runs anything; what it says first is its prompt.
doas asks on a terminal only, so it can be used where its rules ask for nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from uuid import uuid4

from remjobs.model.host import Become as Whom
from remjobs.model.host import BecomeMethod
from remjobs.model.job import ReasonKind
from remjobs.model.ping import Stage
from remjobs.model.record import Stream
from remjobs.transports.base import Access, HostFailure, NeedsAnswer, SecretUse
from remjobs.transports.posix.channel import Channel, Launch, said_by

__all__ = ["Become", "Spawn"]

_SECONDS: Final = 60.0
"""For sudo to say something; a wrong password alone takes it two."""

_BEGIN: Final = (
    'echo "${0}begun" >&2; cd 2>/dev/null || cd /; unset SUDO_COMMAND; '
    "if timeout --foreground 0 true 2>/dev/null; "
    'then exec timeout --foreground 0 /bin/sh -c "$1"; else exec /bin/sh -c "$1"; fi'
)
"""sudo holds itself when its child is held, and only root can wake it again. GNU's timeout,
here without a time, stands between the two: it does not look at a child that is held,
and ends as its child does, by the same signal too. SUDO_COMMAND holds the whole program,
and by the key in it the timeout would be taken for a part of the work."""

_DOAS_ASKS: Final = "authentication required"
_SU_ASKS: Final = b"Password: "
"""In the C locale (Linux-PAM, misc_conv)."""

Spawn = Callable[[Sequence[str]], Awaitable[Channel]]
"""Starts a program of these words on the host, as whoever we are there."""


class Become:
    """Opens channels as another user."""

    def __init__(self, whom: Whom, user: str, access: Access | None) -> None:
        """Be this user.

        Args:
            whom: By which program.
            user: Who to be.
            access: Gives what the program asks for.
        """
        self.user = user
        self.method = whom.method
        self._access = access

    @property
    def question(self) -> str:
        """What a person is asked."""
        whose = f" of {self.user}" if self.method is BecomeMethod.SU else ""
        return f"{self.method} asks for a password{whose}, to run as {self.user}"

    async def check(self, spawn: Spawn) -> None:
        """See whether it works at all.

        Raises:
            NeedsAnswer: A password is asked for, and there is none.
            HostFailure: It is refused.
        """
        channel = await self.open(Launch(script=":"), spawn)
        try:
            await said_by(channel)
        finally:
            channel.close()

    async def open(self, launch: Launch, spawn: Spawn) -> Channel:
        """Start a program as the user, from the user's home.

        Raises:
            NeedsAnswer: A password is asked for, and there is none.
            HostFailure: It is refused.
        """
        word = uuid4().hex
        answers = self._access is not None and await self._access.ready(
            SecretUse.BECOME, self.question
        )
        channel = await spawn(self._words(word, launch, answers=answers))
        passage = _Passage(self, self._access if answers else None, channel, word.encode())
        try:
            await passage.through()
            if launch.prefix:
                await channel.send(launch.prefix)
        except BaseException:
            channel.close()
            raise
        return channel

    def _words(self, word: str, launch: Launch, *, answers: bool) -> tuple[str, ...]:
        program = ("/bin/sh", "-c", _BEGIN, word, launch.script)
        if self.method is BecomeMethod.DOAS:
            return ("doas", "-n", "-u", self.user, "--", *program)
        if self.method is BecomeMethod.SU:
            shell = ("-s", "/bin/sh", "-c", _BEGIN, self.user, word, launch.script)
            return ("env", "LC_ALL=C", "su", *shell)
        way = ("-S", "-p", f"{word}asks") if answers else ("-n",)
        return ("sudo", "-k", *way, "-H", "-u", self.user, "--", *program)

    def prompt(self, word: bytes) -> bytes:
        """Return what the program asks with."""
        return _SU_ASKS if self.method is BecomeMethod.SU else word + b"asks"

    def refusal(self, said: bytes, asked: int, *, answers: bool) -> Exception:
        """Say why it did not let us through.

        Args:
            said: What it said, without its prompts.
            asked: How often it asked.
            answers: It could have been answered.
        """
        why = " ".join(said.decode("utf-8", "replace").split()) or "it said nothing"
        if not answers and self._may_be_answered(why, asked):
            return NeedsAnswer(self.question, SecretUse.BECOME, is_shared=True)
        # sudo asks again, su does not; both have refused what they were told.
        if asked > 1 or (asked and self.method is BecomeMethod.SU):
            if self._access is not None:
                self._access.refused(SecretUse.BECOME)
            msg = f"{self.method} refused the password, to run as {self.user}"
            return HostFailure(ReasonKind.AUTHENTICATION, msg, stage=Stage.BECOME)
        if self.method is BecomeMethod.DOAS and _DOAS_ASKS in why.casefold():
            why = "doas asks for a password, on a terminal only: give it a nopass rule"
        msg = f"{self.method} does not run it as {self.user}: {why}"
        return HostFailure(ReasonKind.AUTHENTICATION, msg, stage=Stage.BECOME)

    def _may_be_answered(self, why: str, asked: int) -> bool:
        """Whether a password is what it wants."""
        if self.method is BecomeMethod.SU:
            return asked > 0
        return self.method is BecomeMethod.SUDO and "password" in why


class _Passage:
    """One way through: from the start of the program to the first words of ours."""

    def __init__(
        self, become: Become, access: Access | None, channel: Channel, word: bytes
    ) -> None:
        self._become = become
        self._access = access
        self._channel = channel
        self._word = word
        self._asked = 0

    async def through(self) -> None:
        """Get by; what the program itself said meanwhile stays in the flow."""
        said = b""
        output: list[tuple[Stream, bytes]] = []
        while True:
            stream, data = await self._piece(said)
            if stream is not Stream.ERROR:
                output.append((stream, data))
                continue
            said += data
            before, begun, rest = said.partition(self._word + b"begun\n")
            if begun:
                self._channel.flow.put_back([*output, (Stream.ERROR, rest)])
                if self._asked and self._access is not None:
                    self._access.accepted(SecretUse.BECOME)
                return
            if before.count(self._become.prompt(self._word)) > self._asked:
                self._asked += 1
                await self._answer()

    async def _piece(self, said: bytes) -> tuple[Stream, bytes]:
        """Return what comes next."""
        flow = self._channel.flow
        try:
            async with asyncio.timeout(_SECONDS):
                while (piece := flow.take()) is None:
                    if flow.closed:
                        raise self._refusal(said)
                    await flow.changed(None)
        except TimeoutError as exc:
            msg = f"{self._become.method} said nothing in {_SECONDS:g} s"
            raise HostFailure(ReasonKind.REFUSED, msg, stage=Stage.BECOME) from exc
        return piece

    def _refusal(self, said: bytes) -> Exception:
        clean = said.replace(self._become.prompt(self._word), b"")
        return self._become.refusal(clean, self._asked, answers=self._access is not None)

    async def _answer(self) -> None:
        if self._access is None or self._asked > 1:
            # Wrong once is enough: more tries could lock the account.
            self._channel.end_input()
            return
        secret = await self._access.secret(SecretUse.BECOME, self._become.question)
        await self._channel.send(secret.reveal().encode() + b"\n")
