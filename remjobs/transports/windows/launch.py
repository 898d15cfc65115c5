"""What runs work on a Windows host: PowerShell, pwsh or cmd, and how each is called."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from remjobs.errors import UsageError
from remjobs.model.work import Script, Work
from remjobs.transports.powershell.invocation import is_powershell, quoted, text_of
from remjobs.transports.powershell.invocation import shown as shown_by_powershell
from remjobs.transports.windows.cmd import line_of
from remjobs.transports.windows.document import WORDS, document

__all__ = ["Launch", "Surroundings", "check", "launch_of", "runs_powershell", "shown"]

_POWERSHELL: Final = "powershell.exe"
_PWSH: Final = "pwsh.exe"
_CMD: Final = "cmd.exe"
_OF_32_BITS: Final = r"%SystemRoot%\SysWOW64\WindowsPowerShell\v1.0\powershell.exe"
_PATH: Final = re.compile(r"(?:[A-Za-z]:|\\)\\[A-Za-z0-9_.() \\-]+\.exe", re.IGNORECASE)
_OPTION: Final = re.compile(r"[A-Za-z0-9_.:=,-]+")
_NOT_SENT: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""What XML has no way to write (XML 1.0, section 2.2); for PowerShell all is in base64."""
_SHELLS: Final = "powershell, pwsh and cmd"
_BATCH: Final = frozenset({".bat", ".cmd"})
_WHERE_CMD: Final = "%USERPROFILE%"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a shell is opened with; work in the same ones can share it."""

    directory: str | None = None
    environment: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A command on its way to a Windows host."""

    line: str
    """The command line, as cmd.exe reads it."""
    prefix: bytes = b""
    """What standard input begins with."""
    surroundings: Surroundings = field(default_factory=Surroundings)


def launch_of(key: UUID, work: Work) -> Launch:
    """Return the command that runs this work.

    Raises:
        UsageError: It cannot be run there.
    """
    program = _program(work)
    if not _is_cmd(program):
        line = " ".join([_called(program), *_leaving_input(program), *WORDS])
        # Of a line that begins with a quote cmd /c takes the first and the last one away.
        begin = "call " if line.startswith('"') else ""
        return Launch(line=begin + line, prefix=document(key, work))
    assert work.command is not None  # noqa: S101 - a script for cmd was refused
    return Launch(
        line=line_of(work.command),
        surroundings=Surroundings(
            directory=_home(work.directory),
            environment=tuple(sorted(work.environment.items())),
        ),
    )


def _leaving_input(program: _Program) -> tuple[str, ...]:
    """Return what keeps PowerShell 2.0, as it is on old hosts, from reading all of the input."""
    return () if _is_core(program) else ("-InputFormat", "None")


def check(work: Work) -> None:
    """Refuse what no Windows host can run, or nothing here can carry there.

    Raises:
        UsageError: It names the thing and what to do.
    """
    program = _program(work)
    if not _is_cmd(program):
        text_of(work)
        return
    for is_asked, option in (
        (work.run_as_32, "--run-as-32"),
        (work.ps_version is not None, f"--ps-version {work.ps_version}"),
        (work.initialization is not None, "--init"),
        (bool(work.arguments) and work.command is not None, "--arg"),
    ):
        if is_asked:
            msg = f"{option} needs PowerShell, and the work runs with cmd"
            raise UsageError(msg)
    assert work.command is not None  # noqa: S101 - a script for cmd was refused
    for text in (line_of(work.command), work.directory or "", *work.environment.values()):
        if found := _NOT_SENT.search(text):
            msg = f"cmd cannot be given the character {found[0]!r}; PowerShell can"
            raise UsageError(msg)


def runs_powershell(work: Work) -> bool:
    """Whether PowerShell runs this work, and has streams of its own."""
    return not _is_cmd(_program(work))


def shown(work: Work) -> str:
    """Return what the host gets of this work, to be read by people."""
    program = _program(work)
    if _is_cmd(program):
        assert work.command is not None  # noqa: S101 - a script for cmd was refused
        return f"cmd: {line_of(work.command)}"
    steps = [] if work.directory is None else [f"Set-Location {quoted(work.directory)}"]
    steps += [f"$env:{name} = {quoted(value)}" for name, value in work.environment.items()]
    return f"{_called(program)}: {'; '.join([*steps, shown_by_powershell(work)])}"


@dataclass(frozen=True, slots=True)
class _Program:
    words: tuple[str, ...]
    """A program and its own options."""


def _program(work: Work) -> _Program:
    """Return what runs the work: as asked, else the script's own, else PowerShell.

    Raises:
        UsageError: There is no such shell, or not with these options.
    """
    asked = _asked(work.shell) if work.shell is not None else None
    if work.script is not None:
        _check_script(work.script, asked)
        asked = asked or _by_shebang(work.script)
    if asked is not None and _is_cmd(asked):
        return asked
    return _of_version(work, asked)


def _asked(shell: str) -> _Program:
    text = shell.strip().strip('"')
    words = (text,) if _PATH.fullmatch(text) else tuple(shell.split())
    program, *options = words
    name = program.replace("\\", "/").rpartition("/")[2].lower()
    known = is_powershell(name) or name in {"cmd", _CMD}
    safe = ("\\" not in program and "/" not in program) or _PATH.fullmatch(program)
    if not known or not safe:
        msg = f"--shell {shell}: Windows hosts have {_SHELLS}"
        raise UsageError(msg)
    if options and "cmd" in name:
        msg = f"--shell {shell}: cmd takes no options here"
        raise UsageError(msg)
    if odd := [option for option in options if not _OPTION.fullmatch(option)]:
        msg = f"--shell {shell}: {odd[0]!r} cannot be passed on safely"
        raise UsageError(msg)
    return _Program((program if name.endswith(".exe") else f"{program}.exe", *options))


def _check_script(script: Script, asked: _Program | None) -> None:
    """Refuse scripts that are not PowerShell's.

    Raises:
        UsageError: It says how else to run it.
    """
    kind = _extension(script)
    if kind in _BATCH or (asked is not None and _is_cmd(asked)):
        msg = (
            f"{script.name}: a script for cmd cannot be carried to a Windows host safely; "
            "write it for PowerShell, or call it where it is with --command"
        )
        raise UsageError(msg)
    if asked is None and kind != ".ps1" and _by_shebang(script) is None:
        msg = (
            f"{script.name}: on Windows hosts scripts are PowerShell's (.ps1); "
            "--shell powershell takes it for one"
        )
        raise UsageError(msg)


def _extension(script: Script) -> str:
    name = script.name.replace("\\", "/").rpartition("/")[2]
    dot = name.rfind(".")
    return name[dot:].lower() if dot >= 0 else ""


def _by_shebang(script: Script) -> _Program | None:
    """Return the PowerShell that a script's first line names."""
    first = script.content.partition(b"\n")[0]
    if not first.startswith(b"#!"):
        return None
    words = first[2:].decode("utf-8", "replace").split()
    name = words[-1].rpartition("/")[2].lower() if words else ""
    return _Program((name.removesuffix(".exe") + ".exe",)) if is_powershell(name) else None


def _of_version(work: Work, asked: _Program | None) -> _Program:
    """Return the PowerShell of the version and the bits that were asked for."""
    is_core = asked is not None and _is_core(asked)
    if work.ps_version == "7":
        _check_core(work, asked, is_core=is_core)
        return asked or _Program((_PWSH,))
    if is_core and (work.ps_version or work.run_as_32):
        option = f"--ps-version {work.ps_version}" if work.ps_version else "--run-as-32"
        msg = f"{option} is Windows PowerShell's, and --shell asks for pwsh"
        raise UsageError(msg)
    program, *options = (asked or _Program((_POWERSHELL,))).words
    if work.run_as_32:
        program = _OF_32_BITS
    if work.ps_version not in {None, "5.1"}:
        options = ["-Version", str(work.ps_version), *options]
    return _Program((program, *options))


def _check_core(work: Work, asked: _Program | None, *, is_core: bool) -> None:
    if asked is not None and not is_core:
        msg = "--ps-version 7 is pwsh, and --shell asks for Windows PowerShell"
        raise UsageError(msg)
    if work.run_as_32:
        msg = "--run-as-32 is Windows PowerShell's: pwsh has its 32 bits installed apart"
        raise UsageError(msg)


def _is_core(program: _Program) -> bool:
    return "pwsh" in program.words[0].lower()


def _is_cmd(program: _Program) -> bool:
    return program.words[0].lower().rpartition("\\")[2] == _CMD


def _called(program: _Program) -> str:
    first, *options = program.words
    return " ".join([f'"{first}"' if " " in first else first, *options])


def _home(directory: str | None) -> str | None:
    """Return a directory as a shell takes it; a leading ``~`` is the home on the host."""
    if directory is None or not (directory == "~" or directory[:2] in {"~/", "~\\"}):
        return directory
    return _WHERE_CMD + directory[1:].replace("/", "\\")
