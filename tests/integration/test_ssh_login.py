"""Logging in to real OpenSSH servers: keys, certificates, passwords, codes."""

import asyncio
import base64
import subprocess
from contextlib import asynccontextmanager

import pytest
from support.engines import engine_over
from support.execute import ran, text
from support.pam import Codes, sshd_with_pam
from support.sshd import keygen, need_root

from remjobs import JobState as S
from remjobs.engine.access import JobAccess
from remjobs.errors import UsageError
from remjobs.model.authentication import Authentication
from remjobs.model.credential import CredentialInfo, CredentialKind
from remjobs.model.host import Host
from remjobs.model.job import ReasonKind as K
from remjobs.model.request import Caller
from remjobs.model.secret import Secret
from remjobs.testing import MemoryKeyring
from remjobs.transports.base import Exited, HostFailure
from remjobs.transports.ssh import SshTransport
from remjobs.transports.ssh.passwords import Passwords

PASSWORD = "correct horse 7"  # noqa: S105 - of an account that the test makes
PHRASE = "open sesame"
PRINT = text("echo in")
IN = (Exited(0), b"in\n", b"")
WITH_PASSWORDS = ("PasswordAuthentication yes",)
WITH_PAM = ("UsePAM yes", "KbdInteractiveAuthentication yes")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home without keys and configuration of anybody's."""
    folder = tmp_path / "home"
    (folder / ".ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(folder))
    return folder


@pytest.fixture
def account(user):
    """The test account, with a password."""
    need_root("an account with a password needs root")
    user.set_password(PASSWORD)
    return user


@pytest.fixture
async def lab(tmp_path):
    async with a_lab(tmp_path / "jobs") as made:
        yield made


@asynccontextmanager
async def a_lab(folder):
    keyring = MemoryKeyring()
    async with engine_over(folder, keyring) as (_, jobs):
        yield Lab(jobs, keyring)


class Lab:
    """Jobs over real servers, and a keyring in memory."""

    def __init__(self, jobs, keyring):
        self.jobs = jobs
        self.keyring = keyring

    async def keep(self, name, secret, *, user=None, kind=CredentialKind.PASSWORD):
        info = CredentialInfo(name=name, user=user, kind=kind)
        await self.keyring.set(info, Secret(secret), Caller())

    async def run(self, *hosts, **more):
        return await self.jobs.run("echo in", on=list(hosts), **{"durable": False, **more})

    async def start(self, *hosts, **more):
        job = await self.jobs.start("echo in", on=list(hosts), **{"durable": False, **more})
        return await self.settled(job)

    async def settled(self, job):
        async with asyncio.timeout(30):
            while True:
                [job] = await self.jobs.get(job.id)
                if not {child.state for child in job.children} & {S.NOT_STARTED, S.RUNNING}:
                    return job
                await asyncio.sleep(0.02)

    async def out(self, job):
        return [record.data async for record in self.jobs.receive(job)]


def without_keys(sshd, number=1, **more):
    return sshd.host(number, **{"ssh": {"identity_files": ()}, **more})


def why(job):
    return [child.reason and child.reason.message for child in job.children]


def refusals(sshd):
    return sshd.log.read_text().count("Failed password for")


# Passwords


async def test_a_password_from_the_keyring_logs_in(lab, make_sshd, account):
    """As the credential's user, on many hosts, one of which goes first."""
    sshd = make_sshd(*WITH_PASSWORDS, addresses=8)
    await lab.keep("deploy", PASSWORD, user=account.name)
    hosts = [without_keys(sshd, n, user="nobody", credential="deploy") for n in range(1, 9)]
    job = await lab.run(*hosts)
    assert (job.state, await lab.out(job)) == (S.COMPLETED, [b"in\n"] * 8)
    assert refusals(sshd) == 0


async def test_a_wrong_password_is_tried_on_two_hosts_only(lab, make_sshd, account):
    """Sixteen hosts, two refusals; a host that lets us in by a key is unharmed."""
    sshd = make_sshd(*WITH_PASSWORDS, addresses=16)
    await lab.keep("deploy", "wrong", user=account.name)
    hosts = [without_keys(sshd, n, credential="deploy") for n in range(1, 16)]
    job = await lab.run(*hosts, sshd.host(16))
    assert [child.state for child in job.children] == [S.FAILED] * 15 + [S.COMPLETED]
    assert {child.reason.kind for child in job.children[:15]} == {K.AUTHENTICATION}
    said = why(job)[:15]
    assert sum("authentication refused: Permission denied" in message for message in said) == 2
    tried = sum("not tried: credential deploy was refused by 127.0.1." in each for each in said)
    assert (tried, refusals(sshd)) == (13, 2)
    await lab.keep("deploy", PASSWORD, user=account.name)
    again = await lab.jobs.retry(job)
    [again] = await lab.jobs.wait(again, timeout=30)
    assert (again.state, len(again.children)) == (S.COMPLETED, 15)


async def test_the_password_of_a_user_is_asked_once_for_all_hosts(lab, make_sshd, account):
    """The name of a user who is no credential; the answer to one child is for all."""
    sshd = make_sshd(*WITH_PASSWORDS, addresses=4)
    hosts = [without_keys(sshd, n, user=None) for n in range(1, 5)]
    job = await lab.start(*hosts, credential=account.name)
    said = {child.status_message.partition(";")[0] for child in job.children}
    assert (job.state, said) == (S.BLOCKED, {f"password of {account.name}"})
    await lab.jobs.answer(job.children[2].id, answer=PASSWORD)
    [job] = await lab.jobs.wait(job, timeout=30, force=True)
    assert (job.state, refusals(sshd)) == (S.COMPLETED, 0)


async def test_an_agent_full_of_keys_does_not_use_up_the_tries(
    lab, make_sshd, account, agent_with_keys, monkeypatch
):
    """Sshd hangs up after six; a host with a password is not shown the agent's keys."""
    sshd = make_sshd(*WITH_PASSWORDS, "MaxAuthTries 3")
    await lab.keep("deploy", PASSWORD, user=account.name)
    transport = SshTransport(Caller(ssh_auth_sock=agent_with_keys))
    with pytest.raises(HostFailure, match="Too many authentication failures") as caught:
        await transport.connect(without_keys(sshd), None)
    assert caught.value.reason is K.AUTHENTICATION
    monkeypatch.setenv("SSH_AUTH_SOCK", agent_with_keys)
    job = await lab.run(without_keys(sshd, credential="deploy"))
    assert job.state is S.COMPLETED


@pytest.fixture
def agent_with_keys(tmp_path, make_agent):
    """An agent whose keys nobody lets in."""
    return make_agent(*[keygen(tmp_path / f"stranger{n}") for n in range(5)])


# Questions of the server's own


@pytest.fixture
def pam_sshd(tmp_path, account, make_sshd):
    """Servers that ask for the password and a one-time code, through PAM; and the codes."""
    codes = Codes(tmp_path, account)
    with sshd_with_pam(tmp_path, "requisite pam_unix.so", codes.rule) as program:
        yield make_sshd(*WITH_PAM, addresses=3, program=program), codes


async def test_a_password_in_a_dialogue_is_the_keyrings_and_a_code_is_a_persons(lab, pam_sshd):
    """Blocked with the server's question; the answer lets in, and holds once."""
    sshd, codes = pam_sshd
    await lab.keep("deploy", PASSWORD, user=sshd.user.name)
    job = await lab.start(without_keys(sshd, credential="deploy"))
    [child] = job.children
    question = f"{sshd.user.name} is asked: One-time password (OATH) for `{sshd.user.name}'"
    assert child.status_message == f"{question}; `remjobs answer {child.id}`"
    await lab.jobs.answer(job, answer=codes.next())
    [job] = await lab.jobs.wait(job, timeout=30, force=True)
    assert (job.state, await lab.out(job)) == (S.COMPLETED, [b"in\n"])


async def test_each_host_wants_a_code_of_its_own(lab, pam_sshd):
    """A question that is broken off is no refusal: all get their turn at the password."""
    sshd, codes = pam_sshd
    await lab.keep("deploy", PASSWORD, user=sshd.user.name)
    job = await lab.start(*(without_keys(sshd, n, credential="deploy") for n in (1, 2, 3)))
    assert [child.state for child in job.children] == [S.BLOCKED] * 3
    for child in job.children:
        await lab.jobs.answer(child.id, answer=codes.next())
        await lab.settled(job)
    assert (await lab.jobs.wait(job, timeout=30, force=True))[0].state is S.COMPLETED


async def test_a_wrong_code_fails_at_once(lab, pam_sshd):
    """It is neither sent again nor asked for again; the other hosts go on."""
    sshd, codes = pam_sshd
    await lab.keep("deploy", PASSWORD, user=sshd.user.name)
    job = await lab.start(*(without_keys(sshd, n, credential="deploy") for n in (1, 2)))
    await lab.jobs.answer(job.children[0].id, answer="000000")
    job = await lab.settled(job)
    assert [child.state for child in job.children] == [S.FAILED, S.BLOCKED]
    assert "authentication refused" in why(job)[0]
    await lab.jobs.answer(job.children[1].id, answer=codes.next())
    [job] = await lab.jobs.wait(job, timeout=30, force=True)
    assert [child.state for child in job.children] == [S.FAILED, S.COMPLETED]


async def test_a_person_is_asked_for_all_of_it(lab, pam_sshd):
    """With KeyboardInteractive, and nothing in the keyring: one question after the other."""
    sshd, codes = pam_sshd
    host = without_keys(sshd, authentication=Authentication.KEYBOARD_INTERACTIVE)
    job = await lab.start(host)
    assert job.children[0].status_message.startswith(f"password of {sshd.user.name};")
    await lab.jobs.answer(job, answer=PASSWORD)
    job = await lab.settled(job)
    assert "is asked: One-time password" in job.children[0].status_message
    await lab.jobs.answer(job, answer=codes.next())
    assert (await lab.jobs.wait(job, timeout=30, force=True))[0].state is S.COMPLETED


@pytest.mark.parametrize(
    ("prompt", "asked"),
    [
        ("\x1b[2JCode;\u202e here:\n", "me is asked: [2JCode, here"),
        ("One-time password: ", "me is asked: One-time password"),
        ("x" * 200, f"me is asked: {'x' * 80}"),
        ("me's password: ", "password of me"),
        ("Password for me@host:", "password of me"),
        ("Password: ", "password of me"),
    ],
)
async def test_a_servers_words_cannot_lie(prompt, asked):
    """They stand in one line, without control characters, cut; only a password is a password."""
    access = JobAccess(MemoryKeyring(), Caller()).to(Host(name="h"))
    passwords = Passwords(access, "me", asks=True)
    assert await passwords.challenge([(prompt, False)]) is None
    assert str(passwords.failure) == asked


async def test_nobody_is_asked_without_need(lab, pam_sshd):
    """A host that wants a dialogue and was given nothing for it fails, and says why."""
    sshd, _ = pam_sshd
    job = await lab.run(without_keys(sshd))
    assert (job.state, job.children[0].reason.kind) == (S.FAILED, K.AUTHENTICATION)


# Keys


def authorize(sshd, key):
    with sshd.authorized.open("a") as file:
        file.write(key.with_suffix(".pub").read_text())
    return key


def locked(path, kind="ed25519"):
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", PHRASE, "-f", path], check=True)
    return path


def with_key(sshd, key, number=1, **more):
    return sshd.host(number, ssh={"identity_files": (str(key),)}, **more)


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
async def test_a_passphrase_from_the_keyring_opens_a_key(lab, make_sshd, tmp_path, kind):
    """Of each type."""
    sshd = make_sshd()
    key = authorize(sshd, locked(tmp_path / kind, kind))
    await lab.keep("phrase", PHRASE, kind=CredentialKind.PASSPHRASE)
    job = await lab.run(with_key(sshd, key, credential="phrase"))
    assert (job.state, await lab.out(job)) == (S.COMPLETED, [b"in\n"])


async def test_a_passphrase_is_asked_once_for_the_job(lab, make_sshd, tmp_path):
    """The key is opened once; without an answer no host is troubled."""
    sshd = make_sshd(addresses=3)
    key = authorize(sshd, locked(tmp_path / "key"))
    job = await lab.start(*(with_key(sshd, key, n) for n in (1, 2, 3)))
    said = {child.status_message.partition(";")[0] for child in job.children}
    assert (job.state, said) == (S.BLOCKED, {f"passphrase of {key}"})
    await lab.jobs.answer(job.children[0].id, answer=PHRASE)
    assert (await lab.jobs.wait(job, timeout=30, force=True))[0].state is S.COMPLETED


async def test_a_wrong_passphrase_is_told_with_the_key(lab, make_sshd, tmp_path):
    """The rest of the job is unharmed."""
    sshd = make_sshd(addresses=4)
    key = authorize(sshd, locked(tmp_path / "key"))
    await lab.keep("phrase", "wrong", kind=CredentialKind.PASSPHRASE)
    hosts = [with_key(sshd, key, n, credential="phrase") for n in (1, 2, 3)]
    job = await lab.run(*hosts, sshd.host(4))
    assert [child.state for child in job.children] == [S.FAILED] * 3 + [S.COMPLETED]
    assert why(job)[:3] == [f"{host.name}: wrong passphrase for {key}" for host in hosts]


async def test_a_locked_key_that_the_agent_has_asks_nothing(sshd, tmp_path, make_agent):
    """As with ssh, named by hand or in the configuration."""
    key = authorize(sshd, locked(tmp_path / "key"))
    agent = make_agent(key, passphrase=PHRASE)
    host = with_key(sshd, key)
    assert await ran(host, PRINT, caller=Caller(ssh_auth_sock=agent)) == IN


async def test_a_key_that_others_may_read_is_refused(lab, make_sshd, tmp_path):
    """OpenSSH does not use it either; the message has the command that mends it."""
    sshd = make_sshd(addresses=2)
    key = authorize(sshd, keygen(tmp_path / "key"))
    key.chmod(0o644)
    message = f"{key}: others may read this key (mode 0644): `chmod 600 {key}`"
    with pytest.raises(UsageError, match="others may read this key"):
        await lab.run(with_key(sshd, key))
    config = tmp_path / "config"
    config.write_text(f"Host {sshd.address(1)}\n  IdentityFile {key}\n")
    one = sshd.host(1, ssh={"identity_files": (), "config_file": str(config)})
    job = await lab.run(one, sshd.host(2))
    assert [child.state for child in job.children] == [S.FAILED, S.COMPLETED]
    assert why(job)[0] == f"{one.name}: {message}"


async def test_a_key_of_a_type_that_is_not_supported_is_told(lab, make_sshd, tmp_path):
    """Here one of X25519, which cannot sign."""
    sshd = make_sshd()
    key = tmp_path / "key"
    made = ["openssl", "genpkey", "-algorithm", "X25519", "-out", str(key)]
    subprocess.run(made, check=True, capture_output=True)
    key.chmod(0o600)
    with pytest.raises(UsageError, match=f"{key}: not a usable private key: Unknown"):
        await lab.run(with_key(sshd, key))


async def test_what_is_wrong_with_one_hosts_key_harms_no_other(lab, make_sshd, authority, tmp_path):
    """Each of those hosts fails with its own message; without any other host nothing starts."""
    sshd = make_sshd(addresses=4)
    open_to_all = keygen(tmp_path / "open")
    open_to_all.chmod(0o640)
    garbage = tmp_path / "garbage"
    garbage.write_text("no key")
    garbage.chmod(0o600)
    expired = keygen(tmp_path / "expired")
    certificate = certify(authority, expired, sshd.user, "20200101:20200201")
    keys = (open_to_all, garbage, expired)
    bad = [with_key(sshd, key, number) for number, key in enumerate(keys, 1)]
    job = await lab.run(*bad, sshd.host(4))
    assert [child.state for child in job.children] == [*[S.FAILED] * 3, S.COMPLETED]
    assert {child.reason.kind for child in job.children[:3]} == {K.AUTHENTICATION}
    said = why(job)
    assert f"{open_to_all}: others may read this key (mode 0640)" in said[0]
    assert f"{garbage}: not a usable private key" in said[1]
    assert f"the certificate {certificate} expired on 2020-0" in said[2]
    with pytest.raises(UsageError, match="others may read this key"):
        await lab.run(*bad[:2])


async def test_a_dsa_key_is_told(lab, make_sshd, tmp_path):
    """No server of today takes it."""
    key = keygen(tmp_path / "key", "dsa")
    with pytest.raises(UsageError, match="DSA keys are refused by servers"):
        await lab.run(with_key(make_sshd(), key))


def test_a_fido_key_is_for_an_agent(sshd, tmp_path):
    """Its file holds no secret: signing with it wants a person's touch."""
    kind, check = b"sk-ssh-ed25519@openssh.com", b"\0\0\0\1"
    public = _packed(kind, keygen_public(tmp_path), b"ssh:")
    private = check * 2 + public + b"\1" + _packed(b"a handle", b"", b"comment")
    private += bytes(range(1, 8 - len(private) % 8 + 1))
    blob = b"openssh-key-v1\0" + _packed(b"none", b"none", b"") + b"\0\0\0\1"
    lines = base64.encodebytes(blob + _packed(public, private)).decode()
    key = tmp_path / "id_sk"
    mark = "OPENSSH PRIVATE KEY"
    key.write_text(f"-----BEGIN {mark}-----\n{lines}-----END {mark}-----\n")
    key.chmod(0o600)
    with pytest.raises(UsageError, match="a FIDO key works through an agent only: `ssh-add"):
        SshTransport(Caller()).check(with_key(sshd, key), PRINT)


def keygen_public(folder):
    """Return the 32 bytes of an ed25519 key."""
    public = keygen(folder / "plain").with_suffix(".pub").read_text().split()[1]
    return base64.b64decode(public)[-32:]


def _packed(*strings):
    return b"".join(len(each).to_bytes(4, "big") + each for each in strings)


async def test_usual_keys_that_cannot_be_used_are_told_when_nothing_lets_us_in(
    sshd, make_sshd, home
):
    """They are no error by themselves: another one may do."""
    open_to_all = keygen(home / ".ssh" / "id_ed25519")
    open_to_all.chmod(0o640)
    locked(home / ".ssh" / "id_rsa", "rsa")
    host = without_keys(sshd)
    with pytest.raises(HostFailure) as caught:
        await SshTransport(Caller()).connect(host, None)
    said = str(caught.value)
    assert "id_rsa has a passphrase, and is in no agent" in said
    assert "id_ed25519: others may read this key (mode 0640)" in said
    authorize(sshd, keygen(home / ".ssh" / "id_ecdsa", "ecdsa"))
    assert await ran(host, PRINT) == IN


# Certificates


@pytest.fixture
def authority(tmp_path):
    return keygen(tmp_path / "authority")


@pytest.fixture
def ca_sshd(make_sshd, authority, user):
    """A server that knows no keys, but an authority."""
    sshd = make_sshd(f"TrustedUserCAKeys {authority}.pub")
    sshd.authorized.write_text("")
    return sshd


def certify(authority, key, user, validity="always:forever", to=None):
    words = ["-s", authority, "-I", "test", "-n", user.name, "-V", validity, f"{key}.pub"]
    subprocess.run(["ssh-keygen", "-q", *words], check=True)
    made = key.with_name(f"{key.name}-cert.pub")
    return made if to is None else made.rename(to)


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
async def test_a_certificate_beside_its_key_logs_in(ca_sshd, authority, tmp_path, kind):
    """KEY-cert.pub, as ssh looks for it."""
    key = keygen(tmp_path / "key", kind)
    host = with_key(ca_sshd, key)
    with pytest.raises(HostFailure):
        await ran(host, PRINT)
    certify(authority, key, ca_sshd.user)
    assert await ran(host, PRINT) == IN


async def test_a_certificate_file_of_the_configuration_logs_in(ca_sshd, authority, tmp_path):
    """CertificateFile."""
    key = keygen(tmp_path / "key")
    certificate = certify(authority, key, ca_sshd.user, to=tmp_path / "own")
    config = tmp_path / "config"
    config.write_text(f"IdentityFile {key}\nCertificateFile {certificate}\n")
    host = ca_sshd.host(ssh={"identity_files": (), "config_file": str(config)})
    assert await ran(host, PRINT) == IN


async def test_an_expired_certificate_is_told(ca_sshd, authority, tmp_path, lab):
    """With when it expired; a later one will do as well."""
    key = keygen(tmp_path / "key")
    certificate = certify(authority, key, ca_sshd.user, "20200101:20200201")
    job = await lab.run(with_key(ca_sshd, key))
    assert job.children[0].reason.kind is K.AUTHENTICATION
    assert f"the certificate {certificate} expired on 2020-0" in why(job)[0]
