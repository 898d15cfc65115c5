"""What differs between two jobs: how hosts are paired, and how it reads."""

from datetime import UTC, datetime
from uuid import UUID

from remjobs.cli.render.diff import print_diff
from remjobs.model.diff import Difference, JobDiff, Stand, compare
from remjobs.model.job import Child, Job, JobType, ReasonKind
from remjobs.model.record import Record, Stream
from remjobs.model.results import Results
from remjobs.model.state import JobState as S

WELL = Stand(state=S.COMPLETED, exit_code=0)


def job(job_id, *texts):
    """Return a job that has the host h once for each text, and what it sent."""
    members = [
        Child(
            id=number,
            instance_id=UUID(int=number),
            parent_id=job_id,
            name="",
            host="h",
            transport="ssh",
            state=S.COMPLETED,
        )
        for number, _ in enumerate(texts)
    ]
    results = Results(members)
    for member, text in zip(members, texts, strict=True):
        results.record(
            Record(
                job_id=job_id,
                child_id=member.id,
                host="h",
                stream=Stream.OUTPUT,
                seq=1,
                time=datetime(2026, 1, 2, tzinfo=UTC),
                data=text,
            ),
        )
    parent = Job(
        id=job_id,
        instance_id=UUID(int=job_id),
        name="",
        type=JobType.REMOTE,
        state=S.COMPLETED,
    )
    return parent, results


def test_a_host_that_both_have_twice_is_compared_twice():
    """The first with the first, the second with the second; a third has no other."""
    found = compare(job(1, b"a", b"b"), job(2, b"a", b"c", b"d"))
    assert found.same == ("h",)
    changed, alone = found.differences
    assert (changed.hosts, changed.diff) == (("h",), ("@@ -1 +1 @@", "-b", "+c"))
    assert (alone.hosts, alone.first) == (("h",), None)


def test_it_reads_as_hosts_what_changed_and_a_diff(capsys):
    """Hosts are folded; what is the same is counted on standard error."""
    reached = Stand(state=S.FAILED, reason=ReasonKind.UNREACHABLE)
    coded = Stand(state=S.FAILED, exit_code=3, reason=ReasonKind.EXIT)
    killed = Stand(state=S.FAILED, signal="KILL", reason=ReasonKind.SIGNAL)
    stopped = Stand(state=S.STOPPED)
    differences = (
        Difference(hosts=("w1", "w2"), first=WELL, second=WELL, diff=("-a", "+\x1b[1mb")),
        Difference(hosts=("w3",), first=WELL, second=coded, diff=("-a",)),
        Difference(hosts=("w4",), first=reached, second=killed),
        Difference(hosts=("w5",), first=stopped, second=stopped, note="too long"),
        Difference(hosts=("w6",), first=WELL, second=None),
        Difference(hosts=("w7",), first=None, second=WELL),
    )
    print_diff(JobDiff(first=4, second=9, same=("w8",), differences=differences))
    told = capsys.readouterr()
    assert (
        told.out
        == """\
---- w[1-2] (2) ----
-a
+\x1b[1mb

---- w3: Completed -> Failed, exit code 3 ----
-a

---- w4: Failed, unreachable -> Failed, signal KILL ----

---- w5 ----
(too long)

---- w6: only in job 4 ----

---- w7: only in job 9 ----
"""
    )
    assert told.err == "remjobs: jobs 4 and 9: 1 host the same, 7 not\n"


def test_on_a_terminal_it_has_colours_and_what_hosts_sent_is_escaped(capsys, monkeypatch):
    """NO_COLOR takes the colours, not the escaping."""
    found = JobDiff(
        first=1,
        second=2,
        same=(),
        differences=(
            Difference(hosts=("h",), first=WELL, second=WELL, diff=("+\x1b]0;x\x07", " same")),
        ),
    )
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    print_diff(found)
    assert capsys.readouterr().out.splitlines()[1:] == [
        "\x1b[32m+\\x1b]0;x\\x07\x1b[0m",
        " same",
    ]
    monkeypatch.setenv("NO_COLOR", "1")
    print_diff(found)
    assert capsys.readouterr().out.splitlines()[1] == "+\\x1b]0;x\\x07"
