"""Bad input gets one line that names the thing and what to do, the right code, and no job."""

import fcntl
import os
import socket
import subprocess
import sys

import pytest
from support.cli import Cli
from support.disk import fill
from support.sshd import need_root, wait_for

NO_TEXT = os.fsdecode(b"h\xff")
"""A word with a byte in it that is not UTF-8."""
ONE_LINE = [
    (["start"], 2, "what shall run?"),
    (["start", "--command", "a", "b"], 2, "--command or a command's words, not both"),
    (["start", "--command", "a", "--script", "/etc/hostname"], 2, "not both"),
    (["start", "--script", "nosuch.sh"], 2, "nosuch.sh: cannot read the script: No such file"),
    (["start", "--script", "a*.sh"], 2, "use --literal-script"),
    (["start", "--literal-script", "a*.sh"], 2, "a*.sh: cannot read the script"),
    (["start", "--script", "/bin/true"], 2, "/bin/true holds NUL bytes"),
    (["start", "--", "echo", NO_TEXT], 2, 'the command is not UTF-8 text: "echo'),
    (["run", "--in-process", "--command", NO_TEXT], 2, "the command is not UTF-8 text"),
    (["start", "--command", "a", "--arg", NO_TEXT], 2, "an argument is not UTF-8 text"),
    (["start", "--env", f"A={NO_TEXT}", "--", "a"], 2, "the value of A is not UTF-8 text"),
    (["start", "--init", NO_TEXT, "--", "a"], 2, "the initialization is not UTF-8 text"),
    (["start", "--name", NO_TEXT, "--", "a"], 2, "the job's name is not UTF-8 text"),
    (["start", "-t", NO_TEXT, "--", "a"], 2, "'h\\udcff' is not UTF-8 text"),
    (["get", NO_TEXT], 2, "'h\\udcff' is not UTF-8 text"),
    (["start", "-f", "0", "--", "true"], 2, "throttle limit 0 is not 1 or more"),
    (["start", "-f", "9" * 20, "--", "true"], 2, "is more than 1000000"),
    (["set", "1", "-f", "9" * 20], 2, "is more than 1000000"),
    (["start", "--timeout", "-1", "--", "true"], 2, "the time-out is -1 s; it must be above 0"),
    (["start", "--timeout", "nan", "--", "true"], 2, "the time-out is nan: write a number of"),
    (["start", "--total-timeout", "inf", "--", "true"], 2, "the job's time-out is inf: write a"),
    (["start", "--stop-grace", "nan", "--", "true"], 2, "the stop grace is nan: write a number"),
    (["start", "--delay", "nan", "--", "true"], 2, "the delay is nan: write a number of"),
    (["start", "-t", "h", "--connect-timeout", "-1", "--", "a"], 2, "connect time-out cannot be"),
    (["start", "-t", "h", "--keepalive", "nan", "--", "a"], 2, "the keepalive interval is nan"),
    (["list", "--after", "9" * 14 + "d"], 2, "is longer ago than there are dates"),
    (["start", "--name", " ", "--", "true"], 2, "name is empty"),
    (["start", "--input", "nosuch", "--", "cat"], 2, "nosuch: cannot read the input"),
    (["start", "--env", "A", "--", "true"], 2, "--env A: expected NAME=VALUE"),
    (["start", "--env", "A-B=1", "--", "true"], 2, "'A-B' is not a variable name"),
    (["start", "--success-codes", "x", "--", "true"], 2, "--success-codes x"),
    (["start", "--output-limit", "much", "--", "true"], 2, "'much' is not a size"),
    (["start", "--cwd", "/no/such", "--", "true"], 2, "no such directory: /no/such"),
    (["start", "-x", "a", "--", "true"], 2, "-x and -i need -t"),
    (["run", "-u", "bob", "--", "true"], 2, "-u bob is for hosts (-t); on this machine --cred"),
    (["start", "-p", "22", "--", "true"], 2, "a port and options of SSH are for hosts: which"),
    (["start", "--identity", "k", "--", "true"], 2, "a port and options of SSH are for hosts"),
    (["definition", "add", "d", "-u", "bob", "--", "true"], 2, "-u bob is for hosts (-t)"),
    (["ping", "-u", "bob"], 2, "-u bob is for hosts (-t)"),
    (["hosts", "clean", "-u", "bob"], 2, "-u bob is for hosts (-t)"),
    (["start", "-t", "-", "--input", "-", "--", "true"], 2, "both want standard input"),
    (["start", "-t", "", "--", "true"], 2, "no host matched"),
    (["start", "-t", "-", "--", "true"], 2, "no host matched: -"),
    (["start", "-t", "@nosuch.txt", "--", "true"], 2, "nosuch.txt: cannot read the inventory"),
    (["start", "-t", "all", "--", "true"], 2, "'all' needs an inventory"),
    (["start", "-t", "a;b", "--", "true"], 2, "'a;b' is not a host name"),
    (["start", "-t", "h[5-1]", "--", "true"], 2, "[5-1] is not a range"),
    (["start", "-t", "h1", "-x", "h1", "--", "true"], 2, "no host matched: h1 without h1"),
    (["start", "-t", "h1", "-i", "nosuch", "--", "true"], 2, "nosuch: cannot read the inv"),
    (["start", "-t", "h1", "-p", "99999", "--", "true"], 2, "port 99999"),
    (["start", "-t", "h1", "-u", "a b", "--", "true"], 2, "'a b' is not a user name"),
    (["start", "-t", "h1", "--identity", "nokey", "--", "true"], 2, "nokey: cannot read the key"),
    (["start", "-t", "h1", "--ssh-config", "nocfg", "--", "true"], 2, "nocfg: no such file"),
    (["start", "--authentication", "Magic", "--", "true"], 2, "there are: Default, Basic,"),
    (["start", "--authentication", "publickey", "--", "true"], 2, "PublicKey is for hosts"),
    (["start", "-t", "h1", "--authentication", "CREDSSP", "--", "true"], 2, "h1 is an SSH host"),
    (["ping", "-t", "h1", "--authentication", "Kerberos"], 2, "no authentication Kerberos"),
    (["push", "nosuch", "--to", "/tmp"], 2, "nosuch: cannot read the file: No such file"),
    (["push", "/dev/null", "--to", "/tmp"], 2, "/dev/null: it is neither a file nor a folder"),
    (["push", "/etc/hosts", "--to", ""], 2, "--to is empty"),
    (["push", "/etc/hosts", "--to", "/tmp", "--mode", "rw"], 2, "--mode rw: expected an octal"),
    (["push", "/etc/hosts", "--to", "/tmp", "--mode", "77777"], 2, "not between 0 and 7777"),
    (["push", "/etc/hosts", "/usr/../etc/hosts", "--to", "/tmp"], 2, "has that name already"),
    (["push", "/etc/hosts", "--to", "/tmp", "-t", "a;b"], 2, "'a;b' is not a host name"),
    (["push", "/etc/hosts", "--to", "/tmp", "--timeout", "0"], 2, "it must be above 0"),
    (["fetch", "/", "--into", "in"], 2, "'/' cannot be fetched: its name names no file"),
    (["fetch", "/etc/..", "--into", "in"], 2, "cannot be fetched: its name names no file"),
    (["fetch", "/etc/hosts", "--into", "/dev/null"], 2, "--into /dev/null: cannot make the"),
    (["fetch", "/etc/hosts", "--into", "/proc/x"], 2, "--into /proc/x: cannot make the folder"),
    (["get", "99"], 3, "no job 99"),
    (["get", "nosuch"], 3, "no job 'nosuch'"),
    (["receive", "99"], 3, "no job 99"),
    (["wait", "99"], 3, "no job 99"),
    (["stop", "99"], 3, "no job 99"),
    (["remove", "99"], 3, "no job 99"),
    (["list", "99"], 3, "no job 99"),
    (["list", "--state", "Sleeping"], 2, "no state 'Sleeping'; there are: NotStarted"),
    (["receive", "x", "--stream", "Stdout"], 2, "no stream 'Stdout'; there are: Output"),
    (["receive", "x", "--keep", "--wait"], 2, "--keep and --wait do not go together"),
    (["receive", "x", "--events"], 2, "--events needs --wait"),
    (["list", "--nosuch"], 2, "no such option: --nosuch; see `remjobs list --help`"),
    (["lisst"], 2, "no such command 'lisst'"),
    (["definition", "start", "d", "--arg", "x"], 2, "no such option: --arg"),
    (["receive", "--wait"], 2, "missing argument 'JOB...'; see `remjobs receive --help`"),
    (["wait", "1", "--timeout", "soon"], 2, "invalid value for '--timeout': 'soon' is not"),
    (["receive", "1", "--output", "html"], 2, "'html' is not one of 'text', 'fold',"),
    (["start", "-f"], 2, "option '-f' requires an argument; see `remjobs --help`"),
    (["controller", "logs", "-n", "0"], 2, "--lines 0"),
    (["prune"], 2, "give --older-than, --keep, or both"),
    (["prune", "--keep", "-1"], 2, "--keep -1: expected 0 or more"),
    (["prune", "--older-than", "30"], 2, "--older-than 30: of what? write 90s"),
    (["prune", "--older-than", "soon"], 2, "'soon' is not a duration"),
    (["history", "--newest", "0"], 2, "--newest 0: expected 1 or more"),
    (["history", "--after", "soon"], 2, "'soon' is not a time"),
    (["history", "--host", "h[5-1]"], 2, "[5-1] is not a range"),
    (["history", "--state", "Sleeping"], 2, "no state 'Sleeping'"),
    (["diff", "98", "99"], 3, "no job 98"),
    (["report", "99", "--html", "page.html"], 3, "no job 99"),
    (["report", "99", "--html", "no/such/folder"], 2, "no/such/folder: cannot write"),
]


@pytest.fixture(scope="module")
def shared_cli(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad")
    (folder / "work").mkdir()
    shell = Cli(folder / "home", folder / "work")
    yield shell
    shell.end()


@pytest.mark.parametrize(("words", "code", "message"), ONE_LINE, ids=lambda x: str(x)[:40])
def test_one_line_the_right_code_and_no_job(shared_cli, words, code, message):
    """Standard output stays empty, and nothing was half-started."""
    done = shared_cli(*words)
    assert (done.code, done.out) == (code, "")
    assert message in done.err
    assert done.err.startswith("remjobs: ")
    assert done.err.count("\n") == 1
    assert shared_cli("list", "--json").json == []


def test_an_initialization_in_a_file_is_text(shared_cli):
    """A long one is not shown whole."""
    (shared_cli.cwd / "init").write_bytes(b"echo \xff\n" * 1000)
    done = shared_cli("start", "--init-file", "init", "--", "true")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert done.err.startswith("remjobs: the initialization is not UTF-8 text: 'echo")
    assert len(done.err) < 100


def test_names_on_standard_input_are_text(shared_cli):
    """Else there is no telling which hosts are meant."""
    done = shared_cli("start", "-t", "-", "--", "true", stdin=b"h1\n\xff\xfe\n")
    assert (done.code, done.out) == (2, "")
    assert done.err == "remjobs: -t -: standard input is not UTF-8 text; write one host a line\n"


INVENTORIES = [
    ("list.txt", "good\nbad name\n", "list.txt:2: 'bad name' is not a host name"),
    ("list.txt", "host:99999\n", "list.txt:1: port 99999"),
    ("list.txt", "a\x1b[31m\n", "list.txt:1: 'a\\x1b[31m' is not a host name"),
    ("a.yaml", "all: [a\n", "a.yaml:2: not YAML"),
    ("a.yaml", "all:\n  hosts:\n    '-oX': {}\n", "a.yaml:3: '-oX' is not a host name"),
    ("a.yaml", "web: !!python/object:os.system {}\n", "a.yaml:1: found the tag"),
    ("a.yaml", "web: 7\n", "a.yaml:1: found a number ('7'), expected a group"),
    (
        "a.ini",
        "[g:children]\nh\n[h:children]\ng\n",
        "a.ini:2: groups contain each other: g > h > g",
    ),
    ("a.ini", "[web]\na port\n", "a.ini:2: 'port' is not name=value"),
    ("a.toml", "[hosts.a]\nprot = 22\n", "a.toml:2: unknown key 'prot'; expected one of"),
    ("a.toml", "[hosts.a]\nport = 'x'\n", "a.toml:2: found a text ('x'), expected a port"),
    ("a.toml", "[hosts\n", "a.toml:1: not TOML"),
    ("a.csv", "name,port\na,many\n", "a.csv:2: port 'many'"),
    ("hosts", "10.0.0.1 a\nb 10.0.0.2\n", "hosts:2: 'b' is not an address"),
    ("config", "Host a\n  Include\n", "config:2: 'Include' is not an option and its value"),
    ("a.txt", b"\xff\xfe\n", "a.txt:1: not UTF-8 text"),
]


@pytest.mark.parametrize(("name", "content", "message"), INVENTORIES, ids=lambda x: str(x)[:40])
def test_a_malformed_inventory_names_file_line_and_expectation(
    shared_cli,
    name,
    content,
    message,
):
    """Whatever the reader."""
    path = shared_cli.cwd / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    done = shared_cli("start", "-i", name, "-t", "a", "--", "true")
    assert done.code == 2
    assert message in done.err
    assert done.err.count("\n") == 1
    assert shared_cli("list", "--json").json == []


def test_a_damaged_store_is_named_and_nothing_is_replaced(cli):
    """Every verb says so, in one line, and the file stays as it is."""
    cli.ok("run", "--", "true")
    cli.ok("controller", "stop")
    catalog = cli.home / "catalog.db"
    catalog.write_bytes(b"not a database" * 500)
    for words in (["list"], ["start", "--", "true"]):
        done = cli(*words)
        assert (done.code, done.out) == (70, "")
        assert f"the job store is damaged: {catalog}" in done.err
        assert "move" in done.err
        assert done.err.count("\n") == 1
    assert catalog.read_bytes() == b"not a database" * 500


def test_a_state_directory_of_somebody_else_is_refused(cli):
    """It would hand our jobs to them."""
    need_root("giving a folder away needs root")
    cli.home.mkdir()
    os.chown(cli.home, 65534, 65534)
    done = cli("list")
    assert done.code == 70
    assert f"{cli.home} is not a directory of yours" in done.err


def test_a_stale_socket_is_replaced(cli):
    """What a killed controller left behind hinders nobody."""
    (cli.home / "run").mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(cli.home / "run" / "controller.sock"))
    assert cli.ok("run", "--", "echo", "x") == "x\n"


def test_a_lock_without_a_controller_behind_it_is_explained(cli):
    """Somebody else owns the state directory and answers nothing."""
    (cli.home / "run").mkdir(parents=True)
    with (cli.home / "run" / "controller.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("4242")
        lock.flush()
        done = cli("list")
    assert done.code == 70
    assert "held by process 4242" in done.err
    assert done.err.count("\n") == 1


def test_a_bad_setting_is_named(cli):
    """An environment variable that cannot be read is not ignored."""
    done = cli("list", REMJOBS_IDLE_TIMEOUT="soon")
    assert done.code == 2
    assert "REMJOBS_IDLE_TIMEOUT is 'soon'" in done.err


def test_removing_what_runs_or_a_child_is_refused(cli):
    """With the way that there is."""
    job = cli.ok("start", "--", "sleep", "60").strip()
    done = cli("remove", job)
    assert done.code == 2
    assert "--force stops and removes" in done.err
    child = cli("remove", "2")
    assert child.code == 2
    assert "2 is a child of job 1" in child.err
    cli.ok("remove", job, "--force")


def test_a_wait_that_runs_out_ends_with_124(cli):
    """And says which job still runs."""
    job = cli.ok("start", "--", "sleep", "60").strip()
    done = cli("wait", job, "--timeout", "0.2")
    assert done.code == 124
    assert f"still running: job {job}" in done.err
    cli.ok("stop", job)


def test_a_disk_that_is_full_from_the_beginning_is_named(small_disk, cli):
    """Nothing can be kept there, so nothing begins."""
    fill(small_disk / "ballast")
    done = cli("start", "--", "true", REMJOBS_HOME=str(small_disk / "home"))
    assert done.code == 70
    assert done.out == ""
    assert str(small_disk) in done.err
    assert "no space left" in done.err.lower()
    assert done.err.count("\n") == 1


def test_a_disk_that_fills_up_refuses_new_jobs_and_finishes_the_old(small_disk, cli):
    """One line for the new one; the running one ends as it ended, once there is space."""
    cli.environment["REMJOBS_HOME"] = str(small_disk / "home")
    job = cli.ok("start", "--", "sh", "-c", "sleep 2; echo done").strip()
    fill(small_disk / "ballast")
    refused = cli("start", "--", "true")
    assert refused.code == 70
    assert "no space left" in refused.err
    assert refused.err.count("\n") == 1
    wait_for(lambda: cli.status()["trouble"], "the end of the work waits for space", timeout=20)
    (small_disk / "ballast").unlink()
    assert cli("wait", job, "--timeout", "30").code == 0
    assert cli.ok("receive", job) == "done\n"
    assert [found["id"] for found in cli("list", "--json").json] == [int(job)]


def test_the_controller_is_not_started_by_hand(cli):
    """It says how it is meant to be started."""
    done = subprocess.run(
        [sys.executable, "-m", "remjobs.controller"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr == "remjobs: the controller is started by `remjobs controller start`\n"


def test_a_second_controller_is_not_started(cli):
    """Asked to start while one runs, it is the same one that answers."""
    cli.ok("controller", "start")
    first = cli.status()["pid"]
    cli.ok("controller", "start")
    assert cli.status()["pid"] == first
