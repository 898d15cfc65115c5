"""The way to a host: ~/.ssh/config, hosts and programs in between, the agent taken along."""

import asyncio
import getpass
import os
import re
import socket
import subprocess
from pathlib import Path

import pytest
from support.engines import engine_over
from support.execute import ran, text
from support.pam import Codes, sshd_with_pam
from support.sshd import keygen, need_root, wait_for

from remjobs import JobState as S
from remjobs.engine.access import JobAccess
from remjobs.model.host import Host, SshOptions
from remjobs.model.job import ReasonKind as K
from remjobs.model.request import Caller
from remjobs.testing import MemoryKeyring
from remjobs.transports.base import Exited, HostFailure
from remjobs.transports.ssh import SshTransport
from remjobs.transports.ssh.config import resolve

PRINT = text("echo in")
IN = (Exited(0), b"in\n", b"")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home without keys and configuration of anybody's."""
    folder = tmp_path / "home"
    (folder / ".ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(folder))
    return folder


# The configuration, against ssh itself

CONFIGS = {
    "first value wins": "Host web1\n Port 1001\nHost *\n Port 1002\n User all\n",
    "patterns": "Host web* !web1\n Port 1\nHost web?\n Port 2\nHost w,eb1 *1\n Port 3\n",
    "quotes and equals": 'Host=web1\n User = "deploy"\n  Port=22\n IdentityFile="~/a key"\n',
    "tokens": (
        "Host web1\n HostName %h.example.org\n User deploy\n Port 7\n"
        " IdentityFile ~/.ssh/%r@%h:%p.%n\n CertificateFile %d/%u.%L-cert.pub\n"
        " UserKnownHostsFile ~/.ssh/known-%h ~/.ssh/known-%k\n"
    ),
    "match": (
        "Match originalhost web1\n HostName other\nMatch host other user deploy\n Port 5\n"
        "Match host web1\n Port 6\nMatch !user nobody host other\n User deploy\n"
    ),
    "match exec": (
        'Match exec "case %n in web1) ;; *) false; esac"\n Port 11\n'
        'Match exec "test -n %h && false"\n User no\n'
        'Match !exec "false"\n User yes\n'
    ),
    "match final": (
        "Match final\n Port 12\nMatch final host deep\n User fin\nHost web1\n HostName deep\n"
    ),
    "match localuser": "Match localuser root,nobody\n Port 12\nMatch all\n User any\n",
    "include": "Include more/*.conf\nHost web1\n Port 99\n User late\n",
    "include within a block": "Host db*\n Include more/*.conf\nHost web1\n Port 99\n",
    "jump": "Host web1\n ProxyJump me@one:2201,two\nHost *\n ProxyCommand nc %h %p\n",
    "command": "Host web1\n ProxyCommand nc -X 5 %h %p # no\nHost *\n ProxyJump one\n",
    "no jump": "Host web1\n ProxyJump none\nHost *\n ProxyJump one\n",
    "identities": (
        "Host web1\n IdentityFile ~/one\nHost *\n IdentityFile ~/two\n IdentitiesOnly yes\n"
    ),
    "agent": "Host web1\n IdentityAgent ~/sock\nHost *\n IdentityAgent none\n",
    "time-outs": "Host *\n ConnectTimeout 7\n ServerAliveInterval 9\n ServerAliveCountMax 2\n",
    "methods": (
        "Host *\n PreferredAuthentications publickey,password\n PasswordAuthentication no\n"
        " GSSAPIAuthentication yes\n PubkeyAuthentication yes\n"
    ),
    "comments": "# one\n\n  # two\nHost web1 # three\n\tPort 31\n",
}
MORE = "Host web1\n Port 41\n User included\n"
COMPARED = (
    "hostname", "user", "port", "identityfile", "certificatefile", "userknownhostsfile",
    "proxyjump", "proxycommand", "identityagent", "identitiesonly", "connecttimeout",
    "serveraliveinterval", "serveralivecountmax", "preferredauthentications",
    "passwordauthentication", "gssapiauthentication", "pubkeyauthentication",
)  # fmt: skip


def as_ssh_says(config, name, options):
    """Return what ``ssh -G`` says of a host, for the options that the file names."""
    asked = ["ssh", "-F", str(config), "-G", name]
    said = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
    found: dict[str, list[str]] = {}
    for line in said.splitlines():
        option, _, value = line.partition(" ")
        if option in options:
            found.setdefault(option, []).append(value)
    return found


def as_we_say(config, name, options):
    resolved = resolve(Host(name=name, ssh=SshOptions(config_file=str(config))))
    said = {key.lower(): value for key, value in resolved.config.get_options(False).items()}
    said |= {"hostname": resolved.address, "user": resolved.user, "port": resolved.port}
    found: dict[str, list[str]] = {}
    for option in options:
        value = said.get(option)
        if isinstance(value, bool):
            value = "yes" if value else "no"
        if option == "userknownhostsfile" and isinstance(value, list):
            value = " ".join(value)
        if value is not None:
            found[option] = (
                [str(each) for each in value] if isinstance(value, list) else [str(value)]
            )
    return found


@pytest.mark.parametrize("name", CONFIGS)
def test_the_configuration_is_read_as_ssh_reads_it(tmp_path, home, name, monkeypatch):
    """Every option that we go by has the value that ``ssh -G`` gives it."""
    more = home / ".ssh" / "more"
    more.mkdir()
    (more / "own.conf").write_text(MORE)
    config = tmp_path / "config"
    # ssh takes the home from the password file, and so relative names too.
    config.write_text(CONFIGS[name].replace("~", str(home)).replace(" more/", f" {more}/"))
    named = {word.lower() for word in re.findall(r"^ *(\w+)", CONFIGS[name] + MORE, re.MULTILINE)}
    options = {"hostname", "user", "port", *(named & set(COMPARED))}
    for host in ("web1", "db1"):
        ours = {
            option: [value.replace(str(home), "~") for value in values]
            for option, values in as_we_say(config, host, options).items()
        }
        said = as_ssh_says(config, host, options)
        theirs = {
            option: [_as_ours(value, host, home, said) for value in values]
            for option, values in said.items()
        }
        for option in options:
            if option in ours:
                assert ours[option] == theirs.get(option, ours[option]), (host, option)
            else:
                assert option not in named or not _is_said(theirs, option), (host, option)


def _as_ours(value, host, home, said):
    """Return a value as we write it: ``ssh -G`` leaves tokens in some as they are."""
    tokens = {
        "d": "~",
        "h": said["hostname"][0],
        "k": host,
        "L": socket.gethostname().partition(".")[0],
        "n": host,
        "p": said["port"][0],
        "r": said["user"][0],
        "u": getpass.getuser(),
    }
    expanded = re.sub("%(.)", lambda found: tokens[found.group(1)], value)
    return "yes" if expanded == "true" else expanded.replace(str(home), "~")


def _is_said(theirs, option):
    """Whether ssh has a value that is no default."""
    return bool(theirs.get(option)) and "home" in " ".join(theirs[option])


def test_the_systems_configuration_comes_after_the_users(home):
    """As ssh reads it; Debian's has GSSAPIAuthentication in it."""
    system = Path("/etc/ssh/ssh_config")
    assert resolve(Host(name="h")).config.get("GSSAPIAuthentication") == (
        "\n    GSSAPIAuthentication yes" in system.read_text()
    )
    (home / ".ssh" / "config").write_text("GSSAPIAuthentication no\nUser me\n")
    assert resolve(Host(name="h")).config.get("GSSAPIAuthentication") is False
    assert resolve(Host(name="h")).user == "me"


# Hosts on the way


def way_config(tmp_path, sshds, content):
    """Write a configuration: ``one``, ``two`` and ``three`` are these servers, by address."""
    path = tmp_path / "way_config"
    known = tmp_path / "way_known"
    lines = [content]
    for name, sshd in zip(("one", "two", "three"), sshds, strict=False):
        lines.append(
            f"Host {name}\n HostName {sshd.address()}\n Port {sshd.port}\n HostKeyAlias {name}\n"
        )
    lines.append(f"Host *\n User {sshds[0].user.name}\n IdentityFile {sshds[0].key}\n")
    lines.append(f" UserKnownHostsFile {known}\n")
    path.write_text("".join(lines))
    keys = [" ".join(Path(f"{each.host_key}.pub").read_text().split()[:2]) for each in sshds]
    names = ("one", "two", "three")
    known.write_text("".join(f"{n} {key}\n" for n, key in zip(names, keys, strict=False)))
    for sshd in sshds[1:]:
        sshd.authorized.write_text(Path(f"{sshds[0].key}.pub").read_text())
    return path


def by_config(path, name="three", **more):
    return Host(name=name, ssh=SshOptions(config_file=str(path)), **more)


@pytest.fixture
def three(make_sshd):
    return [make_sshd(addresses=1) for _ in range(3)]


def logins(sshd):
    return sshd.log.read_text().count("Accepted publickey")


@pytest.mark.parametrize(
    "content",
    [
        "Host three\n ProxyJump one,two\n",
        "Host three\n ProxyJump two\nHost two\n ProxyJump one\n",
        "Host *\n ProxyJump one\nHost three\n",
        "Host three\n ProxyJump ssh://one,two\n",
    ],
)
async def test_hosts_on_the_way_are_passed(tmp_path, three, content):
    """Several hops, hops behind hops, and one that the rule for all hosts is not for."""
    config = way_config(tmp_path, three, content)
    assert await ran(by_config(config), PRINT) == IN
    expected = [1, 0, 1] if "*" in content else [1, 1, 1]
    assert [logins(sshd) for sshd in three] == expected


async def test_a_jump_is_made_once_for_a_job_and_ends_with_it(tmp_path, make_sshd):
    """However many hosts are behind it, one after the other or at once."""
    jump, fleet = make_sshd(), make_sshd(addresses=6)
    config = way_config(tmp_path, [jump, fleet], "Host two*\n ProxyJump one\n")
    with config.open("a") as file:
        for number in range(1, 7):
            file.write(f"Host two{number}\n HostName {fleet.address(number)}\n")
            file.write(f" Port {fleet.port}\n HostKeyAlias two\n")
    hosts = [by_config(config, f"two{number}") for number in range(1, 7)]
    async with engine_over(tmp_path / "jobs") as (_, jobs):
        job = await jobs.run("echo in", on=hosts, throttle_limit=2, durable=False)
    assert (job.state, logins(jump), logins(fleet)) == (S.COMPLETED, 1, 6)
    wait_for(lambda: not jump.connections(), "the jump has ended")


async def test_what_fails_on_the_way_is_told_with_the_host(tmp_path, three):
    """Not let in at the first, nothing there at the second, and no forwarding."""
    config = way_config(tmp_path, three, "Host three\n ProxyJump one,two\n")
    three[0].authorized.write_text("")
    failure = await refused(by_config(config))
    assert failure.reason is K.AUTHENTICATION
    assert str(failure).startswith("on the way, one: authentication refused")
    three[0].authorized.write_text(Path(f"{three[0].key}.pub").read_text())
    three[1].stop()
    failure = await refused(by_config(config))
    assert failure.reason is K.UNREACHABLE
    assert "on the way, two: the host on the way does not connect us" in str(failure)


async def test_a_host_on_the_way_may_forbid_to_pass(tmp_path, make_sshd):
    """That is a refusal, of the host behind it."""
    servers = [make_sshd("AllowTcpForwarding no"), make_sshd()]
    config = way_config(tmp_path, servers, "Host two\n ProxyJump one\n")
    failure = await refused(by_config(config, "two"))
    assert failure.reason is K.REFUSED
    assert "does not connect us: open failed" in str(failure)


async def test_host_keys_on_the_way_are_checked(tmp_path, three):
    """Against the same known_hosts files."""
    config = way_config(tmp_path, three, "Host three\n ProxyJump one\n")
    known = tmp_path / "way_known"
    known.write_text("".join(known.read_text().splitlines(keepends=True)[1:]))
    failure = await refused(by_config(config))
    assert failure.reason is K.HOST_KEY
    assert str(failure).startswith("on the way, one: host key unknown")


async def test_a_circle_is_told(tmp_path, three):
    """And not walked."""
    content = "Host three\n ProxyJump two\nHost two\n ProxyJump one\nHost one\n ProxyJump two\n"
    config = way_config(tmp_path, three, content)
    assert "goes round in circles" in str(await refused(by_config(config)))


async def test_a_code_for_the_way_is_asked_once_for_the_job(tmp_path, user, make_sshd):
    """The hosts behind it need a key only; one answer lets them all pass."""
    need_root("a PAM service is a file in /etc/pam.d")
    codes = Codes(tmp_path, user)
    with sshd_with_pam(tmp_path, codes.rule) as program:
        options = ("UsePAM yes", "KbdInteractiveAuthentication yes", "PubkeyAuthentication no")
        jump, fleet = make_sshd(*options, program=program), make_sshd(addresses=3)
        content = (
            "Host one\n PreferredAuthentications keyboard-interactive\nHost two*\n ProxyJump one\n"
        )
        config = way_config(tmp_path, [jump, fleet], content)
        with config.open("a") as file:
            for n in (1, 2, 3):
                file.write(f"Host two{n}\n HostName {fleet.address(n)}\n HostKeyAlias two\n")
                file.write(f" Port {fleet.port}\n")
        hosts = [by_config(config, f"two{n}") for n in (1, 2, 3)]
        async with engine_over(tmp_path / "jobs") as (_, jobs):
            job = await jobs.start("echo in", on=hosts, durable=False)
            async with asyncio.timeout(30):
                while [c.state for c in (await children(jobs, job))] != [S.BLOCKED] * 3:
                    await asyncio.sleep(0.02)
            said = {c.status_message.partition(";")[0] for c in await children(jobs, job)}
            asked = f"{user.name}@one is asked: One-time password (OATH) for `{user.name}'"
            assert said == {asked}
            await jobs.answer((await children(jobs, job))[1].id, answer=codes.next())
            [job] = await jobs.wait(job, timeout=30, force=True)
        assert (job.state, logins(fleet)) == (S.COMPLETED, 3)


async def children(jobs, job):
    return parts(*await jobs.get(job.id))


def parts(job):
    return job.children


async def refused(host, caller=None):
    access = JobAccess(MemoryKeyring(), Caller()).to(host)
    transport = SshTransport(caller or Caller())
    with pytest.raises(HostFailure) as caught:
        await transport.connect(host, access)
    await transport.close()
    return caught.value


# ProxyCommand


def with_command(sshd, tmp_path, command):
    config = tmp_path / "proxy_config"
    config.write_text(
        f"Host behind\n ProxyCommand {command}\n HostKeyAlias [{sshd.address()}]:{sshd.port}\n"
        f" User {sshd.user.name}\n IdentityFile {sshd.key}\n"
        f" UserKnownHostsFile {tmp_path}/known\n"
    )
    kind, key = Path(f"{sshd.host_key}.pub").read_text().split()[:2]
    (tmp_path / "known").write_text(f"[{sshd.address()}]:{sshd.port} {kind} {key}\n")
    return Host(name="behind", ssh=SshOptions(config_file=str(config)))


async def test_a_program_carries_the_connection(sshd, tmp_path):
    """Through the user's shell; what it complains of is not taken for the server's words."""
    netcat = tmp_path / "nc"
    netcat.write_text(
        "import os, socket, sys, threading\n"
        "link = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n"
        "def up():\n"
        "    while data := os.read(0, 65536): link.sendall(data)\n"
        "    link.shutdown(socket.SHUT_WR)\n"
        "threading.Thread(target=up, daemon=True).start()\n"
        "while data := link.recv(65536): os.write(1, data)\n"
    )
    command = f"sh -c 'echo noise >&2; exec python3 {netcat} {sshd.address()} {sshd.port}' 2>&2"
    assert await ran(with_command(sshd, tmp_path, command), PRINT) == IN
    wait_for(lambda: not _processes(str(netcat)), "the program has ended")


def _processes(word):
    found = subprocess.run(["pgrep", "-f", word], check=False, capture_output=True, text=True)
    return [pid for pid in found.stdout.split() if int(pid) != os.getpid()]


async def test_a_program_that_fails_is_told_in_its_words(sshd, tmp_path):
    """At once: it is not tried five times."""
    command = f"sh -c 'echo x >> {tmp_path}/tries; echo no way there >&2; exit 3'"
    failure = await refused(with_command(sshd, tmp_path, command))
    assert failure.reason is K.UNREACHABLE
    assert str(failure) == "ProxyCommand ended with exit code 3: no way there"
    assert (tmp_path / "tries").read_text() == "x\n"


# The agent, taken along


async def test_the_agent_is_taken_along_only_when_asked(sshd, make_agent, tmp_path):
    """Not by default, and not by ForwardAgent in the configuration either."""
    agent = make_agent(sshd.key, keygen(tmp_path / "second"))
    caller = Caller(ssh_auth_sock=agent)
    look = text('ssh-add -l | wc -l; test -S "$SSH_AUTH_SOCK"')
    asked = sshd.host(ssh={"forward_agent": True})
    assert await ran(asked, look, caller=caller) == (Exited(0), b"2\n", b"")
    outcome, *_ = await ran(sshd.host(), look, caller=caller)
    assert outcome == Exited(1)
    config = tmp_path / "forwarding"
    config.write_text("ForwardAgent yes\n")
    host = sshd.host(ssh={"config_file": str(config)})
    assert "--forward-agent asks for it" in resolve(host).notes[0]
    outcome, *_ = await ran(host, look, caller=caller)
    assert outcome == Exited(1)
