"""What durable work is sent as, and how what comes back is read."""

import subprocess
from uuid import uuid4

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from remjobs.model.record import Stream
from remjobs.model.work import Command, Work
from remjobs.transports.posix.opening import Scanner
from remjobs.transports.posix.programs import adopt, checksum, durable

KEY = uuid4()
WORD = b"0123456789abcdef"


@given(st.binary(max_size=3000))
def test_the_checksum_is_that_of_cksum(data):
    """POSIX, cksum(1): the same number for any bytes."""
    said = subprocess.run(["cksum"], input=data, capture_output=True, check=True).stdout
    assert said.split() == [b"%d" % checksum(data), b"%d" % len(data)]


pieces = st.lists(st.one_of(st.binary(max_size=20), st.sampled_from([WORD[:5], b"\n", WORD[:15]])))
lines = st.lists(st.sampled_from([b"beat", b"end rc.0 whole "]), max_size=3)


@given(pieces, lines, st.integers(1, 40))
def test_our_lines_are_taken_out_wherever_the_stream_is_cut(data, said, size):
    """The work's bytes are exactly what is left, and nothing is held back for ever."""
    stream, clean = b"", b""
    for index, piece in enumerate(data):
        stream += piece
        clean += piece
        if index < len(said):
            stream += WORD + b" " + said[index] + b"\n"
    assume(WORD not in clean)
    scanner = Scanner(WORD)
    got = b"".join(scanner.feed(stream[at : at + size]) for at in range(0, len(stream), size))
    assert got + scanner.close() == clean
    held = len(clean) - len(got)
    assert clean.startswith(got)
    assert held < len(WORD)
    assert clean[len(got) :] == b"" or WORD.startswith(clean[len(got) :])
    assert [line.strip() for line in scanner.lines] == [line.strip() for line in said[: len(data)]]


@pytest.mark.parametrize("shell", ["sh", "bash", "dash", "tcsh", "fish", "ksh93", "mksh"])
def test_programs_pass_any_login_shell_unchanged(shell):
    """Between single quotes, as one argument."""
    work = Work(command=Command(text="true"), durable=True)
    for launch in (durable(KEY, WORD.decode(), work), adopt(KEY, WORD.decode(), {Stream.ERROR: 7})):
        line = launch.command_line.replace("exec /bin/sh -c", "printf %s", 1)
        done = subprocess.run([shell, "-c", line], capture_output=True, check=True)
        assert done.stdout.decode() == launch.script


def test_secrets_of_the_work_are_in_no_argument():
    """Environment, command and input travel on standard input alone."""
    work = Work(
        command=Command(text="echo canary-1"),
        environment={"TOKEN": "canary-2"},
        input=b"canary-3",
        durable=True,
    )
    launch = durable(KEY, WORD.decode(), work)
    assert "canary" not in launch.script
    assert all(b"canary-%d" % number in launch.prefix for number in (1, 2, 3))
