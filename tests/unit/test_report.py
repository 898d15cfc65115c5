"""The page that shows a job: what it holds, what it leaves out, and that nothing acts."""

import os
import re
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from support.pages import ASKED, Parsed, at, child, job, results

from remjobs.cli.render.files import WholeFile
from remjobs.cli.render.report import MOST_SHOWN, report
from remjobs.errors import UsageError
from remjobs.model.job import Reason, ReasonKind
from remjobs.model.record import Stream
from remjobs.model.state import JobState as S

NASTY = (
    "</pre></script></style></title></textarea>--><script>alert(1)</script>"
    '<img src=x onerror=alert(1)>\'" onclick="alert(1)&lt;&#60;\x1b[31m\x00\x9b\u202e\u2066'
)
SHOWN = NASTY.replace("\x1b", "\\x1b").replace("\x00", "\\x00").replace("\x9b", "\\x9b")
SHOWN = SHOWN.replace("\u202e", "\\u202e").replace("\u2066", "\\u2066")


def page(of, *outputs, **options):
    return report(of, results(of, *outputs), at(10), **options)


def bars(text):
    """Return for each host its bar's pieces: kind, begin, width."""
    found = []
    for svg in re.findall(r'<svg class="time".*?</svg>', text):
        pieces = re.findall(r'<rect class="([a-z ]+)" x="([\d.]+)" width="([\d.]+)"', svg)
        found.append([(kind, float(x), float(width)) for kind, x, width in pieces])
    return found


def test_each_host_has_a_bar_of_what_it_waited_and_ran():
    """On one scale, from when the job was asked for to its end."""
    text = page(job(child(1), child(2, begin_time=at(3), end_time=at(4))))
    assert bars(text) == [
        [("waited", 0, 250), ("ran", 250, 500)],
        [("waited", 0, 750), ("ran", 750, 250)],
    ]
    assert re.findall(r'data-waited="([\d.]+)" data-ran="([\d.]+)"', text) == [
        ("1.000", "2.000"),
        ("3.000", "1.000"),
    ]
    assert "<span>0 s</span><span>1.0 s</span><span>2.0 s</span>" in text


def test_what_never_began_only_waited_and_what_goes_on_runs_to_now():
    """And of what is lost for good nobody knows how long it ran."""
    reason = Reason(kind=ReasonKind.UNREACHABLE, message="web1: connection refused")
    refused = child(1, state=S.FAILED, begin_time=None, exit_code=None, reason=reason)
    busy = child(2, state=S.RUNNING, end_time=None, exit_code=None)
    waits = child(3, state=S.NOT_STARTED, begin_time=None, end_time=None, exit_code=None)
    lost = child(4, state=S.DISCONNECTED, end_time=None, exit_code=None)
    text = page(job(refused, busy, waits, lost))
    assert bars(text) == [
        [("waited", 0, 300)],
        [("waited", 0, 100), ("ran open", 100, 900)],
        [("waited", 0, 1000)],
        [("waited", 0, 100), ("ran open", 100, 900)],
    ]
    assert re.findall(r'data-ran="([\d.]*)"', text) == ["", "9.000", "", ""]
    assert "<small>connection refused</small>" in text
    assert "not at " in text


def test_a_lost_host_does_not_stretch_the_scale_of_a_job_that_is_over():
    """A page made a year later shows the same bars."""
    of = job(child(1), child(2, state=S.DISCONNECTED, end_time=None))
    late = report(of, results(of), ASKED + timedelta(days=365))
    assert bars(late)[0] == [("waited", 0, pytest.approx(333.3)), ("ran", 333.3, 666.7)]


def test_a_job_of_before_times_were_noted_and_one_that_took_no_time_have_bars():
    """Nothing is divided by nothing."""
    old = job(child(1), submit_time=None)
    assert bars(page(old)) == [[("ran", 0, 1000)]]
    quick = job(child(1, begin_time=ASKED, end_time=ASKED))
    assert bars(page(quick)) == [[("ran", 0, 2)]]


def test_states_exit_codes_signals_and_reasons_are_told():
    """In the summary and host by host."""
    killed = Reason(kind=ReasonKind.SIGNAL, message="signal KILL")
    text = page(
        job(
            child(1),
            child(2, state=S.FAILED, exit_code=3),
            child(3, state=S.FAILED, exit_code=None, signal="KILL", reason=killed, attempt=2),
            reason=Reason(kind=ReasonKind.EXIT, message="2 of 3: exit code 3"),
            retry_of=4,
            warnings=("web9 was named twice",),
        ),
    )
    for told in (
        '<td class="state">Completed</td><td class="number">0</td>',
        '<td class="state">Failed</td><td class="number">3</td>',
        '<td class="state">Failed</td><td class="number">KILL</td>',
        "<small>signal KILL; try 2</small>",
        "2 of 3: exit code 3 (exit)",
        "<dt>Tries again</dt><dd>job 4</dd>",
        "web9 was named twice",
        "1 Completed</button>",
        "2 Failed</button>",
    ):
        assert told in text


def test_the_same_results_share_a_group_and_the_odd_ones_are_open():
    """The most common first; each row leads to its group."""
    of = job(*(child(number) for number in range(1, 6)))
    text = page(of, b"a\n", b"a\n", b"odd\n", b"a\n", {Stream.ERROR: b"a\n"})
    groups = re.findall(r'<details id="g(\d)" class="s-Completed"( open)?>.*?<b>(.*?)</b>', text)
    assert groups == [("0", "", "web[1-2,4]"), ("1", " open", "web3"), ("2", " open", "web5")]
    assert re.findall(r'data-group="g(\d)"', text) == ["0", "0", "1", "0", "2"]
    assert "<h3>Error</h3><pre>a</pre>" in text
    same = page(of, *[b"a\n"] * 5)
    assert re.findall(r'<details id="g0" class="s-Completed"( open)?>', same) == [" open"]


def test_normalize_folds_what_differs_in_names_and_times_only():
    """As --output fold does."""
    of = job(child(1), child(2))
    outputs = [b"web1 up since 10:11:12\n", b"web2 up since 11:12:13\n"]
    assert page(of, *outputs).count("<details") == 2
    assert page(of, *outputs, normalize=True).count("<details") == 1


def test_nothing_that_comes_from_elsewhere_acts():
    """Output, names, commands and reasons are text, controls shown as on a terminal."""
    reason = Reason(kind=ReasonKind.REFUSED, message=NASTY)
    failed = child(1, state=S.FAILED, host=NASTY, reason=reason, status_message=NASTY + "2")
    names = {"name": NASTY, "command": NASTY, "location": NASTY, "status_message": NASTY}
    clean, dirty = job(child(1)), job(failed, **names, reason=reason, definition=NASTY)
    outputs = dict.fromkeys((Stream.OUTPUT, Stream.ERROR), NASTY.encode())
    text = page(dirty, outputs)
    parsed, plain = Parsed(text), Parsed(page(clean, b""))
    for tag in ("script", "style", "img", "iframe", "link", "base", "form", "title", "textarea"):
        assert parsed.tags[tag] == plain.tags[tag], tag
    assert {name for _, name, _ in parsed.attributes} == {name for _, name, _ in plain.attributes}
    assert not [name for _, name, _ in parsed.attributes if name.startswith("on")]
    assert parsed.text.count(SHOWN) >= 5
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)


def test_it_names_no_other_place_and_its_policy_allows_none():
    """Only its own style and script, by their hash; links lead into the page."""
    parsed = Parsed(page(job(child(1)), b"text"))
    assert all(value.startswith("#") for value in parsed.of("a", "href"))
    assert not [item for item in parsed.attributes if item[1] in {"src", "style", "action"}]
    [policy, *_] = parsed.of("meta", "content")
    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[\w+/=]{44}'; script-src 'sha256-[\w+/=]{44}';"
        r" base-uri 'none'; form-action 'none'",
        policy,
    )


def test_long_output_is_cut_in_its_middle_and_says_so():
    """Beginning and end are there, and how to see it all."""
    data = b"first\n" + b"x" * 99 + b"\n" + b"middle\n" * 20_000 + b"last\n"
    text = page(job(child(1)), data)
    assert "<pre>first\n" in text
    assert "last</pre>" in text
    assert "remjobs receive 7 --all --keep --host web1" in text
    [left_out, whole] = re.findall(r"([\d,]+) of ([\d,]+) bytes are left out", text)[0]
    assert int(whole.replace(",", "")) == len(data)
    shown = sum(len(pre) for pre in re.findall(r"<pre>(.*?)</pre>", text, re.DOTALL))
    assert int(left_out.replace(",", "")) == len(data) - shown - 2
    assert len(text) < 100_000


def test_a_page_of_many_long_outputs_stays_small():
    """The groups share what one page shows."""
    of = job(*(child(number) for number in range(1, 501)))
    text = page(of, *(b"%d\n" % n + b"y" * 100_000 for n in range(500)))
    assert text.count("<details") == 500
    assert len(text) < MOST_SHOWN + 1_000_000
    assert text.count(" open>") == 20


def test_bytes_that_are_no_text_and_lines_at_the_begin_are_kept():
    """Every byte shows; the newline that a parser drops after <pre> is doubled."""
    assert "<pre>\n\nsecond\ufffd</pre>" in page(job(child(1)), b"\nsecond\xff\n")
    assert "No output." in page(job(child(1)))


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    """While it is written, and if that fails, what was there before is there."""
    path = tmp_path / "page.html"
    with WholeFile(str(path)) as file:
        file.write(b"one")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    with WholeFile(str(path)) as file:
        assert path.read_bytes() == b"one"
        file.write(b"two")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"two", 0o644)
    with pytest.raises(RuntimeError), WholeFile(str(path)):
        raise RuntimeError
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_followed_and_a_device_is_not_replaced(tmp_path):
    """/dev/null stays what it is, also for root."""
    target = tmp_path / "target"
    target.write_bytes(b"old")
    (tmp_path / "link").symlink_to(target)
    with WholeFile(str(tmp_path / "link")) as file:
        file.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert target.read_bytes() == b"new"
    with WholeFile(os.devnull) as file:
        file.write(b"gone")
    assert Path(os.devnull).is_char_device()


@pytest.mark.parametrize(
    ("name", "why"),
    [("none/page", "No such file"), (".", "Is a directory"), ("file/page", "Not a directory")],
)
def test_what_cannot_be_written_is_told_at_once(tmp_path, monkeypatch, name, why):
    """In one line that names it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=f"^{re.escape(name)}: cannot write: {why}"):
        WholeFile(name)
