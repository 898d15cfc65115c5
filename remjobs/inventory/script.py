"""A program that prints Ansible's dynamic inventory in JSON; run only when it is named."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NoReturn

from remjobs.errors import InventoryError
from remjobs.inventory.base import Inventory, printable
from remjobs.inventory.draft import Draft
from remjobs.inventory.text import LARGEST

__all__ = ["InventoryScript"]

_SECONDS: Final = 60.0
"""For all that a script is asked in one look at it."""
_SHOWN: Final = 200
_READ: Final = 65536
_ERRORS: Final = 1024 * 1024
_KEYS: Final = ("hosts", "children", "vars")


class InventoryScript:
    """An inventory that a program prints."""

    def __init__(self, path: Path, directory: Path, seconds: float = _SECONDS) -> None:
        """Run it when it is asked for.

        Args:
            path: The program.
            directory: Where it runs.
            seconds: After these it is ended, and that is an error.
        """
        self._path = path
        self._directory = directory
        self._seconds = seconds

    @property
    def name(self) -> str:
        """The path."""
        return str(self._path)

    def load(self) -> Iterable[Inventory]:
        """Run it with ``--list``, and with ``--host NAME`` if that left variables out.

        Raises:
            InventoryError: It cannot run, fails, hangs, or prints something else.
        """
        deadline = time.monotonic() + self._seconds
        document = self._asked(["--list"], deadline)
        draft = Draft(f"{self._path} --list")
        reader = _Reader(draft)
        meta = document.pop("_meta", None)
        for group, body in document.items():
            reader.group(group, body)
        variables = reader.variables(meta)
        if variables is None:
            variables = {host: self._asked(["--host", host], deadline) for host in reader.hosts}
        for host in reader.hosts:
            reader.host(host, variables.get(host, {}))
        return [draft.finish([self._path.absolute().parent])]

    def _asked(self, words: list[str], deadline: float) -> dict[str, Any]:
        text = self._run(words, deadline)
        if not text.strip() and words[0] == "--host":
            return {}
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as exc:
            said = text.strip()[:_SHOWN].decode("utf-8", "replace")
            self._complain(words, f"printed no JSON ({exc}): {said!r}")
        if not isinstance(found, dict):
            self._complain(words, f"printed {type(found).__name__}, expected an object of groups")
        return found

    def _run(self, words: list[str], deadline: float) -> bytes:
        try:
            process = subprocess.Popen(  # noqa: S603 - the user named it
                [str(self._path), *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=self._directory,
                start_new_session=True,
            )
        except OSError as exc:
            self._complain(words, f"cannot be run: {exc.strerror}")
        with process:
            try:
                output, errors = _output(process, deadline)
                process.wait(max(0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                _end(process)
                self._complain(words, f"did not end in {self._seconds:g} s; it was ended")
            except _TooMuch:
                _end(process)
                self._complain(words, f"printed over {LARGEST // 1024**2} MiB; it was ended")
        if process.returncode:
            said = errors.strip().decode("utf-8", "replace").splitlines()[-1:]
            why = f": {printable(said[0][:_SHOWN])}" if said else ""
            self._complain(words, f"failed with exit code {process.returncode}{why}")
        return output

    def _complain(self, words: list[str], problem: str) -> NoReturn:
        msg = f"{self._path} {' '.join(words)}: the inventory script {problem}"
        raise InventoryError(msg)


class _TooMuch(Exception):
    """It prints more than any inventory holds."""


def _output(process: subprocess.Popen[bytes], deadline: float) -> tuple[bytes, bytes]:
    """Return what a process prints until it closes its output, and the begin of its errors.

    Raises:
        TimeoutExpired: It does not close it in time.
        _TooMuch: It prints more than we would read.
    """
    found = [bytearray(), bytearray()]
    with selectors.DefaultSelector() as selector:
        for pipe, held in zip((process.stdout, process.stderr), found, strict=True):
            assert pipe is not None  # noqa: S101 - both are pipes
            selector.register(pipe, selectors.EVENT_READ, held)
        while selector.get_map():
            ready = selector.select(max(0, deadline - time.monotonic()))
            if not ready:
                raise subprocess.TimeoutExpired(process.args, 0)
            for key, _ in ready:
                if not (data := os.read(key.fd, _READ)):
                    selector.unregister(key.fileobj)
                elif len(key.data) < _ERRORS or key.data is found[0]:
                    key.data.extend(data)
            if len(found[0]) > LARGEST:
                raise _TooMuch
    return bytes(found[0]), bytes(found[1])


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the script and all that it started and did not set apart."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


class _Reader:
    """Reads the document, as Ansible's script plugin does."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self.hosts: dict[str, None] = {}

    def group(self, name: str, body: object) -> None:
        if isinstance(body, list):
            body = {"hosts": body}
        if not isinstance(body, dict):
            self._refuse(name, body, "an object or a list of hosts")
        if not any(key in body for key in _KEYS):
            body = {"hosts": [name], "vars": body}
        group = self._draft.group(name, 0)
        for host in self._names(body, "hosts", name):
            self._draft.host(host, 0)
            group.hosts[host] = None
            self.hosts[host] = None
        for child in self._names(body, "children", name):
            self._draft.child(name, child, 0)
        variables = body.get("vars", {})
        if not isinstance(variables, dict):
            self._refuse(f"{name}.vars", variables, "an object")
        for variable, value in variables.items():
            self._draft.of_group(name, variable, value, 0)

    def _names(self, body: Mapping[str, Any], key: str, group: str) -> list[str]:
        found = body.get(key, [])
        if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
            self._refuse(f"{group}.{key}", found, "a list of names")
        return found

    def variables(self, meta: object) -> Mapping[str, Any] | None:
        if meta is None:
            return None
        found = meta.get("hostvars") if isinstance(meta, dict) else None
        if not isinstance(found, dict):
            self._refuse("_meta.hostvars", found, "an object of hosts")
        return found

    def host(self, name: str, variables: object) -> None:
        if not isinstance(variables, dict):
            self._refuse(f"the variables of {name}", variables, "an object")
        settings = self._draft.host(name, 0)
        for variable, value in variables.items():
            self._draft.variable(settings, variable, value, 0, name)

    def _refuse(self, what: str, found: object, expected: str) -> NoReturn:
        self._draft.complain(0, f"{what} is {type(found).__name__}, expected {expected}")
