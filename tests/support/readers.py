"""A reader of the documentation: types every command of a page, in order, at a terminal.

The reader's hosts are embedded SSH servers with the names that the pages use. They run what
they are told with this machine's shell; the few programs that must answer alike everywhere
(uname, uptime ...) are theirs.
"""

from __future__ import annotations

import html
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import asyncssh
from anyio.from_thread import start_blocking_portal
from support import pwsh

from remjobs.demo.fleet import HOST_VARIABLE, embedded_server, unused_port

NAMES = (*(f"web{number:02}" for number in range(1, 9)), "db1", "db2", "new1")
DOWN = "db2"
UNKNOWN = "new1"
"""Its key is in no known_hosts file."""
ODD = "web05"
WIDTH = 100
PROGRAMS = {
    "hostname": f'echo "${HOST_VARIABLE}"',
    "pwsh": f'exec {sys.executable} -IS {pwsh.__file__} "$@"',
    "uptime": 'echo " 10:19:12 up 41 days,  2:03,  0 users,  load average: 0.00, 0.01, 0.05"',
    "uname": f"""case "$*,${HOST_VARIABLE}" in
        -r,{ODD}) echo 6.1.0-26-amd64 ;;
        -r,*) echo 6.1.0-28-amd64 ;;
        *) exec /usr/bin/uname "$@" ;;
    esac""",
    "systemctl": f"""case "$*,${HOST_VARIABLE}" in
        "restart "*) ;;
        *,{ODD}) echo inactive; exit 3 ;;
        *) echo active ;;
    esac""",
}
"""What the hosts run instead of this machine's own, by name."""
FILES = {
    "servers.txt": "web[01-08]\n",
    "patch.sh": """#!/bin/sh
sleep 2
case $(uname -r) in
    6.1.0-28-*) echo "up to date" ;;
    *) echo "reboot needed" >&2; exit 1 ;;
esac
""",
    "app.conf": "workers = 4\n",
    "conf.d/10-log.conf": "level = info\n",
    "deploy.sh": "#!/bin/sh\necho deployed\n",
    "broken.toml": '[hosts.web01]\nprot = 22\n[groups]\nweb = ["web01"]\n',
    "report.sh": """#!/bin/sh
echo "kernel $(uname -r) $*"
""",
}
"""What lies in the reader's folder."""


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """The reader's hosts."""

    ports: dict[str, int]
    user_key: asyncssh.SSHKey
    host_key: asyncssh.SSHKey


@contextmanager
def fleet(folder: Path) -> Iterator[Fleet]:
    """Run the hosts, in a thread of their own."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(_serve(folder)) as running,
    ):
        yield running


@asynccontextmanager
async def _serve(folder: Path) -> AsyncIterator[Fleet]:
    programs = folder / "programs"
    programs.mkdir()
    for name, text in PROGRAMS.items():
        _program(programs / name, text)
    user_key, host_key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    ports = {}
    async with AsyncExitStack() as stack:
        for name in NAMES:
            home = folder / "hosts" / name
            for place in ("etc/app", "srv/app", "var/log/app"):
                (home / place).mkdir(parents=True)
            (home / "var/log/app/app.log").write_text(f"{name} is well\n")
            environment = {
                "HOME": str(home),
                HOST_VARIABLE: name,
                "PATH": f"{programs}:{os.environ['PATH']}",
                "REMJOBS_SPOOL": str(home / "spool"),
            }
            ports[name] = (
                unused_port(stack)
                if name == DOWN
                else await embedded_server(stack, host_key, user_key, environment, home)
            )
        yield Fleet(ports=ports, user_key=user_key, host_key=host_key)


def _program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@dataclass(frozen=True, kw_only=True)
class Step:
    """A command of a page."""

    line: int
    command: str
    shown: str | None = None
    code: int = 0


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What became of a step."""

    step: Step
    said: str
    code: int | None

    @property
    def fault(self) -> str | None:
        """Say what is not as the page has it."""
        told = f"line {self.step.line}: $ {self.step.command}\n{self.said}"
        if self.code != self.step.code:
            return f"{told}\n-> exit code {self.code}, not {self.step.code}"
        if self.step.shown is not None and (why := differs(self.step.shown, self.said)):
            return f"{told}\n-> {why}"
        return None


class Reader:
    """Somebody with a shell, keys, an SSH config that knows the hosts, and a few files."""

    def __init__(self, home: Path, hosts: Fleet) -> None:
        self.home = home
        self._programs = home / "bin"
        self._programs.mkdir(parents=True)
        self._prepare(hosts)
        kept = ("LANG", "LC_ALL", "USER", "LOGNAME")
        path = f"{self._programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.environment = {
            **{name: os.environ[name] for name in kept if name in os.environ},
            "HOME": str(home),
            "PATH": path,
            "TERM": "dumb",
            "TZ": "Europe/Berlin",
            "NO_COLOR": "1",
            "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
            "COLUMNS": str(WIDTH),
            "PYTHONWARNINGS": "error",
        }

    def _prepare(self, hosts: Fleet) -> None:
        ssh = self.home / ".ssh"
        ssh.mkdir(mode=0o700)
        (ssh / "id_ed25519").touch(mode=0o600)
        hosts.user_key.write_private_key(ssh / "id_ed25519")
        public = hosts.host_key.export_public_key("openssh").decode().strip()
        known = [port for name, port in hosts.ports.items() if name != UNKNOWN]
        (ssh / "known_hosts").write_text(
            "".join(f"[127.0.0.1]:{port} {public}\n" for port in known)
        )
        (ssh / "config").write_text(
            "".join(
                f"Host {name}\n    HostName 127.0.0.1\n    Port {port}\n    User deploy\n"
                for name, port in hosts.ports.items()
            )
        )
        for name, text in FILES.items():
            path = self.home / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        # ssh looks up the home in the password database.
        options = "-F ~/.ssh/config -o UserKnownHostsFile=~/.ssh/known_hosts -i ~/.ssh/id_ed25519"
        _program(self._programs / "ssh", f'exec /usr/bin/ssh {options} "$@"')

    def type(self, steps: list[Step], timeout: float = 200.0) -> list[Answer]:
        """Type commands into one shell at a terminal; return what became of them."""
        mark = f"mark-{uuid4().hex}"
        script = self.home / ".page.sh"
        script.write_text(
            "".join(f"{step.command}\nprintf '\\n{mark} %d\\n' $?\n" for step in steps)
        )
        said = self._run(script, timeout)
        parts = re.split(rf"\n{mark} (\d+)\n", said)
        outputs, codes = parts[0::2], [int(code) for code in parts[1::2]]
        return [
            Answer(step=step, said=output.strip("\n"), code=code)
            for step, output, code in zip(
                steps, outputs, [*codes, *[None] * len(steps)], strict=False
            )
        ]

    def _run(self, script: Path, timeout: float) -> str:
        ours, theirs = pty.openpty()
        shell = subprocess.Popen(
            ["bash", "--norc", str(script)],
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            cwd=self.home,
            env=self.environment,
            start_new_session=True,
        )
        os.close(theirs)
        clock = threading.Timer(timeout, os.killpg, (shell.pid, signal.SIGKILL))
        clock.start()
        said = bytearray()
        try:
            while data := _read(ours):
                said += data
        finally:
            clock.cancel()
            shell.wait()
            os.close(ours)
        return said.decode("utf-8", "replace").replace("\r\n", "\n")

    def leave(self) -> None:
        """End the controller that the commands started."""
        subprocess.run(
            ["remjobs", "controller", "stop", "--force"],
            check=False,
            capture_output=True,
            cwd=self.home,
            env=self.environment,
        )


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # the other side of the terminal is closed: its last process has ended
        return b""


_FENCE = re.compile(r"^```(\S*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"# exit code (\d+)\b")


def blocks(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield the fenced blocks of a page: line, language, text."""
    for found in _FENCE.finditer(text):
        yield text.count("\n", 0, found.start()) + 2, found[1], found[2]


def steps_of(text: str) -> list[Step]:
    """Return what a page's console and Python blocks run, in order."""
    steps: list[Step] = []
    for line, language, block in blocks(text):
        if language == "console":
            steps += _typed(line, block)
        elif language == "python":
            mark = f"END{line}"
            steps.append(Step(line=line, command=f"python - <<'{mark}'\n{block}{mark}"))
    return steps


def _typed(line: int, block: str) -> Iterator[Step]:
    """Yield a console block's commands; lines that go on begin with ``> ``."""
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE)
    line += parts[0].count("\n")
    for part in parts[1:]:
        lines = part.removesuffix("\n").split("\n")
        goes_on = 1
        while goes_on < len(lines) and lines[goes_on].startswith(">"):
            goes_on += 1
        command = [lines[0], *(text[1:].removeprefix(" ") for text in lines[1:goes_on])]
        shown = "\n".join(lines[goes_on:]).strip("\n")
        code = _CODE.search(lines[0])
        yield Step(
            line=line,
            command="\n".join(command),
            shown=shown or None,
            code=int(code[1]) if code else 0,
        )
        line += len(lines)


_CELL = re.compile(r"`(remjobs (?:[^`\\]|\\.)*)`")


def cells_of(text: str) -> Iterator[Step]:
    """Yield the commands in a page's tables."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("|"):
            for found in _CELL.findall(line):
                yield Step(line=number, command=found.replace("\\|", "|"))


def text_of(page: Path) -> str:
    """Return a page's Markdown; a picture of a terminal is a console block.

    Its last command, of which a host fails, was not at its end: the bar is left out.
    """
    text = page.read_text()
    if page.suffix != ".svg":
        return text
    lines: dict[int, str] = {}
    for number, piece in _DRAWN.findall(text):
        lines[int(number)] = lines.get(int(number), "") + html.unescape(piece)
    drawn = [lines.get(number, "").replace("\xa0", " ").strip("\n") for number in range(40)]
    bar = next(number for number, line in enumerate(drawn) if "━" in line)
    last = max(number for number, line in enumerate(drawn) if line.startswith("$ "))
    drawn[last] += " # exit code 1"
    return "\n".join(["```console", *drawn[:bar], "...", "```", ""])


_DRAWN = re.compile(r'<text class="remjobs-r\d+"[^>]*#remjobs-line-(\d+)\)">([^<]*)</text>')
_VARIES = {
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}": "UUID",
    r"SHA256:([\w+/]{43}|\.\.\.)": "FINGERPRINT",
    r"\[?\b\d+\.\d+\.\d+\.\d+\b\]?(:\d+)?": "ADDRESS",
    r"(-p|port) \d+": "PORT",
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?(\.\d+)?(Z|[+-]\d\d:?\d\d)?)?": "TIME",
    r"\d+:\d\d:\d\d": "TIME",
    r"\b\d+(\.\d+)? ?(ms|s|seconds)\b": "DURATION",
    r"(Linux|linux) \S+ (x86_64|aarch64)": "SYSTEM",
    r" +": " ",
}
"""What is another each time it runs, and may be in a page."""


def differs(shown: str, said: str) -> str | None:
    """Say how an output is not of the shape that a page shows.

    ``...`` in a line stands for anything, a line of ``...`` for any lines. Hosts answer in any
    order, so that of the lines does not count.
    """
    wanted = [_shape(line) for line in shown.split("\n")]
    rest = [_shape(line) for line in said.split("\n")]
    for line in [line for line in wanted if line != "..."]:
        pattern = ".*".join(map(re.escape, line.split("...")))
        found = next((other for other in rest if re.fullmatch(pattern, other)), None)
        if found is None:
            return f"the page shows a line that did not come: {line!r}"
        rest.remove(found)
    if "..." not in wanted and any(rest):
        return f"lines came that the page does not show: {rest}"
    return None


def _shape(line: str) -> str:
    for pattern, word in _VARIES.items():
        line = re.sub(pattern, word, line)
    return line.strip()
