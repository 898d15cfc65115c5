"""The rules of copies: names, sizes, what is looked at, and where fetched files may go."""

import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remjobs.caller import read_fetch, read_push
from remjobs.errors import UsageError
from remjobs.model.copy import Fetch, Push, size_text, unsafe
from remjobs.model.host import Host
from remjobs.model.record import Stream
from remjobs.model.request import Caller
from remjobs.model.wire import decode, dumps, parse
from remjobs.model.work import Command, Work
from remjobs.transports.copying.course import Course, Stopped
from remjobs.transports.copying.files import CannotCopy, shown
from remjobs.transports.copying.landing import Landing
from remjobs.transports.flow import Flow
from remjobs.transports.local import LocalTransport
from remjobs.transports.ssh import SshTransport

# Names and sizes


@given(st.text(max_size=300))
def test_a_name_that_passes_stays_in_its_folder(name):
    """Whatever a host calls a file: what passes is one component, and none that leads away."""
    if unsafe(name):
        return
    assert os.path.normpath(f"/folder/{name}") == f"/folder/{name}"
    assert os.path.split(f"/folder/{name}") == ("/folder", name)
    assert not any(ord(char) < 32 for char in name)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "/etc/passwd", "a/b", "../x", "a\0b", "a\nb", "\x1b[31m", "\x9b", "a\u202eb"],
)
def test_names_that_lead_away_or_act_on_a_terminal_do_not_pass(name):
    """Each of them says why."""
    assert unsafe(name)


@pytest.mark.parametrize("name", ["a", "-rf", "...", ".bashrc", "a b", "ä", "a\\b", "$(x)"])
def test_odd_names_pass(name):
    """What is only unusual is copied."""
    assert not unsafe(name)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (12_345_678, "12.3 MB"), (999_999, "1.0 MB")],
)
def test_sizes_are_read_by_people(size, text):
    """In steps of a thousand."""
    assert size_text(size) == text


def test_what_a_host_calls_a_file_is_shown_harmlessly():
    """In messages too."""
    assert shown("a\x1bb") == "'a\\x1bb'"
    assert shown("caf\udce9") == "caf\ufffd"


# Work


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Fetch(path="/", into="/d"), "its name names no file"),
        (lambda: Fetch(path="..", into="/d"), "its name names no file"),
        (lambda: Fetch(path="~", into="/d"), "its name names no file"),
        (lambda: Fetch(path="a\nb", into="/d"), "control characters"),
        (lambda: Fetch(path=" ", into="/d"), "is empty"),
        (lambda: Push(sources=("a",), to=""), "--to is empty"),
        (lambda: Push(sources=("a",), to="x", mode=0o10000), "mode 10000"),
        (lambda: work(durable=True), "cannot be durable"),
        (lambda: work(arguments=("a",)), "a copy runs nothing"),
        (lambda: work(input=b"a"), "a copy runs nothing"),
        (lambda: work(command=Command(text="true")), "a command, a script or a copy"),
        (lambda: work(fetch=Fetch(path="a", into="/d")), "a command, a script or a copy"),
    ],
)
def test_copies_that_cannot_be_are_refused(make, message):
    """Before anything starts, by name."""
    with pytest.raises(UsageError, match=message):
        make()


def work(**more):
    return Work(push=Push(sources=("a b", "c"), to="/x y"), **more)


def test_a_copy_is_shown_as_it_could_be_typed():
    """In list and get."""
    assert work().display == "push 'a b' c to '/x y'"
    assert Work(fetch=Fetch(path="/etc/hosts", into="/d")).display == "fetch /etc/hosts into /d"


def test_a_copy_is_stored_and_comes_back(tmp_path):
    """As JSON, in the store and over the socket; no content is in it."""
    (tmp_path / "a").write_text("secret content")
    copy = Work(push=read_push([str(tmp_path)], "/x"), timeout=3)
    assert b"secret" not in dumps(copy)
    assert decode(parse(dumps(copy)), Work) == copy


@pytest.mark.parametrize("transport", [SshTransport, LocalTransport])
def test_a_host_whose_name_is_no_folder_is_refused(transport):
    """Its address may be well; what is fetched would land elsewhere."""
    host = Host(name="../web1", address="127.0.0.1")
    copy = Work(fetch=Fetch(path="/etc/hosts", into="/d"))
    with pytest.raises(UsageError, match=r"'\.\./web1' is not a host name"):
        transport(Caller()).check(host, copy)


# What is looked at when a push is submitted


def test_a_folder_is_seen_whole_and_links_in_it_are_named(tmp_path):
    """Parents before what is in them; a link that is named itself is followed."""
    top = tmp_path / "top"
    (top / "sub").mkdir(parents=True)
    (top / "sub" / "x").write_text("12345")
    (top / "link").symlink_to("sub/x")
    os.mkfifo(top / "pipe")
    (tmp_path / "alias").symlink_to("top")
    seen = read_push([str(tmp_path / "alias")], "/x")
    assert [folder.name for folder in seen.folders] == ["alias", "alias/sub"]
    [file] = seen.files
    assert (file.path, file.name, file.size) == (str(top / "sub" / "x"), "alias/sub/x", 5)
    assert sorted(seen.skipped) == [str(top / "link"), str(top / "pipe")]
    assert all("skipped" in warning for warning in seen.warnings)


def test_what_cannot_be_pushed_is_refused_by_name(tmp_path):
    """Missing, special, twice the same name, or a name that JSON cannot hold."""
    (tmp_path / "a").write_text("")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a").write_text("")
    os.mkfifo(tmp_path / "pipe")
    a, other, pipe = (str(tmp_path / name) for name in ("a", "d/a", "pipe"))
    for paths, message in (
        ([str(tmp_path / "nosuch")], "nosuch: cannot read the file: No such file"),
        ([a, other], "d/a: another one has that name already"),
        ([pipe], "pipe: it is neither a file nor a folder"),
        (["/"], "/: has no name"),
    ):
        with pytest.raises(UsageError, match=message):
            read_push(paths, "/x")
    (tmp_path / os.fsdecode(b"caf\xe9")).write_text("")
    with pytest.raises(UsageError, match="name is not UTF-8"):
        read_push([str(tmp_path)], "/x")


def test_the_folder_to_fetch_into_is_made_and_must_be_a_folder(tmp_path):
    """It is kept without links: what is put there later is not followed."""
    (tmp_path / "real").mkdir()
    (tmp_path / "alias").symlink_to("real")
    assert read_fetch("x", str(tmp_path / "alias" / "new")).into == str(tmp_path / "real" / "new")
    assert (tmp_path / "real" / "new").is_dir()
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot make the folder: File exists"):
        read_fetch("x", str(tmp_path / "file"))


# How it goes


def said(flow):
    found = []
    while (piece := flow.take()) is not None:
        found.append(piece)
    return found


async def test_progress_is_told_once_a_second_and_at_the_end():
    """In bytes and files, and nothing twice."""
    now = [0.0]
    flow = Flow()
    course = Course(flow, clock=lambda: now[0])
    course.expects(10_000_000, 2)
    await course.advance(1_000_000)
    assert said(flow) == []
    now[0] = 1.5
    await course.advance(1_500_000)
    course.tell_progress()
    assert said(flow) == [(Stream.PROGRESS, b"2.5 MB of 10.0 MB (25%), 0 of 2 files\n")]
    now[0] = 2.0
    await course.advance(1)
    assert said(flow) == []


async def test_a_stop_ends_also_what_is_held():
    """At the next step."""
    course = Course(Flow())
    course.stop()
    with pytest.raises(Stopped):
        await course.advance()


# Where fetched files may go


@pytest.fixture
def trap(tmp_path):
    """A folder to fetch into, and one beside it that nothing may get into."""
    (tmp_path / "into").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "precious").write_text("untouched")
    yield tmp_path
    assert names_in(tmp_path / "outside") == ["precious"]
    assert (tmp_path / "outside" / "precious").read_text() == "untouched"


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def put(trap, *names, label="web1"):
    landing = Landing(str(trap / "into"), label)
    with landing.file(names, ".remjobs-t", 0o640) as target:
        os.write(target, b"new")


def test_a_file_lands_in_its_hosts_folder_with_its_mode(trap):
    """Folders on the way are made, and no temporary file is left."""
    put(trap, "a", "b", "c")
    landed = trap / "into" / "web1" / "a" / "b" / "c"
    assert landed.read_text() == "new"
    assert stat.S_IMODE(landed.stat().st_mode) == 0o640
    assert names_in(landed.parent) == ["c"]


@pytest.mark.parametrize(
    "where",
    ["into/web1", "into/web1/a", "into/web1/a/b"],
    ids=["the host's folder", "a folder", "a folder below"],
)
def test_a_link_on_the_way_is_not_followed(trap, where):
    """Somebody put it where a folder belongs."""
    link = trap / where
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(trap / "outside")
    with pytest.raises(CannotCopy, match="a link or a file is in the way"):
        put(trap, "a", "b", "precious")


def test_the_folder_itself_must_not_have_become_a_link(trap):
    """It was a folder when the job was submitted."""
    (trap / "into").rmdir()
    (trap / "into").symlink_to(trap / "outside")
    with pytest.raises(CannotCopy, match="a link or a file is in the way"):
        put(trap, "precious")


def test_a_link_that_has_the_files_name_is_replaced_not_written_through(trap):
    """As rename does."""
    (trap / "into" / "web1").mkdir()
    link = trap / "into" / "web1" / "a"
    link.symlink_to(trap / "outside" / "precious")
    put(trap, "a")
    assert not link.is_symlink()
    assert link.read_text() == "new"


@pytest.mark.parametrize(
    ("names", "label"),
    [
        (("..", "outside", "precious"), "web1"),
        (("../../outside/precious",), "web1"),
        (("/etc/x",), "web1"),
        (("precious",), "../outside"),
        (("precious",), ".."),
    ],
)
def test_names_that_lead_away_write_nothing(trap, names, label):
    """Whoever made them up."""
    with pytest.raises(CannotCopy, match="the name"):
        put(trap, *names, label=label)
    assert not any(path.is_file() for path in (trap / "into").rglob("*"))


def test_what_fails_leaves_the_old_file_and_nothing_else(trap):
    """The new one never had the name."""
    put(trap, "a")
    landing = Landing(str(trap / "into"), "web1")

    def fail():
        with landing.file(("a",), ".remjobs-t", 0o600) as target:
            os.write(target, b"half")
            raise BoomError

    with pytest.raises(BoomError):
        fail()
    assert (trap / "into" / "web1" / "a").read_text() == "new"
    assert names_in(trap / "into" / "web1") == ["a"]


class BoomError(RuntimeError):
    """Not the system's."""


def test_a_folder_is_not_replaced_by_a_file(trap):
    """It is told, and stays."""
    (trap / "into" / "web1" / "a").mkdir(parents=True)
    with pytest.raises(CannotCopy, match="no file, and is not replaced"):
        put(trap, "a")
    assert names_in(trap / "into" / "web1") == ["a"]
