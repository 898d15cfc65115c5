"""The Windows Shell resource ([MS-WSMV] 3.1.4): shells and their commands."""

from __future__ import annotations

import base64
import binascii
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from winrm_endpoint import answers, soap
from winrm_endpoint.codes import NO_COMMAND, NO_SHELL, Code, WsmanFault
from winrm_endpoint.command import Command
from winrm_endpoint.lines import command_line
from winrm_endpoint.settings import Settings
from winrm_endpoint.soap import Request

SIGNALS = {"ctrl_c": signal.SIGINT, "ctrl_break": signal.SIGQUIT}
ROOM = 4096
"""So much of an envelope is not data."""


@dataclass(slots=True, kw_only=True)
class Shell:
    """One open shell."""

    id: str
    user: str
    folder: Path
    environment: Mapping[str, str]
    codepage: str
    idle_timeout: float
    used: float
    busy: int = 0
    commands: dict[str, Command] = field(default_factory=dict)


class Shells:
    """All shells of one endpoint."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._shells: dict[str, Shell] = {}
        self._lock = threading.Lock()
        self._seen: list[dict[str, Any]] = []
        self._actions: Mapping[str, Callable[[Request, str], str]] = {
            f"{soap.TRANSFER}/Create": self._create,
            f"{soap.TRANSFER}/Delete": self._delete,
            **{
                f"{soap.SHELL}/{name}": action
                for name, action in (
                    ("Command", self._command),
                    ("Receive", self._receive),
                    ("Send", self._send),
                    ("Signal", self._signal),
                )
            },
        }
        self._closed = False
        self.opened = 0

    def serve(self, request: Request, user: str) -> bytes:
        """Do what a request asks for and return the answer.

        Raises:
            WsmanFault: It cannot be done.
        """
        if user in self._settings.denied:
            raise WsmanFault(Code.ACCESS_DENIED)
        if not (action := self._actions.get(request.action)):
            raise WsmanFault(Code.NO_SUCH_ACTION)
        if request.resource.lower() != soap.CMD:
            raise WsmanFault(Code.BAD_RESOURCE)
        return soap.answer(request, action(request, user))

    def _create(self, request: Request, user: str) -> str:
        said = request.part("rsp:Shell")
        options = request.options
        codepage = options.get("WINRS_CODEPAGE", "437")
        if not codepage.isdigit():
            raise WsmanFault(Code.BAD_PARAMETER)
        asked = {
            item.get("Name", ""): item.text or ""
            for item in said.findall("rsp:Environment/rsp:Variable", soap.NAMES)
        }
        shell = Shell(
            id=(said.get("ShellId") or str(uuid.uuid4())).upper(),
            user=user,
            folder=Path(said.findtext("rsp:WorkingDirectory", "", soap.NAMES) or "/"),
            environment={**self._environment(codepage), **asked},
            codepage=codepage,
            idle_timeout=soap.seconds(
                said.findtext("rsp:IdleTimeOut", "", soap.NAMES) or "",
                self._settings.idle_timeout,
            ),
            used=time.monotonic(),
        )
        self._keep(shell)
        return answers.created(shell.id, shell.user, shell.idle_timeout)

    def _environment(self, codepage: str) -> dict[str, str]:
        base = {name: value for name, value in os.environ.items() if name != "NTLM_USER_FILE"}
        path = base.get("PATH", os.defpath)
        if self._settings.programs:
            path = f"{self._settings.programs}:{path}"
        return {**base, "PATH": path, "SystemRoot": r"C:\Windows", "WINRS_CODEPAGE": codepage}

    def _keep(self, shell: Shell) -> None:
        with self._lock:
            if self._closed:
                raise WsmanFault(Code.ABORTED)
            mine = [other for other in self._shells.values() if other.user == shell.user]
            if len(mine) >= self._settings.shells_per_user:
                raise WsmanFault(Code.TOO_MANY_SHELLS)
            if shell.id in self._shells:
                raise WsmanFault(Code.BAD_PARAMETER)
            self._shells[shell.id] = shell
            self.opened += 1

    def _find(self, request: Request, user: str) -> Shell:
        with self._lock:
            key = request.selectors.get("ShellId", "")
            if not (shell := self._shells.get(key.upper())):
                raise WsmanFault(Code.NO_SHELL, message=NO_SHELL.format(key))
            if shell.user != user:
                raise WsmanFault(Code.ACCESS_DENIED)
            shell.used = time.monotonic()
            return shell

    def _delete(self, request: Request, user: str) -> str:
        shell = self._find(request, user)
        with self._lock:
            self._shells.pop(shell.id, None)
        _end(shell)
        return ""

    def _command(self, request: Request, user: str) -> str:
        shell = self._find(request, user)
        said = request.part("rsp:CommandLine")
        words = [said.findtext("rsp:Command", "", soap.NAMES) or ""]
        words += [item.text or "" for item in said.findall("rsp:Arguments", soap.NAMES)]
        skip = request.options.get("WINRS_SKIP_CMD_SHELL", "").upper() == "TRUE"
        line = command_line(words, shell.environment, self._settings.programs, skip=skip)
        key = said.get("CommandId") or str(uuid.uuid4()).upper()
        with self._lock:
            # It may have been closed since it was found; what begins now would stay.
            if shell.id not in self._shells:
                raise WsmanFault(Code.NO_SHELL, message=NO_SHELL.format(shell.id))
            self._count_operations(user)
            shell.commands[key] = self._begin(line, shell)
            self._seen.append({"shell": shell.id, "line": " ".join(words), "skip": skip})
        return f"<rsp:CommandResponse><rsp:CommandId>{key}</rsp:CommandId></rsp:CommandResponse>"

    def _begin(self, line: list[str], shell: Shell) -> Command:
        code = self._settings.folder / f"exit-{uuid.uuid4().hex}"
        try:
            return Command(line, shell.environment, shell.folder, code)
        except (FileNotFoundError, NotADirectoryError) as exc:
            found = shell.folder.is_dir()
            raise WsmanFault(Code.NO_SUCH_FILE if found else Code.NOT_A_FOLDER) from exc

    def _count_operations(self, user: str) -> None:
        mine = [shell for shell in self._shells.values() if shell.user == user]
        if sum(len(shell.commands) for shell in mine) >= self._settings.operations_per_user:
            raise WsmanFault(Code.TOO_MANY_OPERATIONS)

    def _receive(self, request: Request, user: str) -> str:
        shell = self._find(request, user)
        wanted = request.part("rsp:Receive/rsp:DesiredStream")
        key, names = wanted.get("CommandId", ""), (wanted.text or "").split()
        command = _running(shell, key)
        with self._in_use(shell):
            came = command.receive(names, (request.most - ROOM) * 3 // 4, request.timeout)
        if command.ended:
            raise WsmanFault(Code.ABORTED)
        done = command.done(names)
        if not came and not done:
            raise WsmanFault(Code.TIMED_OUT)
        return answers.received(key, came, names, command.exit if done else None)

    @contextmanager
    def _in_use(self, shell: Shell) -> Iterator[None]:
        """Let a shell not count as idle."""
        with self._lock:
            shell.busy += 1
        try:
            yield
        finally:
            with self._lock:
                shell.busy -= 1
                shell.used = time.monotonic()

    def _send(self, request: Request, user: str) -> str:
        shell = self._find(request, user)
        stream = request.part("rsp:Send/rsp:Stream")
        command = _running(shell, stream.get("CommandId", ""))
        end = stream.get("End", "").lower() in {"true", "1"}
        try:
            data = base64.b64decode(stream.text or "", validate=True)
            sent = command.send(data, end=end, timeout=request.timeout)
        except binascii.Error as exc:
            raise WsmanFault(Code.SCHEMA) from exc
        except BrokenPipeError as exc:
            raise WsmanFault(Code.BROKEN_PIPE) from exc
        if not sent:
            raise WsmanFault(Code.TIMED_OUT)
        return "<rsp:SendResponse/>"

    def _signal(self, request: Request, user: str) -> str:
        shell = self._find(request, user)
        said = request.part("rsp:Signal")
        key = said.get("CommandId", "")
        command = _running(shell, key)
        code = (said.findtext("rsp:Code", "", soap.NAMES) or "").rpartition("/")[2].lower()
        if code == "terminate":
            with self._lock:
                shell.commands.pop(key, None)
            command.end()
        elif code in SIGNALS:
            command.signal(SIGNALS[code])
        else:
            raise WsmanFault(Code.BAD_PARAMETER)
        return "<rsp:SignalResponse/>"

    def drop_idle(self) -> None:
        """Close what nobody has used for its idle time."""
        now = time.monotonic()
        with self._lock:
            idle = [
                shell
                for shell in self._shells.values()
                if not shell.busy and now - shell.used > shell.idle_timeout
            ]
            for shell in idle:
                del self._shells[shell.id]
        for shell in idle:
            _end(shell)

    def end(self, *, for_good: bool = False) -> None:
        """Close all of them; for good: and let none be opened."""
        with self._lock:
            self._closed = for_good
            shells = list(self._shells.values())
            self._shells.clear()
        for shell in shells:
            _end(shell)

    def status(self) -> dict[str, Any]:
        """Return what there is and what was."""
        with self._lock:
            shells = list(self._shells.values())
            commands = [command for shell in shells for command in shell.commands.values()]
            return {
                "shells": len(shells),
                "shells_opened": self.opened,
                "shell_ids": [shell.id for shell in shells],
                "codepages": [shell.codepage for shell in shells],
                "commands": len(self._seen),
                "command_lines": [seen["line"] for seen in self._seen],
                "begun": list(self._seen),
                "running": [command.pid for command in commands if command.exit is None],
            }


def _running(shell: Shell, key: str) -> Command:
    if not key:
        raise WsmanFault(Code.BAD_PARAMETER)
    if not (command := shell.commands.get(key)):
        raise WsmanFault(Code.NO_SHELL, message=NO_COMMAND)
    return command


def _end(shell: Shell) -> None:
    for command in shell.commands.values():
        command.end()
    shell.commands.clear()
