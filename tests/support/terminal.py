"""Commands on a terminal of their own."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time


def dialogue(cli, words, question=None, reply="", code=0):
    """Run a command on a terminal, answer its question if it asks, return what it said."""
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
    said, answered, until = b"", question is None, time.monotonic() + 30
    while time.monotonic() < until:
        if select.select([ours], [], [], 0.1)[0]:
            try:
                said += os.read(ours, 4096)
            except OSError:
                break
        elif process.poll() is not None:
            break
        if not answered and re.search(question.encode() + rb"[^\n]*[:\]] $", said):
            os.write(ours, reply.encode() + b"\n")
            answered = True
    os.close(ours)
    assert process.wait(timeout=5) == code, said
    assert answered, said
    return said.decode()
