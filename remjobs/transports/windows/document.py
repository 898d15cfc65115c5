"""How work reaches PowerShell on a Windows host: on standard input, before the work's own.

A command line there has 8,191 characters at most (cmd.exe), so that the program is short
and always the same. What it reads is a line with a length in bytes, so many bytes, and then
nothing more: all that follows is the work's own input. The bytes are fields in base64, for
which every PowerShell since 2.0 has the means; ``ConvertFrom-Json`` came later, and takes
two million characters.

PowerShell leaves standard input alone as long as its command does not speak of ``$input``.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Final
from uuid import UUID

from remjobs.model.work import Work
from remjobs.transports.powershell.invocation import text_of, words

__all__ = ["REFUSED", "WORDS", "document"]

REFUSED: Final = ":refused "
"""What follows the mark on standard error, where the work is not begun."""

# Where the code page is UTF-8, .NET Framework would begin the standard input of every
# program that PowerShell starts with a byte order mark.
_READ: Final = """\
try { [Console]::InputEncoding = [Console]::OutputEncoding } catch { }
$__in = [Console]::OpenStandardInput()
$__size = ''
while (($__byte = $__in.ReadByte()) -gt 10) { $__size += [char]$__byte }
$__bytes = New-Object byte[] ([int]$__size)
$__at = 0
while ($__at -lt $__bytes.Length) {
    $__count = $__in.Read($__bytes, $__at, $__bytes.Length - $__at)
    if ($__count -le 0) { exit 125 }
    $__at += $__count
}
$__fields = @([System.Text.Encoding]::ASCII.GetString($__bytes).Split('|') | ForEach-Object {
    [System.Text.Encoding]::UTF8.GetString([Convert]::FromBase64String($_)) })
if ($__fields.Length -lt 5) { exit 125 }
$env:REMJOBS_KEY = $__fields[0]
$__end = 5 + 2 * [int]$__fields[4]
for ($__at = 5; $__at -lt $__end; $__at += 2) {
    [Environment]::SetEnvironmentVariable($__fields[$__at], $__fields[$__at + 1])
}
if ($__fields[1]) {
    try {
        Set-Location -LiteralPath $__fields[1] -ErrorAction Stop
        [Environment]::CurrentDirectory = (Get-Location -PSProvider FileSystem).ProviderPath
    } catch {
        [Console]::Error.WriteLine("`nremjobs-$($env:REMJOBS_KEY):refused directory")
        exit 125
    }
}
$__work = @{ text = $__fields[3]; arguments = @(); initialization = $null }
if ($__fields[2]) { $__work.initialization = $__fields[2].Substring(1) }
if ($__end -lt $__fields.Length) {
    $__work.arguments = $__fields[$__end..($__fields.Length - 1)]
}
"""

WORDS: Final = words(_READ)
"""What stands behind PowerShell's own name and options."""


def document(key: UUID, work: Work) -> bytes:
    """Return what PowerShell's standard input begins with.

    Raises:
        UsageError: A script is not UTF-8.
    """
    fields = b"|".join(base64.b64encode(field.encode()) for field in _fields(key, work))
    return b"%d\n%s" % (len(fields), fields)


def _fields(key: UUID, work: Work) -> Iterator[str]:
    yield str(key)
    yield work.directory or ""
    yield "" if work.initialization is None else f"={work.initialization}"
    yield text_of(work)
    yield str(len(work.environment))
    for name, value in work.environment.items():
        yield name
        yield value
    yield from work.arguments
