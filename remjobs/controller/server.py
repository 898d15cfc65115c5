"""The controller process: serves one user's jobs on a Unix socket until it is idle."""

from __future__ import annotations

import asyncio
import logging
import logging.handlers
import os
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from remjobs.composition import open_engine
from remjobs.controller.app import Host, create_app
from remjobs.controller.lifecycle import sign
from remjobs.controller.paths import Paths
from remjobs.controller.peer import peer_uid
from remjobs.controller.protocol import API, BUILD
from remjobs.engine.engine import Engine
from remjobs.engine.prune import pruned
from remjobs.engine.schedule import Schedule
from remjobs.errors import RemjobsError
from remjobs.model.wire import dumps
from remjobs.secrecy import keep_memory_private
from remjobs.settings import Settings

__all__ = ["main", "serve"]

_log: Final = logging.getLogger("remjobs.controller")
_LOG_BYTES: Final = 1024 * 1024
_GRACE_SECONDS: Final = 3
_FAILURE_SECONDS: Final = 2.0


def main(home: str, listener: int, lock: int) -> None:
    """Run the controller on descriptors that were inherited."""
    paths = Paths(Path(home))
    sign(lock)
    _log_to(paths.log)
    keep_memory_private()
    server_socket = socket.socket(fileno=listener)
    try:
        asyncio.run(serve(paths, server_socket))
    except Exception:
        _log.exception("the controller broke off")
        raise
    # The lock is let go of by the end of this process, and by nothing earlier.
    sys.exit(0)


async def serve(paths: Paths, listener: socket.socket) -> None:
    """Serve until idle or told to leave.

    Settings that are wrong and a store that cannot be used are told to clients.
    """
    try:
        settings = Settings.resolve(os.environ, home=paths.home)
        async with (
            open_engine(settings) as (engine, service),
            service.schedule.followed(),
            pruned(engine, settings.keep_days, settings.history_days),
        ):
            process = _Process(engine, service.schedule, paths, settings.idle_timeout)
            app = create_app(service, process.host())
            await process.serve(app, listener)
    except RemjobsError as exc:
        _log.critical("%s", exc)
        await _serve_failure(exc, paths, listener)


class _Process:
    """The running server: who is connected, and when it may leave."""

    def __init__(
        self,
        engine: Engine,
        schedule: Schedule,
        paths: Paths,
        idle_timeout: float,
    ) -> None:
        self._engine = engine
        self._schedule = schedule
        self._paths = paths
        self._idle_timeout = idle_timeout
        self._started = time.time()
        self._server: uvicorn.Server | None = None

    def host(self) -> Host:
        """Return what the app may know and do."""
        return Host(status=self._status, leave=self._leave, bound=lambda: self._engine.bound_jobs)

    async def serve(self, app: Starlette, listener: socket.socket) -> None:
        """Serve until ``leave``, a signal, idleness, or a store that broke."""
        self._server = _server(app)
        watch = asyncio.create_task(self._watch())
        _log.info("controller %s begins, pid %d", BUILD, os.getpid())
        try:
            await self._server.serve(sockets=[listener])
        finally:
            watch.cancel()
            # From here new clients find no socket and wait for the lock.
            self._paths.socket.unlink(missing_ok=True)
            _log.info("controller ends, pid %d", os.getpid())

    def _leave(self) -> None:
        if self._server is not None:
            self._server.should_exit = True

    async def _watch(self) -> None:
        idle_since = time.monotonic()
        while True:
            await asyncio.sleep(min(1.0, self._idle_timeout / 4))
            if self._engine.failed.is_set():
                _log.critical("leaving: the store cannot be used")
                self._leave()
            if self._engine.is_busy or self._schedule.is_needed or self._connections():
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since > self._idle_timeout:
                self._leave()

    def _connections(self) -> int:
        return len(self._server.server_state.connections) if self._server is not None else 0

    def _status(self) -> Mapping[str, Any]:
        return {
            "pid": os.getpid(),
            "api": API,
            "build": BUILD,
            "home": str(self._paths.home),
            "socket": str(self._paths.socket),
            "uptime": round(time.time() - self._started, 3),
            "time": time.time(),
            "busy_jobs": list(self._engine.busy_jobs),
            "waits_for_definitions": self._schedule.is_needed,
            "trouble": self._engine.store.trouble,
        }


class _OwnerOnly(H11Protocol):
    """Hangs up on whoever is not the user we belong to, before reading anything."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        uid = peer_uid(transport.get_extra_info("socket"))
        if uid is not None and uid != os.getuid():
            _log.warning("refused a connection of uid %d", uid)
            transport.abort()


def _server(app: Starlette) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=_OwnerOnly,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
            timeout_keep_alive=0,
        ),
    )


async def _serve_failure(exc: RemjobsError, paths: Paths, listener: socket.socket) -> None:
    """Answer the clients that wait already with what is wrong, then leave."""
    message = dumps({"error": {"kind": exc.kind, "message": str(exc)}})

    async def refuse(_request: Request) -> Response:
        return Response(message, status_code=409, media_type="application/json")

    server = _server(Starlette(routes=[Route("/{rest:path}", refuse, methods=["POST"])]))
    paths.socket.unlink(missing_ok=True)
    asyncio.get_running_loop().call_later(
        _FAILURE_SECONDS,
        lambda: setattr(server, "should_exit", True),
    )
    await server.serve(sockets=[listener])


def _log_to(path: Path) -> None:
    handler = logging.handlers.RotatingFileHandler(path, maxBytes=_LOG_BYTES, backupCount=1)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("asyncssh").setLevel(logging.ERROR)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
