"""How PowerShell is called, so that text of any length and any argument arrives as it is.

The program is always the same (``_BOOTSTRAP``), and the work is data: on POSIX hosts a JSON
document in a file that has no name any more and is open on descriptor 3, on Windows hosts
what standard input begins with (transports/windows/document.py). Nothing of it is spliced
into code, or into a command line.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Final

from remjobs.errors import UsageError
from remjobs.model.record import Stream
from remjobs.model.work import Script, Work

__all__ = [
    "WORDS",
    "check",
    "is_powershell",
    "payload",
    "quoted",
    "raw_offsets",
    "shown",
    "text_of",
    "words",
]

_NAME: Final = re.compile(r"(?:pwsh|powershell)(?:-preview)?(?:\.exe)?", re.IGNORECASE)
_PARAMETER: Final = re.compile(r"-[A-Za-z][A-Za-z0-9]*")
_QUOTES: Final = re.compile("(['\u2018\u2019\u201a\u201b])")

_BEGIN: Final = """\
[Console]::OutputEncoding = New-Object System.Text.UTF8Encoding $false
$OutputEncoding = [Console]::OutputEncoding
"""
_READ: Final = """\
$__work = ConvertFrom-Json ([System.IO.File]::ReadAllText('/dev/fd/3'))
"""
# $LASTEXITCODE is that of the last program that ran; a script that throws ends with 1,
# `exit N` with N. What a cmdlet or a method throws would end its own statement only, and
# the rest would go on: `throw` in a `catch` makes it end all (about_Try_Catch_Finally).
# The mark of a failed initialization is looked for on standard error,
# or in the file that REMJOBS_INITIALIZATION names; see transports/posix/programs.py.
_RUN: Final = """\
if ($null -ne $__work.initialization) {
    $__initialized = $false
    try {
        . ([ScriptBlock]::Create($__work.initialization))
        $__initialized = $true
    } catch {
        throw
    } finally {
        if ($__initialized) {
        } elseif ($env:REMJOBS_INITIALIZATION) {
            [System.IO.File]::WriteAllText($env:REMJOBS_INITIALIZATION, "`n")
        } else {
            [Console]::Error.WriteLine("`nremjobs-$($env:REMJOBS_KEY):initialization")
        }
    }
    if ($env:REMJOBS_INITIALIZATION) { Remove-Item Env:REMJOBS_INITIALIZATION }
}
$global:LASTEXITCODE = 0
$__arguments = [object[]]@($__work.arguments)
try { $__block = [ScriptBlock]::Create($__work.text) } catch { throw }
. $__block @__arguments
exit $global:LASTEXITCODE
"""


def words(read: str) -> tuple[str, ...]:
    """Return what stands behind PowerShell's own name and options.

    Args:
        read: Lines of PowerShell that set ``$__work``: text, arguments, initialization.
    """
    program = "".join(line.strip() + "\n" for line in (_BEGIN + read + _RUN).splitlines())
    encoded = base64.b64encode(program.encode("utf-16-le")).decode("ascii")
    return "-NoProfile", "-NonInteractive", "-EncodedCommand", encoded


WORDS: Final = words(_READ)
"""As that, on a POSIX host."""


def is_powershell(program: str) -> bool:
    """Whether a program's name or path is PowerShell's."""
    return _NAME.fullmatch(program.replace("\\", "/").rpartition("/")[2]) is not None


def payload(work: Work) -> Script:
    """Return the document that holds the work."""
    document = {
        "text": text_of(work),
        "arguments": list(work.arguments),
        "initialization": work.initialization,
    }
    return Script(name="work.json", content=json.dumps(document).encode())


def shown(work: Work) -> str:
    """Return what PowerShell is given, to be read by people."""
    text = text_of(work) if work.script is None else f"& {quoted(work.script.name)}"
    words = [text, *map(quoted, work.arguments)]
    first = [] if work.initialization is None else [work.initialization]
    return "; ".join([*first, " ".join(words)])


def text_of(work: Work) -> str:
    """Return the command's or script's text.

    Raises:
        UsageError: A script is not UTF-8.
    """
    if work.command is not None:
        return work.command.text if work.command.text is not None else _typed(work.command.words)
    assert work.script is not None  # noqa: S101 - Work holds one of the two
    return _decoded(work.script)


def _typed(words: tuple[str, ...]) -> str:
    """Return words as PowerShell reads them: the program, then each one argument.

    Only a parameter's name must stay bare: between quotes it would be a value.
    """
    others = [word if _PARAMETER.fullmatch(word) else quoted(word) for word in words[1:]]
    return " ".join(["&", quoted(words[0]), *others])


def quoted(word: str) -> str:
    """Quote literally; PowerShell takes typographic quotes for the same ones."""
    return "'" + _QUOTES.sub(r"\1\1", word) + "'"


def _decoded(script: Script) -> str:
    """Return a script's text, without the mark that Windows' editors put before it.

    Raises:
        UsageError: It is not UTF-8.
    """
    try:
        return script.content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        msg = f"{script.name}: for PowerShell a script must be UTF-8: {exc.reason}"
        raise UsageError(msg) from exc


def check(work: Work, program: str) -> None:
    """Refuse what is asked of PowerShell where there is none, or no such one.

    Args:
        work: What is to run.
        program: The interpreter that runs it on a POSIX host.

    Raises:
        UsageError: It names the option and what to do.
    """
    if is_powershell(program) and work.script is not None:
        _decoded(work.script)
    if work.run_as_32:
        msg = (
            "--run-as-32 needs a Windows host: there is no 32-bit PowerShell elsewhere"
            if is_powershell(program)
            else f"--run-as-32 needs PowerShell on a Windows host, and the work runs with {program}"
        )
        raise UsageError(msg)
    if work.ps_version is None:
        return
    if not is_powershell(program):
        msg = (
            f"--ps-version {work.ps_version} needs PowerShell as the shell (--shell pwsh), "
            f"and the work runs with {program}"
        )
        raise UsageError(msg)
    if work.ps_version != "7":
        msg = (
            f"--ps-version {work.ps_version} is Windows PowerShell, which only Windows hosts "
            "have; elsewhere there is 7"
        )
        raise UsageError(msg)


def raw_offsets(offsets: Mapping[Stream, int]) -> Mapping[Stream, int]:
    """Return from where the host must tell again what these offsets go on from.

    The streams are made anew from all of standard error, which makes the same
    ones again; what is known of them is left out.
    """
    return {Stream.OUTPUT: offsets.get(Stream.OUTPUT, 0), Stream.ERROR: 0}
