"""Keeping credentials from the command line: in the encrypted file, and in gnome-keyring."""

import pytest
from support.terminal import dialogue

PHRASE = "opens the file"
SECRET = "s3cret ärger '\"$"  # noqa: S105 - a test's own


@pytest.fixture
def bare(cli, tmp_path):
    """The CLI where there is no keyring at all."""
    (tmp_path / "home-of-user").mkdir()
    cli.environment |= {"HOME": str(tmp_path / "home-of-user")}
    cli.environment.pop("DBUS_SESSION_BUS_ADDRESS", None)
    return cli


@pytest.fixture
def kept(bare):
    """The same with an encrypted file, unlocked."""
    bare.ok("unlock", "--new", stdin=f"{PHRASE}\n{PHRASE}\n".encode())
    return bare


def complaint(done, code=2):
    """Return the one line that a refused command said."""
    assert (done.code, done.out) == (code, ""), done
    [line] = done.err.splitlines()
    return line.removeprefix("remjobs: ")


def test_a_credential_comes_is_shown_and_goes(kept):
    """Every verb in turn; none shows the secret."""
    done = kept("credential", "set", "web admin", "-u", "deploy", stdin=SECRET.encode() + b"\n")
    assert (done.code, done.out, done.err) == (0, "", "remjobs: credential web admin is kept\n")
    kept.ok("credential", "set", "keys", "--kind", "passphrase", stdin=b"x")
    deploy = {"name": "web admin", "user": "deploy", "kind": "password"}
    keys = {"name": "keys", "user": None, "kind": "passphrase"}
    assert kept("credential", "list", "--json").json == [keys, deploy]
    assert kept("credential", "show", "web admin", "--json").json == deploy
    assert kept.ok("credential", "list").splitlines()[0].split() == ["Name", "User", "Kind"]
    said = kept.ok("credential", "test", "web admin")
    assert said == f"web admin: a password, user deploy, kept by {kept.home}/keyring\n"
    assert kept("credential", "remove", "keys").err == "remjobs: credential keys is forgotten\n"
    assert kept("credential", "list", "--json").json == [deploy]
    assert oct((kept.home / "keyring").stat().st_mode & 0o777) == "0o600"


def test_on_a_terminal_it_is_typed_twice_without_echo(kept):
    """What was not the same twice changes nothing."""
    words = ("credential", "set", "typed")
    once_more = [("Once more", SECRET)]
    said = dialogue(kept, words, "Password for typed", SECRET, then=once_more)
    assert SECRET not in said
    assert "credential typed is kept" in said
    said = dialogue(kept, words, "Password for typed", "another", code=2, then=once_more)
    assert "that was not the same twice; nothing was changed" in said
    assert "typed" in kept.ok("credential", "list")


def test_what_is_not_there_is_told_with_what_is(kept):
    """For every verb that needs one."""
    kept.ok("credential", "set", "a", stdin=b"x")
    kept.ok("credential", "set", "b", stdin=b"x")
    for verb in ("show", "test", "remove"):
        said = complaint(kept("credential", verb, "c"))
        assert said.startswith("no credential 'c'; there are: a, b (`remjobs credential set c`")


@pytest.mark.parametrize(
    ("words", "stdin", "message"),
    [
        (["set", "c"], b"\n", "the secret is empty; nothing was changed"),
        (["set", "c"], b"", "no answer (Password for c): give it on standard input, or run"),
        (["set", "c"], b"\xff\n", "standard input is not UTF-8 text"),
        (["set", "-x"], b"x", "no such option: -x"),
        (["set", "a#b"], b"x", "'a#b' is not a credential's name"),
        (["set", "c", "-u", "a b"], b"x", "'a b' is not a user name"),
        (["set", "c", "a-secret"], b"x", "unexpected extra argument"),
        (["set", "c", "--kind", "pin"], b"x", "'pin' is not one of"),
    ],
)
def test_bad_input_keeps_nothing(kept, words, stdin, message):
    """One line that says what is wrong."""
    assert message in complaint(kept("credential", *words, stdin=stdin))
    assert kept("credential", "list", "--json").json == []


def test_a_locked_file_gives_nothing(kept):
    """Until the right passphrase comes; a wrong one is told."""
    kept.ok("credential", "set", "a", stdin=b"x")
    assert kept("lock").err == f"remjobs: {kept.home}/keyring is locked\n"
    for words in (["list"], ["show", "a"], ["test", "a"], ["remove", "a"]):
        assert "are locked: `remjobs unlock`" in complaint(kept("credential", *words))
    assert "are locked" in complaint(kept("credential", "set", "b", stdin=b"x"))
    assert "wrong passphrase" in complaint(kept("unlock", stdin=b"guess\n"))
    assert "exists already" in complaint(kept("unlock", "--new", stdin=b"guess\nguess\n"))
    assert "is empty" in complaint(kept("unlock", stdin=b"\n"))
    kept.ok("unlock", stdin=f"{PHRASE}\n".encode())
    assert "a" in kept.ok("credential", "list")


def test_a_key_file_unlocks_unattended(kept, tmp_path):
    """If others can read it, it is refused, with the command that mends it."""
    kept.ok("credential", "set", "a", stdin=b"x")
    key = tmp_path / "key"
    key.write_text(f"{PHRASE}\n")
    kept.environment["REMJOBS_KEY_FILE"] = str(key)
    kept.ok("controller", "stop")
    said = complaint(kept("credential", "list"))
    assert str(key) in said
    assert "chmod 600" in said
    key.chmod(0o600)
    assert "a" in kept.ok("credential", "list")


def test_without_a_keyring_it_says_how_to_have_one(bare):
    """An encrypted file, in one command."""
    bare.environment["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"
    for words, stdin in ((["list"], b""), (["set", "a"], b"x"), (["test", "a"], b"")):
        said = complaint(bare("credential", *words, stdin=stdin))
        assert "there is no keyring" in said
        assert "`remjobs unlock --new` makes an encrypted file" in said
    assert "no encrypted file to lock" in complaint(bare("lock"))
    assert "no encrypted file to unlock" in complaint(bare("unlock", stdin=b"x\n"))


def test_a_keyring_that_forgets_is_used_only_when_told_each_time(bare):
    """What was insisted on once is refused the next time."""
    bare.environment["PYTHON_KEYRING_BACKEND"] = "keyring.backends.null.Keyring"
    said = complaint(bare("credential", "set", "a", stdin=b"x"))
    assert "forgets what it is given" in said
    bare.ok("credential", "set", "a", "--insecure-keyring", stdin=b"x")
    assert "forgets what it is given" in complaint(bare("credential", "list"))
    # It kept nothing, which is seen at once.
    assert "no credential 'a'" in complaint(bare("credential", "show", "a", "--insecure-keyring"))


def test_the_keyring_of_the_desktop(bare, secret_service):
    """A real gnome-keyring, found by the D-Bus session of the shell that asks."""
    bare.environment["PYTHON_KEYRING_BACKEND"] = "keyring.backends.SecretService.Keyring"
    session = {"DBUS_SESSION_BUS_ADDRESS": secret_service.address}
    bare.ok("credential", "set", "c", "-u", "deploy", stdin=SECRET.encode(), **session)
    assert "kept by keyring.backends.SecretService.Keyring" in bare.ok(
        "credential", "test", "c", **session
    )
    secret_service.lock()
    said = complaint(bare("credential", "show", "c", **session))
    assert said.startswith("the keyring is locked")
    assert "unlock it where you are logged in" in said
    secret_service.unlock()
    bare.ok("credential", "remove", "c", **session)
    assert bare("credential", "list", "--json", **session).json == []
