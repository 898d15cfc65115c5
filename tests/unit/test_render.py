"""How output looks."""

import io
import re
import sys
from datetime import UTC, datetime

import pytest

from remjobs.cli.options import parse_size
from remjobs.cli.render.text import TextRenderer, escape
from remjobs.errors import UsageError
from remjobs.model.record import Record, Stream

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class _Bytes(io.BytesIO):
    tty = False

    def isatty(self):
        return self.tty


class Terminal(io.TextIOWrapper):
    """A standard stream that is, or is not, a terminal."""

    def __init__(self, tty):
        self._bytes = _Bytes()
        self._bytes.tty = tty
        super().__init__(self._bytes)

    def said(self):
        return self._bytes.getvalue()


@pytest.fixture(params=[True, False], ids=["terminal", "pipe"])
def streams(request, monkeypatch):
    """Replace both standard streams, by a terminal or a pipe, once the test has begun."""

    def replace():
        out, err = Terminal(request.param), Terminal(request.param)
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        monkeypatch.setenv("NO_COLOR", "1")
        return out, err, request.param

    return replace


def record(data, host="h1", stream=Stream.OUTPUT, child=2):
    return Record(
        job_id=1,
        child_id=child,
        host=host,
        stream=stream,
        seq=1,
        time=NOW,
        data=data,
    )


def test_lines_are_put_together_and_labelled(streams):
    """A line that comes in splinters has one label; the last one gets its end."""
    out, err, _ = streams()
    renderer = TextRenderer(label_width=2)
    renderer.record(record(b"one\ntw"))
    renderer.record(record(b"other\n", host="h2", child=3))
    renderer.record(record(b"o\nthree"))
    renderer.record(record(b"error\n", stream=Stream.ERROR))
    renderer.finish()
    assert out.said() == b"h1: one\nh2: other\nh1: two\nh1: three\n"
    assert err.said() == b"h1: error\n"


def test_a_host_cannot_forge_another_hosts_line(streams):
    """Carriage returns and escapes are text, in a pipe too: a file may be shown later."""
    out, _, _ = streams()
    renderer = TextRenderer(label_width=2)
    renderer.record(record(b"x\rh2: fine\x1b[2K\nh2: fine\r\n"))
    renderer.finish()
    assert out.said() == b"h1: x\\x0dh2: fine\\x1b[2K\nh1: h2: fine\n"


def test_bytes_that_are_no_text_pass_a_pipe(streams):
    """Labelled lines have no control characters, and all else as the host sent it."""
    out, _, tty = streams()
    renderer = TextRenderer(label_width=2)
    renderer.record(record(b"caf\xe9 \xc3\xa9 \xc2\x9b\n"))
    odd = "\ufffd".encode() if tty else b"\xe9"
    assert out.said() == b"h1: caf" + odd + b" \xc3\xa9 \\x9b\n"


def test_raw_labelled_lines_are_as_they_came(streams):
    """Asked for by name, labels and all."""
    out, _, _ = streams()
    renderer = TextRenderer(label_width=2, raw=True)
    renderer.record(record(b"x\x1b[2K\r\n"))
    assert out.said() == b"h1: x\x1b[2K\r\n"


def test_labels_are_aligned_and_each_host_has_its_colour(streams, monkeypatch):
    """On a terminal; a pipe gets neither, and NO_COLOR is minded."""
    out, _, tty = streams()
    TextRenderer(label_width=5).record(record(b"a\n"))
    monkeypatch.delenv("NO_COLOR")
    renderer = TextRenderer(label_width=5)
    for host in ("h1", "other", "h1"):
        renderer.record(record(b"b\n", host=host))
    plain, *lines = out.said().splitlines()
    if not tty:
        assert (plain, *lines) == (b"h1: a", b"h1: b", b"other: b", b"h1: b")
        return
    assert plain == b"h1:    a"
    assert re.fullmatch(rb"\x1b\[\d\dmh1:   \x1b\[0m b", lines[0])
    assert re.fullmatch(rb"\x1b\[\d\dmother:\x1b\[0m b", lines[1])
    assert lines[2] == lines[0]


def test_a_lone_host_in_a_pipe_is_untouched(streams):
    """Binary output through a pipe is the host's, byte for byte."""
    out, _, tty = streams()
    renderer = TextRenderer(label_width=None)
    data = b"\0\xff\x1b[31m no end"
    renderer.record(record(data))
    renderer.finish()
    if not tty:
        assert out.said() == data
    else:
        assert b"\x1b" not in out.said()


def test_raw_escapes_nothing(streams):
    """Asked for by name."""
    out, _, _ = streams()
    renderer = TextRenderer(label_width=None, raw=True)
    renderer.record(record(b"\x1b[31mred\n"))
    renderer.finish()
    assert out.said() == b"\x1b[31mred\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("tab\tstays", "tab\tstays"),
        ("\x07\x1b\x7f", "\\x07\\x1b\\x7f"),
        ("\x9b2J", "\\x9b2J"),
        ("a\u202eb\u2066c", "a\\u202eb\\u2066c"),
        ("é💡", "é💡"),
    ],
)
def test_control_characters_are_shown_not_obeyed(text, shown):
    """C0, C1, DEL and bidirectional controls."""
    assert escape(text) == shown


@pytest.mark.parametrize(
    ("text", "size"),
    [("5", 5), ("64K", 65536), ("64M", 64 << 20), ("1g", 1 << 30), ("2MiB", 2 << 20)],
)
def test_sizes_have_the_usual_units(text, size):
    """Powers of 1024."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "M", "-1", "1T", "1.5M"])
def test_what_is_no_size_is_refused(text):
    """With the forms there are."""
    with pytest.raises(UsageError, match="is not a size; write 500000, 64K"):
        parse_size(text)
