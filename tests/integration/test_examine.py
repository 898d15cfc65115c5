"""What doctor finds, in set-ups that are really broken: files, agents, file systems."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from support.disk import fill
from support.sshd import keygen, need_root, wait_for

from remjobs.doctor import logout, state
from remjobs.inventory.examine import examine as examine_inventories
from remjobs.model.doctor import Verdict
from remjobs.transports.ssh.config import UNSUPPORTED
from remjobs.transports.ssh.examine import examine
from remjobs.transports.ssh.survey import _REMEDIES

OK, WARNING, PROBLEM = Verdict.OK, Verdict.WARNING, Verdict.PROBLEM


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home where SSH is set up well."""
    folder = tmp_path / "user"
    ssh = folder / ".ssh"
    ssh.mkdir(mode=0o700, parents=True)
    monkeypatch.setenv("HOME", str(folder))
    key = keygen(ssh / "id_ed25519")
    public = Path(f"{key}.pub").read_text().split()[:2]
    (ssh / "known_hosts").write_text(f"web1 {' '.join(public)}\n")
    return folder


@pytest.fixture
def agent(tmp_path):
    """A real ssh-agent; its process and its socket."""
    path = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
    wait_for(path.exists, "the agent listens")
    yield process, path
    process.send_signal(signal.SIGCONT)
    process.kill()
    process.wait()


def add(path, key, *more):
    environment = {**os.environ, "SSH_AUTH_SOCK": str(path)}
    subprocess.run(["ssh-add", "-q", *more, key], check=True, env=environment)


async def found(check, agent_path=""):
    """Return what is not well about one thing, as verdict and message."""
    findings = [f for f in await examine(str(agent_path)) if f.check == check]
    assert findings
    for finding in findings:
        assert bool(finding.remedy) == (finding.verdict is not OK)
    return [(f.verdict, f.message) for f in findings]


def is_about(seen, *expected):
    """Check verdicts, and that messages hold these words."""
    assert [verdict for verdict, _ in seen] == [verdict for verdict, _ in expected], seen
    for (_, message), (_, words) in zip(seen, expected, strict=True):
        assert words in message


# SSH


async def test_a_good_set_up_is_well(home):
    """No finding is anything but ok."""
    findings = await examine("")
    assert {finding.verdict for finding in findings} == {OK}
    checks = [finding.check for finding in findings]
    assert checks == ["ssh config", "ssh agent", "ssh keys", "known_hosts"]


async def test_keys_that_others_may_read(home):
    """Ssh would refuse them; asyncssh would not."""
    (home / ".ssh/id_ed25519").chmod(0o640)
    is_about(await found("ssh keys"), (PROBLEM, "id_ed25519: others may read it (mode 0640)"))


async def test_a_folder_that_others_may_write(home):
    """Whatever the modes of what is in it."""
    (home / ".ssh").chmod(0o770)
    is_about(await found("ssh keys"), (PROBLEM, "others may write in"), (OK, "id_ed25519"))


async def test_keys_that_are_none(home):
    """A broken file, a folder in the place of one, one that is named and missing, none at all."""
    (home / ".ssh/id_rsa").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nx\n")
    (home / ".ssh/id_ecdsa").mkdir()
    (home / ".ssh/config").write_text("Host far\n  IdentityFile ~/.ssh/gone\n")
    is_about(
        await found("ssh keys"),
        (WARNING, "gone: no such file; IdentityFile names it"),
        (PROBLEM, "id_rsa: no usable private key"),
        (PROBLEM, "id_ecdsa: cannot be read: Is a directory"),
        (OK, "id_ed25519"),
    )
    (home / ".ssh/config").unlink()
    (home / ".ssh/id_ecdsa").rmdir()
    for name in ("id_rsa", "id_ed25519"):
        (home / ".ssh" / name).unlink()
    is_about(await found("ssh keys"), (WARNING, "no key to log in with"))


async def test_a_key_with_a_passphrase_needs_an_agent(home, agent):
    """And is well once the agent holds it."""
    _, path = agent
    key = home / ".ssh/id_ed25519"
    add(path, key)
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "secret", "-f", key], check=True)
    is_about(await found("ssh keys"), (WARNING, "has a passphrase, and no agent holds it"))
    is_about(await found("ssh keys", path), (OK, "the agent holds it"))
    is_about(await found("ssh agent", path), (OK, "1 keys"))


async def test_an_agent_without_keys(home, agent):
    """It answers, and is of no use."""
    is_about(await found("ssh agent", agent[1]), (WARNING, "holds no keys"))


async def test_an_agent_that_was_stopped(home, agent):
    """Its socket file may stay, and may be gone."""
    process, path = agent
    process.kill()
    process.wait()
    is_about(await found("ssh agent", path), (PROBLEM, f"no agent answers at {path}"))
    path.unlink(missing_ok=True)
    is_about(await found("ssh agent", path), (PROBLEM, f"no agent answers at {path}"))


async def test_an_agent_that_hangs(home, agent, monkeypatch):
    """It takes the connection and says nothing: logins would hang as well."""
    monkeypatch.setattr("remjobs.transports.ssh.examine._AGENT_SECONDS", 0.3)
    process, path = agent
    process.send_signal(signal.SIGSTOP)
    is_about(await found("ssh agent", path), (PROBLEM, "does not answer within 0.3 s"))


async def test_known_hosts_with_malformed_lines(home):
    """Each is named; many are counted."""
    with (home / ".ssh/known_hosts").open("a") as file:
        file.write("web2 ssh-ed25519 broken\n")
    is_about(await found("known_hosts"), (WARNING, "/.ssh/known_hosts:2: skipped: "))
    with (home / ".ssh/known_hosts").open("a") as file:
        file.write("lonely\n@revoked web3 nonsense\n" * 4)
    seen = await found("known_hosts")
    assert len(seen) == 6
    assert "4 more lines are skipped" in seen[-1][1]


async def test_known_hosts_that_others_may_write(home):
    """They could say which host is trusted."""
    (home / ".ssh/known_hosts").chmod(0o666)
    is_about(await found("known_hosts"), (PROBLEM, "others may write it"))


async def test_known_hosts_that_are_not_there(home):
    """Every host would be refused."""
    (home / ".ssh/known_hosts").unlink()
    is_about(await found("known_hosts"), (WARNING, "no host's key is known"))
    (home / ".ssh/known_hosts").mkdir()
    seen = await found("known_hosts")
    assert seen[0][0] is PROBLEM
    assert "cannot be read: Is a directory" in seen[0][1]


async def test_another_known_hosts_file_is_looked_at(home):
    """Of any block of the configuration."""
    (home / ".ssh/config").write_text("Host x\n  UserKnownHostsFile ~/.ssh/own ~/.ssh/more\n")
    (home / ".ssh/more").write_text("nonsense\n")
    is_about(await found("known_hosts"), (WARNING, "/.ssh/more:1: skipped"))


async def test_options_without_effect_are_found_in_every_block(home, tmp_path):
    """Also in included files and blocks for other hosts; what says no is no matter."""
    (home / ".ssh/more").write_text("# more\nRequiredRSASize 4096\n")
    (home / ".ssh/config").write_text(
        "Include more\nControlMaster no\nHost far\n  ConnectionAttempts=3\n"
        f"Match exec 'touch {tmp_path}/ran'\n  controlmaster auto\n  KnownHostsCommand /bin/k %H\n"
        "Host lax\n  StrictHostKeyChecking no\n  SomethingNew yes\n",
    )
    is_about(
        await found("ssh config"),
        (PROBLEM, "/.ssh/more:2: RequiredRSASize has no effect"),
        (WARNING, "/.ssh/config:4: ConnectionAttempts has no effect"),
        (WARNING, "/.ssh/config:7: KnownHostsCommand has no effect"),
        (WARNING, "/.ssh/config:9: StrictHostKeyChecking no"),
    )
    assert not (tmp_path / "ran").exists()
    (home / ".ssh/config").write_text("Host far\n  ControlMaster yes\n")
    is_about(await found("ssh config"), (WARNING, "/.ssh/config:2: ControlMaster has no effect"))


def test_each_option_that_a_connection_warns_of_has_a_remedy():
    """The two lists go together."""
    assert set(UNSUPPORTED) <= set(_REMEDIES)


@pytest.mark.parametrize(
    "line",
    ["Port twenty", "IdentityFile", "Host 'x", "Host far\n  Compression perhaps"],
)
async def test_a_config_that_cannot_be_read(home, line):
    """With the line, whatever block it is in."""
    (home / ".ssh/config").write_text(f"\n{line}\n")
    is_about(await found("ssh config"), (PROBLEM, f"config line {2 + line.count(chr(10))}: "))


# The inventory


def test_inventories(tmp_path):
    """Well, broken, missing though named, missing and not named."""
    good, bad, none = tmp_path / "a.toml", tmp_path / "b.toml", tmp_path / "c"
    good.write_text('[groups]\nweb = ["web1", "web2"]\n')
    bad.write_text("[hosts.web1]\nprot = 22\n")
    seen = examine_inventories([good, bad, none], named=True)
    assert [finding.verdict for finding in seen] == [OK, PROBLEM, WARNING]
    assert "2 hosts, 1 groups" in seen[0].message
    assert f"{bad}:2: unknown key 'prot'" in seen[1].message
    assert examine_inventories([none], named=False)[0].verdict is OK


# The state directory


def state_of(home):
    return {finding.check: (finding.verdict, finding.message) for finding in state.examine(home)}


def test_a_state_directory_in_memory_without_room(small_disk):
    """2 MiB that are gone at a restart, and then not even these."""
    seen = state_of(small_disk / "home")
    assert seen["state directory"][0] is WARNING
    assert "in memory (tmpfs)" in seen["state directory"][1]
    assert seen["disk space"][0] is PROBLEM
    assert f"MiB free where {small_disk} is" in seen["disk space"][1]
    fill(small_disk / "ballast")
    assert "only 0 MiB free" in state_of(small_disk)["disk space"][1]


def test_a_state_directory_without_inodes(tmp_path):
    """There is room, and no file can be made."""
    need_root("a full table of files is a tmpfs")
    folder = tmp_path / "few"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", "size=2g,nr_inodes=2"]
    subprocess.run(["mount", *options, "none", folder], check=True)
    try:
        (folder / "last").touch()
        assert state_of(folder)["disk space"][0] is PROBLEM
        assert "no inodes left" in state_of(folder)["disk space"][1]
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_a_state_directory_that_is_mounted_read_only(small_disk):
    """Even root cannot write there."""
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    [(verdict, message)] = state_of(small_disk / "home").values()
    assert (verdict, "mounted read-only" in message) == (PROBLEM, True)


def test_a_state_directory_of_somebody_else(tmp_path):
    """And a file in its place."""
    need_root("giving a folder away needs root")
    (tmp_path / "theirs").mkdir()
    os.chown(tmp_path / "theirs", 12345, 12345)
    assert state_of(tmp_path / "theirs")["state directory"][0] is PROBLEM
    assert "another user (uid 12345)" in state_of(tmp_path / "theirs")["state directory"][1]
    (tmp_path / "file").touch()
    assert "is no folder" in state_of(tmp_path / "file" / "home")["state directory"][1]


def test_a_state_directory_that_others_may_look_into(tmp_path):
    """A new one is made for its owner alone."""
    (tmp_path / "open").mkdir(mode=0o755)
    assert state_of(tmp_path / "open")["state directory"][0] is WARNING
    (tmp_path / "open").chmod(0o700)
    assert state_of(tmp_path / "open")["state directory"][0] is OK
    assert "not made yet" in state_of(tmp_path / "later")["state directory"][1]


def test_a_state_directory_on_the_network(tmp_path, monkeypatch):
    """By the table of mounts, as the store itself refuses it."""
    kind = "nfs4"
    monkeypatch.setattr("remjobs.doctor.state.file_system", lambda _folder: kind)
    assert state_of(tmp_path)["state directory"] == (
        PROBLEM,
        f"{tmp_path} is on nfs4, where neither SQLite nor locks work",
    )


# Log-out


@pytest.fixture
def root(tmp_path):
    """The root of a file system whose systemd ends what users left running."""
    folder = tmp_path / "root"
    (folder / "run/systemd/system").mkdir(parents=True)
    (folder / "etc/systemd/logind.conf.d").mkdir(parents=True)
    (folder / "etc/systemd/logind.conf").write_text("[Login]\n#KillUserProcesses=no\n")
    (folder / "etc/systemd/logind.conf.d/own.conf").write_text("[Login]\nKillUserProcesses=yes\n")
    return folder


def test_what_a_log_out_ends(root):
    """With KillUserProcesses, unless the user lingers or is excluded."""
    finding = logout.examine(root, "me")
    assert (finding.verdict, "enable-linger me" in finding.remedy) == (WARNING, True)
    assert logout.examine(root, "root").verdict is OK
    (root / "var/lib/systemd/linger").mkdir(parents=True)
    (root / "var/lib/systemd/linger/me").touch()
    assert logout.examine(root, "me").verdict is OK


def test_which_of_logind_s_files_counts(root):
    """Parts by name, over the main file; of two of one name the one in /etc."""
    (root / "usr/lib/systemd/logind.conf.d").mkdir(parents=True)
    theirs = root / "usr/lib/systemd/logind.conf.d"
    (theirs / "own.conf").write_text("KillUserProcesses=no\n")
    assert logout.examine(root, "me").verdict is WARNING
    (theirs / "zz.conf").write_text("[Login]\nKillUserProcesses=no\n")
    assert logout.examine(root, "me").verdict is OK
    (theirs / "zz.conf").write_text("[Login]\nKillExcludeUsers=root me\n")
    assert logout.examine(root, "me").verdict is OK
    assert logout.examine(root, "root").verdict is OK
    (root / "run/systemd/system").rmdir()
    assert logout.examine(root, "you").verdict is OK
