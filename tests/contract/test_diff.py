"""Two jobs compared host by host, with every JobService."""

import pytest
from support.states import running

from remjobs.errors import NoSuchJob, UsageError
from remjobs.model.diff import Stand
from remjobs.model.job import ReasonKind
from remjobs.model.record import Stream
from remjobs.model.state import JobState as S
from remjobs.transports.base import Exited, HostFailure, Signaled

OUT, ERR = Stream.OUTPUT, Stream.ERROR
WELL = Stand(state=S.COMPLETED, exit_code=0)


async def done(lab, *hosts):
    job = await lab.start(*hosts)
    await lab.jobs.wait(job, timeout=10)
    return job


def says(lab, host, text, stream=OUT):
    lab.fleet.behaviour(host).output = [(stream, text.encode())]


async def test_a_job_is_the_same_as_itself_and_as_its_twin(lab):
    """All hosts are told as the same, and nothing counts as received."""
    says(lab, "h1", "one\n")
    first, second = await done(lab, "h1", "h2"), await done(lab, "h1", "h2")
    for other in (first, second):
        found = await lab.jobs.diff(first, other)
        assert (found.same, found.differences) == (("h1", "h2"), ())
    assert (await lab.received(first))[0] == b"one\n"


async def test_each_difference_is_told_with_the_hosts_that_have_it_in_common(lab):
    """In state, exit code and output; what many share first, hosts of one job alone last."""
    hosts = [f"web{n}" for n in range(1, 6)]
    for host in hosts:
        says(lab, host, "a\nb\nc\n")
    first = await done(lab, "gone", "same", *hosts)
    for host in hosts[:3]:
        says(lab, host, "a\nB\nc\n")
    lab.fleet.behaviour("web4").outcome = Exited(3)
    lab.fleet.behaviour("web5").outcome = Signaled("KILL")
    says(lab, "web5", "a\nb\nc\n", ERR)
    second = await done(lab, "same", *hosts, "new")
    found = await lab.jobs.diff(first, second)
    assert (found.first, found.second, found.same) == (first.id, second.id, ("same",))
    told = {d.hosts: (d.first, d.second, d.diff) for d in found.differences}
    assert told == {
        ("web1", "web2", "web3"): (WELL, WELL, ("@@ -1,3 +1,3 @@", " a", "-b", "+B", " c")),
        ("web4",): (WELL, Stand(state=S.FAILED, exit_code=3, reason=ReasonKind.EXIT), ()),
        ("web5",): (
            WELL,
            Stand(state=S.FAILED, signal="KILL", reason=ReasonKind.SIGNAL),
            ("@@ -1,3 +1,3 @@", "-a", "-b", "-c", "+Error: a", "+Error: b", "+Error: c"),
        ),
        ("gone",): (WELL, None, ()),
        ("new",): (None, WELL, ()),
    }
    assert found.differences[0].hosts[0] == "web1"
    assert {d.hosts[0] for d in found.differences[-2:]} == {"gone", "new"}


async def test_why_a_host_was_not_reached_makes_a_difference(lab):
    """Both have failed without an exit code."""
    host = lab.fleet.behaviour("h")
    host.refuses = HostFailure(ReasonKind.UNREACHABLE, "no route")
    first = await done(lab, "h")
    host.refuses = HostFailure(ReasonKind.HOST_KEY, "changed")
    second = await done(lab, "h")
    [difference] = (await lab.jobs.diff(first, second)).differences
    assert difference.first.reason is ReasonKind.UNREACHABLE
    assert difference.second.reason is ReasonKind.HOST_KEY


async def test_a_job_that_runs_is_compared_as_it_stands(lab):
    """Nobody waits for its end."""
    subject = await running(lab)
    says(lab, "other", "")
    ended = await done(lab, "other")
    found = await lab.jobs.diff(subject.job, ended)
    assert [d.hosts for d in found.differences] == [("h",), ("other",)]
    lab.open_gates()


async def test_names_and_times_are_minded_unless_it_is_said(lab):
    """With normalize, what differs only in a host's own name or a time stamp is the same."""
    says(lab, "h", "h booted 2026-01-02 03:04:05\n")
    first = await done(lab, "h")
    says(lab, "h", "h booted 2026-02-03 04:05:06\n")
    second = await done(lab, "h")
    assert (await lab.jobs.diff(first, second)).differences
    assert (await lab.jobs.diff(first, second, normalize=True)).same == ("h",)


@pytest.mark.parametrize(
    ("one", "other", "note"),
    [
        ("a", "a\n", "the lines are the same, their bytes are not"),
        ("a\n" * 19_999, "b\nb\n", "too long to compare line by line: 19999 and 2 lines"),
    ],
)
async def test_what_a_diff_cannot_say_is_said(lab, one, other, note):
    """Not silently the same, and not without end."""
    says(lab, "h", one)
    first = await done(lab, "h")
    says(lab, "h", other)
    second = await done(lab, "h")
    [difference] = (await lab.jobs.diff(first, second)).differences
    assert (difference.diff, difference.note) == ((), note)


async def test_both_must_be_one_job_that_is_there(lab):
    """Neither a child, nor several, nor none."""
    job = await done(lab, "h1")
    await done(lab, "h1")
    for wrong, error, message in (
        (job.children[0], UsageError, "2 is a child of job 1: name the job"),
        ("Job*", UsageError, "'Job\\*' names 2 jobs; name one"),
        ("99", NoSuchJob, "no job 99"),
    ):
        with pytest.raises(error, match=message):
            await lab.jobs.diff(job, wrong)
        with pytest.raises(error, match=message):
            await lab.jobs.diff(wrong, job)
