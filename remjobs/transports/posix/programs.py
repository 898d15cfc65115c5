"""How work becomes POSIX sh programs, and how those travel.

Attached, one program tells who it is (``remjobs-KEY`` with boot id and its own
line of /proc/PID/stat), so that the whole tree can be found again and whatever
a login shell's start-up files print can be told from the work's output. Then it
becomes the work by ``exec``: exit status and signal are the work's own.

Durable, sh/start.sh takes the work, hands it to sh/run.sh, which goes on
without any connection, and follows it; sh/follow.sh follows it again.
"""

from __future__ import annotations

import hashlib
import re
import shlex
import zlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import Final
from uuid import UUID

from remjobs.errors import UsageError
from remjobs.model.record import Stream
from remjobs.model.work import Command, Script, Work
from remjobs.transports.posix.channel import Launch
from remjobs.transports.powershell import invocation as powershell

__all__ = [
    "KEY_VARIABLE",
    "adopt",
    "attached",
    "check",
    "checksum",
    "controller",
    "durable",
    "greeter",
    "initialization_mark",
    "marker",
    "runs_powershell",
    "shown",
    "sweeper",
]

KEY_VARIABLE: Final = "REMJOBS_KEY"
"""Environment variable that marks every process of the work, wherever it goes."""

_PLAIN: Final = re.compile(rb"[A-Za-z0-9_@%+=:,./-]+")
_TAME: Final = re.compile(rb"[^'\"\\!$`\n\r\0]*")
_LOGIN_SAFE: Final = re.compile(rb"(?:[^'\\!\n\r\0]|\$!;)*")
"""What every login shell passes on unchanged between single quotes. In csh an
exclamation mark recalls history there too, unless a semicolon follows."""
_ARGV_LIMIT: Final = 32 * 1024
_BITS_REVERSED: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))

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
}
_POSIX_SHELLS: Final = frozenset(
    {"sh", "ash", "bash", "busybox", "dash", "ksh", "ksh93", "mksh", "zsh"},
)
_INITIALIZATION: Final = b"REMJOBS_INITIALIZATION"
HEARTBEAT: Final = 5
"""Seconds between two heartbeats of a lease."""
EXPIRY: Final = 30
"""Seconds without one after which a lease may be taken by another."""
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

Refuse = Callable[[str], bytes]
"""Gives the command that refuses the work, for a reason in words."""


def marker(key: UUID) -> bytes:
    """Return the word that begins a program's first line on both streams."""
    return b"remjobs-%s" % str(key).encode()


def attached(key: UUID, work: Work) -> Launch:
    """Return the program that becomes this work, running as long as its channel."""

    def refuse(why: str) -> bytes:
        said = marker(key) + b" refused " + why.encode("utf-8", "surrogateescape")
        return b"{ echo %s; exit 125; }" % _quote_bytes(said)

    export = b"export %s=%s" % (KEY_VARIABLE.encode(), str(key).encode())
    word = marker(key)
    announcement = b'echo %s "$_b" "$_s"; echo %s >&2; unset _b _s' % (word, word)
    decline = b'{ printf "%%s %%s\n" "%s refused" "$_l"; exit 125; }' % word
    parts = [export, *_preparation(work, refuse), *_lease(key, work, decline)]
    parts.append(_IDENTIFY.encode() + announcement)
    failed = b"echo %s >&2" % initialization_mark(key)
    parts += [*_environment(work), _become(work, failed)]
    by_argv = not work.environment and work.exclusive is None
    return _launch(b"; ".join(parts), by_argv=by_argv)


def durable(key: UUID, word: str, work: Work) -> Launch:
    """Return the program that starts this work apart from its channel, and follows it.

    Args:
        key: Names this execution.
        word: Begins every line of ours in the output; nobody else knows it.
        work: What to run.
    """

    def refuse(why: str) -> bytes:
        return b"decline " + _quote(why)

    steps = [*_preparation(work, refuse), *_lease(key, work, b'decline "$_l"')]
    steps += _environment(work)
    if work.initialization is not None:
        steps.append(b'export %s="$spot/initialization"' % _INITIALIZATION)
    steps.append(_become(work, b'echo >"$%s"' % _INITIALIZATION, b"unset %s" % _INITIALIZATION))
    after = b"yield_lease() { :; }" if work.exclusive is None else _program("yield")
    body = b"{\nwork() {\n%s\n}\n%s\n%s\n}\n" % (b"\n".join(steps), after, _program("run"))
    payload = body + work.input
    words = {
        "key": str(key),
        "word": word,
        "length": str(len(payload)),
        "sum": str(checksum(payload)),
        "sha": hashlib.sha256(payload).hexdigest(),
        "body": str(len(body)),
        "cap": str(work.output_limit),
        "day": _today(),
        "out": "0",
        "err": "0",
    }
    script = _assigned(words) + _joined("place", "follow", "start")
    return Launch(script=script.decode(), prefix=payload)


def adopt(key: UUID, word: str, offsets: Mapping[Stream, int]) -> Launch:
    """Return the program that follows a key's work from these offsets (bytes)."""
    words = {
        "key": str(key),
        "word": word,
        "out": str(offsets.get(Stream.OUTPUT, 0)),
        "err": str(offsets.get(Stream.ERROR, 0)),
    }
    script = _assigned(words) + _joined("place", "follow", "adopt")
    return Launch(script=script.decode())


def controller(verb: str, *words: str) -> Launch:
    """Return the program that stops, suspends or resumes a process tree.

    Args:
        verb: ``stop``, ``suspend`` or ``resume``.
        *words: What sh/control.sh asks for after it.
    """
    quoted = b" ".join(map(_quote, (verb, *words)))
    programs = b"\n".join(map(_program, ("place", "yield", "control")))
    return _launch(b"set -- %s\nkey=$2\n%s" % (quoted, programs), by_argv=False)


def sweeper(days: float) -> Launch:
    """Return the program that removes what ended more than so many days ago."""
    minutes = str(round(days * 24 * 60))
    words = _assigned({"key": "-", "minutes": minutes, "day": _today()})
    text = b"%s\n%s\n%s" % (words, _program("place"), _program("sweep"))
    return _launch(text, by_argv=False)


def greeter(word: str) -> Launch:
    """Return the program that prints a word, and then what system the host is."""
    return Launch(script=f"echo {word}; uname -s -r -m")


def checksum(data: bytes) -> int:
    """Return the CRC of the POSIX utility cksum(1).

    It is the bitwise mirror of zlib's, without its first inversion and with the
    length behind the data.
    """
    size = len(data)
    length = size.to_bytes((size.bit_length() + 7) // 8, "little")
    mirrored = zlib.crc32(data.translate(_BITS_REVERSED), 0xFFFFFFFF)
    mirrored = zlib.crc32(length.translate(_BITS_REVERSED), mirrored)
    return int(f"{mirrored:032b}"[::-1], 2)


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


@cache
def _program(name: str) -> bytes:
    """Return a program's text without comments and indentation."""
    text = resources.files(__package__).joinpath("sh", f"{name}.sh").read_bytes()
    lines = (line.strip() for line in text.splitlines())
    return b"\n".join(line for line in lines if line and not line.startswith(b"#"))


@cache
def _joined(*names: str) -> bytes:
    """Return programs as one line that any login shell passes on."""
    text = b" ".join(_program(name).replace(b"\n", b" ") for name in names)
    assert _LOGIN_SAFE.fullmatch(text)  # noqa: S101 - they are written so
    return text


def _assigned(words: Mapping[str, str]) -> bytes:
    return b" ".join(b"%s=%s" % (n.encode(), _quote(v)) for n, v in words.items()) + b"; "


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


def _preparation(work: Work, refuse: Refuse) -> list[bytes]:
    """Return what can fail before the work begins, each with its refusal."""
    steps = []
    if work.directory is not None:
        enter = b"cd -- %s 2>/dev/null" % _path(work.directory)
        steps.append(enter + b" || " + refuse(f"cannot enter the directory {work.directory}"))
    program = _interpreter(work)[0]
    if program != "/bin/sh":
        check = b"command -v -- %s >/dev/null" % _quote(program)
        steps.append(check + b" || " + refuse(f"no such interpreter: {program}"))
    if (file := _file(work)) is not None:
        steps.extend(_script_file(file, refuse))
    return steps


def _lease(key: UUID, work: Work, decline: bytes) -> list[bytes]:
    """Return what takes the work's lease, if it wants one; ``$_l`` is why it could not.

    All of it is done in a shell of its own: none of its names gets to the work.
    """
    if work.exclusive is None:
        return []
    words = {
        "key": str(key),
        "lease": work.exclusive,
        "holder": work.holder,
        "beat": str(HEARTBEAT),
        "expiry": str(EXPIRY),
        "keeper": _program("keep").decode(),
    }
    program = _assigned(words) + b"\n" + _program("lease")
    return [b"_l=$(%s\n) || %s" % (program, decline), b"unset _l"]


def _file(work: Work) -> Script | None:
    """Return what the interpreter reads on descriptor 3, if anything."""
    return powershell.payload(work) if runs_powershell(work) else work.script


def runs_powershell(work: Work) -> bool:
    """Whether PowerShell runs this work on a POSIX host."""
    return powershell.is_powershell(_interpreter(work)[0])


def _path(directory: str) -> bytes:
    """Quote a directory; a leading ``~`` is the home on the host, as people mean it."""
    if directory == "~":
        return b'"$HOME"'
    if directory.startswith("~/"):
        return b'"$HOME"/' + _quote(directory.removeprefix("~/"))
    return _quote(directory)


def _environment(work: Work) -> list[bytes]:
    return [
        b"export %s=%s" % (name.encode(), _quote(value))
        for name, value in work.environment.items()
        if name != KEY_VARIABLE
    ]


def _become(work: Work, failed: bytes, after: bytes = b":") -> bytes:
    """Return the command that becomes the work.

    Args:
        work: The work.
        failed: What a failing initialization does last.
        after: What is done once it has not failed.
    """
    words = [_quote(word) for word in _words(work)]
    if work.initialization is not None and not runs_powershell(work):
        at = 1 + words.index(b"-c")
        words[at] = _quote_bytes(_initialized(work, failed, after))
    return b"exec " + b" ".join(words) + _script_input(work)


def _initialized(work: Work, failed: bytes, after: bytes) -> bytes:
    """Return the text that runs the initialization and then the work, in one shell.

    The trap tells of every way in which the initialization can end the shell.
    """
    assert work.initialization is not None  # noqa: S101 - asked for by the caller
    lines = [
        b"trap %s 0" % _quote_bytes(failed),
        b"eval %s" % _quote(work.initialization),
        b"case $? in 0) ;; *) exit $? ;; esac",
        b"trap - 0; %s" % after,
        b". /dev/fd/3" if work.command is None else work.command.display.encode(),
    ]
    return b"\n".join(lines)


def check(work: Work) -> None:
    """Refuse what no POSIX host can do.

    Raises:
        UsageError: It names the thing and what to do.
    """
    program = _interpreter(work)[0]
    powershell.check(work, program)
    name = program.rpartition("/")[2]
    can_go_on = name in _POSIX_SHELLS or powershell.is_powershell(program)
    if work.initialization is not None and not can_go_on:
        known = ", ".join([*sorted(_POSIX_SHELLS), "pwsh"])
        msg = f"--init needs a shell that can go on after it ({known}), not {name}"
        raise UsageError(msg)


def shown(work: Work) -> str:
    """Return what the host's shell gets of this work, as one line of sh to read.

    What watches over it is left out. A script is read on descriptor 3: its own name stands
    for it here. Where PowerShell runs the work, it is the text that PowerShell gets.
    """
    if runs_powershell(work):
        return f"{shlex.join(_interpreter(work))}: {powershell.shown(work)}"
    steps = [] if work.directory is None else [b"cd -- " + _path(work.directory)]
    become = _become(work, b"exit")
    if work.script is not None:
        become = become.removesuffix(b"3<&3") + b"3<" + _quote(work.script.name)
    return b"; ".join([*steps, *_environment(work), become]).decode("utf-8", "backslashreplace")


def initialization_mark(key: UUID) -> bytes:
    """Return what attached work prints on its error stream if its initialization fails."""
    return marker(key) + b":initialization"


def _words(work: Work) -> list[str]:
    interpreter = _interpreter(work)
    if runs_powershell(work):
        return [*interpreter, *powershell.WORDS]
    if work.script is not None and work.initialization is not None:
        return [*interpreter, "-c", "", work.script.name, *work.arguments]
    if work.script is not None:
        return [*interpreter, "/dev/fd/3", *work.arguments]
    assert work.command is not None  # noqa: S101 - Work holds one of the two
    name = interpreter[0].rpartition("/")[2]
    flag = _INLINE_FLAG.get(name, "-c")
    zeroth = [name] if flag == "-c" and not name.startswith("python") else []
    return [*interpreter, flag, _text_for(name, work.command), *zeroth, *work.arguments]


def _text_for(shell: str, command: Command) -> str:
    """Return a command as a shell reads it; csh and fish quote words in ways of their own."""
    quote = _QUOTERS.get(shell)
    if quote is None or command.text is not None:
        return command.display
    return " ".join(map(quote, command.words))


def _quote_for_csh(word: str) -> str:
    """Quote for csh: a history mark stands outside, a line's end behind a backslash."""
    inner = word.replace("'", "'\\''").replace("!", "'\\!'").replace("\n", "\\\n")
    return f"'{inner}'"


def _quote_for_fish(word: str) -> str:
    """Quote for fish: between its single quotes a backslash is none before itself or a quote."""
    return "'" + word.replace("\\", "\\\\").replace("'", "\\'") + "'"


_QUOTERS: Final[Mapping[str, Callable[[str], str]]] = {
    "csh": _quote_for_csh,
    "tcsh": _quote_for_csh,
    "fish": _quote_for_fish,
}


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


def _script_file(script: Script, refuse: Refuse) -> list[bytes]:
    """Put the script into a file that is open on descriptor 3 and has no name any more."""
    path = b'"${TMPDIR:-/tmp}/.remjobs-$%s"' % KEY_VARIABLE.encode()
    write = b"(umask 077; set -C; printf %%s %s >%s) 2>/dev/null" % (
        _quote_bytes(script.content),
        path,
    )
    failed = refuse("cannot write the script to the temporary directory")
    return [write + b" || " + failed, b"exec 3<%s; rm -f %s" % (path, path)]


def _script_input(work: Work) -> bytes:
    return b" 3<&3" if _file(work) is not None else b""


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
