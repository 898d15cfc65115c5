"""Host keys, keys, agents and ~/.ssh/config, against real OpenSSH servers."""

import asyncio
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest
from support.execute import ran, text
from support.sshd import keygen

from remjobs.errors import UsageError
from remjobs.model.authentication import Authentication
from remjobs.model.host import Host, HostKeyChecking, SshOptions
from remjobs.model.job import ReasonKind
from remjobs.model.request import Caller
from remjobs.model.secret import Secret
from remjobs.transports.base import Exited, HostFailure, NeedsAnswer, SecretUse
from remjobs.transports.ssh import SshTransport
from remjobs.transports.ssh.config import resolve

PRINT = text("echo in")
IN = (Exited(0), b"in\n", b"")


async def refused(host, caller=None):
    with pytest.raises(HostFailure) as caught:
        await SshTransport(caller or Caller()).connect(host, None)
    return caught.value


def fingerprint(key):
    said = subprocess.run(
        ["ssh-keygen", "-lf", f"{key}.pub"],
        check=True,
        capture_output=True,
        text=True,
    )
    return said.stdout.split()[1]


def public(key):
    return " ".join(Path(f"{key}.pub").read_text().split()[:2])


def with_known(sshd, content, **settings):
    path = sshd.folder / "known_own"
    path.write_text(content)
    return sshd.host(ssh={"known_hosts_file": str(path)}, **settings)


def label(sshd):
    return f"[{sshd.address()}]:{sshd.port}"


# 7: known_hosts


async def test_an_unknown_host_is_refused_by_fingerprint(sshd):
    """The fingerprint and the command that accepts it are told."""
    failure = await refused(with_known(sshd, ""))
    assert failure.reason is ReasonKind.HOST_KEY
    assert fingerprint(sshd.host_key) in str(failure)
    assert f"remjobs known-hosts accept -t {sshd.address()} -p {sshd.port} " in str(failure)


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
async def test_a_changed_key_is_refused_with_both_fingerprints(sshd, tmp_path, kind):
    """Of the same type and of another: old and new are named, not a lost connection."""
    other = keygen(tmp_path / "other", kind)
    failure = await refused(with_known(sshd, f"{label(sshd)} {public(other)}\n"))
    assert failure.reason is ReasonKind.HOST_KEY
    assert "CHANGED" in str(failure)
    assert fingerprint(other) in str(failure)
    assert fingerprint(sshd.host_key) in str(failure)
    assert str(failure).endswith(" --replace-changed")


async def test_hashed_names_are_known(sshd):
    """A known_hosts file as HashKnownHosts writes it."""
    host = with_known(sshd, f"{label(sshd)} {public(sshd.host_key)}\n")
    subprocess.run(
        ["ssh-keygen", "-H", "-f", host.ssh.known_hosts_file],
        check=True,
        capture_output=True,
    )
    assert sshd.address() not in Path(host.ssh.known_hosts_file).read_text()
    assert await ran(host, PRINT) == IN


async def test_one_malformed_line_takes_no_host_with_it(sshd, caplog):
    """It is skipped with a warning that names file and line."""
    lines = f"# c\nnonsense\n@what {label(sshd)} x y\n{label(sshd)} {public(sshd.host_key)}\n"
    host = with_known(sshd, lines)
    assert await ran(host, PRINT) == IN
    assert f"{host.ssh.known_hosts_file}:2: skipped" in caplog.text


async def test_a_revoked_key_is_refused(sshd):
    """Even if another line trusts it."""
    line = f"{label(sshd)} {public(sshd.host_key)}\n"
    failure = await refused(with_known(sshd, f"{line}@revoked {line}"))
    assert failure.reason is ReasonKind.HOST_KEY
    assert "revoked" in str(failure)


async def test_a_certificate_of_a_known_authority_is_trusted(make_sshd, tmp_path):
    """@cert-authority with a host certificate; without the line it is refused."""
    authority = keygen(tmp_path / "ca")
    sshd = make_sshd()
    sshd.stop()
    subprocess.run(
        [
            "ssh-keygen",
            "-q",
            "-s",
            authority,
            "-I",
            "h",
            "-h",
            "-n",
            sshd.address(),
            f"{sshd.host_key}.pub",
        ],
        check=True,
    )
    sshd.options = (f"HostCertificate {sshd.host_key}-cert.pub",)
    sshd.start()
    trusted = with_known(sshd, f"@cert-authority {label(sshd)} {public(authority)}\n")
    assert await ran(trusted, PRINT) == IN
    stranger = keygen(tmp_path / "stranger")
    other = with_known(sshd, f"@cert-authority {label(sshd)} {public(stranger)}\n")
    assert (await refused(other)).reason is ReasonKind.HOST_KEY


async def test_a_key_without_its_port_is_trusted_and_another_one_is_no_change(sshd, tmp_path):
    """As ssh does: a second server of a host may well have a key of its own."""
    bare = with_known(sshd, f"{sshd.address()} {public(sshd.host_key)}\n")
    assert await ran(bare, PRINT) == IN
    other = keygen(tmp_path / "other")
    failure = await refused(with_known(sshd, f"{sshd.address()} {public(other)}\n"))
    assert str(failure).startswith("host key unknown: ")
    revoked = with_known(sshd, f"{bare_line(sshd)}@revoked {label(sshd)} {public(sshd.host_key)}\n")
    assert "revoked" in str(await refused(revoked))


def bare_line(sshd):
    return f"{sshd.address()} {public(sshd.host_key)}\n"


async def test_an_address_that_a_name_stands_for_is_not_the_host(sshd):
    """What is known of an address says nothing of the name that led there."""
    host = with_known(sshd, f"{label(sshd)} {public(sshd.host_key)}\n", name="box")
    host = replace(host, ssh=replace(host.ssh, config_file=str(sshd.folder / "to_box")))
    (sshd.folder / "to_box").write_text(
        f"Host box\n  HostName {sshd.address()}\n  HostKeyAlias else\n"
    )
    assert str(await refused(host)).startswith("host key unknown: ")


class _Password:
    """Gives a password, and counts."""

    given = 0

    async def user(self):
        return "u"

    async def ready(self, use, question=""):
        return True

    async def secret(self, use, question, *, once=False, shared=False):
        self.given += 1
        return Secret("canary")

    def accepted(self, use):
        pass

    def refused(self, use):
        pass

    def check(self, use):
        pass

    def hold(self, use):
        return lambda: None


class _TakesPasswords(asyncssh.SSHServer):
    def begin_auth(self, username):
        return True

    def password_auth_supported(self):
        return True

    def validate_password(self, username, password):
        return bool(password)


async def test_unchecked_a_host_with_another_key_gets_no_password(tmp_path):
    """With none known it gets it: that is what was asked for."""
    key, other = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    known = tmp_path / "known"
    known.touch()
    server = await asyncssh.create_server(_TakesPasswords, "127.0.0.1", 0, server_host_keys=[key])
    port = server.sockets[0].getsockname()[1]
    off = SshOptions(
        config_file="none",
        known_hosts_file=str(known),
        host_key_checking=HostKeyChecking.OFF,
    )
    host = Host(name="127.0.0.1", port=port, ssh=off, authentication=Authentication.PASSWORD)
    access = _Password()
    session = await SshTransport(Caller()).connect(host, access)
    assert session.login.notes == (f"host key not checked: {key.get_fingerprint()} (ssh-ed25519)",)
    await session.close()
    assert access.given == 1
    public = other.export_public_key("openssh").decode()
    known.write_text(f"[127.0.0.1]:{port} {public}")
    with pytest.raises(HostFailure) as caught:
        await SshTransport(Caller()).connect(host, access)
    assert (caught.value.reason, access.given) == (ReasonKind.AUTHENTICATION, 1)
    server.close()
    await server.wait_closed()


# 8: ~/.ssh/config


def by_config(sshd, content, name="box"):
    path = sshd.folder / "config_own"
    path.write_text(content)
    return Host(name=name, ssh=SshOptions(config_file=str(path)))


def reachable(sshd, **changes):
    options = {
        "HostName": sshd.address(),
        "Port": sshd.port,
        "User": sshd.user.name,
        "IdentityFile": sshd.key,
        "UserKnownHostsFile": sshd.known_hosts,
        **changes,
    }
    return "".join(f"    {name} {value}\n" for name, value in options.items() if value)


async def test_a_name_is_reached_as_the_config_says(sshd):
    """HostName, Port, User, IdentityFile and UserKnownHostsFile are honoured."""
    assert await ran(by_config(sshd, f"Host box\n{reachable(sshd)}"), PRINT) == IN


async def test_include_and_match_are_read(sshd, tmp_path):
    """Settings may stand in another file, under a condition."""
    included = tmp_path / "more"
    included.write_text(f"Match originalhost box\n{reachable(sshd)}")
    assert await ran(by_config(sshd, f"Include {included}\n"), PRINT) == IN


async def test_a_missing_identity_file_is_skipped(sshd):
    """As ssh does; the next one gets in."""
    content = f"Host box\n    IdentityFile /no/such/key\n{reachable(sshd)}"
    assert await ran(by_config(sshd, content), PRINT) == IN


async def test_accept_new_takes_an_unknown_key_once_and_keeps_it(sshd, tmp_path):
    """Recorded as new; changed afterwards, it is refused."""
    known = tmp_path / "learned"
    extra = {"UserKnownHostsFile": known, "StrictHostKeyChecking": "accept-new"}
    host = by_config(sshd, f"Host box\n{reachable(sshd, **extra)}")
    assert await ran(host, PRINT) == IN
    assert known.read_text().split() == [label(sshd), *public(sshd.host_key).split()]
    other = keygen(tmp_path / "other")
    known.write_text(f"{label(sshd)} {public(other)}\n")
    assert "CHANGED" in str(await refused(host))


async def test_no_strict_checking_lets_an_unknown_key_pass(sshd, tmp_path, caplog):
    """What the user wrote for this host holds; nothing is recorded, but it is warned of."""
    known = tmp_path / "empty"
    extra = {"UserKnownHostsFile": known, "StrictHostKeyChecking": "no"}
    assert await ran(by_config(sshd, f"Host box\n{reachable(sshd, **extra)}"), PRINT) == IN
    assert not known.exists()
    assert "the host key of box is not checked" in caplog.text


@pytest.mark.parametrize(
    ("block", "is_off"),
    [
        ("Host box\n    StrictHostKeyChecking no", True),
        ("Host other box\n    StrictHostKeyChecking off", True),
        ("Match originalhost box\n    StrictHostKeyChecking no", True),
        ("Host box\n    Include {more}", True),
        ("Host *\n    StrictHostKeyChecking no", False),
        ("Host b?x\n    StrictHostKeyChecking no", False),
        ("Host * !other\n    StrictHostKeyChecking no", False),
        ("Match all\n    StrictHostKeyChecking no", False),
        ("StrictHostKeyChecking no", False),
        ("Include {more}", False),
        ("Host box\n    StrictHostKeyChecking yes\nHost *\n    StrictHostKeyChecking no", False),
    ],
)
def test_checking_is_off_only_where_the_config_names_the_host(tmp_path, block, is_off):
    """A pattern leaves it strict, and that is told."""
    more = tmp_path / "more"
    more.write_text("StrictHostKeyChecking no\n")
    config = tmp_path / "config"
    config.write_text(block.format(more=more) + "\n")
    settings = resolve(Host(name="box", ssh=SshOptions(config_file=str(config))))
    assert (settings.checking is HostKeyChecking.OFF) == is_off
    if not is_off:
        assert settings.checking is HostKeyChecking.STRICT
        assert ("is not for box alone" in "".join(settings.notes)) == (
            "checking yes" not in block.lower()
        )


@pytest.mark.parametrize("name", ["-oProxyCommand=x", "a b", "a\nb"])
def test_names_are_checked_once_more_where_they_are_used(tmp_path, name):
    """Wherever they came from: the caller, a job that was read back, HostName."""
    config = tmp_path / "config"
    config.write_text(f'Host box\n    HostName "{name.splitlines()[0]}"\n')
    by_config = Host(name="box", ssh=SshOptions(config_file=str(config)))
    own = SshOptions(config_file="none")
    hosts = [Host(name=name, ssh=own), Host(name="box", address=name, ssh=own)]
    for host in [*hosts, *([by_config] if "\n" not in name else [])]:
        with pytest.raises(HostFailure, match="is not a host name"):
            resolve(host)


async def test_options_without_effect_are_warned_of_once(sshd, caplog):
    """What ssh would honour and we do not is not passed over in silence."""
    extra = {"ControlMaster": "auto", "ConnectionAttempts": "3"}
    host = by_config(sshd, f"Host box\n{reachable(sshd, **extra)}")
    transport = SshTransport(Caller())
    for _ in range(2):
        assert await ran(host, PRINT, transport=transport) == IN
    for name in extra:
        assert caplog.text.count(f"{name} is not supported and was ignored") == 1


async def test_strict_is_the_default_and_is_what_ask_means(sshd, tmp_path):
    """There is nobody to ask in the background."""
    for word in (None, "ask", "yes"):
        extra = {"UserKnownHostsFile": tmp_path / "none", "StrictHostKeyChecking": word}
        failure = await refused(by_config(sshd, f"Host box\n{reachable(sshd, **extra)}"))
        assert failure.reason is ReasonKind.HOST_KEY


async def test_a_config_that_cannot_be_parsed_refuses_the_host(sshd):
    """With file and line, and no traceback."""
    failure = await refused(by_config(sshd, "Host box\n    Port many\n"))
    assert failure.reason is ReasonKind.REFUSED
    assert re.search(r"config_own.*line 2.*Port", str(failure))


@pytest.mark.parametrize("name", ["-oProxyCommand=touch /tmp/x", "a b", "a\nb"])
def test_unsafe_names_are_refused_before_anything_starts(name):
    """They would be options or several words to a ProxyCommand."""
    with pytest.raises(UsageError, match="not a host name"):
        SshTransport(Caller()).check(Host(name=name), PRINT)


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot read the key: No such file"), ("garbage", "not a usable private key")],
)
def test_a_named_key_that_cannot_be_used_is_refused_at_once(tmp_path, content, message):
    """Named by hand, a key must work; nothing starts without it."""
    path = tmp_path / "key"
    if content is not None:
        path.write_text(content)
    host = Host(name="h", ssh=SshOptions(identity_files=(str(path),)))
    with pytest.raises(UsageError, match=f"{path}: {message}"):
        SshTransport(Caller()).check(host, PRINT)


async def test_a_key_with_a_passphrase_asks_for_it(tmp_path):
    """Before anything goes to the host, and with the key's path."""
    key = tmp_path / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", key], check=True)
    host = Host(name="h", ssh=SshOptions(identity_files=(str(key),), config_file="none"))
    transport = SshTransport(Caller())
    transport.check(host, PRINT)
    with pytest.raises(NeedsAnswer, match=f"passphrase of {key}") as asked:
        await transport.connect(host, None)
    assert (asked.value.use, asked.value.is_shared) == (SecretUse.KEY, True)


# Logging in


async def test_a_wrong_key_is_an_authentication_failure_tried_once(make_sshd, tmp_path):
    """One refused login, not five: accounts are not locked by insisting."""
    sshd = make_sshd()
    stranger = keygen(tmp_path / "stranger")
    failure = await refused(sshd.host(ssh={"identity_files": (str(stranger),)}))
    assert failure.reason is ReasonKind.AUTHENTICATION
    connections = re.findall(r"^Connection from ", sshd.log.read_text(), re.MULTILINE)
    probes = 1  # the fixture's own look whether it listens
    assert len(connections) - probes == 1


@pytest.fixture
def agent(sshd, make_agent):
    """A real ssh-agent that holds the user's key."""
    return make_agent(sshd.key)


async def test_the_callers_agent_is_used(sshd, agent, monkeypatch):
    """Its socket comes with the request; that of our own environment is not looked at."""
    monkeypatch.setenv("SSH_AUTH_SOCK", "/no/such/agent")
    monkeypatch.setenv("HOME", str(sshd.folder))
    host = sshd.host(ssh={"identity_files": ()})
    assert await ran(host, PRINT, caller=Caller(ssh_auth_sock=agent)) == IN
    assert (await refused(host)).reason is ReasonKind.AUTHENTICATION


async def test_a_key_type_each_logs_in(make_sshd, tmp_path):
    """Ed25519, ECDSA and RSA (with SHA-2) all do."""
    sshd = make_sshd()
    for kind in ("ed25519", "ecdsa", "rsa"):
        key = keygen(tmp_path / kind, kind)
        with sshd.authorized.open("a") as file:
            file.write(Path(f"{key}.pub").read_text())
        host = sshd.host(ssh={"identity_files": (str(key),)})
        assert await ran(host, PRINT) == IN


@pytest.mark.parametrize(
    ("host", "message"),
    [
        (Host(name="127.0.1.1", port=1), "connection refused"),
        (Host(name="no-such-host.invalid"), "name not found"),
    ],
)
async def test_network_errors_are_unreachable_in_plain_words(host, message):
    """One sentence, with where it was tried."""
    failure = await refused(host)
    assert failure.reason is ReasonKind.UNREACHABLE
    assert str(failure).startswith(message)


async def test_connecting_at_once_shares_keys_and_known_hosts(sshd):
    """One transport serves many hosts of a job at the same time."""
    transport = SshTransport(Caller())
    results = await asyncio.gather(
        *(ran(sshd.host(n), PRINT, transport=transport) for n in range(1, 17)),
    )
    assert results == [IN] * 16
