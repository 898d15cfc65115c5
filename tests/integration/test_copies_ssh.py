"""Copies over SFTP in bad luck, and from hosts that lie."""

import asyncio
import os
import stat
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncssh
import pytest
from support.copies import BIG, copied, copying, fetching, pushing, temporary, tree
from support.disk import fill
from support.engines import until
from support.sshd import free_port, keygen, need_root

from remjobs.model.host import Host, SshOptions
from remjobs.model.job import ReasonKind
from remjobs.model.record import Stream
from remjobs.model.request import Caller
from remjobs.transports.base import Exited, HostFailure, Lost, NotCopied
from remjobs.transports.ssh import SshTransport


@pytest.fixture
def big(tmp_path):
    """A file that takes a while."""
    file = tmp_path / "big"
    file.write_bytes(os.urandom(1024 * 1024) * (BIG // 1024 // 1024))
    return file


def ssh():
    return SshTransport(Caller())


# Bad luck


@pytest.mark.parametrize("held", [False, True])
async def test_a_push_that_is_cut_is_unknown_never_success(make_sshd, open_folder, big, held):
    """The old file is untouched, and what may be left on the host is named."""
    sshd = make_sshd()
    (open_folder / "big").write_text("old")
    async with copying(ssh(), sshd.host(), pushing(open_folder, big)) as copy:
        part = await copy.held_midway(open_folder)
        if not held:
            await copy.execution.resume()
        sshd.kill_connections()
        outcome = await copy.outcome()
        assert isinstance(outcome, Lost)
        assert str(part) in outcome.message
        report = await copy.execution.stop(1)
        assert not report.confirmed
    assert (open_folder / "big").read_text() == "old"
    assert temporary(open_folder) == [part]


@pytest.mark.parametrize("held", [False, True])
async def test_a_fetch_that_is_cut_is_known_not_to_be_done(make_sshd, open_folder, big, held):
    """All that it changes is here: nothing."""
    sshd = make_sshd()
    (open_folder / "big").write_bytes(big.read_bytes())
    into = big.parent / "in"
    async with copying(ssh(), sshd.host(), fetching(open_folder / "big", into)) as copy:
        await copy.held_midway(into)
        if not held:
            await copy.execution.resume()
        sshd.kill_connections()
        outcome = await copy.outcome()
    assert isinstance(outcome, NotCopied)
    assert "connection lost" in outcome.message
    assert tree(into) == {sshd.host().name: None}


async def test_a_host_that_answers_no_more_is_not_waited_for(make_sshd, open_folder, big):
    """A stop gives up after its grace, and says that it is not confirmed; no request is left."""
    sshd = make_sshd()
    async with copying(ssh(), sshd.host(), pushing(open_folder, big)) as copy:
        part = await copy.held_midway(open_folder)
        sshd.freeze_connections()
        await copy.execution.resume()
        requests = copy.execution._files._client._handler
        await until(lambda: len(requests._requests) > 1, "a part of the file is on its way")
        report = await copy.execution.stop(0.2)
        assert not report.confirmed
        assert str(part) in report.message
        left = [repr(task) for task in asyncio.all_tasks()]
        assert [task for task in left if "write" in task or "_start_task" in task] == []
        sshd.kill_connections()


async def test_a_full_disk_on_the_host_is_told(sshd, open_folder, small_disk, big):
    """By its name; the old file stays, and the part is gone."""
    small_disk.chmod(0o777)
    (small_disk / "big").write_text("old")
    outcome, _ = await copied(ssh(), sshd.host(), pushing(small_disk, big))
    assert outcome == NotCopied(f"{small_disk}/big: no space is left on the host")
    assert tree(small_disk) == {"big": b"old"}


async def test_a_full_disk_here_is_told(sshd, small_disk, open_folder):
    """And leaves no part."""
    fill(small_disk / "ballast")
    (open_folder / "file").write_bytes(bytes(100_000))
    outcome, _ = await copied(ssh(), sshd.host(), fetching(open_folder / "file", small_disk))
    assert isinstance(outcome, NotCopied)
    assert "No space left on device" in outcome.message
    assert [path.name for path in small_disk.rglob("*") if path.is_file()] == ["ballast"]


async def test_what_the_host_forbids_is_told(sshd, open_folder, big):
    """Neither read nor written."""
    need_root("files of another account need root")
    shut = open_folder / "shut"
    shut.mkdir(mode=0o700)
    closed = open_folder / "closed"
    closed.mkdir(mode=0o755)
    secret = open_folder / "secret"
    secret.write_text("secret")
    secret.chmod(0o600)
    into = big.parent / "in"
    for work, path in (
        (pushing(shut, big), shut / "big"),
        (pushing(closed, big), closed),
        (fetching(secret, into), secret),
        (fetching(shut, into), shut),
    ):
        outcome, _ = await copied(ssh(), sshd.host(), work)
        assert isinstance(outcome, NotCopied)
        assert outcome.message.startswith(str(path)), outcome
        assert "permission denied on the host" in outcome.message
    assert tree(shut) == tree(closed) == {}
    assert not any(path.is_file() for path in into.rglob("*"))


async def test_a_host_without_sftp_refuses_before_anything_begins(make_sshd, open_folder, big):
    """And says what its sshd_config lacks; commands run there all the same."""
    sshd = make_sshd("Subsystem other /bin/true")
    session = await ssh().connect(sshd.host(), None)
    with pytest.raises(HostFailure, match="Subsystem sftp internal-sftp") as failure:
        await session.start(uuid4(), pushing(open_folder, big))
    assert failure.value.reason is ReasonKind.REFUSED
    assert (await session.greet()).system
    await session.close()


async def test_an_sftp_server_that_babbles_is_refused(make_sshd, open_folder, big):
    """As where start-up files print something."""
    sshd = make_sshd("Subsystem sftp /bin/echo welcome to this host, have a nice day")
    session = await ssh().connect(sshd.host(), None)
    with pytest.raises(HostFailure, match="no SFTP for us"):
        await session.start(uuid4(), pushing(open_folder, big))
    await session.close()


# A host that lies


class Liar(asyncssh.SFTPServer):
    """Serves a folder, and lists names in it that lead away."""

    names = (b"..", b"../up", b"/abs", b"a/b", b"", b".", b"\x1b[2J", b"fine", b"dir")

    async def scandir(self, path):
        """List the names, whatever is there; folders without end."""
        for name in self.names:
            kind = stat.S_IFDIR if name == b"dir" else stat.S_IFREG
            attrs = asyncssh.SFTPAttrs(permissions=kind | 0o4777, size=3)
            yield asyncssh.SFTPName(name, attrs=attrs)

    def stat(self, path):
        kind = stat.S_IFREG if path.endswith(b"fine") else stat.S_IFDIR
        return asyncssh.SFTPAttrs(permissions=kind | 0o4777, size=3, mtime=1)

    lstat = stat

    def open(self, path, pflags, attrs):
        """Give endless bytes for whatever is asked."""
        return path

    def fstat(self, file_obj):
        return self.stat(b"fine")

    def read(self, file_obj, offset, size):
        return b"x" * size

    def close(self, file_obj):
        """Have nothing to close."""


@asynccontextmanager
async def lying(tmp_path, factory):
    """Serve SSH in this process; give the host."""
    host_key, user_key = keygen(tmp_path / "liar_key"), keygen(tmp_path / "liar_user")
    port = free_port()
    server = await asyncssh.listen(
        "127.0.1.1",
        port,
        server_host_keys=[str(host_key)],
        authorized_client_keys=f"{user_key}.pub",
        sftp_factory=factory,
    )
    public = (tmp_path / "liar_key.pub").read_text().split(None, 2)[:2]
    known = tmp_path / "liar_known"
    known.write_text(f"[127.0.1.1]:{port} {' '.join(public)}\n")
    options = SshOptions(
        identity_files=(str(user_key),), known_hosts_file=str(known), config_file="none"
    )
    try:
        yield Host(name="127.0.1.1", port=port, user="anybody", ssh=options)
    finally:
        server.close()
        await server.wait_closed()


async def test_names_that_lead_away_land_nowhere(tmp_path):
    """A host lists .., absolute names, slashes, control characters and endless folders."""
    into = tmp_path / "deep" / "in"
    async with lying(tmp_path, Liar) as host:
        outcome, said = await copied(ssh(), host, fetching("/top", into))
    assert outcome == Exited(0)
    landed = tree(into)
    assert {path.rpartition("/")[2] for path in landed} == {host.name, "top", "dir", "fine"}
    files = [path for path in into.rglob("*") if path.is_file()]
    assert {path.read_bytes() for path in files} == {b"xxx"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o777}
    assert len(files) == 100
    warnings = said[Stream.WARNING].decode()
    assert warnings.count("holds a slash") == 3 * 100
    assert warnings.count("holds control characters") == 100
    assert warnings.count("it is too deep") == 1
    assert "\x1b" not in warnings
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["in"]


async def test_a_list_without_end_is_not_gathered(tmp_path, monkeypatch):
    """It is refused once it holds more than a copy may."""
    monkeypatch.setattr("remjobs.transports.copying.fetch.MOST_FILES", 50)
    into = tmp_path / "in"
    async with lying(tmp_path, Liar) as host:
        outcome, _ = await copied(ssh(), host, fetching("/top", into))
    assert outcome == NotCopied("there are more than 50 files: fetch a part, or an archive of them")
    assert tree(into) == {}


class Endless(Liar):
    """Has a file without size and end."""

    def stat(self, path):
        return asyncssh.SFTPAttrs(permissions=stat.S_IFREG | 0o644, size=0, mtime=1)

    lstat = stat


async def test_a_file_without_end_is_given_up(tmp_path):
    """After as much as files without a size may have."""
    into = tmp_path / "in"
    async with lying(tmp_path, Endless) as host:
        outcome, _ = await copied(ssh(), host, fetching("/fine", into))
    assert isinstance(outcome, NotCopied)
    assert "it has no size and no end" in outcome.message
    assert not any(path.is_file() for path in into.rglob("*"))


class Forgetful(asyncssh.SFTPServer):
    """Takes every write, and keeps only some."""

    def write(self, file_obj, offset, data):
        if offset == 0:
            super().write(file_obj, offset, data)
        return len(data)


async def test_a_file_that_did_not_arrive_whole_is_not_put_in_place(tmp_path, big):
    """The sizes are compared before the rename."""
    there = tmp_path / "there"
    there.mkdir()
    (there / "big").write_text("old")
    async with lying(tmp_path, Forgetful) as host:
        outcome, _ = await copied(ssh(), host, pushing(there, big))
    assert isinstance(outcome, NotCopied)
    assert f"{BIG} bytes were sent" in outcome.message
    assert tree(there) == {"big": b"old"}


class Plain(asyncssh.SFTPServer):
    """Knows no more than the standard's rename, which replaces nothing."""

    def posix_rename(self, oldpath, newpath):
        raise asyncssh.SFTPOpUnsupported("no such thing")


async def test_a_host_that_cannot_replace_says_so(tmp_path, big):
    """A new file gets there; an old one is not removed to make place."""
    there = tmp_path / "there"
    there.mkdir()
    async with lying(tmp_path, Plain) as host:
        outcome, _ = await copied(ssh(), host, pushing(there / "new", big))
        assert outcome == Exited(0)
        (there / "old").write_text("old")
        outcome, _ = await copied(ssh(), host, pushing(there / "old", big))
        assert isinstance(outcome, NotCopied)
    assert tree(there) == {"new": big.read_bytes(), "old": b"old"}


async def test_many_hosts_are_pushed_to_side_by_side(sshd, open_folder, big):
    """One file, eight connections: all arrive."""
    works = []
    for number in range(8):
        (open_folder / f"d{number}").mkdir()
        (open_folder / f"d{number}").chmod(0o777)
        works.append(pushing(open_folder / f"d{number}", big))
    results = await asyncio.gather(
        *(copied(ssh(), sshd.host(n + 1), work) for n, work in enumerate(works))
    )
    assert [outcome for outcome, _ in results] == [Exited(0)] * 8
