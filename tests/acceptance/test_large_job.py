"""A job on 2,000 hosts, as the terminal and a pipe show it."""

import asyncio
import os
import pty
import re
import subprocess

import pytest

from remjobs.api import Jobs
from remjobs.model.job import ReasonKind
from remjobs.testing import MemoryTransport, memory_engine
from remjobs.transports.base import Exited, HostFailure

COUNT = 2000


@pytest.fixture
def large(cli):
    """A store with such a job: three hosts failed, two were not reached."""

    async def fill():
        fleet = MemoryTransport()
        names = [f"web{number:04}" for number in range(1, COUNT + 1)]
        for name in names[10:13]:
            fleet.behaviour(name).outcome = Exited(3)
        for name in names[20:22]:
            away = HostFailure(ReasonKind.UNREACHABLE, f"{name}:22: connection refused")
            fleet.behaviour(name).refuses = away
        async with memory_engine(cli.home, fleet) as (_, service):
            jobs = Jobs(service)
            hosts = [fleet.host(name) for name in names]
            long = "a command that is a good deal longer than any terminal is wide " * 3
            job = await jobs.start(long, on=hosts, name="patch-tuesday", throttle_limit=500)
            await jobs.wait(job)

    cli.home.mkdir(mode=0o700)
    asyncio.run(fill())
    return cli


def on_terminal(cli, columns, *words):
    """Return the lines that a command draws on a terminal of so many columns."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        cli.argv(*words),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.STDOUT,
        cwd=cli.cwd,
        env={**cli.environment, "COLUMNS": str(columns), "TERM": "xterm"},
    )
    os.close(theirs)
    drawn = b""
    try:
        while data := os.read(ours, 65536):
            drawn += data
    except OSError:  # the other end is closed
        os.close(ours)
    assert process.wait(timeout=30) == 0
    return re.sub(r"\x1b\[[0-9;]*m", "", drawn.decode()).split("\r\n")


@pytest.mark.parametrize("columns", [80, 50, 200])
def test_a_list_is_never_wider_than_the_terminal(large, columns):
    """One line a job; at 80 columns its hosts, folded, can be read whole."""
    header, line, *rest = on_terminal(large, columns, "list")
    assert (rest, line.split()[0]) == ([""], "1")
    assert max(len(header), len(line)) <= columns
    if columns >= 80:
        assert "web[0001-2000]" in line
        assert header.split()[:4] == ["Id", "Name", "PSJobTypeName", "State"]


def test_a_large_job_is_shown_in_groups_on_a_terminal(large):
    """Those that want a person first, each group with its hosts and why."""
    lines = on_terminal(large, 120, "get", "1")
    table = lines[lines.index("") + 1 :]
    groups = [re.split(r"\s{1,}", line.strip(), maxsplit=5) for line in table[1:4]]
    assert groups[0] == ["3", "Failed", "3", "True", "web[0011-0013]", "exit code 3"]
    assert groups[1][:2] == ["2", "Failed"]
    assert "web[0021-0022]" in table[2]
    assert "HOST:22: connection refused" in table[2]
    assert groups[2][:3] == ["1995", "Completed", "0"]
    assert len(lines) < 40
    assert max(map(len, table)) <= 120


def test_every_child_is_shown_when_asked_and_in_a_pipe(large):
    """What a script reads is not folded."""
    asked = on_terminal(large, 80, "get", "1", "--include-children")
    assert sum("web" in line and "Completed" in line for line in asked) == COUNT - 5
    piped = large.ok("get", "1").splitlines()
    assert sum(line.split()[:1] == [str(2 + at)] for at, line in enumerate(piped[-COUNT:])) == COUNT
    assert len(large("get", "1", "--json").json["children"]) == COUNT
    [listed] = large("list", "--json").json
    assert (listed["location"], "children" in listed) == ("web[0001-2000]", False)
