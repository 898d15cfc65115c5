"""Being another user on a host: real sudo, su and doas, over SSH and on this machine."""

import os
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.engines import engine_over, until
from support.sshd import need_root, running, world_writable

from remjobs import JobState as S
from remjobs.model.credential import CredentialInfo, CredentialKind
from remjobs.model.host import Become, BecomeMethod, Host
from remjobs.model.job import ReasonKind as K
from remjobs.model.request import Caller
from remjobs.model.secret import Secret
from remjobs.testing import MemoryKeyring

PASSWORD = "correct horse 7"  # noqa: S105 - of accounts that the tests make
OTHERS = "battery staple 8"
WHO = "id -un; cat"


@pytest.fixture
async def lab(tmp_path):
    keyring = MemoryKeyring()
    async with engine_over(tmp_path / "jobs", keyring) as (engine, jobs):
        yield Lab(engine, jobs, keyring)


class Lab:
    """Jobs on real hosts, and a keyring in memory."""

    def __init__(self, engine, jobs, keyring):
        self.engine = engine
        self.jobs = jobs
        self.keyring = keyring

    async def keep(self, name, secret, kind=CredentialKind.SUDO):
        await self.keyring.set(CredentialInfo(name=name, kind=kind), Secret(secret), Caller())

    async def run(self, *hosts, **more):
        given = {"durable": False, "input": "in\n", **more}
        return await self.jobs.run(given.pop("command", WHO), on=list(hosts), **given)

    async def out(self, job):
        return b"".join([record.data async for record in self.jobs.receive(job)])


@pytest.fixture
def both(user, other_user):
    """The account that logs in and the one to be, each with a password."""
    user.set_password(PASSWORD)
    other_user.set_password(OTHERS)
    return user, other_user


def as_other(sshd, other, number=1, *, method=BecomeMethod.SUDO, credential="own", **more):
    become = Become(user=other.name, method=method, credential=credential)
    return sshd.host(number, become=become, **more)


def why(job):
    return [child.reason and child.reason.message for child in job.children]


@pytest.fixture
def fleet(make_sshd):
    """Servers of a test's own, so that what sudo logs is its own too."""
    return make_sshd(addresses=6)


# sudo


@pytest.mark.parametrize("durable", [False, True])
async def test_sudo_gets_its_password_and_the_work_its_input(lab, fleet, both, durable):
    """From the credential named for it; nothing of it is in the output."""
    user, other = both
    await lab.keep("own", PASSWORD)
    with user.may(f"ALL=({other.name}) ALL"):
        job = await lab.run(as_other(fleet, other), durable=durable)
    assert (job.state, await lab.out(job)) == (S.COMPLETED, f"{other.name}\nin\n".encode())


async def test_sudo_gets_the_password_of_the_login_if_no_other_is_named(lab, make_sshd, both):
    """One credential logs in and answers sudo, on all hosts."""
    user, other = both
    sshd = make_sshd("PasswordAuthentication yes", addresses=4)
    await lab.keep("login", PASSWORD, CredentialKind.PASSWORD)
    ssh = {"identity_files": ()}
    with user.may(f"ALL=({other.name}) ALL"):
        become = Become(user=other.name)
        given = {"ssh": ssh, "credential": "login", "become": become}
        job = await lab.run(*(sshd.host(n, **given) for n in range(1, 5)))
    assert (job.state, await lab.out(job)) == (S.COMPLETED, f"{other.name}\nin\n".encode() * 4)


async def test_sudo_that_asks_nothing_is_told_nothing(lab, fleet, both):
    """The password would be read by the work otherwise."""
    user, other = both
    await lab.keep("own", "never sent")
    with user.may(f"ALL=({other.name}) NOPASSWD: ALL"):
        for credential in ("own", None):
            job = await lab.run(as_other(fleet, other, credential=credential))
            assert await lab.out(job) == f"{other.name}\nin\n".encode()


async def test_a_wrong_password_fails_at_once_and_is_tried_on_two_hosts(lab, fleet, both):
    """It is sent once to each; the rest say so."""
    user, other = both
    await lab.keep("own", "wrong")
    with user.may(f"ALL=({other.name}) ALL"):
        job = await lab.run(*(as_other(fleet, other, n) for n in range(1, 7)))
    assert [child.state for child in job.children] == [S.FAILED] * 6
    assert {child.reason.kind for child in job.children} == {K.AUTHENTICATION}
    refused = f"sudo refused the password, to run as {other.name}"
    assert sum(refused in said for said in why(job)) == 2
    assert sum("not tried: credential own was refused by" in said for said in why(job)) == 4


async def test_without_a_password_a_person_is_asked_once(lab, fleet, both):
    """Blocked; one answer is for all hosts."""
    user, other = both
    with user.may(f"ALL=({other.name}) ALL"):
        hosts = [as_other(fleet, other, n, credential=None) for n in (1, 2, 3)]
        job = await lab.jobs.start(WHO, on=hosts, durable=False)
        run = lab.engine.run_of(job.id)
        ids = [child.id for child in job.children]
        await until(lambda: {run.state_of(i) for i in ids} == {S.BLOCKED}, "all ask")
        await lab.jobs.answer(ids[1], answer=PASSWORD)
        [job] = await lab.jobs.wait(job, timeout=30, force=True)
    assert job.state is S.COMPLETED


async def test_whoever_may_not_is_told_in_sudos_words(lab, fleet, both):
    """A right password does not help; the others are unharmed."""
    _, other = both
    await lab.keep("own", PASSWORD)
    job = await lab.run(as_other(fleet, other), fleet.host(2))
    assert [child.state for child in job.children] == [S.FAILED, S.COMPLETED]
    assert "is not in the sudoers file" in why(job)[0]


async def test_one_channel_at_a_time_is_enough(lab, make_sshd, both, tmp_path):
    """MaxSessions 1: stop goes a way of its own, and through sudo again."""
    user, other = both
    sshd = make_sshd("MaxSessions 1")
    await lab.keep("own", PASSWORD)
    mark = f"sleep\x00601.{os.getpid()}"
    with user.may(f"ALL=({other.name}) ALL"):
        command = mark.replace("\0", " ")
        job = await lab.jobs.start(command, on=[as_other(sshd, other)], durable=False)
        await until(lambda: running(mark), "the work runs")
        [job] = await lab.jobs.stop(job)
    assert (job.state, running(mark)) == (S.STOPPED, [])


async def test_durable_work_is_held_lost_found_and_stopped_as_the_other(lab, fleet, both, tmp_path):
    """All of it goes through sudo, with the same password."""
    user, other = both
    await lab.keep("own", PASSWORD)
    go = world_writable(tmp_path / "go")
    work = f"echo a; while [ ! -s {go} ]; do sleep 0.1; done; echo b; sleep 602.{os.getpid()}"
    with user.may(f"ALL=({other.name}) ALL"):
        job = await lab.jobs.start(work, on=[as_other(fleet, other)], durable=True)
        run = lab.engine.run_of(job.id)
        child = job.children[0].id
        mark = f"sleep\x00602.{os.getpid()}"
        await until(lambda: run.state_of(child) is S.RUNNING, "it runs")
        await until(lambda: running(str(go)), "the work runs")
        await lab.jobs.suspend(job)
        assert run.state_of(child) is S.SUSPENDED
        await lab.jobs.resume(job)
        assert run.state_of(child) is S.RUNNING
        fleet.kill_connections()
        await until(lambda: run.state_of(child) is S.DISCONNECTED, "the link is cut")
        go.write_text("go")
        await until(lambda: run.state_of(child) is S.RUNNING, "it is found")
        await until(lambda: running(mark), "and went on")
        [job] = await lab.jobs.stop(job)
    assert (job.state, await lab.out(job), running(mark)) == (S.STOPPED, b"a\nb\n", [])


# su and doas


@pytest.mark.parametrize("durable", [False, True])
async def test_su_gets_the_others_password(lab, fleet, both, durable):
    """That of whom to be; not that of the login, which is not even tried."""
    _, other = both
    await lab.keep("own", OTHERS)
    host = as_other(fleet, other, method=BecomeMethod.SU)
    job = await lab.run(host, durable=durable)
    assert (job.state, await lab.out(job)) == (S.COMPLETED, f"{other.name}\nin\n".encode())


async def test_su_with_a_wrong_password_fails(lab, fleet, both):
    """Once asked, once refused."""
    _, other = both
    await lab.keep("own", "wrong")
    job = await lab.run(as_other(fleet, other, method=BecomeMethod.SU))
    assert why(job) == [f"127.0.1.1: su refused the password, to run as {other.name}"]


@contextmanager
def doas_rule(rule):
    need_root("doas rules need root")
    path = Path("/etc/doas.conf")
    before = path.read_bytes() if path.exists() else None
    path.write_text(f"{rule}\n")
    try:
        yield
    finally:
        path.unlink() if before is None else path.write_bytes(before)


@pytest.mark.parametrize("durable", [False, True])
async def test_doas_does_where_it_asks_nothing(lab, fleet, both, durable):
    """With a nopass rule."""
    user, other = both
    host = as_other(fleet, other, method=BecomeMethod.DOAS, credential=None)
    with doas_rule(f"permit nopass {user.name} as {other.name}"):
        job = await lab.run(host, durable=durable)
    assert (job.state, await lab.out(job)) == (S.COMPLETED, f"{other.name}\nin\n".encode())


async def test_doas_that_asks_is_refused_in_clear_words(lab, fleet, both):
    """It asks on a terminal only, and there is none."""
    user, other = both
    host = as_other(fleet, other, method=BecomeMethod.DOAS, credential=None)
    with doas_rule(f"permit {user.name} as {other.name}"):
        job = await lab.run(host)
    assert "doas asks for a password, on a terminal only: give it a nopass rule" in why(job)[0]


# On this machine


async def test_this_machine_knows_them_too(lab, both):
    """Root is asked nothing, by each of the three."""
    _, other = both
    for method in (BecomeMethod.SUDO, BecomeMethod.SU, BecomeMethod.DOAS):
        become = Become(user=other.name, method=method)
        host = Host(name="localhost", transport="local", become=become)
        with doas_rule("permit nopass root"):
            job = await lab.run(host)
        assert (job.state, await lab.out(job)) == (S.COMPLETED, f"{other.name}\nin\n".encode())
