"""Shells at a terminal: what a person types, and what stands on the line then."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time

BASH = (
    ["bash", "--norc", "--noprofile", "-i"],
    """bind -x '"\\C-t": printf "%s" "$READLINE_LINE" > line.new; mv line.new line'""",
)
ZSH = (
    ["zsh", "-f", "-i"],
    """autoload -U compinit; compinit -u -D; zle -N told; bindkey '^T' told
    told() { print -rn -- "$BUFFER" > line.new; mv line.new line }""",
)
FORGET_LINE = b"\x01\x0b"


class Terminal:
    """An interactive shell on a pseudo-terminal of its own."""

    def __init__(self, kind, folder, environment):
        argv, tell_line = kind
        self.line_file = folder / "line"
        self.shown = b""
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            argv,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=folder,
            env={**environment, "TERM": "xterm", "PS1": "$ ", "HISTFILE": ""},
            start_new_session=True,
        )
        os.close(theirs)
        self.run(tell_line)

    def run(self, command):
        """Run a command to its end."""
        before = self.shown.count(b"\nready")
        os.write(self._ours, f"{command}; echo; echo ready\n".encode())
        self.until(lambda: self.shown.count(b"\nready") > before, f"{command} has ended")

    def completed(self, typed):
        """Type a word's beginning and Tab; return the line that stands there then."""
        self.line_file.unlink(missing_ok=True)
        os.write(self._ours, typed.encode() + b"\t\x14")
        self.until(self.line_file.exists, f"{typed!r} is completed")
        line = self.line_file.read_text()
        os.write(self._ours, FORGET_LINE)
        return line

    def until(self, done, what, timeout=60):
        """Read what is shown until something is so."""
        deadline = time.monotonic() + timeout
        while not done():
            assert time.monotonic() < deadline, f"{what}: {self.shown[-2000:]!r}"
            if select.select([self._ours], [], [], 0.02)[0]:
                self.shown += os.read(self._ours, 65536)

    def close(self):
        self._process.kill()
        self._process.wait()
        os.close(self._ours)
