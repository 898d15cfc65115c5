"""What lets a job in to its hosts: credentials, and what people were asked for.

A credential is looked up once for a job, when the first host needs it, and kept in
memory until the job's work in this process has ended. So is what a person answered.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from remjobs.credentials.base import Credentials
from remjobs.credentials.credential import Credential
from remjobs.engine.guard import Guard
from remjobs.errors import KeyringLocked, KeyringTrouble, UsageError
from remjobs.model.credential import CredentialKind
from remjobs.model.host import BecomeMethod, Host, check_user_name
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
        self._guards: dict[tuple[SecretUse, str, str], Guard] = {}
        self._answers: dict[str, Secret] = {}
        self._came: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._counts: Counter[str] = Counter()

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

    def guard(self, use: SecretUse, what: str, secret: Secret) -> Guard:
        """Return the guard of a secret; another answer to the same question is another secret."""
        return self._guards.setdefault((use, what, secret.reveal()), Guard(what))

    def answered(self, question: str) -> Secret | None:
        """Return what a person answered to a question that all hosts share."""
        return self._answers.get(question)

    def answer(self, question: str, secret: Secret) -> None:
        """Take such an answer."""
        self._answers[question] = secret
        self._counts[question] += 1
        self._came.pop(question, asyncio.Event()).set()

    def used_up(self, question: str) -> Secret | None:
        """Return such an answer that holds for one time, and forget it."""
        return self._answers.pop(question, None)

    def count(self, question: str) -> int:
        """Return how many such answers there were."""
        return self._counts[question]

    async def came(self, asked: NeedsAnswer, since: int) -> None:
        """Wait for what else may help a child that waits, beside an answer to itself.

        Args:
            asked: What it waits for.
            since: How many answers it knows of; one that was used up counts as well.
        """
        if isinstance(asked, Locked):
            await self._source.unlocked(self._caller)
        while self.count(asked.question) <= since and not isinstance(asked, Locked):
            await self._came[asked.question].wait()


class HostAccess:
    """What lets a job in to one host; passes tests/unit/test_access.py."""

    def __init__(self, host: Host, job: JobAccess) -> None:
        """Begin with nothing asked."""
        self._host = host
        self._job = job
        self._given: dict[str, Secret] = {}
        self._asked: dict[str, int] = {}
        self._trying: dict[SecretUse, Guard] = {}
        self._turns: dict[SecretUse, Guard] = {}
        self._took: dict[SecretUse, Guard] = {}
        self._held: set[SecretUse] = set()

    async def came(self, asked: NeedsAnswer) -> None:
        """Wait for what else than an answer to this host may help it."""
        await self._job.came(asked, self._asked.get(asked.question, 0))

    def answer(self, asked: NeedsAnswer | None, secret: Secret) -> None:
        """Take what a person answered for this host (None: to whatever it asks next)."""
        if asked is not None and asked.is_shared:
            self._job.answer(asked.question, secret)
        else:
            self._given["" if asked is None else asked.question] = secret

    async def user(self) -> str | None:
        """Return whom the credential is for, if it says so; else the host's own user."""
        name = self._host.credential
        found = None if name is None else await self._login(name)
        is_theirs = found is None or found.user is None or found.kind is CredentialKind.SUDO
        user = self._host.user if found is None or is_theirs else found.user
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

    async def secret(
        self, use: SecretUse, question: str, *, once: bool = False, shared: bool = True
    ) -> Secret:
        """Return the secret, once it may be tried."""
        if once:
            secret, what = self._once(use, question, shared=shared), f"the answer to {question!r}"
        elif (typed := self._typed(question)) is not None:
            secret, what = typed, f"the answer to {question!r}"
        else:
            found = await self._credential(use)
            if found is None or found.password is None:
                raise self._asks(question, use, shared=shared)
            secret, what = found.password, f"credential {found.name}"
        if use is not SecretUse.KEY:  # a key locks nobody out
            await self._try(use, self._job.guard(use, what, secret))
        return secret

    def accepted(self, use: SecretUse) -> None:
        """Note that the host took what it was given, and let the others go on."""
        if (guard := self._trying.pop(use, None)) is not None:
            guard.accepted()
            self._took[use] = guard
        self._end(use)

    def refused(self, use: SecretUse) -> None:
        """Note that the host refused it, once, be it after it had taken it."""
        taken = self._took.pop(use, None)
        if (guard := self._trying.pop(use, taken)) is not None:
            guard.refused(self._host.name)
        self._end(use)

    def check(self, use: SecretUse) -> None:
        """See that what the host took was not refused too often since."""
        if (guard := self._took.get(use)) is not None:
            guard.check()

    def hold(self, use: SecretUse) -> Callable[[], None]:
        """Keep the turn beyond the attempt."""
        self._held.add(use)
        return partial(self._let_go, use)

    def _let_go(self, use: SecretUse) -> None:
        self._held.discard(use)
        self._trying.pop(use, None)
        self._end(use)

    @asynccontextmanager
    async def attempt(self) -> AsyncIterator[None]:
        """See one connection come up: what it was given is tried by one host at a time."""
        try:
            yield
        finally:
            for use in SecretUse:
                if use not in self._held:
                    self._let_go(use)

    def _typed(self, question: str) -> Secret | None:
        own = self._given.get(question, self._given.get(""))
        return self._job.answered(question) if own is None else own

    def _once(self, use: SecretUse, question: str, *, shared: bool) -> Secret:
        """Return an answer that holds for this one time."""
        answer = self._given.pop(question, None)
        if answer is None:
            answer = self._given.pop("", None)
        if answer is None and shared:
            answer = self._job.used_up(question)
        if answer is None:
            raise self._asks(question, use, shared=shared)
        return answer

    def _asks(self, question: str, use: SecretUse, *, shared: bool) -> NeedsAnswer:
        self._asked[question] = self._job.count(question)
        return NeedsAnswer(question, use, is_shared=shared)

    async def _try(self, use: SecretUse, guard: Guard) -> None:
        if self._turns.get(use) is not guard:
            self._end(use)
            if await guard.begin():
                self._turns[use] = guard
        self._trying[use] = guard

    def _end(self, use: SecretUse) -> None:
        if (guard := self._turns.pop(use, None)) is not None:
            guard.end()

    async def _credential(self, use: SecretUse) -> Credential | None:
        """Return the credential for a use, if one is named for it.

        Raises:
            Locked: The keyring must be unlocked first.
            HostFailure: It cannot be had.
        """
        become, login = self._host.become.credential, self._host.credential
        if use is SecretUse.BECOME and become is not None:
            return await self._found(become)
        if login is None:
            return None
        found = await self._login(login)
        return found if self._suits(found, use) else None

    def _suits(self, found: Credential, use: SecretUse) -> bool:
        """Whether the credential that logs in has a secret for a use."""
        if use is SecretUse.BECOME and self._host.become.method is not BecomeMethod.SU:
            # What sudo asks for is the password of whoever logged in, if no other is named.
            return found.kind is not CredentialKind.PASSPHRASE
        return _USE_OF_KIND[found.kind] is use

    async def _login(self, name: str) -> Credential:
        """Return what the host's own credential is: in the keyring, or a user to be asked."""
        try:
            return await self._found(name)
        except HostFailure:
            if self._host.asks_for_password:
                return Credential(name=name, user=name)
            raise

    async def _found(self, name: str) -> Credential:
        try:
            return await self._job.credential(name)
        except KeyringLocked as exc:
            raise Locked(str(exc), is_shared=True) from exc
        except KeyringTrouble as exc:
            raise HostFailure(ReasonKind.AUTHENTICATION, str(exc)) from exc
