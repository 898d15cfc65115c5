"""A WinRM endpoint on loopback in a process of its own; see the package winrm_endpoint."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from support.authority import Authority
from support.kdc import Kdc

TESTS = Path(__file__).parents[1]
PASSWORD = "Correct horse 7!"  # noqa: S105 - of users that only an endpoint knows
MECHANISMS = ("basic", "digest", "ntlm", "negotiate", "kerberos", "credssp", "certificate")


class WinRmEndpoint:
    r"""A WinRM host: ``with WinRmEndpoint(folder) as host:`` starts and ends it.

    Args:
        folder: Where it keeps its files; of its own.
        users: Names (``DOMAIN\name`` and ``name@REALM`` too) and passwords; alice.
        scheme: ``http`` or ``https``.
        address: Where it listens, and how its URL calls it.
        mechanisms: Those that it takes. Basic and Digest over HTTP need
            ``allow_unencrypted=True`` besides.
        kdc: Whose tickets it takes; needs ``kdc.add_host()``.
        certificate: ``good``, ``wrong-name``, ``expired`` or ``self-signed``.
        channel_binding: ``none``: not looked at; ``allowed``: right if there is one;
            ``required``: there must be one.
        programs: A folder that comes first on the PATH of commands, and is their drive C.
        environment: Variables for the endpoint (``kdc.skewed("+1h")``) and its commands.
        more: Other fields of ``winrm_endpoint.settings.Settings``.

    Attributes:
        ca_file: The PEM file of the authority that signed its certificate.
        fingerprint: SHA-256 of its certificate, in hexadecimal; empty over HTTP.
    """

    def __init__(
        self,
        folder: Path,
        *,
        users: Mapping[str, str] | None = None,
        scheme: str = "http",
        address: str = "localhost",
        mechanisms: Sequence[str] = MECHANISMS,
        kdc: Kdc | None = None,
        certificate: str = "good",
        channel_binding: str = "allowed",
        programs: Path | None = None,
        environment: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.users = dict(users or {"alice": PASSWORD})
        self.scheme = scheme
        self.address = address
        self.programs = programs
        self.port = 0
        self._log = self.folder / "endpoint.log"
        self._authority = Authority(self.folder / "ca")
        self.ca_file = self._authority.file
        self.fingerprint = ""
        self._settings: dict[str, Any] = {
            "folder": str(self.folder),
            "users": self.users,
            "mechanisms": list(mechanisms),
            "channel_binding": channel_binding,
            "address": "127.0.0.1" if address == "localhost" else address,
            **more,
        }
        if programs:
            self._settings["programs"] = str(programs)
        if scheme == "https":
            made = self._authority.server(certificate)
            self.fingerprint = made.fingerprint
            self._settings["certificate"] = str(made.file)
            self._settings["client_ca"] = str(self.ca_file)
        self._environment = {**os.environ, **(environment or {})}
        if kdc:
            self._environment |= {**kdc.environment, "KRB5_KTNAME": str(kdc.keytab)}
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """Where it is asked."""
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"{self.scheme}://{address}:{self.port}/wsman"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Start it, and wait until it listens; a second time on the same port."""
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "winrm_endpoint"],
                cwd=TESTS,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.port = self._settings["port"] = self._ask(self._settings)["port"]
        return self

    def _ask(self, order: Mapping[str, Any]) -> dict[str, Any]:
        process = self._process
        assert process, "the endpoint does not run"
        assert process.stdin
        assert process.stdout
        with self._lock:
            with suppress(BrokenPipeError):
                process.stdin.write(json.dumps(order) + "\n")
                process.stdin.flush()
            said = process.stdout.readline()
        assert said, f"the endpoint ended: {self._log.read_text()}"
        answer: dict[str, Any] = json.loads(said)
        assert "error" not in answer, answer["error"]
        return answer

    def status(self) -> dict[str, Any]:
        """Return what it has seen, and what is open and running there now.

        Returns:
            ``connections``, ``open_connections``, ``requests`` (of HTTP, those of logging in
            too), ``requests_by_connection``; ``logins``: by user, how many were ``tried``,
            ``accepted`` and ``refused``; ``mechanisms``: accepted logins by each;
            ``negotiated``: what negotiations came to, kerberos or ntlm; ``actions``: the last
            words of all actions asked for, in order; ``exchanges``: the same with
            ``connection``, ``user``, ``mechanism``, ``negotiated``, ``delegated`` and
            ``sealed``, the protocol or None; ``shells`` (open), ``shells_opened``,
            ``shell_ids``, ``codepages``; ``commands`` (begun), ``command_lines``, ``begun``;
            ``running``: pids; ``faults``: how many are to come.
        """
        return self._ask({"do": "status"})

    def fault(
        self,
        kind: str,
        *,
        action: str | None = None,
        times: int = 1,
        perform: bool = False,
        **details: Any,
    ) -> None:
        """Let the next requests of an action (or of any) go wrong.

        Args:
            kind: One of ``winrm_endpoint.faults.KINDS``.
            action: The last word of an action (Create, Receive); ``Login`` stands for the
                requests by which one logs in; None for any but those.
            times: So many requests.
            perform: Whether what they ask for is done nevertheless.
            details: ``status``, ``code`` and ``text`` for status; ``url`` for redirect;
                ``seconds`` for delay.
        """
        order = {"kind": kind, "action": action, "times": times, "perform": perform}
        self._ask({"do": "fault", **order, "details": details})

    def clear_faults(self) -> None:
        """Let nothing more go wrong."""
        self._ask({"do": "clear"})

    def drop_contexts(self) -> None:
        """Let it forget who has logged in, on every connection."""
        self._ask({"do": "drop-contexts"})

    def cut(self) -> None:
        """Cut every connection."""
        self._ask({"do": "cut"})

    def close_shells(self) -> None:
        """Close every shell, as when the service starts anew."""
        self._ask({"do": "close-shells"})

    def client_certificate(self, user: str, kind: str = "good") -> tuple[Path, Path]:
        """Return a certificate and its key, as PEM files, that are a user's.

        Args:
            user: Who it says it is.
            kind: ``good``, ``expired``, or ``self-signed``.
        """
        return self._authority.client(user, kind)

    def stop(self) -> None:
        """End it, and all that it began."""
        if not (process := self._process):
            return
        self._process = None
        assert process.stdin
        assert process.stdout
        process.stdin.close()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        process.stdout.close()
        assert not (wrong := self._log.read_text()), f"the endpoint is wrong: {wrong}"
