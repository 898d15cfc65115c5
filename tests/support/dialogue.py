"""The CLI on a terminal of its own, and somebody who answers its question."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time


def dialogue(cli, words, question, reply):
    """Run a command on a terminal of its own, answer its question, return what it said."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", "--wait", *cli.argv(*words)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=cli.cwd,
        env=cli.environment,
    )
    os.close(theirs)
    said, answered, until = b"", False, time.monotonic() + 30
    while time.monotonic() < until:
        if select.select([ours], [], [], 0.1)[0]:
            try:
                said += os.read(ours, 4096)
            except OSError:
                break
        if not answered and re.search(question.encode() + rb".*: $", said):
            os.write(ours, reply.encode() + b"\n")
            answered = True
        if process.poll() is not None:
            break
    os.close(ours)
    assert process.wait(timeout=5) == 0, said
    return said.decode()
