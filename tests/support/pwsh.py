"""A stand-in for PowerShell on a host: none can be had where these tests run.

It takes the very command line, bootstrap and document that ours is called with, and
answers as PowerShell does where standard error is no terminal: CLIXML there, text on
standard output. The work's text is a list of its own few cmdlets, one a line. On a POSIX
host the work is a document on descriptor 3; called for a Windows host, it is what standard
input begins with.
"""

import base64
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from xml.sax.saxutils import escape

HEAD = (
    '#< CLIXML\r\n<Objs Version="1.1.0.1" xmlns="http://schemas.microsoft.com/powershell/2004/04">'
)
PROGRESS = (
    '<Obj S="progress" RefId="0"><TN RefId="0"><T>System.Management.Automation.PSCustomObject</T>'
    '<T>System.Object</T></TN><MS><I64 N="SourceId">1</I64><PR N="Record"><AV>{}</AV><AI>0</AI>'
    "<Nil /><PI>-1</PI><PC>-1</PC><T>Completed</T><SR>-1</SR><SD> </SD></PR></MS></Obj>"
)
INFORMATION = (
    '<Obj S="information" RefId="2"><TN RefId="1">'
    "<T>System.Management.Automation.InformationRecord</T><T>System.Object</T></TN>"
    '<ToString>{0}</ToString><Props><S N="MessageData">{0}</S><S N="Source">x.ps1</S>'
    '<DT N="TimeGenerated">2024-01-01T00:00:00.0000000+00:00</DT>'
    '<Obj N="Tags" RefId="3"><TN RefId="2"><T>System.Collections.Generic.List`1</T>'
    '<T>System.Object</T></TN><LST /></Obj><S N="User">root</S><S N="Computer">c</S>'
    '<U32 N="ProcessId">1</U32><U32 N="NativeThreadId">2</U32>'
    '<U32 N="ManagedThreadId">3</U32></Props></Obj>'
)


class Shell:
    """What PowerShell would do."""

    def __init__(self):
        self.open = False
        self.code = 0

    def err(self, text):
        sys.stderr.write(text)
        sys.stderr.flush()

    def out(self, text):
        sys.stdout.write(text)
        sys.stdout.flush()

    def tell(self, xml):
        if not self.open:
            self.err(HEAD)
            self.open = True
        self.err(xml)

    def line(self, line, arguments):  # noqa: C901, PLR0912 - a table of cmdlets
        verb, _, rest = line.strip().partition(" ")
        text = rest.replace("$args", " ".join(arguments))
        if verb == "Write-Output":
            self.out(text + "\n")
        elif verb == "Write-Error":
            self.tell(f'<S S="Error">{escape(text)}_x000D__x000A_</S>')
        elif verb in {"Write-Warning", "Write-Verbose", "Write-Debug"}:
            self.tell(f'<S S="{verb[6:].lower()}">{escape(text)}</S>')
        elif verb == "Write-Information":
            self.tell(INFORMATION.format(escape(text)))
        elif verb == "Write-Progress":
            self.tell(PROGRESS.format(escape(text)))
        elif verb == "Start-Sleep":
            time.sleep(float(text))
        elif verb == "native":
            self.code = subprocess.run(text, shell=True, check=False).returncode  # noqa: S602
        elif verb == "Read-Input":
            self.out(sys.stdin.read())
        elif verb == "Get-Location":
            self.out(f"{Path.cwd()}\n")
        elif verb == "Get-Env":
            self.out(f"{os.environ[text]}\n")
        elif verb == "Dump-Call":
            self.out(json.dumps(sys.argv[1:-4]) + "\n")
        elif verb == "Dump-Arguments":
            self.out(json.dumps(arguments) + "\n")
        elif verb == "throw":
            self.tell(f'<S S="Error">{escape(text)}_x000D__x000A_</S>')
            self.leave(1)
        elif verb == "exit":
            self.leave(int(text))
        elif verb:
            raise AssertionError(line)

    def leave(self, code):
        if self.open:
            self.err("</Objs>")
        sys.exit(code)


def check(program, *needed):
    # Without a throw in the catch what goes wrong would end one statement, and nothing more.
    for word in (*needed, "@__arguments", "exit ", "catch {\nthrow\n}", "catch { throw }"):
        assert word in program, program


def from_descriptor(program):
    check(program, "ReadAllText('/dev/fd/3')", "ConvertFrom-Json")
    return json.loads(Path("/dev/fd/3").read_text(encoding="utf-8"))


def from_input(program):
    """Read as the program says: a line with a length, so many bytes, fields between bars."""
    check(program, "ReadByte()", ".Split('|')", "FromBase64String", "$__fields[$__end..")
    assert "$input" not in program
    size = b""
    while (byte := os.read(0, 1)) != b"\n":
        assert byte, "standard input ended in the length"
        size += byte
    data = b""
    while len(data) < int(size):
        piece = os.read(0, int(size) - len(data))
        assert piece, "standard input ended in the document"
        data += piece
    fields = [base64.b64decode(field).decode() for field in data.split(b"|")]
    key, directory, initialization, text, count = fields[:5]
    end = 5 + 2 * int(count)
    os.environ["REMJOBS_KEY"] = key
    os.environ.update(zip(fields[5:end:2], fields[6:end:2], strict=True))
    if directory:
        try:
            os.chdir(directory)
        except OSError:
            sys.stderr.write(f"\nremjobs-{key}:refused directory\n")
            sys.exit(125)
    first = initialization[1:] if initialization else None
    return {"text": text, "arguments": fields[end:], "initialization": first}


def main():
    *_, no_profile, non_interactive, encoded, bootstrap = sys.argv
    assert (no_profile, non_interactive, encoded) == (
        "-NoProfile",
        "-NonInteractive",
        "-EncodedCommand",
    )
    program = base64.b64decode(bootstrap).decode("utf-16-le")
    work = from_input(program) if "OpenStandardInput" in program else from_descriptor(program)
    shell = Shell()
    if work["initialization"] is not None:
        try:
            for line in work["initialization"].splitlines():
                shell.line(line, [])
        except SystemExit:
            if path := os.environ.get("REMJOBS_INITIALIZATION"):
                Path(path).write_text("\n", encoding="utf-8")
            else:
                shell.err(f"\nremjobs-{os.environ['REMJOBS_KEY']}:initialization\n")
            raise
    for line in work["text"].splitlines():
        shell.line(line, work["arguments"])
    shell.leave(shell.code)


if __name__ == "__main__":
    main()
