"""Being somebody else through sudo(8): its prompt is answered once, and nothing else is.

sudo reads the password from its standard input (``-S``) one byte at a time up to the
newline, and its prompt (``-p``) is a word that nobody else knows: what stands on the
input behind it is never taken for a password. Without a password sudo is told not to
ask (``-n``): a question left open would count as a failed login. ``-k`` makes it ask
whenever its rules say so, and not only when it has forgotten the last time; a session
that began with the password can then go on with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from uuid import uuid4

from remjobs.model.job import ReasonKind
from remjobs.model.ping import Stage
from remjobs.model.record import Stream
from remjobs.model.secret import Secret
from remjobs.transports.base import HostFailure, NeedsAnswer
from remjobs.transports.posix.channel import Channel, Launch, said_by

__all__ = ["Become"]

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

Spawn = Callable[[Sequence[str]], Awaitable[Channel]]
"""Starts a program of these words on the host."""


class Become:
    """Opens channels as another user."""

    def __init__(self, user: str, password: Secret | None, spawn: Spawn) -> None:
        """Be this user.

        Args:
            user: Who to be.
            password: What sudo gets if it asks.
            spawn: Starts a program as whoever we are.
        """
        self._user = user
        self._password = password
        self._spawn = spawn

    async def check(self) -> None:
        """See whether it works at all.

        Raises:
            NeedsAnswer: sudo asks for a password, and there is none.
            HostFailure: sudo refuses.
        """
        channel = await self.open(Launch(script=":"))
        try:
            await said_by(channel)
        finally:
            channel.close()

    async def open(self, launch: Launch) -> Channel:
        """Start a program as the user, from the user's home.

        Raises:
            NeedsAnswer: sudo asks for a password, and there is none.
            HostFailure: sudo refuses.
        """
        word = uuid4().hex
        way = ("-n",) if self._password is None else ("-S", "-p", f"{word}asks")
        program = ("/bin/sh", "-c", _BEGIN, word, launch.script)
        words = ("sudo", "-k", *way, "-H", "-u", self._user, "--", *program)
        channel = await self._spawn(words)
        try:
            async with asyncio.timeout(_SECONDS):
                await self._pass(channel, word.encode())
            if launch.prefix:
                await channel.send(launch.prefix)
        except TimeoutError as exc:
            channel.close()
            msg = f"sudo said nothing in {_SECONDS:g} s"
            raise HostFailure(ReasonKind.REFUSED, msg, stage=Stage.BECOME) from exc
        except BaseException:
            channel.close()
            raise
        return channel

    async def _pass(self, channel: Channel, word: bytes) -> None:
        """Get by sudo; what the program itself said meanwhile stays in the flow."""
        said = b""
        asked = 0
        output: list[tuple[Stream, bytes]] = []
        while True:
            while (piece := channel.flow.take()) is None:
                if channel.flow.closed:
                    raise self._refusal(said.replace(word + b"asks", b""), asked)
                await channel.flow.changed(None)
            if piece[0] is not Stream.ERROR:
                output.append(piece)
                continue
            said += piece[1]
            before, begun, rest = said.partition(word + b"begun\n")
            if begun:
                channel.flow.put_back([*output, (Stream.ERROR, rest)])
                return
            if before.count(word + b"asks") > asked:
                asked += 1
                await self._answer(channel, asked)

    async def _answer(self, channel: Channel, asked: int) -> None:
        if self._password is None or asked > 1:
            # Wrong once is enough: more tries could lock the account.
            channel.end_input()
        else:
            await channel.send(self._password.reveal().encode() + b"\n")

    def _refusal(self, said: bytes, asked: int) -> Exception:
        if self._password is None:
            return NeedsAnswer(f"sudo asks for a password, to run as {self._user}")
        if asked > 1:
            msg = f"sudo refused the password, to run as {self._user}"
            return HostFailure(ReasonKind.AUTHENTICATION, msg, stage=Stage.BECOME)
        why = " ".join(said.decode("utf-8", "replace").split()) or "it said nothing"
        msg = f"sudo does not run it as {self._user}: {why}"
        return HostFailure(ReasonKind.AUTHENTICATION, msg, stage=Stage.BECOME)
