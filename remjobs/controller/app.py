"""The controller's interface: one HTTP path for each verb of JobService, and its own."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any, Final

from msgspec import to_builtins
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from remjobs.controller.credentials import credential_verbs
from remjobs.controller.definitions import definition_verbs
from remjobs.controller.inventory import inventory_verbs
from remjobs.controller.known_hosts import known_hosts_streams, known_hosts_verbs
from remjobs.controller.protocol import API, API_HEADER, BUILD, BUILD_HEADER, VERB_PATH
from remjobs.errors import ControllerBusy, RemjobsError, VersionMismatch
from remjobs.model.clean import CleanRequest
from remjobs.model.doctor import ExamineRequest
from remjobs.model.history import HistoryQuery
from remjobs.model.job import Child, Job
from remjobs.model.names import NamesRequest
from remjobs.model.ping import PingRequest
from remjobs.model.prune import PruneRequest
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
from remjobs.model.wire import child_json, decode, dumps, event_json, job_json, parse, record_json
from remjobs.service import JobService

__all__ = ["Host", "create_app"]

_log: Final = logging.getLogger(__name__)
_JSON: Final = "application/json"
_LINES: Final = "application/x-ndjson"

Verb = Callable[[Mapping[str, Any]], Awaitable[Any]]
Stream = Callable[[Mapping[str, Any]], AsyncGenerator[Any, None]]


class Host:
    """What the app needs to know of the process around it."""

    def __init__(
        self,
        *,
        status: Callable[[], Mapping[str, Any]],
        leave: Callable[[], None],
        bound: Callable[[], tuple[int, ...]],
    ) -> None:
        """Take functions that tell and change the process's state."""
        self.status = status
        self.leave = leave
        self.bound = bound
        """The jobs that would not be found again if the process ended now."""


def create_app(service: JobService, host: Host, *, api: str = API, build: str = BUILD) -> Starlette:
    """Return the ASGI application.

    Args:
        service: Answers the verbs.
        host: The process around it.
        api: The version of the interface; a parameter for tests of mismatches.
        build: The version of the program.
    """
    gate = _Gate(host, api, build)
    quick = {
        "list": lambda body: _list(service, body),
        "get": lambda body: _get(service, body),
        "start": lambda body: _start(service, body),
        "names": lambda body: service.names(decode(body, NamesRequest)),
        "retry": lambda body: _retry(service, body),
        "set": lambda body: _jobs(
            service.set(body["selectors"], throttle_limit=decode(body["throttle_limit"], int)),
        ),
        "suspend": lambda body: _jobs(service.suspend(body["selectors"], states=_states(body))),
        "resume": lambda body: _jobs(
            service.resume(body["selectors"], _caller(body), states=_states(body)),
        ),
        "answer": lambda body: _jobs(_answered(service, body)),
        "history": lambda body: service.history(decode(body, HistoryQuery)),
        **definition_verbs(service.definitions),
        **credential_verbs(service.credentials),
        **known_hosts_verbs(service.known_hosts),
        **inventory_verbs(service.inventory),
    }
    long = {
        "stop": lambda body: _once(_jobs(_stop(service, body))),
        "remove": lambda body: _once(_jobs(_remove(service, body))),
        "prune": lambda body: _once(_jobs(service.prune(decode(body, PruneRequest)))),
        "wait": lambda body: _once(_jobs(_wait(service, body))),
        "clean": lambda body: _once(_clean(service, body)),
        "ping": lambda body: _ping(service, body),
        "examine": lambda body: _examine(service, body),
        "receive": lambda body: _receive(service, body),
        "follow": lambda body: _follow(service, body),
        **known_hosts_streams(service.known_hosts),
    }
    routes = [
        Route(VERB_PATH + "status", gate.open(_answer(_status(host))), methods=["POST"]),
        Route(VERB_PATH + "shutdown", gate.open(_answer(_shutdown(host))), methods=["POST"]),
    ]
    routes += [_route(name, gate.checked(_answer(verb))) for name, verb in quick.items()]
    routes += [_route(name, gate.checked(_stream(verb))) for name, verb in long.items()]
    return Starlette(routes=routes)


Endpoint = Callable[[Request], Awaitable[Response]]


def _route(name: str, endpoint: Endpoint) -> Route:
    return Route(VERB_PATH + name, endpoint, methods=["POST"])


class _Gate:
    """Says who we are in every reply, and turns away clients of another version.

    A client with the same interface but of another build is served while work
    hangs on our connections; else it is told so, and starts a controller of its
    own build in our place, which finds durable work again. ``status`` and
    ``shutdown`` are for everybody.
    """

    def __init__(self, host: Host, api: str, build: str) -> None:
        self._host = host
        self._api = api
        self._build = build

    def open(self, endpoint: Endpoint) -> Endpoint:
        async def named(request: Request) -> Response:
            return self._signed(await endpoint(request))

        return named

    def checked(self, endpoint: Endpoint) -> Endpoint:
        async def gated(request: Request) -> Response:
            refusal = self._refusal(request)
            return self._signed(await endpoint(request) if refusal is None else refusal)

        return gated

    def _refusal(self, request: Request) -> Response | None:
        api, build = request.headers.get(API_HEADER), request.headers.get(BUILD_HEADER)
        if (api, build) == (self._api, self._build):
            return None
        busy = self._host.bound()
        if api == self._api and busy:
            return None
        running = (
            f"jobs {', '.join(map(str, busy))} attached to it" if busy else "nothing attached to it"
        )
        exc = VersionMismatch(
            f"the controller (pid {os.getpid()}) is remjobs {self._build} with {running}, this is "
            f"{build}: use that version, or `remjobs controller stop` once its jobs have ended",
        )
        return _error(exc, idle=not busy)

    def _signed(self, response: Response) -> Response:
        response.headers[API_HEADER] = self._api
        response.headers[BUILD_HEADER] = self._build
        return response


def _answer(verb: Verb) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        try:
            answer = await verb(parse(await request.body()))
        except RemjobsError as exc:
            return _error(exc)
        return Response(dumps(answer), media_type=_JSON)

    return endpoint


def _stream(verb: Stream) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        try:
            body = parse(await request.body())
        except RemjobsError as exc:
            return _error(exc)
        return StreamingResponse(_lines(verb(body)), media_type=_LINES)

    return endpoint


async def _lines(values: AsyncGenerator[Any, None]) -> AsyncIterator[bytes]:
    """Encode one value a line; an error is the last line."""
    try:
        async with aclosing(values):
            async for value in values:
                yield dumps(value) + b"\n"
    except RemjobsError as exc:
        yield dumps(_error_json(exc)) + b"\n"


def _error(exc: RemjobsError, **more: Any) -> Response:
    return Response(dumps(_error_json(exc) | more), status_code=409, media_type=_JSON)


def _error_json(exc: RemjobsError) -> dict[str, Any]:
    return {"error": {"kind": exc.kind, "message": str(exc)}}


def _shown(item: Job | Child) -> dict[str, Any]:
    return job_json(item) if isinstance(item, Job) else child_json(item)


async def _jobs(jobs: Awaitable[tuple[Job, ...]]) -> list[dict[str, Any]]:
    return [job_json(job) for job in await jobs]


async def _list(service: JobService, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    return await _jobs(service.list(decode(body, JobQuery)))


async def _get(service: JobService, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [_shown(item) for item in await service.get(decode(body, JobQuery))]


async def _start(service: JobService, body: Mapping[str, Any]) -> dict[str, Any]:
    return job_json(await service.start(decode(body, StartRequest)))


async def _wait(service: JobService, body: Mapping[str, Any]) -> tuple[Job, ...]:
    options = decode(body["options"], WaitOptions)
    return await service.wait(
        body["selectors"],
        any_=options.any_,
        timeout=options.timeout,
        force=options.force,
        state=options.state,
    )


async def _stop(service: JobService, body: Mapping[str, Any]) -> tuple[Job, ...]:
    return await service.stop(
        body["selectors"],
        _caller(body),
        states=_states(body),
        hosts=decode(body["hosts"], tuple[str, ...]),
    )


async def _remove(service: JobService, body: Mapping[str, Any]) -> tuple[Job, ...]:
    return await service.remove(body["selectors"], force=body["force"], states=_states(body))


async def _retry(service: JobService, body: Mapping[str, Any]) -> Any:
    return job_json(await service.retry(decode(body, RetryRequest)))


async def _answered(service: JobService, body: Mapping[str, Any]) -> tuple[Job, ...]:
    answer = Secret(decode(body["answer"], str))
    return await service.answer(body["selectors"], answer, _caller(body))


async def _clean(service: JobService, body: Mapping[str, Any]) -> list[Any]:
    return [to_builtins(answer) for answer in await service.clean(decode(body, CleanRequest))]


def _states(body: Mapping[str, Any]) -> frozenset[JobState]:
    return decode(body["states"], frozenset[JobState])


def _caller(body: Mapping[str, Any]) -> Caller | None:
    given = body.get("caller")
    return None if given is None else decode(given, Caller)


async def _once(value: Awaitable[Any]) -> AsyncGenerator[Any, None]:
    yield await value


async def _receive(service: JobService, body: Mapping[str, Any]) -> AsyncGenerator[Any, None]:
    options = decode(body["options"], ReceiveOptions)
    async with aclosing(service.receive(body["selectors"], options)) as events:
        async for event in events:
            yield event_json(event)


async def _follow(service: JobService, body: Mapping[str, Any]) -> AsyncGenerator[Any, None]:
    async with aclosing(service.follow(body["selector"])) as records:
        async for record in records:
            yield record_json(record)


async def _ping(service: JobService, body: Mapping[str, Any]) -> AsyncGenerator[Any, None]:
    async with aclosing(service.ping(decode(body, PingRequest))) as answers:
        async for answer in answers:
            yield to_builtins(answer)


async def _examine(service: JobService, body: Mapping[str, Any]) -> AsyncGenerator[Any, None]:
    async with aclosing(service.examine(decode(body, ExamineRequest))) as findings:
        async for finding in findings:
            yield to_builtins(finding)


def _status(host: Host) -> Verb:
    async def status(_body: Mapping[str, Any]) -> Mapping[str, Any]:
        return host.status()

    return status


def _shutdown(host: Host) -> Verb:
    async def shutdown(body: Mapping[str, Any]) -> dict[str, Any]:
        busy = host.bound()
        if busy and not body["force"]:
            names = ", ".join(map(str, busy))
            msg = f"job {names} still runs: stop it first; --force leaves its outcome unknown"
            raise ControllerBusy(msg)
        host.leave()
        return {"left": list(busy)}

    return shutdown
