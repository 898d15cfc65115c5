"""A command that runs: a process group of its own, its output until somebody takes it."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

READ = 32 * 1024
HELD = 1024 * 1024
"""So much output waits for a Receive; then the command waits."""
GATHER = 0.01
"""So long a Receive that has something waits for more, in seconds."""
CONTROL_C = -1073741510
"""STATUS_CONTROL_C_EXIT, as a host says it: signed."""


class Command:
    """One process, and all that it begins.

    Exit codes have 32 bits on Windows and 8 here: a program that wants another one writes
    it into the file that the variable WINRM_EXIT_CODE names.
    """

    def __init__(
        self,
        line: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        code: Path,
    ) -> None:
        self._code = code
        self._process = subprocess.Popen(
            list(line),
            env={**environment, "WINRM_EXIT_CODE": str(code)},
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        self.exit: int | None = None
        self.ended = False
        self._chunks: list[tuple[str, bytes]] = []
        self._news = threading.Condition()
        self._pipes = {
            name: _pipe(getattr(self._process, name)) for name in ("stdin", "stdout", "stderr")
        }
        self._input = threading.Lock()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The leader of its process group."""
        return self._process.pid

    def _read(self) -> None:
        with selectors.DefaultSelector() as ready:
            watched = os.pidfd_open(self.pid)
            ready.register(watched, selectors.EVENT_READ, "exit")
            for name in ("stdout", "stderr"):
                ready.register(self._pipes[name], selectors.EVENT_READ, name)
            while not self.ended and self._step(ready, watched):
                pass
            os.close(watched)

    def _step(self, ready: selectors.BaseSelector, watched: int) -> bool:
        """Take what there is; return whether more can come."""
        with self._news:
            self._news.wait_for(self._has_room)
        came = {key.data: key.fd for key, _ in ready.select(1.0)}
        took = [self._take(ready, name, fd) for name, fd in came.items() if name != "exit"]
        # What a process wrote before its end is read before its end is told.
        if "exit" not in came or any(took):
            return True
        status = os.waitid(os.P_PIDFD, watched, os.WEXITED | os.WNOWAIT)
        with self._news:
            self.exit = self._exit(status)
            self._news.notify_all()
        return False

    def _exit(self, status: os.waitid_result | None) -> int:
        with suppress(FileNotFoundError):
            return int(self._code.read_text())
        if status is None or status.si_code == os.CLD_EXITED:
            return status.si_status if status else 0
        return CONTROL_C if status.si_status == signal.SIGINT else 1

    def _has_room(self) -> bool:
        return self.ended or sum(len(data) for _, data in self._chunks) < HELD

    def _take(self, ready: selectors.BaseSelector, name: str, fd: int) -> bool:
        data = os.read(fd, READ)
        if not data:
            ready.unregister(fd)
            return False
        with self._news:
            self._chunks.append((name, data))
            self._news.notify_all()
        return True

    def receive(self, names: Sequence[str], most: int, timeout: float) -> list[tuple[str, bytes]]:
        """Wait for output of some streams, or the end; return no more bytes than asked for."""
        with self._news:
            self._news.wait_for(lambda: self._over() or self._waits(names), timeout)
            # What follows at once goes along: its end above all.
            self._news.wait_for(self._over, min(GATHER, timeout))
            taken: list[tuple[str, bytes]] = []
            kept: list[tuple[str, bytes]] = []
            for name, data in self._chunks:
                now = data[:most] if name in names else b""
                most -= len(now)
                taken += [(name, now)] if now else []
                kept += [(name, data[len(now) :])] if len(now) < len(data) else []
            self._chunks = kept
            self._news.notify_all()
            return taken

    def _over(self) -> bool:
        return self.ended or self.exit is not None

    def _waits(self, names: Sequence[str]) -> bool:
        return any(name in names for name, _ in self._chunks)

    def done(self, names: Sequence[str]) -> bool:
        """Return whether it has ended and all of these streams has been taken."""
        with self._news:
            return self.exit is not None and not self._waits(names)

    def send(self, data: bytes, *, end: bool, timeout: float) -> bool:
        """Write to its standard input; return whether all was taken in time.

        Raises:
            BrokenPipeError: It reads no more.
        """
        deadline = time.monotonic() + timeout
        with self._input:
            if self._pipes["stdin"] < 0:
                raise BrokenPipeError
            while data:
                if not (count := self._write(data, deadline - time.monotonic())):
                    return False
                data = data[count:]
            if end:
                self._close("stdin")
        return True

    def _write(self, data: bytes, timeout: float) -> int:
        with selectors.DefaultSelector() as ready:
            ready.register(self._pipes["stdin"], selectors.EVENT_WRITE)
            if not ready.select(max(timeout, 0)):
                return 0
        return os.write(self._pipes["stdin"], data)

    def signal(self, number: int) -> None:
        """Tell the whole group something."""
        # Its leader is not waited for before the end, so the number is still its own.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def end(self) -> None:
        """Kill the whole group and forget it."""
        with self._news:
            if self.ended:
                return
            self.ended = True
            self._news.notify_all()
        self.signal(signal.SIGKILL)
        self._reader.join()
        self._process.wait()
        with self._input:
            for name in self._pipes:
                self._close(name)
        self._code.unlink(missing_ok=True)

    def _close(self, name: str) -> None:
        if self._pipes[name] >= 0:
            os.close(self._pipes[name])
            self._pipes[name] = -1


def _pipe(pipe: IO[bytes]) -> int:
    """Take a pipe over as a descriptor that never blocks."""
    fd = os.dup(pipe.fileno())
    pipe.close()
    os.set_blocking(fd, False)
    return fd
