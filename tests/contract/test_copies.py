"""What every Transport that copies files must do: the local one, and SSH over SFTP."""

import asyncio
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from support.copies import BIG, Copy, copied, copying, fetching, pushing, temporary, tree

from remjobs.model.host import Host
from remjobs.model.record import Stream
from remjobs.model.request import Caller
from remjobs.transports.base import Exited, Lost, NotCopied
from remjobs.transports.local import LocalTransport
from remjobs.transports.ssh import SshTransport

OUT, WARNING, PROGRESS = Stream.OUTPUT, Stream.WARNING, Stream.PROGRESS


@dataclass
class Place:
    """A transport, a host, a folder of ours and one of the host's."""

    transport: Any
    host: Any
    here: Path
    there: Path

    async def copied(self, work):
        outcome, self.said = await copied(self.transport, self.host, work)
        return outcome

    async def fails(self, work):
        outcome = await self.copied(work)
        assert isinstance(outcome, NotCopied), outcome
        return outcome.message

    def copying(self, work):
        return copying(self.transport, self.host, work)


@pytest.fixture(params=["local", "ssh"])
def place(request, tmp_path, open_folder):
    """Each transport in turn."""
    here = tmp_path / "here"
    here.mkdir()
    if request.param == "local":
        local = Host(name="localhost", transport="local")
        return Place(LocalTransport(Caller()), local, here, open_folder)
    sshd = request.getfixturevalue("sshd")
    return Place(SshTransport(Caller()), sshd.host(), here, open_folder)


@pytest.fixture
def some_tree(place):
    """Files of all sizes, and folders."""
    top = place.here / "top"
    (top / "sub" / "deep").mkdir(parents=True)
    (top / "empty folder").mkdir()
    (top / "empty").write_bytes(b"")
    (top / "sub" / "b c ä 'x\\").write_bytes(bytes(range(256)))
    (top / "sub" / "deep" / "large").write_bytes(os.urandom(3_000_001))
    (top / "sub" / "run.sh").write_text("#!/bin/sh\n")
    (top / "sub" / "run.sh").chmod(0o755)
    (top / "sub").chmod(0o750)
    return top


@pytest.fixture
def big(place):
    """A file that takes a while."""
    file = place.here / "big"
    file.write_bytes(os.urandom(1024 * 1024) * (BIG // 1024 // 1024))
    return file


async def test_a_tree_goes_there_and_comes_back_the_same(place, some_tree):
    """Bytes, names and modes; folders that are empty too."""
    assert await place.copied(pushing(place.there, some_tree)) == Exited(0)
    assert tree(place.there / "top") == tree(some_tree)
    assert mode(place.there / "top" / "sub" / "run.sh") == 0o755
    assert mode(place.there / "top" / "sub") == 0o750
    assert place.said[OUT] == f"4 files, 3.0 MB, in {place.there}\n".encode()
    assert place.said[PROGRESS] == b"3.0 MB of 3.0 MB (100%), 4 of 4 files\n"
    assert await place.copied(fetching(place.there / "top", place.here / "in")) == Exited(0)
    landed = place.here / "in" / place.host.name
    assert tree(landed / "top") == tree(some_tree)
    assert mode(landed / "top" / "sub" / "run.sh") == 0o755
    assert temporary(place.here) == temporary(place.there) == []


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


async def test_one_file_gets_a_new_name_or_goes_into_a_folder(place, some_tree):
    """Whatever is there says which; --mode is the mode it has."""
    file = some_tree / "sub" / "run.sh"
    assert await place.copied(pushing(place.there / "new", file, mode=0o604)) == Exited(0)
    assert await place.copied(pushing(f"{place.there}/", file)) == Exited(0)
    assert {path.name: mode(path) for path in place.there.iterdir()} == {
        "new": 0o604,
        "run.sh": 0o755,
    }


async def test_a_file_that_is_there_is_replaced_in_one_step(place, some_tree):
    """Who has the old one open goes on with it; a link is replaced, not written through."""
    victim = place.there / "victim"
    victim.write_text("old")
    (place.there / "empty").symlink_to("victim")
    with victim.open() as opened:
        assert await place.copied(pushing(victim, some_tree / "sub" / "run.sh")) == Exited(0)
        assert opened.read() == "old"
    assert victim.read_text() == "#!/bin/sh\n"
    assert await place.copied(pushing(place.there, some_tree / "empty")) == Exited(0)
    assert not (place.there / "empty").is_symlink()
    assert victim.read_text() == "#!/bin/sh\n"


async def test_targets_that_cannot_be_are_told(place, some_tree):
    """And nothing is there afterwards that was not before."""
    (place.there / "file").write_text("old")
    (place.there / "top").mkdir()
    (place.there / "top" / "sub").symlink_to(place.there)
    file = some_tree / "sub" / "run.sh"
    (place.there / "into").mkdir()
    (place.there / "into" / "run.sh").mkdir()
    before = tree(place.there)
    os.mkfifo(place.there / "pipe")
    gone = place.there / "no" / "such"
    for to, paths, message in (
        (f"{gone}/", [file], "no such folder on the host"),
        (gone, [file], f"there is no folder {gone.parent} on the host"),
        (gone, [some_tree], "no such folder on the host"),
        (place.there / "file", [some_tree], "it is no folder there"),
        (place.there / "file", [file, some_tree / "empty"], "it is no folder there"),
        (place.there, [some_tree], "no folder is in the way on the host"),
        (place.there / "into", [file], "what is there is no file, and is not replaced"),
        (place.there / "pipe", [file], "what is there is no file, and is not replaced"),
    ):
        assert message in await place.fails(pushing(to, *paths))
    (place.there / "pipe").unlink()
    assert tree(place.there) == before


async def test_a_relative_path_is_meant_from_the_home(place, some_tree, request):
    """As for work; ~ is the same."""
    name = f"remjobs-test-{os.getpid()}"
    file = some_tree / "sub" / "run.sh"
    home = Path("~").expanduser()
    if place.host.transport == "ssh":
        home = request.getfixturevalue("sshd").user.home
    try:
        assert await place.copied(pushing(name, file)) == Exited(0)
        assert (home / name).read_text() == "#!/bin/sh\n"
        assert await place.copied(fetching(f"~/{name}", place.here / "in")) == Exited(0)
        assert (place.here / "in" / place.host.name / name).exists()
    finally:
        (home / name).unlink(missing_ok=True)


async def test_a_file_that_is_not_there_cannot_be_fetched(place):
    """The host's folder is not made for it."""
    message = await place.fails(fetching(place.there / "nosuch", place.here / "in"))
    assert "nosuch: there is no such file on the host" in message
    assert tree(place.here / "in") == {}


async def test_links_and_odd_things_of_the_host_are_left_out_and_told(place):
    """What is named itself may be a link; what is found below may not."""
    top = place.there / "top"
    top.mkdir()
    (top / "file").write_text("file")
    (top / "secret").symlink_to("/etc/passwd")
    (top / "up").symlink_to("..")
    os.mkfifo(top / "pipe")
    (top / "a\nb\x1b").write_text("odd")
    (place.there / "alias").symlink_to("top")
    async with place.copying(fetching(place.there / "alias", place.here / "in")) as copy:
        assert await copy.outcome() == Exited(0)
        assert copy.execution.notes == ("4 skipped, see the Warning records",)
    assert tree(place.here / "in" / place.host.name) == {"alias": None, "alias/file": b"file"}
    alias = place.there / "alias"
    assert sorted(copy.said[WARNING].decode().splitlines()) == [
        rf"skipped: '{alias}/a\nb\x1b': the name holds control characters",
        f"skipped: {alias}/pipe: neither a file nor a folder",
        f"skipped: {alias}/secret: a link",
        f"skipped: {alias}/up: a link",
    ]


async def test_a_name_that_is_no_text_comes_as_it_is(place):
    """Bytes that are not UTF-8."""
    name = os.fsdecode(b"caf\xe9")
    (place.there / "top").mkdir()
    (place.there / "top" / name).write_text("coffee")
    assert await place.copied(fetching(place.there / "top", place.here / "in")) == Exited(0)
    assert (place.here / "in" / place.host.name / "top" / name).read_text() == "coffee"


async def test_a_link_in_our_folder_is_not_followed(place):
    """Neither where the host's folder belongs, nor below."""
    (place.there / "file").write_text("file")
    (place.here / "in").mkdir()
    (place.here / "outside").mkdir()
    (place.here / "in" / place.host.name).symlink_to(place.here / "outside")
    message = await place.fails(fetching(place.there / "file", place.here / "in"))
    assert "a link or a file is in the way" in message
    assert tree(place.here / "outside") == {}


async def test_a_file_without_a_size_is_read_to_its_end(place):
    """As those of /proc are."""
    assert await place.copied(fetching("/proc/self/status", place.here / "in")) == Exited(0)
    landed = place.here / "in" / place.host.name / "status"
    assert landed.read_text().startswith("Name:")
    assert place.said[PROGRESS].endswith(b" kB (100%), 1 of 1 files\n")


# Held, stopped, let go


async def test_a_copy_is_held_and_goes_on(place, big):
    """Nothing moves meanwhile; then all of it arrives."""
    async with place.copying(pushing(place.there, big)) as copy:
        part = await copy.held_midway(place.there)
        size = part.stat().st_size
        assert 0 < size < BIG
        assert not (place.there / "big").exists()
        assert (await copy.execution.resume()).confirmed
        assert await copy.outcome() == Exited(0)
    assert (place.there / "big").read_bytes() == big.read_bytes()
    assert temporary(place.there) == []


@pytest.mark.parametrize("way", ["push", "fetch"])
@pytest.mark.parametrize("held", [False, True])
async def test_a_stop_midway_leaves_the_old_file_and_nothing_else(place, big, way, held):
    """It is confirmed, also while it is held; the part is gone."""
    to, work = direction(place, big, way)
    target = to / "big"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("old")
    async with place.copying(work) as copy:
        await copy.held_midway(to)
        if not held:
            await copy.execution.resume()
        report = await copy.execution.stop(5)
        assert (report.confirmed, report.signalled) == (True, 1)
        assert isinstance(await copy.outcome(), NotCopied)
    assert target.read_text() == "old"
    assert temporary(to) == []


def direction(place, big, way):
    """Return where a file lands, and the work that brings it there."""
    if way == "push":
        return place.there, pushing(place.there, big)
    source = place.there / "source" / "big"
    source.parent.mkdir()
    source.write_bytes(big.read_bytes())
    return place.here / "in" / place.host.name, fetching(source, place.here / "in")


async def test_a_stop_without_grace_is_confirmed_too(place, big):
    """What is on its way is broken off."""
    async with place.copying(pushing(place.there, big)) as copy:
        await copy.held_midway(place.there)
        await copy.execution.resume()
        assert (await copy.execution.stop(0)).confirmed
    assert tree(place.there) == {}


async def test_a_stop_that_comes_too_late_finds_nothing(place, some_tree):
    """The files stay where they are."""
    async with place.copying(pushing(place.there, some_tree)) as copy:
        assert await copy.outcome() == Exited(0)
        report = await copy.execution.stop(1)
        assert (report.confirmed, report.signalled) == (True, 0)
        assert not (await copy.execution.suspend()).confirmed
    assert tree(place.there / "top") == tree(some_tree)


async def test_a_copy_that_is_let_go_of_is_lost(place, big):
    """Who listens no more knows nothing of the outcome; the part goes all the same."""
    async with place.copying(pushing(place.there, big)) as copy:
        await copy.held_midway(place.there)
        copy.execution.abandon()
        assert isinstance(await copy.outcome(5), Lost)
    assert tree(place.there) == {}


async def test_a_session_that_is_closed_midway_cleans_up(place, big):
    """As at the end of the program."""
    async with place.copying(pushing(place.there, big)) as copy:
        await copy.held_midway(place.there)
    assert isinstance(await copy.outcome(5), Lost)
    assert tree(place.there) == {}


async def test_several_copies_share_a_session(place, some_tree):
    """Into the same folder, and the same files: the last one to end counts."""
    session = await place.transport.connect(place.host, None)
    work = pushing(place.there, some_tree)
    copies = [Copy(await session.start(uuid4(), work)) for _ in range(3)]
    outcomes = await asyncio.gather(*(copy.outcome() for copy in copies))
    await session.close()
    assert outcomes == [Exited(0)] * 3
    assert tree(place.there / "top") == tree(some_tree)


# What changes meanwhile


@pytest.mark.parametrize("when", ["before", "meanwhile"])
@pytest.mark.parametrize("how", ["written", "longer", "shorter", "another", "gone"])
async def test_a_file_that_changed_since_the_start_is_not_sent(place, big, when, how):
    """The old one stays on the host; one that was opened in time is whole, if renamed."""
    (place.there / "big").write_text("old")
    work = pushing(place.there, big)
    if when == "before":
        change(big, how)
        message = await place.fails(work)
    else:
        async with place.copying(work) as copy:
            await copy.held_midway(place.there)
            change(big, how)
            await copy.execution.resume()
            outcome = await copy.outcome()
        if how in {"another", "gone"}:
            assert outcome == Exited(0)
            assert (place.there / "big").stat().st_size == BIG
            return
        message = outcome.message
    assert "changed here since the job" in message or "cannot be read here any more" in message
    assert str(big) in message
    assert tree(place.there) == {"big": b"old"}


def change(file, how):
    match how:
        case "written":
            with file.open("r+b") as opened:
                opened.seek(BIG - 1)
                opened.write(b"?")
        case "longer":
            with file.open("ab") as opened:
                opened.write(b"more")
        case "shorter":
            os.truncate(file, 100)
        case "another":
            other = file.with_name("other")
            other.write_bytes(bytes(BIG))
            other.replace(file)
        case "gone":
            file.unlink()


async def test_a_log_that_grows_while_it_is_fetched_comes_as_it_was(place, big):
    """As far as it went at the beginning, and a warning says so."""
    to, work = direction(place, big, "fetch")
    source = place.there / "source" / "big"
    async with place.copying(work) as copy:
        await copy.held_midway(to)
        with source.open("ab") as opened:
            opened.write(b"more")
        await copy.execution.resume()
        assert await copy.outcome() == Exited(0)
    assert (to / "big").read_bytes() == big.read_bytes()
    assert b"changed while it was read; here are the first 25.2 MB" in copy.said[WARNING]


async def test_a_file_that_shrinks_while_it_is_fetched_does_not_come(place, big):
    """There is no telling what it is."""
    to, work = direction(place, big, "fetch")
    async with place.copying(work) as copy:
        await copy.held_midway(to)
        os.truncate(place.there / "source" / "big", 5)
        await copy.execution.resume()
        outcome = await copy.outcome()
    assert isinstance(outcome, NotCopied)
    assert "became shorter while it was read" in outcome.message
    assert tree(to) == {}
