"""Speed and size, against real OpenSSH servers on loopback. Run by ``make bench``.

Figures that are compared are taken in turn in one run, since machines differ
and are noisy; each line says what it should be.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncssh

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.sshd import Sshd, TestUser
from windows_hosts import bench_windows

import remjobs
from remjobs import Host, JobState, SshOptions
from remjobs.cli.render import fold
from remjobs.controller.client import ControllerClient
from remjobs.controller.paths import Paths
from remjobs.inventory.select import resolve
from remjobs.model.job import Child
from remjobs.model.record import Record, Stream
from remjobs.model.request import Targets
from remjobs.model.results import Results

HOSTS = 200
THROTTLE = 32
ROUNDS = 5
CHILDREN = 1000
OUTPUT = 200 * 1000 * 1000
FOLDED = 2000
LISTED = 100_000


def line(what: str, value: str, goal: str, good: bool) -> bool:
    """Print one figure."""
    print(f"{'ok ' if good else 'MISS'} {what:<58} {value:>22}   goal: {goal}", flush=True)
    return good


@contextmanager
def server() -> Iterator[Sshd]:
    """Run a real sshd with an account of its own."""
    user = TestUser().make()
    with tempfile.TemporaryDirectory() as folder:
        sshd = Sshd(folder, user).start()
        try:
            yield sshd
        finally:
            sshd.stop()
            user.remove()


def fleet(sshd: Sshd, count: int) -> list[Host]:
    """Return many hosts on a few addresses."""
    options = SshOptions(
        identity_files=(str(sshd.key),),
        known_hosts_file=str(sshd.known_hosts),
        config_file="none",
    )
    return [
        Host(
            name=f"h{number:04d}",
            address=sshd.address(number % len(sshd.addresses) + 1),
            port=sshd.port,
            user=sshd.user.name,
            ssh=options,
        )
        for number in range(count)
    ]


def bench_list(home: Path) -> bool:
    """Time ``remjobs list`` as a whole process, beside the import of typer alone."""
    environment = {**os.environ, "REMJOBS_HOME": str(home)}
    command = [str(Path(sys.executable).with_name("remjobs")), "list"]
    other = [sys.executable, "-c", "import typer"]
    took: dict[str, list[float]] = {"list": [], "typer": []}
    for number in range(16):
        for name, words in (("list", command), ("typer", other)):
            began = time.perf_counter()
            subprocess.run(words, check=True, capture_output=True, env=environment)
            if number:
                took[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(values) * 1000 for name, values in took.items()}
    value = f"{medians['list']:.0f} ms (typer {medians['typer']:.0f})"
    return line(
        "remjobs list, whole process, controller running",
        value,
        "median < 250 ms where `import typer` takes 96",
        medians["list"] < 250 * max(1.0, medians["typer"] / 96),
    )


async def bare(hosts: list[Host]) -> None:
    """Do by hand, with nothing but asyncssh, what a job does."""
    slots = asyncio.Semaphore(THROTTLE)

    async def one(host: Host) -> None:
        async with (
            slots,
            asyncssh.connect(
                str(host.address),
                port=host.port or 22,
                username=host.user or "",
                client_keys=list(host.ssh.identity_files),
                known_hosts=host.ssh.known_hosts_file,
                config=None,
            ) as connection,
        ):
            done = await connection.run("true")
            assert done.exit_status == 0

    await asyncio.gather(*map(one, hosts))


async def bench_hosts(home: Path, hosts: list[Host]) -> bool:
    """Time ``true`` on many hosts, through the controller, beside a bare asyncssh loop."""
    ours, theirs = [], []
    async with remjobs.open(home) as jobs:
        await jobs.run("true", on=hosts[:THROTTLE])
        for _ in range(ROUNDS):
            began = time.perf_counter()
            await bare(hosts)
            theirs.append(time.perf_counter() - began)
            began = time.perf_counter()
            job = await jobs.run("true", on=hosts, throttle_limit=THROTTLE)
            ours.append(time.perf_counter() - began)
            assert job.state is JobState.COMPLETED, job.reason
    ratio = statistics.median(ours) / statistics.median(theirs)
    value = f"{statistics.median(ours):.2f} s / {statistics.median(theirs):.2f} s = {ratio:.2f}"
    return line(
        f"{len(hosts)} hosts x true at throttle {THROTTLE}, against bare asyncssh",
        value,
        "<= 1.3",
        ratio <= 1.3,
    )


async def bench_durable(home: Path, hosts: list[Host]) -> bool:
    """Time ``true`` on many hosts both ways, and the client's share of the processors.

    On loopback the hosts' own work shares our processors.
    """
    wall: dict[bool, list[float]] = {False: [], True: []}
    cpu: dict[bool, list[float]] = {False: [], True: []}
    async with remjobs.open(home) as jobs:
        await jobs.run("true", on=hosts[:THROTTLE], durable=True)
        status: Any = await ControllerClient(Paths(home)).status()
        for _ in range(ROUNDS):
            for durable in (False, True):
                began, spent = time.perf_counter(), cpu_seconds(status["pid"])
                job = await jobs.run("true", on=hosts, throttle_limit=THROTTLE, durable=durable)
                wall[durable].append(time.perf_counter() - began)
                cpu[durable].append(cpu_seconds(status["pid"]) - spent)
                assert job.state is JobState.COMPLETED, job.reason
    good = []
    for what, took, goal in (("wall", wall, 2.0), ("client CPU", cpu, 1.5)):
        ratio = statistics.median(took[True]) / statistics.median(took[False])
        medians = " / ".join(f"{statistics.median(took[way]):.2f} s" for way in (True, False))
        value = f"{medians} = {ratio:.2f}"
        label = f"{len(hosts)} hosts x true, durable against attached: {what}"
        good.append(line(label, value, f"<= {goal}", ratio <= goal))
    return all(good)


def cpu_seconds(pid: int) -> float:
    """Return the processor time a process has used (proc(5): utime, stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def bench_latency(home: Path, host: Host) -> bool:
    """Time from a write on the host to the record at the client, one clock for both."""
    late = []
    command = "for i in 1 2 3 4 5 6 7 8 9 10; do date +%s.%N; sleep 0.2; done"
    async with remjobs.open(home) as jobs:
        job = await jobs.start(command, on=[host])
        async for record in jobs.follow(job.id):
            now = time.time()
            late += [now - float(stamp) for stamp in record.data.split()]
    value = f"{statistics.median(late) * 1000:.0f} ms, worst {max(late) * 1000:.0f}"
    return line("durable: from the work's write to the client", value, "< 300 ms", max(late) < 0.3)


async def bench_children(home: Path, hosts: list[Host]) -> bool:
    """Look at the controller's memory after a job of many children."""
    async with remjobs.open(home) as jobs:
        job = await jobs.run("echo hello", on=hosts, throttle_limit=100)
        assert job.state is JobState.COMPLETED, job.reason
    return await report_memory(home, f"controller's peak after {len(hosts)} children")


async def bench_output(home: Path, host: Host) -> bool:
    """Store a large output whole, and look at the controller's memory."""
    async with remjobs.open(home) as jobs:
        began = time.perf_counter()
        command = f"head -c {OUTPUT} /dev/zero"
        job = await jobs.run(command, on=[host], output_limit=2 * OUTPUT)
        took = time.perf_counter() - began
        assert job.state is JobState.COMPLETED, job.reason
        received = 0
        async for record in jobs.follow(job.id):
            received += len(record.data)
        assert received == OUTPUT, received
    what = f"controller's peak after {OUTPUT // 1000**2} MB of one host, in {took:.1f} s"
    return await report_memory(home, what)


def bench_fold() -> bool:
    """Gather 2,000 outputs of 100 KB in which a few differ, as ``--fold`` does."""
    body = b"".join(b"%06d some line of an output that is long enough\n" % n for n in range(2000))
    began_at = datetime.now(UTC)
    children = [
        Child(
            id=number,
            instance_id=UUID(int=number),
            parent_id=1,
            name=f"Job{number}",
            host=f"h{number:04d}",
            transport="ssh",
            state=JobState.COMPLETED,
            exit_code=0,
        )
        for number in range(FOLDED)
    ]
    records = [
        Record(
            job_id=1,
            child_id=child.id,
            host=child.host,
            stream=Stream.OUTPUT,
            seq=1,
            time=began_at,
            # Bytes of its own for each, as they come from a socket.
            data=bytes(bytearray(body)) + (b"odd\n" if child.id % 700 == 0 else b""),
        )
        for child in children
    ]
    began = time.perf_counter()
    results = Results(children)
    for record in records:
        results.record(record)
    text = fold.text(fold.groups(results), diff=True, escaped=True)
    took = time.perf_counter() - began
    assert text.count("----") == 4, text[-500:]
    what = f"folding {FOLDED} outputs of {len(body) // 1000} KB"
    return line(what, f"{took:.2f} s", "< 2 s", took < 2)


def bench_view(home: Path, sshd: Sshd) -> bool:
    """Run on 1,000 hosts with the live view and without: what it costs the processors."""
    inventory = home / "hosts.ini"
    hosts = (
        f"h{number:04d} ansible_host={sshd.address(number % len(sshd.addresses) + 1)}\n"
        for number in range(CHILDREN)
    )
    inventory.write_text("".join(hosts))
    words = [str(Path(sys.executable).with_name("remjobs")), "run", "-t", "all"]
    words += ["-i", str(inventory), "-p", str(sshd.port), "-u", sshd.user.name]
    words += ["--identity", str(sshd.key), "--known-hosts", str(sshd.known_hosts)]
    words += ["--ssh-config", "none", "-f", str(THROTTLE), "--", "echo", "hello"]
    environment = {**os.environ, "REMJOBS_HOME": str(home), "TERM": "xterm", "COLUMNS": "100"}
    spent: dict[bool, list[float]] = {False: [], True: []}
    wall: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(3):
        for seen in (False, True):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            began = time.perf_counter()
            watch(words, environment, terminal=seen)
            wall[seen].append(time.perf_counter() - began)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent[seen].append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    cost = statistics.median(spent[True]) - statistics.median(spent[False])
    share = cost / statistics.median(wall[False])
    value = f"{cost:.2f} s of {statistics.median(wall[False]):.1f} s = {share:.1%}"
    return line(f"live view of {CHILDREN} hosts, processor time", value, "< 10 %", share < 0.1)


def inventory_texts() -> Iterator[tuple[str, str, str]]:
    """Yield names, texts and patterns of inventories of many hosts, in groups of 1,000."""
    groups = [
        [f"web{at + number:06d}.example.com" for number in range(1000)]
        for at in range(0, LISTED, 1000)
    ]
    names = [name for group in groups for name in group]
    yield "list", "\n".join(names), "web0[1-3]*,!*7.example.com"
    ini = (f"[g{at}]\n" + "\n".join(group) + "\n" for at, group in enumerate(groups))
    yield "list.ini", "".join(ini), "g1*,&web*5.example.com"
    yield (
        "settings.ini",
        "".join(f"{name} ansible_host=10.0.0.1 ansible_port=2222\n" for name in names),
        "~web0[1-3].*5",
    )
    hosts = (
        f"    g{at}:\n      hosts:\n" + "".join(f"        {name}:\n" for name in group)
        for at, group in enumerate(groups)
    )
    yield "list.yaml", "all:\n  children:\n" + "".join(hosts), "g1*,&web*5.example.com"


def bench_inventory(folder: Path) -> list[bool]:
    """Read inventories of many hosts, and resolve a pattern."""
    results = []
    for name, text, pattern in inventory_texts():
        (folder / name).write_text(text)
        targets = Targets(include=(pattern,), inventories=(name,))
        began = time.perf_counter()
        found = resolve(targets, str(folder), ()).hosts
        took = time.perf_counter() - began
        what = f"{LISTED} hosts of {name}, {pattern}: {len(found)}"
        results.append(line(what, f"{took:.2f} s", "< 3 s", took < 3))
    return results


def watch(words: list[str], environment: dict[str, str], *, terminal: bool) -> None:
    """Run a command, its standard output and error a terminal or a pipe that is read."""
    reader, writer = pty.openpty() if terminal else os.pipe()
    process = subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=writer, stderr=writer, env=environment
    )
    os.close(writer)
    with contextlib.suppress(OSError):
        while os.read(reader, 65536):
            pass
    os.close(reader)
    assert process.wait() == 0


async def report_memory(home: Path, what: str) -> bool:
    """Print the controller's peak resident size."""
    status: Any = await ControllerClient(Paths(home)).status()
    lines = Path(f"/proc/{status['pid']}/status").read_text().splitlines()  # noqa: ASYNC240
    peak = next(int(text.split()[1]) for text in lines if text.startswith("VmHWM")) / 1024
    return line(what, f"{peak:.0f} MB", "< 300 MB", peak < 300)


@contextmanager
def state() -> Iterator[Path]:
    """Give a state directory with a controller of its own."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        try:
            yield home
        finally:
            asyncio.run(ControllerClient(Paths(home)).shutdown(force=True))


def main() -> None:
    """Take every figure; end with 1 if one misses its goal."""
    results = []
    with tempfile.TemporaryDirectory() as folder:
        results += bench_inventory(Path(folder))
    results += bench_windows(line)
    with server() as sshd:
        hosts = fleet(sshd, CHILDREN)
        with state() as home:
            results.append(asyncio.run(bench_hosts(home, hosts[:HOSTS])))
            results.append(bench_list(home))
            results.append(asyncio.run(bench_durable(home, hosts[:HOSTS])))
            results.append(asyncio.run(bench_latency(home, hosts[0])))
            results.append(bench_view(home, sshd))
        results.append(bench_fold())
        with state() as home:
            results.append(asyncio.run(bench_children(home, hosts)))
        with state() as home:
            results.append(asyncio.run(bench_output(home, hosts[0])))
    sys.exit(not all(results))


if __name__ == "__main__":
    main()
