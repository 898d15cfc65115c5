"""Logging in with passwords and codes, and being another user, as a person types it."""

import pytest
from support.pam import Codes, sshd_with_pam
from support.sshd import need_root, wait_for
from support.terminal import dialogue

PASSWORD = "correct horse 7"  # noqa: S105 - of an account that the test makes
PHRASE = "opens the file"


@pytest.fixture
def account(user):
    need_root("an account with a password needs root")
    user.set_password(PASSWORD)
    return user


@pytest.fixture
def kept(cli, account, tmp_path):
    """The CLI with a credential ``deploy`` in its encrypted file, and no keys in its home."""
    home = tmp_path / "home-of-user"
    home.mkdir()
    cli.environment |= {"HOME": str(home)}
    cli.environment.pop("DBUS_SESSION_BUS_ADDRESS", None)
    cli.ok("unlock", "--new", stdin=f"{PHRASE}\n{PHRASE}\n".encode())
    cli.ok("credential", "set", "deploy", "--user", account.name, stdin=PASSWORD.encode())
    return cli


def targets(sshd, folder, count):
    """Return what reaches these servers without any key."""
    config = folder / "config"
    config.write_text(
        f"Host *\n Port {sshd.port}\n IdentityFile none\n UserKnownHostsFile {sshd.known_hosts}\n"
    )
    hosts = ",".join(sshd.address(n) for n in range(1, count + 1))
    return ["-t", hosts, "--ssh-config", config]


def test_a_password_logs_in_and_ping_says_so(kept, make_sshd, account, tmp_path):
    """The method is told; a locked file blocks the job until it is unlocked."""
    sshd = make_sshd("PasswordAuthentication yes", addresses=3)
    words = [*targets(sshd, tmp_path, 3), "--credential", "deploy"]
    said = kept.ok("ping", *words)
    assert said.count(f"ssh password as {account.name}") == 3
    kept.ok("lock")
    job = kept.ok("start", *words, "--", "id", "-un").strip()
    wait_for(lambda: kept("get", job, "--json").json["state"] == "Blocked", "it waits")
    message = kept("get", job, "--json").json["children"][0]["status_message"]
    assert message.endswith("are locked: `remjobs unlock`")
    kept.ok("unlock", stdin=f"{PHRASE}\n".encode())
    assert kept("wait", job, "--force", "--timeout", "30").code == 0
    assert kept.ok("receive", job).count(account.name) == 3


def test_sudo_over_ssh_and_ping(kept, make_sshd, account, other_user, tmp_path):
    """The login's password answers sudo; ping shows who one is there, and by what."""
    sshd = make_sshd("PasswordAuthentication yes")
    words = [*targets(sshd, tmp_path, 1), "--credential", "deploy"]
    words += ["--become-user", other_user.name]
    with account.may(f"ALL=({other_user.name}) ALL"):
        assert f"ssh password, sudo to {other_user.name} as" in kept.ok("ping", *words)
        assert kept.ok("run", *words, "--", "id", "-un") == f"{other_user.name}\n"
    done = kept("run", *words, "--", "true")
    assert (done.code, "is not in the sudoers file" in done.err) == (4, True)
    nosuch = kept("run", *words, "--become-credential", "nosuch", "--", "true")
    assert (nosuch.code, "no credential 'nosuch'; there are: deploy" in nosuch.err) == (4, True)


def test_a_code_is_asked_at_the_terminal(kept, make_sshd, account, tmp_path):
    """By run itself, in the server's words; elsewhere `remjobs answer` gives it."""
    codes = Codes(tmp_path, account)
    with sshd_with_pam(tmp_path, "requisite pam_unix.so", codes.rule) as program:
        options = ("UsePAM yes", "KbdInteractiveAuthentication yes")
        sshd = make_sshd(*options, program=program)
        words = [*targets(sshd, tmp_path, 1), "--credential", "deploy", "--", "id", "-un"]
        code = codes.next()
        said = dialogue(kept, ("run", *words), "One-time password", code)
        assert f"{account.name} is asked: One-time password (OATH) for `{account.name}': " in said
        assert (f"\r\n{account.name}\r\n" in said, code in said) == (True, False)
        job = kept.ok("start", *words).strip()
        wait_for(lambda: kept("get", job, "--json").json["state"] == "Blocked", "it asks")
        kept.ok("answer", job, stdin=codes.next().encode())
        assert kept("wait", job, "--force", "--timeout", "30").code == 0
