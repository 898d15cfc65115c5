"""The demo, as a new user sees it."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

from support.sshd import running


def test_the_demo_shows_the_main_job_and_leaves_nothing_running(tmp_path):
    """Children, folded output, and the one failure with its reason."""
    before = {path.name for path in Path("/tmp").glob("remjobs-demo-*")}
    done = subprocess.run(
        [sys.executable, "-m", "remjobs", "demo"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "REMJOBS_HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done
    assert "web4: Failed (unreachable): connection refused" in done.stderr
    assert done.stderr.count("\n") == 2
    assert "---- web[1-3] (3) ----" in done.stdout
    assert "4 Completed, 1 Failed" in done.stdout
    assert "this should have ended" not in done.stdout
    assert {path.name for path in Path("/tmp").glob("remjobs-demo-*")} == before
    assert running("remjobs-demo-") == []
    assert list(tmp_path.iterdir()) == []


def test_on_a_terminal_there_is_live_progress_and_tables_fit(tmp_path):
    """A real terminal of 80 columns: a progress line comes and goes, no line is longer."""
    seen = bytearray()

    def read(descriptor):
        data = os.read(descriptor, 65536)
        seen.extend(data)
        return data

    environment = {"TERM": "xterm", "COLUMNS": "80", "REMJOBS_HOME": str(tmp_path)}
    old = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    try:
        status = pty.spawn([sys.executable, "-m", "remjobs", "demo"], read, lambda _: b"")
    finally:
        for name, value in old.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
    assert os.waitstatus_to_exitcode(status) == 0
    text = seen.decode()
    assert re.search(r"check .* \d/5 .*\n.*2.* Running", re.sub(r"\x1b\[[0-9;]*m", "", text))
    plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)
    drawn = [line.rpartition("\r")[2] for line in plain.replace("\r\n", "\n").split("\n")]
    tables = [line for line in drawn if line.startswith(("Id ", "1  ", "2  "))]
    assert tables
    assert max(map(len, tables)) <= 80
