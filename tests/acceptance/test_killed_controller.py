"""A controller that is killed again and again under a large durable job."""

import asyncio
import os
import random
import signal
from collections import Counter

from support.sshd import world_writable

from remjobs import JobState as S
from remjobs.api import Jobs
from remjobs.controller.client import ControllerClient
from remjobs.controller.paths import Paths

CHILDREN = 200
KILLS = 10
WORK = """
echo $REMJOBS_KEY >>{log}
echo $REMJOBS_KEY
sleep 1
case $REMJOBS_KEY in
[0-7]*) exit 0 ;;
[8-b]*) exit 5 ;;
*) kill -9 $$ ;;
esac
"""


def truth(key):
    """Return how the work of a key ends: state, exit code, signal."""
    if key[0] in "01234567":
        return (S.COMPLETED, 0, None)
    return (S.FAILED, 5, None) if key[0] in "89ab" else (S.FAILED, None, "KILL")


async def test_work_runs_exactly_once_whenever_the_controller_dies(cli, sshd, monkeypatch):
    """200 children, ten kills at random moments; every state is the true one."""
    log = world_writable(cli.cwd.parent / "log")
    client = ControllerClient(Paths(cli.home))
    jobs = Jobs(client)
    for name in ("REMJOBS_HOME", "REMJOBS_SPOOL", "REMJOBS_INVENTORY"):
        monkeypatch.setenv(name, cli.environment[name])
    hosts = [
        sshd.host(1 + number % 16, name=f"h{number:03}", address=sshd.address(1 + number % 16))
        for number in range(CHILDREN)
    ]
    job = await jobs.start(WORK.format(log=log), on=hosts, throttle_limit=32)
    spread = random.Random(7)  # noqa: S311 - no secret
    killed = set()
    for _ in range(KILLS):
        await asyncio.sleep(spread.uniform(0.3, 1.2))
        status = await client.status()
        if status is not None:
            os.kill(status["pid"], signal.SIGKILL)
            killed.add(status["pid"])
        await jobs.list()
    assert len(killed) == KILLS
    [ended] = await jobs.wait(job, timeout=120)
    said = {host: text.decode().split() for host, text in (await jobs.output(job)).items()}
    ran = Counter(log.read_text().split())
    assert ended.children is not None
    assert len(ended.children) == len(ran) == CHILDREN
    assert set(ran.values()) == {1}
    for child in ended.children:
        [key] = said[child.host]
        assert (child.state, child.exit_code, child.signal) == truth(key), child
        assert key in ran
