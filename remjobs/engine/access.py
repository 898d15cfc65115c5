"""What lets a job in to its hosts: credentials, and what people were asked for.

A credential is looked up once for a job, when the first host needs it, and kept in
memory until the job's work in this process has ended. So is what a person answered.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

from remjobs.credentials.base import Credentials
from remjobs.credentials.credential import Credential
from remjobs.engine.guard import Guard
from remjobs.errors import KeyringLocked, KeyringTrouble, UsageError
from remjobs.model.credential import CredentialKind
from remjobs.model.host import Host, check_user_name
from remjobs.model.job import ReasonKind
from remjobs.model.request import Caller
from remjobs.model.secret import Secret
from remjobs.transports.base import HostFailure, NeedsAnswer, SecretUse

__all__ = ["HostAccess", "JobAccess", "Locked"]

_USE_OF_KIND: Final[Mapping[CredentialKind, SecretUse]] = {
    CredentialKind.PASSWORD: SecretUse.LOGIN,
    CredentialKind.PASSPHRASE: SecretUse.KEY,
    CredentialKind.SUDO: SecretUse.BECOME,
}


class Locked(NeedsAnswer):
    """The keyring must be unlocked first; no answer to the child helps."""

    is_answerable = False


class JobAccess:
    """The secrets of one job."""

    def __init__(self, source: Credentials, caller: Caller) -> None:
        """Look credentials up here, as this caller."""
        self._source = source
        self._caller = caller
        self._credentials: dict[str, Credential] = {}
        self._looking: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._guards: dict[str, Guard] = {}
        self._answers: dict[str, Secret] = {}
        self._came: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def to(self, host: Host) -> HostAccess:
        """Return what lets the job in to one host."""
        return HostAccess(host, self)

    async def credential(self, name: str) -> Credential:
        """Return a credential by name, looked up once.

        Raises:
            KeyringTrouble: There is none, or it cannot be had.
        """
        async with self._looking[name]:
            if name not in self._credentials:
                self._credentials[name] = await self._source.get(name, self._caller)
            return self._credentials[name]

    def guard(self, what: str) -> Guard:
        """Return the guard of a secret."""
        return self._guards.setdefault(what, Guard(what))

    def answered(self, question: str) -> Secret | None:
        """Return what a person answered to a question that all hosts share."""
        return self._answers.get(question)

    def answer(self, question: str, secret: Secret) -> None:
        """Take such an answer."""
        self._answers[question] = secret
        self._came[question].set()

    async def came(self, asked: NeedsAnswer) -> None:
        """Wait for what else may help a child that waits, beside an answer to itself."""
        if isinstance(asked, Locked):
            await self._source.unlocked()
        else:
            await self._came[asked.question].wait()


class HostAccess:
    """What lets a job in to one host; passes tests/unit/test_access.py."""

    def __init__(self, host: Host, job: JobAccess) -> None:
        """Begin with nothing asked."""
        self._host = host
        self._job = job
        self._given: dict[str, Secret] = {}
        self._trying: dict[SecretUse, Guard] = {}
        self._turns: list[Guard] = []

    async def came(self, asked: NeedsAnswer) -> None:
        """Wait for what else than an answer to this host may help it."""
        await self._job.came(asked)

    def answer(self, asked: NeedsAnswer | None, secret: Secret) -> None:
        """Take what a person answered for this host (None: to whatever it asks next)."""
        if asked is not None and asked.is_shared:
            self._job.answer(asked.question, secret)
        else:
            self._given["" if asked is None else asked.question] = secret

    async def user(self) -> str | None:
        """Return whom the credential is for, if it says so; else the host's own user."""
        found = await self._credential(SecretUse.LOGIN)
        user = (found and found.user) or self._host.user
        try:
            return user and check_user_name(user)
        except UsageError as exc:
            raise HostFailure(ReasonKind.AUTHENTICATION, str(exc)) from exc

    async def ready(self, use: SecretUse, question: str = "") -> bool:
        """Whether there is a secret for this use; looks it up."""
        if self._typed(question) is not None:
            return True
        found = await self._credential(use)
        return found is not None and found.password is not None

    async def secret(self, use: SecretUse, question: str, *, once: bool = False) -> Secret:
        """Return the secret, once it may be tried."""
        if once:
            return self._once(use, question)
        typed = self._typed(question)
        if typed is not None:
            await self._try(use, f"the answer to {question!r}")
            return typed
        found = await self._credential(use)
        if found is None or found.password is None:
            raise NeedsAnswer(question, use, is_shared=True)
        await self._try(use, f"credential {found.name}")
        return found.password

    def refused(self, use: SecretUse) -> None:
        """Note that the host refused it."""
        if (guard := self._trying.pop(use, None)) is not None:
            guard.refused(self._host.name)

    @asynccontextmanager
    async def attempt(self) -> AsyncIterator[None]:
        """See one connection come up: what was asked for and not refused was right."""
        try:
            yield
            for guard in self._trying.values():
                guard.accepted()
        finally:
            self._trying.clear()
            turns, self._turns = self._turns, []
            for guard in turns:
                guard.end()

    def _typed(self, question: str) -> Secret | None:
        return self._given.get(question) or self._given.get("") or self._job.answered(question)

    def _once(self, use: SecretUse, question: str) -> Secret:
        """Return an answer that holds for this one time."""
        answer = self._given.pop(question, None) or self._given.pop("", None)
        if answer is None:
            raise NeedsAnswer(question, use)
        return answer

    async def _try(self, use: SecretUse, what: str) -> None:
        guard = self._job.guard(what)
        if guard not in self._turns and await guard.begin():
            self._turns.append(guard)
        self._trying[use] = guard

    async def _credential(self, use: SecretUse) -> Credential | None:
        """Return the credential for a use, if one is named for it.

        Raises:
            Locked: The keyring must be unlocked first.
            HostFailure: It cannot be had.
        """
        for name, suits in self._named(use):
            if (found := await self._found(name)) is not None and suits(found):
                return found
        return None

    def _named(self, use: SecretUse) -> list[tuple[str, Callable[[Credential], bool]]]:
        """Return the names to look at for a use, and which credentials will do there."""
        own = [(self._host.credential, lambda found: _USE_OF_KIND[found.kind] is use)]
        if use is SecretUse.BECOME:
            # What sudo asks for is the password of whoever logged in, if no other is named.
            own = [
                (self._host.become.credential, lambda _: True),
                (self._host.credential, lambda found: found.kind is not CredentialKind.PASSPHRASE),
            ]
        return [(name, suits) for name, suits in own if name is not None]

    async def _found(self, name: str) -> Credential | None:
        try:
            return await self._job.credential(name)
        except KeyringLocked as exc:
            raise Locked(str(exc), is_shared=True) from exc
        except KeyringTrouble as exc:
            if self._host.asks_for_password:
                return Credential(name=name, user=name)
            raise HostFailure(ReasonKind.AUTHENTICATION, str(exc)) from exc
