"""The controller's life: started once, kept private, replaced, killed, idle."""

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.sshd import need_root, running, wait_for, world_writable

from remjobs.api import Jobs
from remjobs.controller.client import ControllerClient
from remjobs.controller.paths import Paths
from remjobs.errors import VersionMismatch
from remjobs.model.request import JobQuery


def controllers(home):
    """Return the pids of the controllers of a state directory."""
    return running(f"remjobs.controller\0{home}")


def test_many_commands_at_once_start_exactly_one(cli):
    """Twenty clients race, three times, with a SIGKILL between: one controller each time."""
    for _round in range(3):
        with ThreadPoolExecutor(20) as pool:
            done = list(pool.map(lambda _: cli("list"), range(20)))
        assert [ended.code for ended in done] == [0] * 20, done
        [pid] = controllers(cli.home)
        assert cli.log_count() == _round + 1
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not controllers(cli.home), "the controller is dead")


def test_socket_folder_and_store_are_for_the_owner_alone(cli):
    """0700 and 0600, whatever the umask of whoever came first."""
    subprocess.run(
        ["sh", "-c", 'umask 000; exec "$@"', "sh", *cli.argv("list")],
        check=True,
        env=cli.environment,
        cwd=cli.cwd,
        capture_output=True,
    )
    modes = {
        path.relative_to(cli.home).as_posix(): stat.S_IMODE(path.stat().st_mode)
        for path in [cli.home, *cli.home.rglob("*")]
    }
    assert modes["."] == 0o700
    assert modes["run"] == 0o700
    assert modes["run/controller.sock"] == 0o600


def test_another_user_is_hung_up_on(cli):
    """Even one who can open the socket gets no answer: the peer's uid is checked."""
    need_root("acting as another user needs root")
    cli.ok("list")
    path = cli.home / "run" / "controller.sock"
    for folder in [cli.home, cli.home / "run", *cli.home.parents]:
        if str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    path.chmod(0o666)
    script = (
        "import os, socket, sys\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
        "try:\n"
        "    s.sendall(b'POST /v1/status HTTP/1.1\\r\\nhost: x\\r\\n'\n"
        "              b'content-length: 2\\r\\n\\r\\n{}')\n"
        "    print(len(s.recv(100)))\n"
        "except OSError:\n"
        "    print(0)\n"
    )
    done = subprocess.run(
        ["/usr/bin/python3", "-c", script, path],
        capture_output=True,
        check=True,
        text=True,
    )
    assert done.stdout == "0\n"
    assert "refused a connection of uid 65534" in (cli.home / "controller.log").read_text()


def test_it_is_nobodys_child_and_keeps_nothing_of_its_starter(cli):
    """New session, root folder, no descriptors or secrets of whoever came first."""
    with (cli.cwd / "held").open("w") as held:
        subprocess.run(
            cli.argv("list"),
            check=True,
            env={**cli.environment, "SECRET_TOKEN": "canary", "SSH_AUTH_SOCK": "/agent"},
            cwd=cli.cwd,
            pass_fds=[held.fileno()],
            capture_output=True,
        )
    [pid] = controllers(cli.home)
    process = Path(f"/proc/{pid}")
    assert (process / "cwd").readlink() == Path("/")
    assert os.getsid(pid) == pid
    environment = (process / "environ").read_bytes()
    assert b"canary" not in environment
    assert b"SSH_AUTH_SOCK" not in environment
    opened = [str(link.readlink()) for link in (process / "fd").iterdir()]
    assert not any("held" in name for name in opened)
    limits = (process / "limits").read_text()
    assert "Max core file size        0                    0" in limits


def test_it_ends_when_idle_and_not_while_work_runs(cli):
    """A second without work or clients is enough here; three seconds of work are not."""
    cli.environment["REMJOBS_IDLE_TIMEOUT"] = "1"
    cli.ok("start", "--", "sleep", "3")
    [pid] = controllers(cli.home)
    time.sleep(2)
    assert controllers(cli.home) == [pid]
    wait_for(lambda: not controllers(cli.home), "it has ended", timeout=15)
    assert not (cli.home / "run" / "controller.sock").exists()
    assert cli("get", "1", "--json").json["state"] == "Completed"


def test_attached_work_under_a_killed_controller_is_unknown(cli, sshd):
    """The next command says so; hosts not begun wait for a person, and nothing runs twice."""
    log = world_writable(cli.cwd.parent / "log")
    cli.ok(
        *("start", "--attached", *sshd.options_for_cli(), "-t", "127.0.1.[1-3]", "-f", "1"),
        *("--command", f"echo ran >> {log}; sleep 2"),
    )
    wait_for(lambda: log.read_text() == "ran\n", "the first host works")
    os.kill(controllers(cli.home)[0], signal.SIGKILL)
    shown = cli("get", "1", "--json").json
    assert shown["state"] == "Suspended"
    assert "held back" in shown["status_message"]
    states = [child["state"] for child in shown["children"]]
    assert states == ["Disconnected", "NotStarted", "NotStarted"]
    assert log.read_text() == "ran\n"
    cli.ok("resume", "1")
    assert cli("wait", "1").code == 6
    assert log.read_text() == "ran\n" * 3
    assert cli("receive", "1").code == 0


def test_stop_refuses_while_attached_work_runs_unless_forced(cli):
    """Which job, and what --force means."""
    cli.ok("start", "--attached", "--", "sleep", f"77.{os.getpid()}")
    done = cli("controller", "stop")
    assert done.code == 70
    assert "job 1 still runs" in done.err
    cli.ok("controller", "stop", "--force")
    assert controllers(cli.home) == []
    assert cli("get", "1", "--json").json["children"][0]["state"] == "Disconnected"
    for pid in running(f"sleep\x0077.{os.getpid()}"):
        os.kill(pid, signal.SIGKILL)


def test_status_start_and_logs(cli):
    """Status starts nothing; start does; logs shows the log's end."""
    assert cli("controller", "status").code == 1
    assert controllers(cli.home) == []
    assert "no log yet" in cli("controller", "logs").err
    assert "busy_jobs" in cli.ok("controller", "start")
    [pid] = controllers(cli.home)
    assert cli.status()["pid"] == pid
    assert f"begins, pid {pid}" in cli.ok("controller", "logs")


def test_a_long_state_directory_still_has_a_socket(cli, tmp_path):
    """A socket's path has 108 bytes; a longer one goes elsewhere, as private."""
    home = tmp_path / ("long" * 20) / ("longer" * 10)
    cli.environment["REMJOBS_HOME"] = str(home)
    assert cli.ok("run", "--", "echo", "x") == "x\n"
    elsewhere = Paths(home).runtime
    assert not elsewhere.is_relative_to(home)
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o700


OTHER_VERSION = """
import sys
from remjobs.controller import app, protocol
protocol.BUILD = {build!r}
app.BUILD = {build!r}
app.create_app.__kwdefaults__.update(api={api!r}, build={build!r})
from remjobs.controller import lifecycle
from remjobs.controller.paths import Paths
from pathlib import Path
import os, socket
paths = Paths(Path(sys.argv[1]))
lock = lifecycle.take_lock(paths)
listener = lifecycle._listen(paths.socket)
print("ready", flush=True)
from remjobs.controller.server import main
main(sys.argv[1], listener.detach(), lock)
"""


@pytest.fixture
def other_version(cli):
    """Run a controller that says it is of another version."""
    begun = []

    def begin(api="1", build="0.0.1"):
        code = OTHER_VERSION.format(api=api, build=build)
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(cli.home)],
            stdout=subprocess.PIPE,
            text=True,
            env=cli.environment,
        )
        begun.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield begin
    for process in begun:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("api", ["0", "1"])
def test_an_idle_controller_of_another_version_is_replaced(cli, other_version, api):
    """Without a word, and the command is carried out by the new one."""
    old = other_version(api=api)
    assert cli.ok("run", "--", "echo", "x") == "x\n"
    assert old.wait(timeout=10) == 0
    assert cli.status()["build"] != "0.0.1"


def test_doctor_tells_of_a_controller_of_another_build(cli, other_version):
    """As it found it; what it asks then is answered by one of its own build."""
    other_version()
    found = [f for f in cli("doctor", "--json").json if f["check"] == "controller"]
    assert [f["verdict"] for f in found] == ["warning"]
    assert "it is remjobs 0.0.1, this is" in found[0]["message"]
    found = [f for f in cli("doctor", "--json").json if f["check"] == "controller"]
    assert [f["verdict"] for f in found] == ["ok"]


def test_a_busy_controller_of_another_build_goes_on_serving(cli, other_version):
    """The interface is the same, so the work is not disturbed."""
    old = other_version()
    client = ControllerClient(Paths(cli.home), build="0.0.1")

    async def begin():
        return await Jobs(client).start("sleep 60", durable=False)

    job = asyncio.run(begin())
    assert cli("list", "--json").json[0]["state"] == "Running"
    assert cli.status()["build"] == "0.0.1"
    assert old.poll() is None
    cli.ok("stop", job.id)


def test_a_controller_of_another_build_hands_durable_work_over(cli, other_version, sshd):
    """An upgrade: the old one leaves, the new one finds the work where it was."""
    old = other_version()
    log = world_writable(cli.cwd.parent / "log")
    work = f"echo begun >>{log}; echo before; sleep 3; echo after; exit 3"

    async def begin():
        jobs = Jobs(ControllerClient(Paths(cli.home), build="0.0.1"))
        local = await jobs.start(work)
        remote = await jobs.start(work, on=[sshd.host(1), sshd.host(2)])
        return local, remote

    asyncio.run(begin())
    wait_for(lambda: log.read_text() == "begun\n" * 3, f"the work begins: {log.read_text()}")
    done = cli("wait", "1", "3")
    assert done.code == 1, (done, (cli.home / "controller.log").read_text())
    assert old.wait(timeout=10) == 0
    assert cli.status()["build"] != "0.0.1"
    for job in cli("get", "1", "3", "--json").json:
        assert {(c["state"], c["exit_code"]) for c in job["children"]} == {("Failed", 3)}
    assert cli.ok("receive", "1") == "before\nafter\n"
    assert log.read_text() == "begun\n" * 3


def test_a_stopped_controllers_durable_work_is_found_again(cli):
    """It needs no force, says what goes on, and the next command finds it."""
    go = cli.cwd / "go"
    work = f"echo a; until [ -e {go} ]; do sleep 0.1; done; echo b"
    cli.ok("start", "--", "sh", "-c", work)
    wait_for(lambda: cli.ok("receive", "1", "--keep") == "a\n", "the work begins")
    done = cli("controller", "stop")
    assert done.code == 0
    assert "job 1 had not ended" in done.err
    assert controllers(cli.home) == []
    go.touch()
    assert cli("wait", "1").code == 0
    assert cli.ok("receive", "1") == "a\nb\n"


def test_a_busy_controller_of_another_interface_is_explained(cli, other_version):
    """With its version and what keeps it; status and stop work all the same."""
    other_version(api="0")
    paths = Paths(cli.home)

    async def begin():
        return await Jobs(ControllerClient(paths, api="0", build="0.0.1")).start(
            f"sleep 60.{os.getpid()}",
            durable=False,
        )

    asyncio.run(begin())
    done = cli("list")
    assert done.code == 70
    assert "is remjobs 0.0.1 with jobs 1 attached to it" in done.err
    assert done.err.count("\n") == 1

    async def ask():
        await ControllerClient(paths).list(JobQuery())

    with pytest.raises(VersionMismatch):
        asyncio.run(ask())
    assert cli.status()["busy_jobs"] == [1]
    cli.ok("controller", "stop", "--force")
    for pid in running(f"sleep\x0060.{os.getpid()}"):
        os.kill(pid, signal.SIGKILL)


def test_a_client_that_talks_nonsense_harms_nobody(cli):
    """The connection ends or gets an error, and the next client is served."""
    cli.ok("list")
    for nonsense in (b"\0\xff" * 100, b"POST /v1/list HTTP/1.1\r\nhost: x\r\n\r\n", b""):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(cli.home / "run" / "controller.sock"))
            client.sendall(nonsense)
            client.shutdown(socket.SHUT_WR)
            client.settimeout(5)
            client.recv(65536)
    assert json.loads(cli.ok("list", "--json")) == []
