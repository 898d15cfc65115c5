"""The local transport: work on this machine, in a process group of its own."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final, cast

from remjobs.errors import UsageError
from remjobs.model.authentication import check_for_local
from remjobs.model.doctor import Finding
from remjobs.model.host import Become as Whom
from remjobs.model.host import Host
from remjobs.model.job import ReasonKind
from remjobs.model.record import Stream
from remjobs.model.request import Caller
from remjobs.model.work import Work
from remjobs.transports.base import Access, Exited, HostFailure, Login, Prospect, Signaled
from remjobs.transports.copying import start as copying
from remjobs.transports.copying.files import Connected
from remjobs.transports.copying.here import FilesHere
from remjobs.transports.flow import Flow
from remjobs.transports.posix.become import Become
from remjobs.transports.posix.channel import Channel, Launch
from remjobs.transports.posix.programs import check, shown
from remjobs.transports.posix.session import PosixSession

__all__ = ["LocalTransport"]

_STREAMS: Final = {1: Stream.OUTPUT, 2: Stream.ERROR}


class _Process(asyncio.SubprocessProtocol):
    """A child process as a Channel."""

    def __init__(self) -> None:
        self.flow = Flow()
        self._transport: asyncio.SubprocessTransport | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._gone = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)
        self.flow.attach(self._set_paused)

    def _set_paused(self, paused: bool) -> None:
        assert self._transport is not None  # noqa: S101 - attached when it was made
        for descriptor in _STREAMS:
            pipe = cast(
                asyncio.ReadTransport | None, self._transport.get_pipe_transport(descriptor)
            )
            if pipe is not None and not pipe.is_closing():
                (pipe.pause_reading if paused else pipe.resume_reading)()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self.flow.feed(_STREAMS[fd], data)

    def process_exited(self) -> None:
        assert self._transport is not None  # noqa: S101 - attached when it was made
        code = self._transport.get_returncode()
        if code is not None:
            self.flow.ended(_signaled(-code) if code < 0 else Exited(code))

    def connection_lost(self, exc: Exception | None) -> None:
        """All pipes are closed and the process has ended."""
        self._gone.set()
        self._writable.set()
        if self._transport is not None:
            self._transport.close()
        self.flow.close(f"the process was lost: {exc}")

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 0:
            self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    async def send(self, data: bytes) -> None:
        view = memoryview(data)
        while view and (pipe := self._stdin()) is not None:
            pipe.write(bytes(view[:65536]))
            view = view[65536:]
            await self._writable.wait()

    def end_input(self) -> None:
        if (pipe := self._stdin()) is not None:
            pipe.close()

    def _stdin(self) -> asyncio.WriteTransport | None:
        if self._transport is None:
            return None
        pipe = cast(asyncio.WriteTransport | None, self._transport.get_pipe_transport(0))
        return None if pipe is None or pipe.is_closing() else pipe

    def close(self) -> None:
        """Close the pipes; a process that still runs goes on without us."""
        self.flow.close("the output was let go of")
        if self._transport is None:
            return
        for descriptor in (0, *_STREAMS):
            pipe = self._transport.get_pipe_transport(descriptor)
            if pipe is not None:
                pipe.close()

    async def dismiss(self) -> None:
        """Close the pipes, kill the process, and wait until it is gone."""
        self.close()
        if self._transport is not None and not self._gone.is_set():
            try:
                self._transport.kill()
            except ProcessLookupError:
                pass
            except PermissionError:
                # sudo is root's. What it runs ends by itself now that nobody listens.
                return
            await self._gone.wait()


def _signaled(number: int) -> Signaled:
    try:
        return Signaled(signal.Signals(number).name.removeprefix("SIG"))
    except ValueError:
        return Signaled(str(number))


class LocalTransport:
    """Runs work with /bin/sh on this machine, from the home directory."""

    keeps_work = True

    def __init__(self, caller: Caller) -> None:
        """Nothing of the caller matters here but what the request holds."""
        del caller

    def check(self, host: Host, work: Work) -> None:
        """Refuse a user or a working directory that is not there."""
        check(work)
        check_for_local(host.authentication)
        copying.check(host, work)
        other = host.become.user is not None and _check_user(host.become)
        if (
            not other
            and work.directory is not None
            and not Path(work.directory).expanduser().is_dir()
        ):
            msg = f"no such directory: {work.directory}"
            raise UsageError(msg)

    def preview(self, host: Host, work: Work) -> Prospect:
        """Say as whom, and what the shell would get."""
        return Prospect(user=host.become.user or _login(None).user, command=shown(work))

    async def examine(self) -> tuple[Finding, ...]:
        """Need nothing."""
        return ()

    async def connect(self, host: Host, access: Access | None) -> PosixSession:
        """Return a session; there is nothing to connect to, but sudo may ask."""
        user = host.become.user
        if user is None or not _check_user(host.become):
            return PosixSession(_open, _nothing, login=_login(None), files=_files(host))
        other = Become(host.become, user, access)
        await other.check(_spawn_anywhere)

        async def opened(launch: Launch) -> Channel:
            return await other.open(launch, _spawn_anywhere)

        return PosixSession(opened, _nothing, login=_login(other), files=_files(host))

    async def close(self) -> None:
        """Nothing is shared here."""


def _files(host: Host) -> Connected:
    async def here() -> FilesHere:
        return FilesHere(_home())

    return Connected(here, host.name)


def _login(other: Become | None) -> Login:
    return Login(
        user=pwd.getpwuid(os.geteuid()).pw_name if other is None else other.user,
        authentication="" if other is None else other.method.value,
    )


async def _nothing() -> None:
    """Have nothing to close."""


def _check_user(whom: Whom) -> bool:
    """Return whether we are somebody else than this user.

    Raises:
        UsageError: There is no such user, or no way to become one.
    """
    name, program = str(whom.user), whom.method.value
    try:
        entry = pwd.getpwnam(name)
    except KeyError as exc:
        msg = f"no such user on this machine: {name}"
        raise UsageError(msg) from exc
    if entry.pw_uid == os.geteuid():
        return False
    if shutil.which(program) is None:
        msg = f"to run as {name} {program} is needed, and it is not installed"
        raise UsageError(msg)
    return True


async def _open(launch: Launch) -> _Process:
    process = await _spawn(("/bin/sh", "-c", launch.script), _home())
    if launch.prefix:
        await process.send(launch.prefix)
    return process


async def _spawn_anywhere(words: Sequence[str]) -> _Process:
    return await _spawn(words, "/")


async def _spawn(words: Sequence[str], directory: str) -> _Process:
    loop = asyncio.get_running_loop()
    try:
        _, process = await loop.subprocess_exec(
            _Process,
            *words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            cwd=directory,
        )
    except OSError as exc:
        msg = f"cannot start {words[0]}: {exc.strerror or exc}"
        raise HostFailure(ReasonKind.REFUSED, msg) from exc
    return process


def _home() -> str:
    home = os.path.expanduser("~")  # noqa: PTH111 - Path.home() raises where there is none
    return home if os.path.isdir(home) else "/"  # noqa: PTH112
