"""``remjobs known-hosts`` and ``--host-key-checking``, on real OpenSSH servers."""

import os
import pty
import select
import subprocess
from pathlib import Path

import pytest
from support.sshd import free_port, keygen

MANY = 12
"""Commands that accept at the same time."""


class Ground:
    """A server with two keys, and a known_hosts file of the test's own."""

    def __init__(self, cli, sshd, folder):
        self.cli, self.sshd = cli, sshd
        self.known = folder / "known"
        self.known.touch()
        self.host = sshd.address()
        self.label = f"[{self.host}]:{sshd.port}"
        self.keys = {"ssh-ed25519": sshd.host_key, "ecdsa-sha2-nistp256": folder / "ecdsa_key"}

    def __call__(self, verb, *words, **more):
        return self.cli(*self.words(verb), *words, **more)

    def words(self, verb, host=None):
        options = [*self.sshd.options_for_cli(), "--known-hosts", self.known]
        if verb in {"scan", "accept"}:
            return ["known-hosts", verb, "-t", host or self.host, *options]
        return [verb, "-t", host or self.host, *options]

    def knows(self, key, name=None, mark=""):
        """Write a line, and return it."""
        line = f"{mark}{name or self.label} {public(key)}\n"
        with self.known.open("a") as file:
            file.write(line)
        return line

    def lines(self):
        return self.known.read_text().splitlines()


def public(key):
    return " ".join(Path(f"{key}.pub").read_text().split()[:2])


def fingerprint(key):
    said = subprocess.run(
        ["ssh-keygen", "-lf", f"{key}.pub"], check=True, capture_output=True, text=True
    )
    return said.stdout.split()[1]


@pytest.fixture
def ground(cli, make_sshd, tmp_path):
    """A server of one test's own that offers an Ed25519 and an ECDSA key."""
    key = keygen(tmp_path / "ecdsa_key", "ecdsa")
    return Ground(cli, make_sshd(f"HostKey {key}", addresses=3), tmp_path)


def standings(done):
    """Return what was said of each type of key."""
    return {line.split()[1]: line.split()[3] for line in done.out.splitlines()}


def at_a_terminal(cli, words, typed):
    """Type a command, and what is answered once it asks; return code and what was shown."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        cli.argv(*words), stdin=theirs, stdout=theirs, stderr=theirs, env=cli.environment
    )
    os.close(theirs)
    said = b""
    while b"[y/N]" not in said and select.select([ours], [], [], 60)[0]:
        said += read(ours) or b"[y/N] (never asked)"
    os.write(ours, typed)
    while more := read(ours):
        said += more
    os.close(ours)
    return process.wait(), said.decode().replace("\r\n", "\n")


def read(descriptor):
    try:
        return os.read(descriptor, 4096)
    except OSError:
        return b""


# Looking


def test_a_scan_shows_every_key_and_what_is_known_of_it(ground):
    """New, known, changed with the line that says otherwise; nobody logs in."""
    first = ground("scan")
    assert (first.code, first.err) == (0, "")
    assert {line.split()[2] for line in first.out.splitlines()} == {
        fingerprint(key) for key in ground.keys.values()
    }
    assert standings(first) == dict.fromkeys(ground.keys, "new")
    ground.knows(ground.sshd.host_key)
    assert standings(ground("scan")) == {"ssh-ed25519": "known", "ecdsa-sha2-nistp256": "new"}
    other = keygen(ground.known.with_name("other"))
    ground.known.write_text(f"# of the test\n{ground.label} {public(other)}\n")
    changed = ground("scan")
    assert changed.code == 4
    assert f"CHANGED, known {fingerprint(other)} (ssh-ed25519) in {ground.known}:2" in changed.out
    log = ground.sshd.log.read_text()
    assert "Accepted" not in log
    assert "Failed" not in log


def test_a_scan_as_json(ground):
    """Each key with its type, fingerprint, standing, and the key itself."""
    [host] = ground("scan", "--json").json
    assert (host["host"], host["name"]) == (ground.host, ground.label)
    assert host["file"] == str(ground.known)
    assert {key["public"] for key in host["keys"]} == {public(k) for k in ground.keys.values()}


def test_hosts_that_are_not_reached_do_not_hinder_others(ground):
    """Each is told, and the exit code says so."""
    done = ground("accept", "-t", "127.0.1.99", "--yes", "--connect-timeout", "5")
    assert done.code == 4
    assert "127.0.1.99: connection refused" in done.err
    assert len(ground.lines()) == 2


# Accepting


def test_what_is_accepted_lets_work_run(ground):
    """From the refusal by the command that it names to a job that runs."""
    refused = ground("run", "--", "true")
    assert refused.code == 4
    _, _, command = refused.err.splitlines()[0].partition("if that is its key: remjobs ")
    done = ground.cli(*command.split(), "--yes")
    assert (done.code, done.err) == (
        0,
        f"remjobs: {ground.host}: 2 keys accepted, in {ground.known}\n",
    )
    assert ground("run", "--", "true").code == 0
    assert ground("ping").code == 0
    again = ground("accept")
    assert (again.code, again.err) == (0, "remjobs: every key is known already\n")
    assert ground.known.stat().st_mode & 0o777 == 0o644


def test_off_a_terminal_nothing_is_accepted_unasked(ground):
    """Whatever stands on standard input; the fingerprints are shown all the same."""
    done = ground("accept", stdin=b"y\n")
    assert done.code == 2
    assert "compare the fingerprints, then say --yes or --fingerprint" in done.err
    assert standings(done) == dict.fromkeys(ground.keys, "new")
    assert ground.lines() == []


def test_a_fingerprint_accepts_that_key_alone(ground):
    """As it was read on the console; a host without it is refused."""
    key = ground.keys["ecdsa-sha2-nistp256"]
    assert ground("accept", "--fingerprint", fingerprint(key)).code == 0
    assert ground.lines() == [f"{ground.label} {public(key)}"]
    assert ground("run", "--", "true").code == 0
    ground.known.write_text("")
    done = ground("accept", "--fingerprint", "SHA256:" + "A" * 43)
    assert done.code == 4
    assert f"{ground.host}: none of its keys has a fingerprint that was given" in done.err
    assert ground.lines() == []


@pytest.mark.parametrize(("typed", "code", "kept"), [(b"y\n", 0, 6), (b"n\n", 1, 0), (b"\n", 1, 0)])
def test_at_a_terminal_it_asks_once_for_all(ground, typed, code, kept):
    """Three hosts with two keys each are one question; only yes is yes."""
    words = ground.words("accept", "127.0.1.[1-3]")
    ended, said = at_a_terminal(ground.cli, words, typed)
    assert (ended, len(ground.lines())) == (code, kept)
    assert said.count("?") == 1
    assert "accept 6 keys of 3 hosts? [y/N]" in said
    assert said.count(fingerprint(ground.sshd.host_key)) == 3


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_a_changed_key_is_never_replaced_unasked(ground, kind):
    """Of the same type or of another; not by --yes, only by name, and then the old one is gone."""
    other = keygen(ground.known.with_name("other"), kind)
    ground.knows(other)
    for words in (("--yes",), ("--fingerprint", fingerprint(ground.sshd.host_key))):
        done = ground("accept", *words)
        assert done.code == 4
        assert f"{ground.host}: host key CHANGED" in done.err
        assert ground.lines() == [f"{ground.label} {public(other)}"]
    done = ground("accept", "--replace-changed", "--yes")
    assert done.code == 0
    assert fingerprint(other) in done.out
    assert "2 keys accepted, 1 removed" in done.err
    assert sorted(ground.lines()) == sorted(
        f"{ground.label} {public(key)}" for key in ground.keys.values()
    )
    assert ground("run", "--", "true").code == 0


def test_replacing_asks_with_both_fingerprints(ground):
    """The old one and the new one stand right before the question."""
    other = keygen(ground.known.with_name("other"))
    ground.knows(other)
    words = [*ground.words("accept"), "--replace-changed"]
    code, said = at_a_terminal(ground.cli, words, b"n\n")
    assert code == 1
    old, new = fingerprint(other), fingerprint(ground.sshd.host_key)
    assert f"{ground.host}: known {old} (ssh-ed25519), new {new} (ssh-ed25519)\n" in said
    assert "accept 2 keys of 1 host, and remove 1 known key? [y/N]" in said
    assert ground.lines() == [f"{ground.label} {public(other)}"]


def test_a_replaced_key_stays_with_the_other_hosts_of_its_line(ground):
    """Only this host's name leaves the line; a pattern is left to a person."""
    other = keygen(ground.known.with_name("other"))
    ground.known.write_text(
        f"# kept\nelse.example.org,{ground.label} {public(other)} a comment\nnonsense\n"
    )
    assert ground("accept", "--replace-changed", "--yes").code == 0
    assert ground.lines()[:3] == [
        "# kept",
        f"else.example.org {public(other)} a comment",
        "nonsense",
    ]
    assert len(ground.lines()) == 5
    before = f"[127.0.1.*]:{ground.sshd.port} {public(other)}\n"
    ground.known.write_text(before)
    done = ground("accept", "--replace-changed", "--yes")
    assert done.code == 4
    assert f"{ground.known}:1: the known key is that of a pattern" in done.err
    assert ground.known.read_text() == before


def test_a_revoked_key_is_never_accepted(ground):
    """And none of the host's others either."""
    ground.knows(ground.sshd.host_key, mark="@revoked ")
    done = ground("accept", "--yes", "--replace-changed")
    assert done.code == 4
    assert standings(done)["ssh-ed25519"] == "revoked"
    assert f"{ground.host}: a revoked key" in done.err
    assert len(ground.lines()) == 1
    for checking in ("accept-new", "off"):
        assert ground("run", "--host-key-checking", checking, "--", "true").code == 4


def test_revoked_host_keys_of_the_ssh_config(ground):
    """A list of keys is honoured; one in the binary form is told to be ignored."""
    revoked = ground.known.with_name("revoked")
    revoked.write_text(f"# stolen\n{public(ground.sshd.host_key)}\n")
    with ground.sshd.ssh_config.open("a") as file:
        file.write(f"    RevokedHostKeys {revoked}\n")
    ground.knows(ground.sshd.host_key)
    done = ground("run", "--", "true")
    assert done.code == 4
    assert "revoked" in done.err
    subprocess.run(
        ["ssh-keygen", "-q", "-k", "-f", revoked, f"{ground.sshd.host_key}.pub"], check=True
    )
    assert ground("run", "--", "true").code == 0
    log = (ground.cli.home / "controller.log").read_text()
    assert f"RevokedHostKeys {revoked} is a binary list, which is not supported" in log


def test_a_certificate_of_a_trusted_authority_needs_no_accepting(ground):
    """It is shown; one of somebody else is named, and the plain key can be accepted instead."""
    authority, stranger = (keygen(ground.known.with_name(name)) for name in ("ca", "stranger"))
    certify(ground, authority)
    ground.knows(authority, mark="@cert-authority ")
    done = ground("scan")
    assert f"certificate by ssh-ed25519 {fingerprint(authority)} certified" in done.out
    assert ground("run", "--", "true").code == 0
    ground.known.write_text("")
    ground.knows(stranger, mark="@cert-authority ")
    refused = ground("run", "--", "true")
    assert refused.code == 4
    assert f"signed by {fingerprint(authority)} (ssh-ed25519), which is not trusted" in refused.err
    assert "certified" not in ground("scan").out
    ground.known.write_text("")
    assert ground("accept", "--yes").code == 0
    assert ground("run", "--", "true").code == 0


def certify(ground, authority):
    sshd = ground.sshd
    sshd.stop()
    words = ["-s", authority, "-I", "h", "-h", "-n", ground.host, f"{sshd.host_key}.pub"]
    subprocess.run(["ssh-keygen", "-q", *words], check=True)
    sshd.options = (*sshd.options, f"HostCertificate {sshd.host_key}-cert.pub")
    sshd.start()


def test_names_are_hashed_where_the_config_says_so(ground):
    """OpenSSH itself knows the host by what was written."""
    with ground.sshd.ssh_config.open("a") as file:
        file.write("    HashKnownHosts yes\n")
    assert ground("accept", "--yes").code == 0
    assert ground.host not in ground.known.read_text()
    assert all(line.startswith("|1|") for line in ground.lines())
    said = subprocess.run(
        ["ssh-keygen", "-F", ground.label, "-f", ground.known], check=True, capture_output=True
    )
    assert said.stdout.count(b"|1|") == 2
    other = keygen(ground.known.with_name("other"))
    ground.known.write_text("")
    ground.knows(other)
    subprocess.run(["ssh-keygen", "-H", "-f", ground.known], check=True, capture_output=True)
    assert ground("accept", "--replace-changed", "--yes").code == 0
    assert len(ground.lines()) == 2
    assert ground("run", "--", "true").code == 0


def test_the_files_of_the_config(ground):
    """The user's first file is written to; a key that another file has cannot be replaced."""
    other = keygen(ground.known.with_name("other"))
    everyone = ground.known.with_name("everyone")
    config = ground.sshd.ssh_config
    config.write_text(
        f"GlobalKnownHostsFile {everyone}\nHost alias\n  HostName {ground.host}\n"
        f"  HostKeyAlias the-box\n{config.read_text().replace('127.0.1.*', 'alias')}"
    )
    ground.sshd.known_hosts.unlink()
    words = ("-t", "alias", "--ssh-config", config)
    everyone.write_text(f"the-box {public(ground.sshd.host_key)}\n")
    done = ground.cli("known-hosts", "accept", *words, "--yes")
    assert done.code == 0
    ecdsa = public(ground.keys["ecdsa-sha2-nistp256"])
    assert ground.sshd.known_hosts.read_text() == f"the-box {ecdsa}\n"
    assert ground.sshd.known_hosts.stat().st_mode & 0o777 == 0o600
    assert ground.cli("run", *words, "--", "true").code == 0
    everyone.write_text(f"the-box {public(other)}\n")
    ground.sshd.known_hosts.unlink()
    done = ground.cli("known-hosts", "accept", *words, "--yes", "--replace-changed")
    assert done.code == 4
    assert f"the known key stands in {everyone}:1" in done.err


def test_a_link_is_written_through(ground):
    """A known_hosts file that is kept elsewhere stays a link."""
    real = ground.known.rename(ground.known.with_name("real"))
    ground.known.symlink_to(real)
    ground.knows(keygen(ground.known.with_name("other")))
    assert ground("accept", "--replace-changed", "--yes").code == 0
    assert ground.known.is_symlink()
    assert len(real.read_text().splitlines()) == 2


def test_many_that_accept_at_once_lose_nothing(ground):
    """Also while some replace: every host's two keys are there once, and the file is whole."""
    other = keygen(ground.known.with_name("other"))
    hosts = [f"box{number}" for number in range(MANY)]
    ground.known.write_text(f"# a comment\n{hosts[0]} {public(other)}\n{hosts[1]} {public(other)}")
    config = ground.sshd.ssh_config
    blocks = [f"Host {host}\n  HostKeyAlias {host}\n" for host in hosts]
    where = f"Host box*\n  HostName {ground.host}\n  Port {ground.sshd.port}\n"
    config.write_text("".join([*blocks, where, f"  IdentityFile {ground.sshd.key}\n"]))
    more = ["--ssh-config", config, "--known-hosts", ground.known, "--yes", "--replace-changed"]
    ground.cli.ok("controller", "start")
    begun = [ground.cli.begin("known-hosts", "accept", "-t", host, *more) for host in hosts]
    assert [process.wait(60) for process in begun] == [0] * MANY
    expected = [f"{host} {public(key)}" for host in hosts for key in ground.keys.values()]
    assert sorted(ground.lines()) == sorted(["# a comment", *expected])
    assert not [path for path in ground.known.parent.iterdir() if path.name.startswith(".")]


# Checking less


def test_accept_new_keeps_the_first_key_of_each_host(ground):
    """Once; another one later is refused."""
    words = ["run", "-t", "127.0.1.[1-3]", *ground.words("run")[3:]]
    assert ground.cli(*words, "--host-key-checking", "accept-new", "--", "true").code == 0
    assert len(ground.lines()) == 3
    assert ground.cli(*words, "--", "true").code == 0
    ground.known.write_text("")
    ground.knows(keygen(ground.known.with_name("other")))
    done = ground("run", "--host-key-checking", "accept-new", "--", "true")
    assert done.code == 4
    assert "host key CHANGED" in done.err


def test_off_is_warned_of_each_time(ground):
    """At the start, on the child, by ping; nothing is written, a changed key passes too."""
    off = ("--host-key-checking", "off")
    for _ in range(2):
        done = ground("run", *off, "--", "true")
        assert done.code == 0
        assert f"remjobs: host key not checked: {ground.host} may be any machine\n" in done.err
    pinged = ground("ping", *off)
    assert pinged.code == 0
    offered = f"{fingerprint(ground.sshd.host_key)} (ssh-ed25519)"
    assert f"{ground.host}: host key not checked: {offered}" in pinged.err
    assert ground.lines() == []
    other = keygen(ground.known.with_name("other"))
    ground.knows(other)
    assert ground("run", *off, "--", "true").code == 0
    [child] = ground.cli("get", "@last", "--json").json["children"]
    assert child["status_message"] == (
        f"host key not checked: known {fingerprint(other)} (ssh-ed25519), offered {offered}"
    )


PATTERNS = {
    "127.0.1.[1-3]": "127.0.1.[1-3]",
    "127.0.1.[1]": "127.0.1.[1]",
    "127.0.1.1,127.0.1.[2-3]": "127.0.1.[2-3]",
    "@list": "@list",
    "-": "-",
    "both": "both",
    "all": "all",
    "@last:completed": "@last:completed",
}
"""What was typed, and the term of it that is no host's name."""


def test_off_is_for_hosts_that_are_named(cli, tmp_path):
    """A range, a file, a group, standard input, hosts of a job: refused, and nothing starts."""
    (cli.cwd / "list").write_text("127.0.1.1\n")
    inventory = tmp_path / "i.toml"
    inventory.write_text(
        "[hosts]\n'127.0.1.1' = {transport = 'local'}\n'127.0.1.2' = {}\n'127.0.1.3' = {}\n"
        "[groups]\nboth = ['127.0.1.1', '127.0.1.2']\n"
    )
    cli.ok("run", "-i", inventory, "-t", "127.0.1.1", "--", "true")
    off = ("-i", inventory, "--host-key-checking", "off")
    tries = [(["ping", "-t", target], named) for target, named in PATTERNS.items()]
    tries += [(["hosts", "clean", "-t", "both"], "both")]
    for verb in (["start"], ["run"], ["definition", "add", "d"]):
        tries += [([*verb, "-t", "all", *off, "--", "true"], "all")]
    for words, named in tries:
        done = cli(*words, *(() if "--" in words else off), stdin=b"127.0.1.1\n")
        assert (done.code, done.out) == (2, "")
        assert done.err == (
            "remjobs: host keys can go unchecked only for hosts that are named one by one, "
            f"and {named!r} is no host's own name\n"
        )
    assert len(cli("list", "--json").json) == 1


def test_off_for_named_hosts_of_an_inventory(cli, sshd, tmp_path):
    """Several names are several named hosts; a word that is none lists those there are."""
    inventory = tmp_path / "i.toml"
    inventory.write_text(
        f"[hosts]\n'{sshd.address(1)}'.ssh.host_key_checking = 'off'\n'{sshd.address(2)}' = {{}}\n"
    )
    known = tmp_path / "known"
    known.touch()
    words = ("-i", inventory, *sshd.options_for_cli(), "--known-hosts", known)
    both = f"{sshd.address(1)},{sshd.address(2)}"
    done = cli("run", "-t", both, *words, "--host-key-checking", "off", "--", "true")
    assert done.code == 0
    assert "host key not checked: 127.0.1.[1-2] may be any machine" in done.err
    done = cli("run", "-t", both, *words, "--", "true")
    assert done.code == 4
    assert "host key not checked: 127.0.1.1 may be any machine" in done.err
    strict = cli("run", "-t", sshd.address(1), *words, "--host-key-checking", "strict", "--", "id")
    assert strict.code == 4
    wrong = cli("run", "-t", both, *words, "--host-key-checking", "never", "--", "true")
    assert wrong.code == 2
    assert "'strict', 'accept-new', 'off'" in wrong.err
    without = cli("run", "--host-key-checking", "off", "--", "true")
    assert (without.code, "-t names them" in without.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["scan"], "whose keys? -t names hosts"),
        (["accept", "--yes"], "whose keys? -t names hosts"),
        (["scan", "-t", "h1", "-f", "0"], "throttle limit 0 is not 1 or more"),
        (["scan", "-t", "h1", "--known-hosts", "nofile"], "nofile: no such file"),
        (["scan", "-t", "-oProxyCommand=x"], "'-oProxyCommand=x' is not a host name"),
        (["accept", "-t", "local", "-i", "i.toml"], "local: a host of the transport 'local' has"),
    ],
)
def test_bad_input(cli, words, message):
    """One line, exit 2."""
    (cli.cwd / "i.toml").write_text("[hosts.local]\ntransport = 'local'\n")
    done = cli("known-hosts", *words)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert len(done.err.splitlines()) == 1


def test_what_listens_may_be_no_ssh_server(cli, sshd):
    """Nothing there, or nothing that is known: one line each."""
    done = cli("known-hosts", "scan", "-t", sshd.address(), "-p", free_port())
    assert done.code == 4
    assert "connection refused" in done.err
