"""Work: what to run on each host."""

from __future__ import annotations

import re
import reprlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from remjobs.errors import UsageError
from remjobs.model.copy import Fetch, Push
from remjobs.model.seconds import check_seconds

__all__ = [
    "DEFAULT_LEASE",
    "DEFAULT_OUTPUT_LIMIT",
    "DEFAULT_RECONNECT",
    "Command",
    "Script",
    "Work",
    "check_text",
]

DEFAULT_OUTPUT_LIMIT: Final = 64 * 1024 * 1024
"""Bytes of output kept for each child; the rest is counted and dropped."""

DEFAULT_RECONNECT: Final = 600.0
"""Seconds for which a host that was lost is sought."""
PS_VERSIONS: Final = ("2.0", "3.0", "4.0", "5.0", "5.1", "7")
"""Versions of PowerShell that can be asked for: Windows PowerShell, and pwsh."""

DEFAULT_LEASE: Final = "default"
"""The lease that is meant where none is named."""

_LEASE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def check_text(what: str, text: str) -> None:
    """Refuse bytes that were no text where they came from: they cannot be passed on as they are.

    Raises:
        UsageError: The text holds what stands for bytes that are not UTF-8 (PEP 383).
    """
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        msg = f"{what} is not UTF-8 text: {reprlib.repr(text)}"
        raise UsageError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command line, either text for the shell or words to be passed exactly."""

    text: str | None = None
    words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no shell can be given."""
        if (self.text is None) == (not self.words):
            msg = "a command is either one text or one or more words"
            raise UsageError(msg)
        if "\0" in self.display:
            msg = "a command cannot hold a NUL byte"
            raise UsageError(msg)
        check_text("the command", self.display)

    @property
    def display(self) -> str:
        """The command as a person would type it in sh."""
        return self.text if self.text is not None else shlex.join(self.words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A script's content, read when the job was submitted."""

    name: str
    """Its path as it was given, for display and to choose the interpreter by."""
    content: bytes

    def __post_init__(self) -> None:
        """Refuse what is no script."""
        if b"\0" in self.content:
            msg = f"{self.name} holds NUL bytes: it is not a script"
            raise UsageError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What to do: a command, a script or a copy, and everything that goes with it."""

    command: Command | None = None
    script: Script | None = None
    push: Push | None = None
    """Files that go to the host."""
    fetch: Fetch | None = None
    """A file or folder that comes from the host."""
    arguments: tuple[str, ...] = ()
    """``"$@"`` of a script or of a command text."""
    initialization: str | None = None
    """Text that runs first in the same shell: its functions, variables and directory
    carry over. If it fails, the work is not run."""
    input: bytes = b""
    """Standard input, the same for every host; then end of file."""
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: str | None = None
    """Working directory on the host; None is the home directory."""
    shell: str | None = None
    """Interpreter: a name or path, with options; None is sh, or a script's own."""
    output_limit: int = DEFAULT_OUTPUT_LIMIT
    """Bytes of output kept for each child."""
    stop_grace: float = 5.0
    """Seconds between the gentle signal of a stop and the kill."""
    success_codes: frozenset[int] = frozenset({0})
    """Exit codes that count as success."""
    durable: bool = False
    """Run apart from the connection, and be found again after it was cut."""
    durable_if_possible: bool = False
    """Durable where the host can keep work, and attached where it cannot, which is told;
    else durable work is refused there. Means nothing for what is not durable."""
    reconnect_for: float = DEFAULT_RECONNECT
    """Seconds for which a host that was lost is sought, if the work is durable."""
    run_as_32: bool = False
    """Run with the 32-bit PowerShell of a 64-bit Windows host."""
    ps_version: str | None = None
    """Run with this version of PowerShell, one of ``PS_VERSIONS``."""
    timeout: float | None = None
    """Seconds after its begin when work that still runs is stopped and has failed."""

    exclusive: str | None = None
    """The lease to hold on the host while the work runs; None is none. Where another
    job has it, the work is not begun."""
    holder: str = ""
    """Who holds the lease, as others there are told. The engine fills it in."""

    def __post_init__(self) -> None:
        """Refuse what cannot be carried to a host as it is."""
        sources = (self.command, self.script, self.push, self.fetch)
        if sum(source is not None for source in sources) != 1:
            msg = "work is a command, a script or a copy: give one of them"
            raise UsageError(msg)
        for name, value in self.environment.items():
            if not _VARIABLE.fullmatch(name):
                msg = f"{name!r} is not a variable name: letters, digits and '_' are allowed"
                raise UsageError(msg)
            if "\0" in value:
                msg = f"the value of {name} cannot hold a NUL byte"
                raise UsageError(msg)
            check_text(f"the value of {name}", value)
        if any("\0" in argument for argument in self.arguments):
            msg = "an argument cannot hold a NUL byte"
            raise UsageError(msg)
        if self.initialization is not None and "\0" in self.initialization:
            msg = "the initialization cannot hold a NUL byte"
            raise UsageError(msg)
        for argument in self.arguments:
            check_text("an argument", argument)
        check_text("the initialization", self.initialization or "")
        self._check_ways()
        self._check_copy()

    def _check_copy(self) -> None:
        if self.copy is None:
            return
        if self.durable:
            msg = "a copy hangs on its connection: it cannot be durable"
            raise UsageError(msg)
        if self.exclusive is not None:
            msg = "a copy holds no lease: --exclusive is for commands and scripts"
            raise UsageError(msg)
        runs = (self.initialization, self.directory, self.shell, self.ps_version)
        if any(runs) or self.arguments or self.input or self.environment or self.run_as_32:
            msg = "a copy runs nothing: no arguments, input, environment, directory or shell"
            raise UsageError(msg)

    def _check_ways(self) -> None:
        if self.shell is not None and not self.shell.strip():
            msg = "the shell's name is empty"
            raise UsageError(msg)
        check_seconds("the stop grace", self.stop_grace)
        check_seconds("the reconnect time", self.reconnect_for)
        check_seconds("the time-out", self.timeout)
        if self.output_limit < 0 or self.stop_grace < 0 or self.reconnect_for < 0:
            msg = "the output limit, the stop grace and the reconnect time cannot be negative"
            raise UsageError(msg)
        if self.ps_version is not None and self.ps_version not in PS_VERSIONS:
            msg = f"--ps-version {self.ps_version}: there are {', '.join(PS_VERSIONS)}"
            raise UsageError(msg)
        if self.exclusive is not None and not _LEASE.fullmatch(self.exclusive):
            msg = (
                f"{self.exclusive!r} is not a lease's name: up to 64 letters, digits, "
                "'_', '.' and '-', the first of them no '.' or '-'"
            )
            raise UsageError(msg)
        if self.timeout is not None and self.timeout <= 0:
            msg = f"the time-out is {self.timeout:g} s; it must be above 0"
            raise UsageError(msg)

    @property
    def copy(self) -> Push | Fetch | None:
        """The copy that it is, if it is one."""
        return self.push or self.fetch

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is to be told when it starts."""
        return () if self.push is None else self.push.warnings

    @property
    def display(self) -> str:
        """What ``list`` shows as the command."""
        if self.copy is not None:
            return self.copy.display
        base = self.command.display if self.command else self.script.name if self.script else ""
        return " ".join([base, *map(shlex.quote, self.arguments)])
