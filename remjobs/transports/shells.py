"""How work becomes one POSIX sh program, and how that program travels.

The program tells who it is (``remjobs-KEY`` with boot id and its own line of
/proc/PID/stat), so that the whole tree can be found again and whatever a login
shell's start-up files print can be told from the work's output. Then it
becomes the work by ``exec``: exit status and signal are the work's own.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from importlib import resources
from typing import Final
from uuid import UUID

from remjobs.model.work import Script, Work

__all__ = ["KEY_VARIABLE", "Launch", "attached", "marker", "stopper"]

KEY_VARIABLE: Final = "REMJOBS_KEY"
"""Environment variable that marks every process of the work, wherever it goes."""

_PLAIN: Final = re.compile(rb"[A-Za-z0-9_@%+=:,./-]+")
_TAME: Final = re.compile(rb"[^'\"\\!$`\n\r\0]*")
_LOGIN_SAFE: Final = re.compile(rb"[^'\\!\n\r\0]*")
_ARGV_LIMIT: Final = 32 * 1024

_IDENTIFY: Final = (
    '_b=-; _s="$$ -"; '
    "{ read _b </proc/sys/kernel/random/boot_id; read _s </proc/$$/stat; } 2>/dev/null; "
)
_INLINE_FLAG: Final = {
    "perl": "-e",
    "ruby": "-e",
    "node": "-e",
    "lua": "-e",
    "Rscript": "-e",
    "php": "-r",
    "pwsh": "-Command",
    "powershell": "-Command",
}
_INTERPRETER: Final = {
    ".py": "python3",
    ".pl": "perl",
    ".rb": "ruby",
    ".js": "node",
    ".php": "php",
    ".lua": "lua",
    ".bash": "bash",
    ".zsh": "zsh",
    ".ksh": "ksh",
    ".fish": "fish",
    ".ps1": "pwsh",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A program on its way: what ``/bin/sh -c`` gets, and what stdin begins with."""

    script: str
    prefix: bytes = b""

    @property
    def command_line(self) -> str:
        """The line for a login shell of any kind (sh, csh, fish)."""
        return f"exec /bin/sh -c '{self.script}'"


def marker(key: UUID) -> bytes:
    """Return the word that begins the program's first line on both streams."""
    return b"remjobs-%s" % str(key).encode()


def attached(key: UUID, work: Work) -> Launch:
    """Return the program that becomes this work, running as long as its channel."""
    parts = [*_preparation(key, work), _announcement(key), *_environment(key, work)]
    parts.append(b"exec " + b" ".join(map(_quote, _words(work))) + _script_input(work))
    hidden = bool(work.environment)
    return _launch(b"; ".join(parts), by_argv=not hidden)


def stopper(*words: str) -> Launch:
    """Return the program that ends a process tree; see posix_stop.sh for its words."""
    lines = resources.files(__package__).joinpath("posix_stop.sh").read_bytes().splitlines()
    text = b"\n".join(line for line in lines if not line.lstrip().startswith(b"#"))
    return _launch(b"set -- %s\n%s" % (b" ".join(map(_quote, words)), text), by_argv=False)


def _launch(program: bytes, *, by_argv: bool) -> Launch:
    """Send a short and tame program as an argument, any other on standard input.

    Arguments are one round trip cheaper on the host, but show in its process
    list and must survive login shells that are not POSIX. A program on
    standard input is one brace group: cut short, it is a syntax error, and
    nothing of it runs.
    """
    if by_argv and len(program) <= _ARGV_LIMIT and _LOGIN_SAFE.fullmatch(program):
        return Launch(script=program.decode("utf-8", "surrogateescape"))
    whole = b"{ %s\n}\n" % program
    read = f'eval "$(dd bs=1 count={len(whole)} 2>/dev/null)"'
    return Launch(script=read, prefix=whole)


def _preparation(key: UUID, work: Work) -> list[bytes]:
    """Return what can fail before the work begins, each with its refusal."""
    steps = []
    if work.directory is not None:
        complaint = f"cannot enter the directory {work.directory}"
        steps.append(_or_refuse(key, b"cd -- %s 2>/dev/null" % _path(work.directory), complaint))
    program = _interpreter(work)[0]
    if program != "/bin/sh":
        check = b"command -v -- %s >/dev/null" % _quote(program)
        steps.append(_or_refuse(key, check, f"no such interpreter: {program}"))
    if work.script is not None:
        steps.extend(_script_file(key, work.script))
    return steps


def _path(directory: str) -> bytes:
    """Quote a directory; a leading ``~`` is the home on the host, as people mean it."""
    if directory == "~":
        return b'"$HOME"'
    if directory.startswith("~/"):
        return b'"$HOME"/' + _quote(directory.removeprefix("~/"))
    return _quote(directory)


def _or_refuse(key: UUID, step: bytes, complaint: str) -> bytes:
    refusal = marker(key) + b" refused " + complaint.encode("utf-8", "surrogateescape")
    return b"%s || { echo %s; exit 125; }" % (step, _quote_bytes(refusal))


def _announcement(key: UUID) -> bytes:
    word = marker(key)
    return _IDENTIFY.encode() + b'echo %s "$_b" "$_s"; echo %s >&2; unset _b _s' % (word, word)


def _environment(key: UUID, work: Work) -> list[bytes]:
    variables = {**work.environment, KEY_VARIABLE: str(key)}
    return [b"export %s=%s" % (name.encode(), _quote(value)) for name, value in variables.items()]


def _words(work: Work) -> list[str]:
    interpreter = _interpreter(work)
    if work.script is not None:
        return [*interpreter, "/dev/fd/3", *work.arguments]
    assert work.command is not None  # noqa: S101 - Work holds one of the two
    name = interpreter[0].rpartition("/")[2]
    flag = _INLINE_FLAG.get(name, "-c")
    zeroth = [name] if flag == "-c" and not name.startswith("python") else []
    return [*interpreter, flag, work.command.display, *zeroth, *work.arguments]


def _interpreter(work: Work) -> list[str]:
    """Return the interpreter's words: as asked, else the script's own, else sh."""
    if work.shell is not None:
        return shlex.split(work.shell)
    if work.script is None:
        return ["/bin/sh"]
    return _shebang(work.script) or [_by_extension(work.script)]


def _shebang(script: Script) -> list[str]:
    """Return the interpreter and its one optional argument, as execve(2) has it."""
    first = script.content.partition(b"\n")[0]
    if not first.startswith(b"#!"):
        return []
    return first[2:].decode("utf-8", "surrogateescape").strip().split(None, 1)


def _by_extension(script: Script) -> str:
    dot = script.name.rfind(".")
    return _INTERPRETER.get(script.name[dot:] if dot >= 0 else "", "/bin/sh")


def _script_file(key: UUID, script: Script) -> list[bytes]:
    """Put the script into a file that is open on descriptor 3 and has no name any more."""
    path = b"${TMPDIR:-/tmp}/.remjobs-%s" % str(key).encode()
    write = b'(umask 077; set -C; printf %%s %s >"%s") 2>/dev/null' % (
        _quote_bytes(script.content),
        path,
    )
    return [
        _or_refuse(key, write, "cannot write the script to the temporary directory"),
        b'exec 3<"%s"; rm -f "%s"' % (path, path),
    ]


def _script_input(work: Work) -> bytes:
    return b" 3<&3" if work.script is not None else b""


def _quote(word: str) -> bytes:
    return _quote_bytes(word.encode("utf-8", "surrogateescape"))


def _quote_bytes(word: bytes) -> bytes:
    """Quote for sh, with double quotes where single ones are not needed.

    Double quotes keep short programs free of what login shells disagree on.
    """
    if _PLAIN.fullmatch(word):
        return word
    if _TAME.fullmatch(word):
        return b'"%s"' % word
    return b"'%s'" % word.replace(b"'", b"'\\''")
