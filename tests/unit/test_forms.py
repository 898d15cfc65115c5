"""Results as people and programs read them: folded, diffed, normalized, tables, files."""

import csv
import io
import json
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from remjobs.cli.output_options import OutputForm, Showing, build_showing
from remjobs.cli.render import fold
from remjobs.cli.render.files import OutputFolder
from remjobs.cli.render.forms import printer
from remjobs.cli.render.progress import Progress
from remjobs.errors import UsageError
from remjobs.model.job import Child, Job, JobType, Reason, ReasonKind
from remjobs.model.ndjson import replay
from remjobs.model.record import Record, Stream
from remjobs.model.results import Results, normalized
from remjobs.model.state import JobState

OUT, ERR = Stream.OUTPUT, Stream.ERROR
BEGUN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def child(number, host=None, **changes):
    """Return a child that has completed."""
    return Child(
        id=number + 1,
        instance_id=UUID(int=number),
        parent_id=1,
        name=f"Job{number + 1}",
        **{
            "host": host or f"web{number}",
            "transport": "ssh",
            "state": JobState.COMPLETED,
            "exit_code": 0,
            "attempt": 1,
            "begin_time": BEGUN,
            "end_time": BEGUN + timedelta(seconds=1.25),
            **changes,
        },
    )


def failed(number, code=3):
    reason = Reason(kind=ReasonKind.EXIT, message=f"exit code {code}")
    return child(number, state=JobState.FAILED, exit_code=code, reason=reason)


def record(of, data, stream=OUT):
    return Record(
        job_id=1, child_id=of.id, host=of.host, stream=stream, seq=1, time=BEGUN, data=data
    )


def results(*pairs):
    """Return results of children, each with its output."""
    gathered = Results([one for one, _ in pairs])
    for one, data in pairs:
        for piece in (data[:3], data[3:]):
            if piece:
                gathered.record(record(one, piece))
    return gathered


def folded(gathered, *, diff=False, seen_as=lambda result: result):
    return fold.text(fold.groups(gathered, seen_as), diff=diff, escaped=True)


def test_the_same_result_is_shown_once_the_most_common_first():
    """Output, state and exit code make a result; what differs stands by itself."""
    pairs = [(child(n), b"same\n") for n in range(1, 4)]
    odd = child(4)
    gathered = results(*pairs, (odd, b"same\n"), (failed(5), b"same\n"), (failed(6, 4), b""))
    gathered.record(record(odd, b"but\n", ERR))
    assert folded(gathered) == (
        "---- web[1-3] (3) ----\nsame\n"
        "\n---- web4 ----\nsame\nError: but\n"
        "\n---- web5: Failed, exit code 3 ----\nsame\n"
        "\n---- web6: Failed, exit code 4 ----\n"
    )


def test_a_state_that_changed_meanwhile_counts():
    """What a child was at the start is not what became of it."""
    gathered = results((child(1, state=JobState.RUNNING, exit_code=None), b"x\n"))
    gathered.change(failed(1))
    assert folded(gathered).startswith("---- web1: Failed, exit code 3 ----\n")


def test_odd_ones_as_a_diff_to_the_most_common():
    """Only what differs, with its surroundings."""
    text = b"".join(b"line %d\n" % n for n in range(20))
    odd = text.replace(b"line 9\n", b"line nine\n")
    shown = folded(results((child(1), text), (child(2), text), (child(3), odd)), diff=True)
    assert shown.partition("---- web3 ----\n")[2] == (
        "@@ -8,5 +8,5 @@\n line 7\n line 8\n-line 9\n+line nine\n line 10\n line 11\n"
    )


def test_outputs_that_are_too_long_for_a_diff_are_shown_whole():
    """A diff of very long ones takes minutes."""
    text = b"x\n" * 15_000
    shown = folded(results((child(1), text), (child(2), text + b"y\n")), diff=True)
    assert shown.endswith("x\ny\n")


@pytest.mark.parametrize(
    "line",
    [
        "{host} is up",
        "from {host}.example.org at",
        "addr {address}/24",
        "2026-11-{day}T10:00:0{n}.123Z start",
        "2026-11-{day} 10:00:0{n},5 +0100 x",
        "Nov {day} 10:00:0{n} sshd",
        "Mon 23 Nov 2026 10:0{n}:00 AM CET",
        "Sun Nov {day} 10:0{n}:00 UTC 2026",
        "at 10:00:0{n}",
    ],
)
def test_what_is_a_hosts_own_tells_nothing_apart(line):
    """Its name, its address, and times."""
    pairs = [
        (
            child(n, f"web{n}.example.org" if "example" in line else None, address=f"10.0.0.{n}"),
            line.format(host=f"web{n}", address=f"10.0.0.{n}", day=10 + n, n=n).encode(),
        )
        for n in (1, 2, 3)
    ]
    assert len(fold.groups(results(*pairs), normalized)) == 1
    assert len(fold.groups(results(*pairs))) == 3


def test_other_names_and_numbers_are_told_apart_though():
    """Another host's name, a version, an address that is not its own, web10 for web1."""
    for texts in (
        (b"web9 down", b"web8 down"),
        (b"1.2.3", b"1.2.4"),
        (b"10.0.0.77", b"10.0.0.78"),
        (b"web10", b"web20"),
    ):
        pairs = [(child(n, address=f"10.0.0.{n}"), text) for n, text in enumerate(texts, start=1)]
        assert len(fold.groups(results(*pairs), normalized)) == 2, texts


def shown(monkeypatch, form, *pairs, job=None, **more):
    """Return what a form prints for these."""
    out = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", out)
    children = [one for one, _ in pairs]
    items = [job] if job is not None else children
    chosen = printer(Showing(form=form, **more), items)
    for one, data in pairs:
        if data:
            chosen.record(record(one, data))
        chosen.change(one)
    chosen.finish(items)
    out.flush()
    return out.buffer.getvalue().decode()


def test_a_table(monkeypatch):
    """Host, state, exit, duration and first line; a failure without output tells its reason."""
    gone = Reason(kind=ReasonKind.UNREACHABLE, message="web3: no route")
    lost = child(
        3, state=JobState.FAILED, reason=gone, exit_code=None, begin_time=None, end_time=None
    )
    text = shown(
        monkeypatch,
        OutputForm.TABLE,
        (child(1), b"\n  up 3 days\x1b[2J\nmore"),
        (failed(2), b"bad\n"),
        (lost, b""),
    )
    assert text.splitlines() == [
        "Host  State      Exit  Seconds  First line",
        "web1  Completed  0     1.2      up 3 days\\x1b[2J",
        "web2  Failed     3     1.2      bad",
        "web3  Failed                    web3: no route",
    ]


def test_csv(monkeypatch):
    """A row for each host, with a header; text with commas, quotes and lines is one cell."""
    text = shown(monkeypatch, OutputForm.CSV, (child(1), b'a,"b"\nc\n'), (failed(2), b""))
    first, second = csv.DictReader(io.StringIO(text))
    assert (first["host"], first["output"], first["seconds"]) == ("web1", 'a,"b"\nc\n', "1.25")
    assert (second["state"], second["exit_code"], second["reason"]) == (
        "Failed",
        "3",
        "exit code 3",
    )


def test_quiet(monkeypatch):
    """Nothing at all."""
    assert shown(monkeypatch, OutputForm.QUIET, (child(1), b"x\n")) == ""


def test_lines_of_json_rebuild_the_job(monkeypatch):
    """Job, changes and records; bytes that are no text too."""
    children = (child(1), failed(2))
    job = Job(
        id=1,
        instance_id=UUID(int=9),
        name="Job1",
        type=JobType.REMOTE,
        state=JobState.FAILED,
        counts={JobState.COMPLETED: 1, JobState.FAILED: 1},
        location="web[1-2]",
        children=children,
    )
    pairs = ((children[0], b"a\xff"), (children[1], "ä".encode()))
    text = shown(monkeypatch, OutputForm.NDJSON, *pairs, job=job)
    lines = text.splitlines()
    assert [json.loads(line)["event"] for line in lines] == [
        "job",
        "record",
        "child",
        "record",
        "child",
        "job",
    ]
    told = replay(lines)
    assert told.jobs == {1: replace(job, children=None)}
    assert list(told.children.values()) == list(children)
    assert told.output == {(2, OUT): b"a\xff", (3, OUT): "ä".encode()}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"event": "job", "schema": 99}', "schema 99 is not one that is known"),
        ('{"event": "noise"}', "no event 'noise'"),
        ("no json", "not JSON"),
    ],
)
def test_lines_that_are_none_of_ours(line, message):
    """They are named."""
    with pytest.raises(UsageError, match=message):
        replay([line])


@pytest.mark.parametrize(
    "options",
    [
        {"output": OutputForm.CSV, "json": True},
        {"output": OutputForm.TABLE, "diff": True},
        {"fold": True, "json": True},
    ],
)
def test_two_ways_at_once_are_refused(options):
    """Both are named."""
    with pytest.raises(UsageError, match=r"output is shown in one way: \w+ and \w+ do not go"):
        build_showing(**options)


def test_diff_and_normalize_fold():
    """They make sense in no other form."""
    assert build_showing(diff=True).form is OutputForm.FOLD
    assert build_showing(normalize=True, fold=True).form is OutputForm.FOLD


def test_a_file_for_each_host_and_stream(tmp_path):
    """Bytes as they came, for the owner alone; names cannot lead elsewhere or meet."""
    path = tmp_path / "new" / "folder"
    folder = OutputFolder(path)
    hosts = ["web1", "../etc/passwd", ".hidden", "a/b", "a_b", "::1"]
    for number, host in enumerate(hosts, start=1):
        folder.record(record(child(number, host), b"x\xff"))
    folder.record(record(child(1), b"y"))
    folder.record(record(child(1), b"e", ERR))
    folder.close()
    assert sorted(file.name for file in path.iterdir()) == sorted(
        [
            "web1.output",
            "web1.error",
            "_etc_passwd.output",
            "hidden.output",
            "a_b.output",
            "a_b~6.output",
            "__1.output",
        ]
    )
    assert (path / "web1.output").read_bytes() == b"x\xffy"
    assert (path / "web1.output").stat().st_mode & 0o777 == 0o600
    again = OutputFolder(path)
    again.record(record(child(1), b"new"))
    again.close()
    assert (path / "web1.output").read_bytes() == b"new"


def test_many_files_need_few_descriptors(tmp_path):
    """They are closed and opened again as records come."""
    folder = OutputFolder(tmp_path)
    for _ in range(3):
        for number in range(1, 200):
            folder.record(record(child(number), b"x"))
            assert len(folder._open) <= 64
    folder.close()
    assert {file.read_bytes() for file in tmp_path.iterdir()} == {b"xxx"}


def test_a_link_in_the_folder_is_not_followed(tmp_path):
    """Whoever put it there."""
    folder = OutputFolder(tmp_path / "out")
    (tmp_path / "out" / "web1.output").symlink_to(tmp_path / "victim")
    with pytest.raises(UsageError, match=r"web1\.output: cannot write"):
        folder.record(record(child(1), b"x"))
    assert not (tmp_path / "victim").exists()


class _Terminal(io.StringIO):
    def isatty(self):
        return True


def progress(monkeypatch, children, columns=80):
    monkeypatch.setattr(sys, "stderr", _Terminal())
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    return Progress("job 5", children).lines()


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_progress_fits_the_terminal(monkeypatch, columns):
    """A bar with times, the counts, the hosts that run longest; no line wraps."""
    now = datetime.now(UTC)
    children = [
        *(child(n) for n in range(1, 300)),
        *(
            child(n, state=JobState.RUNNING, begin_time=now - timedelta(seconds=n), end_time=None)
            for n in range(300, 340)
        ),
        *(child(n, state=JobState.NOT_STARTED, begin_time=None) for n in range(340, 500)),
    ]
    bar, counts, slowest = progress(monkeypatch, children, columns)
    assert bar.startswith("job 5 ")
    assert "299/499  0:00, about 0:00 left"[: columns // 4] in bar
    assert counts.startswith("160 NotStarted, 40 Running")
    assert slowest.startswith("slowest: web339 5:39, web338 5:38")
    assert all(len(line) < columns for line in (bar, counts, slowest))


def test_progress_draws_nothing_where_no_terminal_is(monkeypatch):
    """Nor for a single child."""
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert not Progress("job 1", [child(1), child(2)])._active
    monkeypatch.setattr(sys, "stderr", _Terminal())
    assert not Progress("job 1", [child(1)])._active


def test_progress_draws_nothing_on_a_dumb_terminal(monkeypatch):
    """It could not be taken away there."""
    monkeypatch.setattr(sys, "stderr", _Terminal())
    monkeypatch.setenv("TERM", "dumb")
    assert not Progress("job 1", [child(1), child(2)])._active
    monkeypatch.setenv("TERM", "xterm")
    assert Progress("job 1", [child(1), child(2)])._active


async def test_progress_shows_how_far_a_copy_is(monkeypatch):
    """What the host said last, also of a single host; nothing of it acts on the terminal."""
    monkeypatch.setattr(sys, "stderr", _Terminal())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("NO_COLOR", "1")
    running = child(1, state=JobState.RUNNING, begin_time=datetime.now(UTC), end_time=None)
    async with Progress("job 1", [running]) as shown:
        assert not shown._active
        said = b"1.0 MB of 2.0 MB (50%)\n\x1b[2J1.5 MB of 2.0 MB (75%)\n"
        shown.tell(replace(record(running, said), stream=Stream.PROGRESS))
        assert shown._active
        *_, slowest = shown.lines()
    assert slowest == r"slowest: web1 0:00 [\x1b[2J1.5 MB of 2.0 MB (75%)]"
