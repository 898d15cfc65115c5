"""Jobs on Windows hosts, through the engine: what is attached there, lost, held, refused."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from support.engines import engine_over, until
from support.windows import Windows
from support.winrm import PASSWORD

from remjobs.errors import UsageError
from remjobs.model.credential import CredentialInfo, CredentialKind
from remjobs.model.job import ReasonKind as K
from remjobs.model.ping import Stage
from remjobs.model.request import Caller, Connection
from remjobs.model.secret import Secret
from remjobs.model.state import JobState as S
from remjobs.testing import MemoryKeyring

ATTACHED = "on Windows hosts work ends with its connection, and is not found again: "

CRASH = 'echo 3221225786 >"$WINRM_EXIT_CODE"'
"""Ends as what Windows ended, at the endpoint."""


@pytest.fixture
def windows(tmp_path):
    """A Windows host."""
    with Windows(tmp_path / "windows") as host:
        yield host


@asynccontextmanager
async def jobs_over(folder, secret=PASSWORD):
    """Give jobs of an engine whose keyring has the credential ``ops``."""
    keyring = MemoryKeyring()
    info = CredentialInfo(name="ops", user="alice", kind=CredentialKind.PASSWORD)
    await keyring.set(info, Secret(secret), Caller())
    async with engine_over(folder / "home", keyring) as (_, jobs):
        yield jobs


def target(windows, name="w1", **more):
    """Return a host that the credential logs in to."""
    return replace(windows.host(name=name, user=None, **more), credential="ops")


async def ended(jobs, job, timeout=30):
    """Wait, and return the children."""
    [job] = await asyncio.wait_for(jobs.wait(job), timeout)
    return job.children


async def state_of(jobs, job):
    [current] = await jobs.get(job.id)
    return current.children[0]


async def running(windows):
    """Wait until work runs there."""
    await until(lambda: windows.endpoint.status()["running"], "the work runs")


async def test_a_job_runs_and_says_once_that_it_is_attached(windows, tmp_path):
    """It asked for nothing else; output, exit code and the streams are kept."""
    async with jobs_over(tmp_path) as jobs:
        hosts = [target(windows, f"w{n}") for n in (1, 2)]
        job = await jobs.start(f"Write-Output hi\nnative {CRASH}", on=hosts, name="x")
        assert job.warnings == (f"{ATTACHED}w[1-2]",)
        children = await ended(jobs, job)
        assert {(c.state, c.exit_code, c.reason.kind) for c in children} == {
            (S.FAILED, -1073741510, K.EXIT)
        }
        assert await jobs.output(job) == {"w1": b"hi\n", "w2": b"hi\n"}
    assert windows.endpoint.status()["shells"] == 0


async def test_success_codes_are_written_with_a_sign_or_without(windows, tmp_path):
    """They are the same 32 bits."""
    async with jobs_over(tmp_path) as jobs:
        for code in (3221225786, -1073741510):
            codes = frozenset({code})
            job = await jobs.run(CRASH, on=[target(windows)], shell="cmd", success_codes=codes)
            assert job.state is S.COMPLETED


async def test_a_certificate_that_is_not_there_fails_its_host_alone(tmp_path):
    """The others go on."""
    with Windows(tmp_path / "tls", scheme="https") as windows:
        async with jobs_over(tmp_path) as jobs:
            hosts = [target(windows, "localhost"), target(windows, "w2", ca_file="/nowhere.pem")]
            children = await ended(jobs, await jobs.start("Write-Output x", on=hosts))
            assert [child.state for child in children] == [S.COMPLETED, S.FAILED]
            assert children[1].begin_time is None
            with pytest.raises(UsageError, match=r"/nowhere\.pem: no such file"):
                await jobs.start("x", on=hosts[1:])


async def test_durable_by_name_is_refused(windows, tmp_path):
    """With the reason, and nothing starts."""
    async with jobs_over(tmp_path) as jobs:
        with pytest.raises(UsageError, match="w1: --durable: work on Windows hosts hangs"):
            await jobs.start("x", on=[target(windows)], durable=True)
        job = await jobs.start("Write-Output x", on=[target(windows)], durable=False)
        assert job.warnings == ()
        assert [child.state for child in await ended(jobs, job)] == [S.COMPLETED]


async def test_one_job_may_be_durable_here_and_attached_there(windows, sshd, tmp_path):
    """Each host as it can; only the Windows host is spoken of."""
    async with jobs_over(tmp_path) as jobs:
        job = await jobs.start("exit 3", on=[sshd.host(), target(windows)])
        assert job.warnings == (f"{ATTACHED}w1",)
        assert [child.exit_code for child in await ended(jobs, job)] == [3, 3]


async def test_a_cut_leaves_the_child_disconnected(windows, tmp_path):
    """The outcome is unknown, nobody looks for it, and it is not run again unasked."""
    async with jobs_over(tmp_path) as jobs:
        windows.endpoint.fault("reset-before", action="Receive")
        job = await jobs.start("sleep 1000", on=[target(windows)], shell="cmd")
        [child] = await ended(jobs, job)
        assert (child.state, child.reason.kind) == (S.DISCONNECTED, K.LOST)
        assert "outcome unknown" in child.reason.message
        assert child.sought_until is None
        assert windows.endpoint.status()["commands"] == 1
        await jobs.resume(job)
        assert (await state_of(jobs, job)).state is S.DISCONNECTED
        with pytest.raises(UsageError, match="no host of job"):
            await jobs.retry(job)
        again = await jobs.retry(job, disconnected=True)
        await running(windows)
        await jobs.stop(again)
        assert windows.endpoint.status()["commands"] == 2


async def test_a_connection_that_goes_between_two_requests_is_made_again(windows, tmp_path):
    """Nothing was on its way: the work is listened to as before."""
    async with jobs_over(tmp_path) as jobs:
        hosts = [target(windows, operation_timeout=1)]
        windows.endpoint.fault("close", action="Receive", times=3)
        job = await jobs.start("sleep 2; echo x", on=hosts, shell="cmd")
        assert [child.state for child in await ended(jobs, job)] == [S.COMPLETED]
        assert await jobs.output(job) == {"w1": b"x\n"}
        assert windows.endpoint.status()["commands"] == 1


async def test_what_a_killed_engine_left_is_disconnected(windows, tmp_path):
    """There is nothing to be adopted on a Windows host."""
    async with jobs_over(tmp_path) as jobs:
        job = await jobs.start("sleep 1000", on=[target(windows)], shell="cmd")
        await running(windows)
    assert windows.endpoint.status()["running"] == []
    async with jobs_over(tmp_path) as jobs:
        child = await state_of(jobs, job)
        assert (child.state, child.reason.kind) == (S.DISCONNECTED, K.LOST)


async def test_a_stop_ends_the_work_at_once(windows, tmp_path):
    """Stopped, confirmed, and nothing of it runs."""
    async with jobs_over(tmp_path) as jobs:
        job = await jobs.start("sleep 1000 & sleep 1000", on=[target(windows)], shell="cmd")
        await running(windows)
        began = time.monotonic()
        await jobs.stop(job)
        [child] = await ended(jobs, job)
        assert time.monotonic() - began < 5
        assert (child.state, child.status_message) == (S.STOPPED, "")
        assert windows.endpoint.status()["running"] == []


async def test_a_time_out_ends_the_work(windows, tmp_path):
    """Failed, and so."""
    async with jobs_over(tmp_path) as jobs:
        job = await jobs.start("sleep 1000", on=[target(windows)], shell="cmd", timeout=1)
        [child] = await ended(jobs, job)
        assert (child.state, child.reason.kind) == (S.FAILED, K.TIMEOUT)
        assert windows.endpoint.status()["running"] == []


async def test_suspend_says_that_the_host_cannot(windows, tmp_path):
    """What runs goes on to its end; what waits does not begin."""
    async with jobs_over(tmp_path) as jobs:
        hosts = [target(windows, f"w{n}") for n in (1, 2)]
        gate = tmp_path / "gate"
        work = f"until test -e {gate}; do sleep 0.05; done"
        job = await jobs.start(work, on=hosts, shell="cmd", throttle_limit=1)
        await running(windows)
        [suspended] = await jobs.suspend(job)
        child = suspended.children[0]
        assert child.state is S.SUSPENDING
        assert child.status_message == (
            "not held: a Windows host cannot hold work: it runs to its end"
        )
        gate.touch()
        async with asyncio.timeout(20):
            while (await state_of(jobs, job)).state is not S.COMPLETED:
                await asyncio.sleep(0.02)
        assert windows.endpoint.status()["commands"] == 1
        await jobs.resume(job)
        assert [child.state for child in await ended(jobs, job)] == [S.COMPLETED] * 2


async def test_a_wrong_password_is_tried_on_one_host_alone(windows, tmp_path):
    """The others say so, and nobody is locked out."""
    async with jobs_over(tmp_path, "wrong") as jobs:
        hosts = [target(windows, f"w{n}") for n in range(1, 6)]
        children = await ended(jobs, await jobs.start("x", on=hosts))
        assert {child.reason.kind for child in children} == {K.AUTHENTICATION}
        assert windows.endpoint.status()["logins"]["alice"]["refused"] <= 2


async def test_ping_says_how_it_came_there(windows, tmp_path):
    """Address, user, mechanism and system; or what was refused."""
    async with jobs_over(tmp_path) as jobs:
        [answer] = [each async for each in jobs.ping([target(windows)])]
        assert answer.failed is None
        assert (answer.transport, answer.user) == ("winrm", "alice")
        assert answer.address == f"localhost:{windows.endpoint.port}"
        assert answer.authentication == "Ntlm"
        assert "Windows" in answer.system
        windows.endpoint.stop()
        [answer] = [each async for each in jobs.ping([target(windows)])]
        assert (answer.failed, answer.reason.kind) == (Stage.TCP, K.UNREACHABLE)


async def test_a_typed_transport_wins(windows, tmp_path):
    """Over what the inventory says."""
    async with jobs_over(tmp_path) as jobs:
        host = replace(target(windows), transport="ssh")
        job = await jobs.run("Write-Output x", on=[host], connection=Connection(transport="winrm"))
        assert (job.state, job.children[0].transport) == (S.COMPLETED, "winrm")
