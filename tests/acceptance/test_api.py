"""The Python API: in an event loop and in a plain script, with and without the controller."""

import os
import subprocess
import sys

import pytest

import remjobs
from remjobs import Host, JobState, Record, RemjobsError, SshOptions
from remjobs.controller.client import ControllerClient
from remjobs.controller.paths import Paths
from remjobs.errors import AlreadyOwned, NoSuchJob, UsageError, WaitTimeout


@pytest.fixture(params=["controller", "in-process"])
async def jobs(request, tmp_path):
    """The API both ways; no controller is left."""
    home = tmp_path / "home"
    async with remjobs.open(home, in_process=request.param == "in-process") as opened:
        yield opened
    await ControllerClient(Paths(home)).shutdown(force=True)


async def test_start_and_follow_records_as_they_come(jobs, sshd):
    """The example of the documentation, on real servers."""
    job = await jobs.start("echo out; echo err >&2", on=[sshd.host(1), sshd.host(2)])
    assert job.state is JobState.RUNNING
    seen = set()
    async for record in jobs.follow(job.id):
        assert isinstance(record, Record)
        seen.add((record.host, record.stream.value, record.data))
    assert seen == {
        (host, stream, data)
        for host in ("127.0.1.1", "127.0.1.2")
        for stream, data in (("Output", b"out\n"), ("Error", b"err\n"))
    }


async def test_words_arguments_input_and_environment(jobs):
    """Everything that the CLI can give, by keyword."""
    job = await jobs.run(["sh", "-c", 'cat; echo "$A"'], input=b"in ", environment={"A": "v"})
    assert await jobs.output(job) == {"localhost": b"in v\n"}


async def test_every_verb_answers(jobs):
    """list, get, wait, receive, stop, remove: the same names as the CLI's."""
    job = await jobs.run("echo x; exit 2", name="mine")
    assert [found.name for found in await jobs.list("mine")] == ["mine"]
    [whole] = await jobs.get(job)
    assert whole.children[0].exit_code == 2
    events = [event async for event in jobs.receive(job)]
    assert events[0].data == b"x\n"
    assert events[1].reason.message == "exit code 2"
    assert await jobs.stop(job) == await jobs.get(job)
    await jobs.remove(job)
    with pytest.raises(remjobs.RemjobsError, match="no job"):
        await jobs.get(job)


async def test_errors_are_the_same_classes_over_the_socket(jobs):
    """An error is caught by its class, wherever it was raised."""
    with pytest.raises(NoSuchJob):
        await jobs.get("nosuch")
    with pytest.raises(UsageError):
        await jobs.start("true", on="a b")
    job = await jobs.start("sleep 30")
    with pytest.raises(WaitTimeout):
        await jobs.wait(job, timeout=0.05)
    await jobs.stop(job)


async def test_an_unknown_argument_is_a_type_error(jobs):
    """As for any function."""
    with pytest.raises(TypeError, match="no argument nosuch"):
        await jobs.start("true", nosuch=1)


@pytest.mark.parametrize("in_process", [False, True])
def test_a_plain_script_uses_the_same_object(tmp_path, in_process):
    """blocking() needs no event loop; what yields there is an ordinary iterator here."""
    home = tmp_path / "home"
    with remjobs.blocking(home, in_process=in_process) as jobs:
        job = jobs.run("echo one; echo two")
        assert job.state is JobState.COMPLETED
        assert b"".join(record.data for record in jobs.follow(job.id)) == b"one\ntwo\n"
        for record in jobs.receive(job):
            assert record.data.startswith(b"one")
            break
        with pytest.raises(RemjobsError):
            jobs.get("nosuch")
    subprocess.run(
        [sys.executable, "-m", "remjobs", "controller", "stop", "--force"],
        check=True,
        env={**os.environ, "REMJOBS_HOME": str(home)},
        capture_output=True,
    )


async def test_a_second_owner_is_refused(tmp_path):
    """Two engines never share a state directory."""
    async with remjobs.open(tmp_path, in_process=True):
        with pytest.raises(AlreadyOwned, match="belongs to the controller with pid"):
            async with remjobs.open(tmp_path, in_process=True):
                pass


def test_the_public_names_are_what_all_says():
    """Each can be imported, and none is missing."""
    for name in remjobs.__all__:
        assert getattr(remjobs, name) is not None
    with pytest.raises(AttributeError):
        remjobs.nosuch  # noqa: B018 - the look itself is tested
    assert Host(name="h", ssh=SshOptions()).transport == "ssh"


def test_the_command_line_loads_nothing_heavy():
    """Every command starts fast: the engine's side stays out."""
    code = (
        "import sys, remjobs.cli.main\n"
        "heavy = {'asyncssh', 'sqlalchemy', 'alembic', 'keyring', 'uvicorn', 'starlette', "
        "'ClusterShell', 'yaml', 'rich.table', 'winrm', 'pydantic'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


async def test_input_of_every_kind(jobs, tmp_path):
    """Bytes and text as they are, a file's content, and an iterable's items as lines."""
    (tmp_path / "file").write_bytes(b"from\0file")
    for given, received in [
        (b"a\0b", b"a\0b"),
        ("tëxt", "tëxt".encode()),
        (tmp_path / "file", b"from\0file"),
        (["one", "two\n", b"raw"], b"one\ntwo\nraw"),
        ((f"{n}" for n in range(3)), b"0\n1\n2\n"),
    ]:
        job = await jobs.run("cat", input=given)
        assert await jobs.output(job) == {"localhost": received}
    with pytest.raises(UsageError, match="cannot read the input"):
        await jobs.start("cat", input=tmp_path / "missing")


async def test_credential_runs_local_work_as_somebody_else(jobs, other_user):
    """As the option of the command line."""
    job = await jobs.run("id -un", credential=other_user.name)
    assert await jobs.output(job) == {"localhost": f"{other_user.name}\n".encode()}
