"""The controller's client: JobService over HTTP on the Unix socket.

Each call is one connection. A connection that ends before the first byte of an
answer is tried again, since the controller may have been leaving just then:
``start`` carries an id of its own and is never done twice, the other verbs may
be repeated.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import h11

from remjobs.controller import lifecycle
from remjobs.controller.credentials import ClientCredentials
from remjobs.controller.definitions import ClientDefinitions
from remjobs.controller.inventory import ClientInventory
from remjobs.controller.known_hosts import ClientKnownHosts
from remjobs.controller.paths import Paths
from remjobs.controller.protocol import API, API_HEADER, BUILD, BUILD_HEADER, VERB_PATH
from remjobs.errors import ControllerError, RemjobsError, VersionMismatch, from_kind
from remjobs.model.clean import Cleaned, CleanRequest
from remjobs.model.doctor import ExamineRequest, Finding
from remjobs.model.history import HistoryQuery, JobEntry
from remjobs.model.job import Child, Job
from remjobs.model.names import Names, NamesRequest
from remjobs.model.ping import Pinged, PingRequest
from remjobs.model.prune import PruneRequest
from remjobs.model.record import Record
from remjobs.model.request import (
    Caller,
    JobQuery,
    ReceiveOptions,
    RetryRequest,
    StartRequest,
    WaitOptions,
)
from remjobs.model.secret import Secret
from remjobs.model.state import JobState
from remjobs.model.wire import decode, dumps, event_from_json, parse
from remjobs.service import Event

__all__ = ["ControllerClient"]

_TRIES: Final = 12
"""So many that a controller on a busy machine has seconds to leave."""
_PAUSE: Final = 0.1
"""Seconds; the second try comes at once, those after it ever later."""
_READ: Final = 256 * 1024
_LEAVE_SECONDS: Final = 15.0


class _HungUp(Exception):
    """The connection ended before an answer began."""


class ControllerClient:
    """Asks the controller of a state directory, which is started when it is needed."""

    def __init__(
        self,
        paths: Paths,
        *,
        api: str = API,
        build: str = BUILD,
        launch: bool = True,
    ) -> None:
        """Talk to the controller of these paths.

        Args:
            paths: Where it lives.
            api: The interface we speak; a parameter for tests of mismatches.
            build: Our program's version.
            launch: Start a controller if none runs, and in the place of an idle one of
                another version; else verbs raise.
        """
        self._paths = paths
        self._launch = launch
        self._connect = lifecycle.connect_or_start if launch else _connect_only
        self.definitions = ClientDefinitions(self._call)
        self.credentials = ClientCredentials(self._call)
        self.known_hosts = ClientKnownHosts(self._call, self._stream)
        self.inventory = ClientInventory(self._call)
        self._headers = [(API_HEADER, api), (BUILD_HEADER, build)]

    async def start(self, request: StartRequest) -> Job:
        """Start a job."""
        return decode(await self._call("start", request), Job)

    async def list(self, query: JobQuery) -> tuple[Job, ...]:
        """Return the parents that match."""
        return decode(await self._call("list", query), tuple[Job, ...])

    async def get(self, query: JobQuery) -> tuple[Job | Child, ...]:
        """Return parents with children, or children."""
        return tuple(_item(value) for value in await self._call("get", query))

    async def receive(
        self,
        selectors: Sequence[str],
        options: ReceiveOptions,
    ) -> AsyncGenerator[Event, None]:
        """Yield what has not been received."""
        body = {"selectors": list(selectors), "options": options}
        async for value in self._stream("receive", body):
            yield event_from_json(value)

    async def follow(self, selector: str) -> AsyncGenerator[Record, None]:
        """Yield every record of one job as it comes."""
        async for value in self._stream("follow", {"selector": selector}):
            event = event_from_json(value)
            if isinstance(event, Record):
                yield event

    async def wait(
        self,
        selectors: Sequence[str],
        *,
        any_: bool = False,
        timeout: float | None = None,
        force: bool = False,
        state: JobState | None = None,
    ) -> tuple[Job, ...]:
        """Wait for jobs."""
        options = WaitOptions(any_=any_, timeout=timeout, force=force, state=state)
        return await self._one("wait", {"selectors": list(selectors), "options": options})

    async def stop(
        self,
        selectors: Sequence[str],
        caller: Caller | None = None,
        *,
        states: frozenset[JobState] = frozenset(),
        hosts: Sequence[str] = (),
    ) -> tuple[Job, ...]:
        """Stop jobs, or some hosts of them."""
        body = {"selectors": list(selectors), "caller": caller, "states": states}
        return await self._one("stop", body | {"hosts": list(hosts)})

    async def suspend(
        self,
        selectors: Sequence[str],
        *,
        states: frozenset[JobState] = frozenset(),
    ) -> tuple[Job, ...]:
        """Start no further children."""
        return await self._jobs("suspend", {"selectors": list(selectors), "states": states})

    async def resume(
        self,
        selectors: Sequence[str],
        caller: Caller | None = None,
        *,
        states: frozenset[JobState] = frozenset(),
    ) -> tuple[Job, ...]:
        """Go on with jobs."""
        body = {"selectors": list(selectors), "caller": caller, "states": states}
        return await self._jobs("resume", body)

    async def answer(
        self,
        selectors: Sequence[str],
        answer: Secret,
        caller: Caller | None = None,
    ) -> tuple[Job, ...]:
        """Give what Blocked children wait for."""
        body = {"selectors": list(selectors), "answer": answer.reveal(), "caller": caller}
        return await self._jobs("answer", body)

    async def remove(
        self,
        selectors: Sequence[str],
        *,
        force: bool = False,
        states: frozenset[JobState] = frozenset(),
    ) -> tuple[Job, ...]:
        """Remove jobs."""
        body = {"selectors": list(selectors), "force": force, "states": states}
        return await self._one("remove", body)

    async def prune(self, request: PruneRequest) -> tuple[Job, ...]:
        """Remove jobs that have been kept long enough."""
        return await self._one("prune", request)

    async def history(self, query: HistoryQuery) -> tuple[JobEntry, ...]:
        """Return who asked for what, also of jobs that were removed."""
        return decode(await self._call("history", query), tuple[JobEntry, ...])

    async def retry(self, request: RetryRequest) -> Job:
        """Try hosts of a job again."""
        return decode(await self._call("retry", request), Job)

    async def set(self, selectors: Sequence[str], *, throttle_limit: int) -> tuple[Job, ...]:
        """Change the throttle limit of jobs."""
        body = {"selectors": list(selectors), "throttle_limit": throttle_limit}
        return await self._jobs("set", body)

    async def clean(self, request: CleanRequest) -> tuple[Cleaned, ...]:
        """Remove from hosts what durable work left there."""
        answers = [value async for value in self._stream("clean", request)]
        return decode(answers[0], tuple[Cleaned, ...])

    async def ping(self, request: PingRequest) -> AsyncGenerator[Pinged, None]:
        """Yield how far one gets on each host."""
        async for value in self._stream("ping", request):
            yield decode(value, Pinged)

    async def examine(self, request: ExamineRequest) -> AsyncGenerator[Finding, None]:
        """Yield what is found when the set-up is looked through."""
        async for value in self._stream("examine", request):
            yield decode(value, Finding)

    async def names(self, request: NamesRequest) -> Names:
        """Return the names that inventories have."""
        return decode(await self._call("names", request), Names)

    async def status(self) -> Mapping[str, Any] | None:
        """Return what the controller says of itself; None if none runs. Starts none."""
        status: Mapping[str, Any] | None = await self._if_running("status", {})
        return status

    async def shutdown(self, *, force: bool = False) -> bool:
        """Ask the controller to leave and wait until it is gone; False if none runs.

        Raises:
            ControllerBusy: Work runs, and ``force`` was not given.
        """
        if await self._if_running("shutdown", {"force": force}) is None:
            return False
        gone = await asyncio.to_thread(lifecycle.wait_until_gone, self._paths, _LEAVE_SECONDS)
        if not gone:
            pid = lifecycle.holder(self._paths)
            msg = f"the controller (pid {pid}) did not leave in {_LEAVE_SECONDS:g} s"
            raise ControllerError(msg)
        return True

    async def _jobs(self, verb: str, body: object) -> tuple[Job, ...]:
        return decode(await self._call(verb, body), tuple[Job, ...])

    async def _one(self, verb: str, body: object) -> tuple[Job, ...]:
        """Return the one value of a stream: verbs that may last are streams."""
        answers = [value async for value in self._stream(verb, body)]
        return decode(answers[0], tuple[Job, ...])

    async def _call(self, verb: str, body: object) -> Any:
        async with self._exchange(verb, body, self._connect) as answer:
            return answer.checked(parse(await answer.rest()))

    async def _stream(self, verb: str, body: object) -> AsyncIterator[Any]:
        async with self._exchange(verb, body, self._connect) as answer:
            async for line in answer.lines():
                yield answer.checked(parse(line))

    async def _if_running(self, verb: str, body: object) -> Any:
        try:
            async with self._exchange(verb, body, _connect_only) as answer:
                return answer.checked(parse(await answer.rest()))
        except _NotRunning:
            return None

    @asynccontextmanager
    async def _exchange(
        self,
        verb: str,
        body: object,
        connect: Callable[[Paths], socket.socket],
    ) -> AsyncIterator[_Answer]:
        """Send a request and give the answer, once its head is there."""
        answer = await self._attempt(verb, body, connect)
        for tried in range(1, _TRIES):
            if answer is not None:
                break
            await asyncio.sleep(_PAUSE * (tried - 1))
            answer = await self._attempt(verb, body, connect)
        if answer is None:
            msg = f"the controller hangs up without an answer; see {self._paths.log}"
            raise ControllerError(msg)
        try:
            yield answer
        finally:
            await answer.close()

    async def _attempt(
        self,
        verb: str,
        body: object,
        connect: Callable[[Paths], socket.socket],
    ) -> _Answer | None:
        """Return an answer whose head is there, or None if it is worth another try."""
        answer = await _Answer.ask(await asyncio.to_thread(connect, self._paths))
        try:
            await answer.send(VERB_PATH + verb, dumps(body), self._headers)
            if answer.status == _CONFLICT and await self._replaced(answer):
                await answer.close()
                return None
        except _HungUp:
            await answer.close()
            return None
        except BaseException:
            await answer.close()
            raise
        return answer

    async def _replaced(self, answer: _Answer) -> bool:
        """Whether it was an idle controller of another version, which has left now.

        Any other error is raised.
        """
        value = parse(await answer.rest())
        error = _error_in(value)
        replaceable = isinstance(error, VersionMismatch) and value.get("idle") and self._launch
        if not replaceable:
            raise error or ControllerError(str(value))
        await self.shutdown()
        return True


_CONFLICT: Final = 409


class _NotRunning(RemjobsError):
    """No controller runs, and none was to be started."""


def _connect_only(paths: Paths) -> socket.socket:
    if (connection := lifecycle.connect(paths)) is None:
        raise _NotRunning
    return connection


def _item(value: Mapping[str, Any]) -> Job | Child:
    return decode(value, Child) if "parent_id" in value else decode(value, Job)


def _error_in(value: Any) -> RemjobsError | None:
    if isinstance(value, dict) and "error" in value:
        return from_kind(value["error"]["kind"], value["error"]["message"])
    return None


class _Answer:
    """One HTTP exchange on one connection (RFC 9112), read as it comes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=1024 * 1024)
        self.status = 0

    @classmethod
    async def ask(cls, connection: socket.socket) -> _Answer:
        """Wrap a connected socket."""
        return cls(*await asyncio.open_unix_connection(sock=connection, limit=_READ))

    async def send(self, path: str, body: bytes, headers: list[tuple[str, str]]) -> None:
        """Send the request and wait for the head of the answer."""
        length = ("content-length", str(len(body)))
        head = h11.Request(
            method="POST",
            target=path,
            headers=[("host", "remjobs"), length, *headers],
        )
        for event in (head, h11.Data(data=body), h11.EndOfMessage()):
            self._writer.write(self._http.send(event) or b"")
        try:
            await self._writer.drain()
            answer = await self._next()
        except (ConnectionError, h11.RemoteProtocolError) as exc:
            raise _HungUp from exc
        assert isinstance(answer, h11.Response)  # noqa: S101 - the first event of an answer
        self.status = answer.status_code

    async def rest(self) -> bytes:
        """Return the whole body."""
        return b"".join([data async for data in self._data()])

    async def lines(self) -> AsyncIterator[bytes]:
        """Yield the body line by line; the last one may be without its end."""
        held = b""
        async for data in self._data():
            *lines, held = (held + data).split(b"\n")
            for line in lines:
                yield line
        if held:
            yield held

    def checked(self, value: Any) -> Any:
        """Return a value, or raise the error that it is."""
        if (error := _error_in(value)) is not None:
            raise error
        return value

    async def close(self) -> None:
        """Hang up; the controller ends what it did for us alone."""
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except ConnectionError:
            return

    async def _data(self) -> AsyncIterator[bytes]:
        try:
            while not isinstance(event := await self._next(), h11.EndOfMessage):
                if isinstance(event, h11.Data):
                    yield bytes(event.data)
        except (ConnectionError, h11.RemoteProtocolError) as exc:
            msg = (
                "the controller ended in the middle of an answer; `remjobs get` shows how it stands"
            )
            raise ControllerError(msg) from exc

    async def _next(self) -> Any:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._reader.read(_READ))
        return event
