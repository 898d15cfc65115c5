"""A Windows host to run work on: an endpoint with stand-ins for the programs it has."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from support import pwsh
from support.winrm import PASSWORD, WinRmEndpoint

from remjobs.model.authentication import Authentication
from remjobs.model.host import Host, WinRmOptions, WinRmScheme
from remjobs.model.job import ReasonKind
from remjobs.model.secret import Secret
from remjobs.transports.base import HostFailure, SecretUse

SYSTEM = "Windows/System32/WindowsPowerShell/v1.0"
OF_ITS_OWN = "Program Files (x86)/PowerShell/7"
SYSTEM_32 = "Windows/SysWOW64/WindowsPowerShell/v1.0"


class Windows:
    """One such host, and who may log in to it."""

    def __init__(self, folder: Path, **more) -> None:
        self.programs = folder / "programs"
        for place in ("", SYSTEM, SYSTEM_32, OF_ITS_OWN):
            (self.programs / place).mkdir(parents=True, exist_ok=True)
            for name in ("powershell.exe", "pwsh.exe"):
                self.put(
                    str(Path(place) / name), f'exec {sys.executable} -IS {pwsh.__file__} "$0" "$@"'
                )
        self.put("ver", "echo; echo 'Microsoft Windows [Version 10.0.20348.587]'")
        self.endpoint = WinRmEndpoint(folder / "endpoint", programs=self.programs, **more)

    def put(self, name: str, text: str) -> None:
        """Give the host a program: a text for sh."""
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def __enter__(self):
        self.endpoint.start()
        return self

    def __exit__(self, *_):
        self.endpoint.stop()

    def host(
        self,
        *,
        authentication: Authentication = Authentication.NTLM,
        user: str | None = "alice",
        name: str = "localhost",
        **more: Any,
    ) -> Host:
        """Return how it is reached."""
        scheme = WinRmScheme(self.endpoint.scheme)
        ca_file = str(self.endpoint.ca_file) if scheme is WinRmScheme.HTTPS else None
        return Host(
            name=name,
            transport="winrm",
            address="localhost",
            port=self.endpoint.port,
            user=user,
            authentication=authentication,
            winrm=WinRmOptions(**{"scheme": scheme, "ca_file": ca_file, **more}),
        )


class Password:
    """Access by one password, and what came of it."""

    def __init__(self, password: str = PASSWORD, user: str | None = "alice") -> None:
        self._password = password
        self._user = user
        self.told: list[tuple[str, SecretUse]] = []
        self.is_refused_elsewhere = False

    async def user(self):
        """Return whose it is."""
        return self._user

    async def ready(self, use, question=""):
        """Have one for the login."""
        del question
        return use is SecretUse.LOGIN

    async def secret(self, use, question, *, once=False, shared=True):
        """Give it."""
        del question, once, shared
        assert use is SecretUse.LOGIN
        return Secret(self._password)

    def accepted(self, use):
        """Note that it was right."""
        self.told.append(("accepted", use))

    def refused(self, use):
        """Note that it was wrong."""
        self.told.append(("refused", use))

    def check(self, use):
        """Fail if it was refused elsewhere."""
        if self.is_refused_elsewhere:
            raise HostFailure(ReasonKind.AUTHENTICATION, "not tried")

    def hold(self, use):
        """Note from when to when no other host may be shown it."""
        self.told.append(("held", use))
        return lambda: self.told.append(("let go", use))
