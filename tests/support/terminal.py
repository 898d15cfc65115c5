"""Commands on a terminal of their own."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time


def dialogue(cli, words, question=None, reply="", *, code=0, then=()):
    """Run a command on a terminal, answer its questions if it asks, return what it said."""
    asked = [*([] if question is None else [(question, reply)]), *then]
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
    said, until = b"", time.monotonic() + 30
    while time.monotonic() < until:
        if select.select([ours], [], [], 0.1)[0]:
            try:
                said += os.read(ours, 4096)
            except OSError:
                break
        elif process.poll() is not None:
            break
        if asked and re.search(asked[0][0].encode() + rb"[^\n]*[:\]] $", said):
            os.write(ours, asked.pop(0)[1].encode() + b"\n")
    os.close(ours)
    assert process.wait(timeout=5) == code, said
    assert not asked, said
    return said.decode()
