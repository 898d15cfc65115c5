"""Speed on Windows hosts, against a WinRM endpoint on loopback; see ``run.py``."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from support.engines import engine_over
from support.windows import Password, Windows
from support.winrm import PASSWORD
from winrm.protocol import Protocol

from remjobs.model.credential import CredentialInfo
from remjobs.model.request import Caller
from remjobs.model.secret import Secret
from remjobs.model.state import JobState
from remjobs.model.work import Command, Work
from remjobs.testing import MemoryKeyring
from remjobs.transports.base import Exited, Session
from remjobs.transports.winrm.transport import WinRmTransport

__all__ = ["bench_windows"]

HOSTS = 100
THROTTLE = 32
COMMANDS = 40
ROUNDS = 5
WORK = Work(command=Command(text="ver"), shell="cmd")

Line = Callable[[str, str, str, bool], bool]


async def run(session: Session) -> None:
    """Run a command to its end."""
    execution = await session.start(uuid4(), WORK)
    said = b"".join([chunk.data async for chunk in execution])
    assert b"Windows" in said
    assert await execution.outcome() == Exited(0)


async def bench_trips(windows: Windows, line: Line) -> list[bool]:
    """Count the requests of a first command and of a second one, logins included."""
    transport = WinRmTransport(Caller())

    def asked() -> int:
        return int(windows.endpoint.status()["requests"])

    began = asked()
    session = await transport.connect(windows.host(), Password())
    await run(session)
    cold = asked()
    await run(session)
    warm = asked()
    await session.close()
    await transport.close()
    return [
        line("WinRM, round trips of a first command", str(cold - began), "<= 8", cold - began <= 8),
        line("WinRM, round trips of the next one", str(warm - cold), "<= 4", warm - cold <= 4),
    ]


async def ours(windows: Windows) -> float:
    """Return the processor time (ms) of a command in a session that stands."""
    transport = WinRmTransport(Caller())
    session = await transport.connect(windows.host(), Password())
    await run(session)
    began = time.process_time()
    for _ in range(COMMANDS):
        await run(session)
    spent = time.process_time() - began
    await session.close()
    await transport.close()
    return spent * 1000 / COMMANDS


def bare(windows: Windows) -> float:
    """Return the same of pywinrm alone, in a shell that stays open.

    It ends the standard input as well: what reads would wait for ever.
    """
    soap = Protocol(
        windows.endpoint.url,
        transport="ntlm",
        username="alice",
        password=PASSWORD,
        message_encryption="always",
    )
    shell = soap.open_shell(codepage=65001)

    def once() -> None:
        command = soap.run_command(shell, "ver", console_mode_stdin=False)
        soap.send_command_input(shell, command, b"", end=True)
        out, _, code = soap.get_command_output(shell, command)
        soap.cleanup_command(shell, command)
        assert (code, b"Windows" in out) == (0, True)

    once()
    began = time.process_time()
    for _ in range(COMMANDS):
        once()
    spent = time.process_time() - began
    soap.close_shell(shell)
    return spent * 1000 / COMMANDS


async def bench_processor(windows: Windows, line: Line) -> bool:
    """Compare what a command costs us with pywinrm alone, in turn."""
    took: dict[str, list[float]] = {"ours": [], "bare": []}
    for _ in range(ROUNDS):
        took["ours"].append(await ours(windows))
        took["bare"].append(await asyncio.to_thread(bare, windows))
    mine, theirs = (statistics.median(took[name]) for name in ("ours", "bare"))
    value = f"{mine:.2f} ms (pywinrm {theirs:.2f})"
    goal = "<= 1.2 times pywinrm's"
    return line("WinRM, processor time of a command", value, goal, mine <= 1.2 * theirs)


async def bench_many(windows: Windows, folder: Path, line: Line) -> bool:
    """Run on many hosts at once, and look for threads that are left."""
    keyring = MemoryKeyring()
    await keyring.set(CredentialInfo(name="ops", user="alice"), Secret(PASSWORD), Caller())
    async with engine_over(folder, keyring) as (_, jobs):
        hosts = [windows.host(name=f"w{n:03}", user=None) for n in range(HOSTS)]
        began = time.perf_counter()
        job = await jobs.start(
            "ver", on=hosts, shell="cmd", throttle_limit=THROTTLE, credential="ops"
        )
        [job] = await jobs.wait(job)
        took = time.perf_counter() - began
        assert job.state is JobState.COMPLETED, job
        left = [thread.name for thread in threading.enumerate() if thread.name == "winrm"]
    value = f"{took:.1f} s, {len(left)} left"
    what = f"WinRM, {HOSTS} hosts at {THROTTLE}, threads left behind"
    return line(what, value, "none", not left)


def bench_windows(line: Line) -> list[bool]:
    """Take these figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        limits: dict[str, Any] = {"shells_per_user": 1000, "operations_per_user": 10_000}
        with Windows(folder / "host", **limits) as windows:
            return [
                *asyncio.run(bench_trips(windows, line)),
                asyncio.run(bench_processor(windows, line)),
                asyncio.run(bench_many(windows, folder / "home", line)),
            ]
