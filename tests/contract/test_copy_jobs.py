"""Copies as jobs, for every JobService, over hosts in memory."""

import asyncio

import pytest
from support.services import counted

from remjobs.errors import UsageError
from remjobs.model.job import ReasonKind
from remjobs.model.state import JobState as S
from remjobs.transports.base import Lost, NotCopied


@pytest.fixture
def file(tmp_path):
    """Something to push."""
    path = tmp_path / "app conf"
    path.write_text("x")
    return path


async def test_a_push_is_a_job_as_any_other(lab, file):
    """Parent, children, command; throttled, stopped and listed."""
    for name in "abc":
        lab.fleet.behaviour(name).gate = asyncio.Event()
    hosts = [lab.fleet.host(name) for name in "abc"]
    job = await lab.jobs.push(file, "/etc/", on=hosts, throttle_limit=2, background=True)
    assert job.command == f"push '{file}' to /etc/"
    assert [child.command for child in job.children] == [job.command] * 3
    await lab.begun(2)
    assert counted((await lab.jobs.get(job))[0]) == {S.RUNNING: 2, S.NOT_STARTED: 1}
    [stopped] = await lab.jobs.stop(job)
    assert counted(stopped) == {S.STOPPED: 3}
    assert lab.fleet.peak == 2


async def test_a_host_that_cannot_copy_refuses_the_whole_job(lab, file, tmp_path):
    """Before anything starts, in both directions."""
    lab.fleet.behaviour("b").cannot_copy = True
    hosts = [lab.fleet.host(name) for name in "ab"]
    with pytest.raises(UsageError, match="b: no files can be copied there"):
        await lab.jobs.push(file, "/etc/", on=hosts)
    with pytest.raises(UsageError, match="b: no files can be copied there"):
        await lab.jobs.fetch("/etc/hosts", tmp_path / "in", on=hosts)
    assert await lab.jobs.list() == ()
    assert lab.fleet.starts == []


async def test_how_copies_end_is_told(lab, file):
    """What failed has a reason of its own; what was cut is unknown, and not done again."""
    lab.fleet.behaviour("bad").outcome = NotCopied("no space is left on the host")
    lab.fleet.behaviour("cut").outcome = Lost("connection lost")
    hosts = [lab.fleet.host(name) for name in ("good", "bad", "cut")]
    job = await lab.jobs.push([file], "/etc/", on=hosts)
    assert [child.state for child in job.children] == [S.COMPLETED, S.FAILED, S.DISCONNECTED]
    assert job.children[1].reason.kind is ReasonKind.COPY
    assert job.children[1].reason.message == "no space is left on the host"
    assert job.children[1].begin_time is not None
    again = await lab.jobs.retry(job)
    assert [child.host for child in again.children] == ["bad"]
    assert again.command == job.command
    assert len(lab.fleet.starts) >= 3


async def test_what_a_push_leaves_out_is_told_at_its_start(lab, tmp_path):
    """Links in a folder, by name."""
    (tmp_path / "top").mkdir()
    (tmp_path / "top" / "link").symlink_to("/etc/passwd")
    job = await lab.jobs.push(tmp_path / "top", "/etc", on=lab.fleet.host("a"))
    assert job.warnings == (f"{tmp_path}/top/link: skipped, neither a file nor a folder",)


async def test_a_file_that_is_not_there_starts_nothing(lab, tmp_path):
    """It is an error of the one who asks."""
    with pytest.raises(UsageError, match="nosuch: cannot read the file"):
        await lab.jobs.push(tmp_path / "nosuch", "/etc", on=lab.fleet.host("a"))
    assert await lab.jobs.list() == ()
