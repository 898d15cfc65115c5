"""Keyrings that are missing, locked, hang, forget, or can be read by everybody."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import subprocess
import sys

import pytest
from keyring.testing.backend import BackendBasicTests

from remjobs.credentials.encrypted_file import EncryptedFile, EncryptedFileKeyring
from remjobs.credentials.keyring import Keyring, KeyringPlace
from remjobs.errors import KeyringLocked, KeyringTrouble
from remjobs.model.credential import CredentialInfo
from remjobs.model.request import Caller
from remjobs.model.secret import Secret

PASSPHRASE = "correct horse battery staple"  # noqa: S105 - a test's own
HEADLESS = Caller()


@pytest.fixture(autouse=True)
def usual(request, monkeypatch):
    """The keyring that a desktop has, where there is one; the tests install others beside it."""
    desktop = "secret_service" in request.fixturenames
    backend = "SecretService" if desktop else "fail"
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", f"keyring.backends.{backend}.Keyring")


class TestAsABackendOfTheKeyringPackage(BackendBasicTests):
    """The package's own tests, on the encrypted file."""

    @pytest.fixture(autouse=True)
    def _init_properties(self, tmp_path):
        path = tmp_path / "keyring"
        self.keyring = EncryptedFileKeyring(path, EncryptedFile(path).create(PASSPHRASE))
        self.credentials_created = set()
        yield
        self.cleanup()


def test_another_program_reads_it_by_its_name(tmp_path):
    """`keyring get`, with the backend named and the passphrase in a key file."""
    path, key_file = tmp_path / "keyring", tmp_path / "key"
    key = EncryptedFile(path).create(PASSPHRASE)
    EncryptedFileKeyring(path, key).set_password("mail", "alice", "s3cret")
    key_file.write_text(PASSPHRASE + "\n")
    key_file.chmod(0o600)
    done = subprocess.run(
        [sys.executable, "-m", "keyring", "get", "mail", "alice"],
        check=True,
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "PYTHON_KEYRING_BACKEND": "remjobs.credentials.encrypted_file.EncryptedFileKeyring",
            "REMJOBS_KEYRING_FILE": str(path),
            "REMJOBS_KEY_FILE": str(key_file),
        },
    )
    assert done.stdout == "s3cret\n"


def test_the_keyring_package_chooses_it_never_by_itself(monkeypatch):
    """It would stand in the chain with others, and ask for a passphrase."""
    monkeypatch.delenv("PYTHON_KEYRING_BACKEND", raising=False)
    code = "import keyring; print(type(keyring.get_keyring()).__module__)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "remjobs" not in done.stdout


def test_the_file_shows_nothing(tmp_path):
    """Neither names, users nor secrets; its owner's alone, and no leftovers beside it."""
    path = tmp_path / "keyring"
    key = EncryptedFile(path).create(PASSPHRASE)
    EncryptedFileKeyring(path, key).set_password("remjobs", "web-admin", "canary-5f1c")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for word in (b"web-admin", b"canary", b'remjobs"', PASSPHRASE.encode(), key):
        assert word not in path.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == [".keyring.lock", "keyring"]


@pytest.mark.parametrize(
    "change",
    [
        lambda whole: whole["head"].update(salt=whole["head"]["salt"][:-4] + "AAA="),
        lambda whole: whole["head"].update(iterations=10**9),
        lambda whole: whole["head"].update(memory=10**9),
        lambda whole: whole["head"].update(format="other"),
        lambda whole: whole["body"].update(sealed=whole["body"]["sealed"][::-1]),
        lambda whole: whole["body"].update(nonce="?"),
        lambda whole: whole.pop("body"),
        lambda whole: whole.clear(),
    ],
)
async def test_a_changed_file_is_told(tmp_path, change):
    """It is opened whole or not at all, and a forged cost is not paid."""
    path = tmp_path / "keyring"
    keyring = Keyring(KeyringPlace(file=path))
    await keyring.unlock(Secret(PASSPHRASE), HEADLESS, new=True)
    await keyring.set(CredentialInfo(name="x"), Secret("y"), HEADLESS)
    whole = json.loads(path.read_text())
    change(whole)
    path.write_text(json.dumps(whole))
    with pytest.raises(KeyringTrouble, match="damaged"):
        await keyring.list(HEADLESS)


async def test_files_that_others_can_read_are_refused(tmp_path):
    """The encrypted file and the key file, with what to do."""
    path, key_file = tmp_path / "keyring", tmp_path / "key"
    keyring = Keyring(KeyringPlace(file=path, key_file=key_file))
    await keyring.unlock(Secret(PASSPHRASE), HEADLESS, new=True)
    path.chmod(0o640)
    with pytest.raises(KeyringTrouble, match=rf"read by others: chmod 600 {path}"):
        await keyring.list(HEADLESS)
    path.chmod(0o600)
    key_file.write_text(PASSPHRASE)
    key_file.chmod(0o644)
    await keyring.lock()
    with pytest.raises(KeyringTrouble, match=rf"read by others: chmod 600 {key_file}"):
        await keyring.list(HEADLESS)


async def test_a_key_file_unlocks_unattended(tmp_path):
    """A new process needs nobody; a wrong one says so."""
    path, key_file = tmp_path / "keyring", tmp_path / "key"
    first = Keyring(KeyringPlace(file=path))
    await first.unlock(Secret(PASSPHRASE), HEADLESS, new=True)
    await first.set(CredentialInfo(name="x"), Secret("y"), HEADLESS)
    key_file.write_text(PASSPHRASE + "\nnot this line\n")
    key_file.chmod(0o600)
    second = Keyring(KeyringPlace(file=path, key_file=key_file))
    assert (await second.get("x", HEADLESS)).password == Secret("y")
    key_file.write_text("guess\n")
    third = Keyring(KeyringPlace(file=path, key_file=key_file))
    with pytest.raises(KeyringTrouble, match="wrong passphrase"):
        await third.get("x", HEADLESS)


async def test_a_write_that_fails_leaves_the_old_file(small_disk):
    """A full disk: told, and what was kept is still there."""
    keyring = Keyring(KeyringPlace(file=small_disk / "keyring"))
    await keyring.unlock(Secret(PASSPHRASE), HEADLESS, new=True)
    await keyring.set(CredentialInfo(name="x"), Secret("y"), HEADLESS)
    filler = small_disk / "filler"
    with filler.open("wb") as file, pytest.raises(OSError, match="No space"):
        file.write(bytes(4 * 1024 * 1024))
    with pytest.raises(KeyringTrouble, match="No space left"):
        await keyring.set(CredentialInfo(name="z"), Secret("w" * 100_000), HEADLESS)
    filler.unlink()
    assert [info.name for info in await keyring.list(HEADLESS)] == ["x"]


async def test_without_any_keyring_it_says_what_to_do(tmp_path):
    """A headless machine."""
    keyring = Keyring(KeyringPlace(file=tmp_path / "none"))
    with pytest.raises(KeyringTrouble, match="no keyring on this machine: `remjobs unlock --new`"):
        await keyring.set(CredentialInfo(name="x"), Secret("y"), HEADLESS)


async def test_a_keyring_that_forgets_is_refused(tmp_path, monkeypatch):
    """The null backend; used all the same if it is said each time, and then found out."""
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    keyring = Keyring(KeyringPlace(file=tmp_path / "none"))
    with pytest.raises(KeyringTrouble, match=r"null.Keyring forgets .*--insecure-keyring"):
        await keyring.list(HEADLESS)
    with pytest.raises(KeyringTrouble, match="does not give back"):
        await keyring.probe(Caller(insecure_keyring=True))


PLAIN = """
from keyring.backend import KeyringBackend
class PlaintextKeyring(KeyringBackend):
    priority = 9
    kept = {}
    def get_password(self, service, username):
        return self.kept.get((service, username))
    def set_password(self, service, username, password):
        self.kept[service, username] = password
    def delete_password(self, service, username):
        del self.kept[service, username]
"""


@pytest.mark.parametrize(
    "backend", ["plain.PlaintextKeyring", "keyring.backends.chainer.ChainerBackend"]
)
async def test_a_keyring_that_all_can_read_is_refused(tmp_path, monkeypatch, backend):
    """Also where it stands in a chain; used all the same if it is said."""
    (tmp_path / "plain.py").write_text(PLAIN)
    (tmp_path / "sitecustomize.py").write_text("import plain\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", backend)
    keyring = Keyring(KeyringPlace(file=tmp_path / "none"))
    with pytest.raises(KeyringTrouble, match=r"Plaintext.* for everybody to read"):
        await keyring.set(CredentialInfo(name="x"), Secret("y"), HEADLESS)
    insecure = Caller(insecure_keyring=True)
    await keyring.set(CredentialInfo(name="x"), Secret("y"), insecure)


async def test_a_daemon_that_hangs_is_given_up(tmp_path, secret_service):
    """The time limit holds, and nothing of ours is left."""
    caller = Caller(dbus_session_bus_address=secret_service.address)
    keyring = Keyring(KeyringPlace(file=tmp_path / "none", timeout=1.5))
    secret_service.hang()
    try:
        with pytest.raises(KeyringTrouble, match=r"did not answer in 1.5 s"):
            await keyring.list(caller)
    finally:
        secret_service.wake()
    assert await Keyring(KeyringPlace(file=tmp_path / "none")).list(caller) == ()


async def test_a_locked_collection_is_told(tmp_path, secret_service):
    """Nobody is there to type its password."""
    caller = Caller(dbus_session_bus_address=secret_service.address)
    keyring = Keyring(KeyringPlace(file=tmp_path / "none"))
    await keyring.set(CredentialInfo(name="x"), Secret("y"), caller)
    secret_service.lock()
    with pytest.raises(KeyringLocked, match="the keyring is locked"):
        await keyring.get("x", caller)


async def test_whoever_waits_for_the_systems_keyring_goes_on_once_it_is_unlocked(
    tmp_path, secret_service
):
    """It is looked at without asking anybody; others' sessions are others'."""
    caller = Caller(dbus_session_bus_address=secret_service.address)
    keyring = Keyring(KeyringPlace(file=tmp_path / "none", look_every=0.2))
    await keyring.set(CredentialInfo(name="x"), Secret("y"), caller)
    secret_service.lock()
    waiting = [asyncio.create_task(keyring.unlocked(caller)) for _ in range(20)]
    nowhere = Caller(dbus_session_bus_address=f"unix:path={tmp_path}/none")
    elsewhere = asyncio.create_task(keyring.unlocked(nowhere))
    done, _ = await asyncio.wait(waiting, timeout=1)
    assert not done
    secret_service.unlock()
    async with asyncio.timeout(20):
        await asyncio.gather(*waiting)
    assert (await keyring.get("x", caller)).password == Secret("y")
    assert not elsewhere.done()
    elsewhere.cancel()
    with pytest.raises(asyncio.CancelledError):
        await elsewhere


async def test_a_secret_of_another_program_is_a_password(tmp_path, secret_service):
    """What `keyring set remjobs NAME` kept, without a user."""
    environment = secret_service.environment
    subprocess.run(
        [sys.executable, "-m", "keyring", "set", "remjobs", "theirs"],
        check=True,
        input=b"plain words\n",
        env=environment,
        capture_output=True,
    )
    caller = Caller(dbus_session_bus_address=secret_service.address)
    found = await Keyring(KeyringPlace(file=tmp_path / "none")).get("theirs", caller)
    assert (found.user, found.password) == (None, Secret("plain words"))


async def test_a_request_that_is_given_up_leaves_no_process(tmp_path, secret_service):
    """Whoever asked has gone."""
    caller = Caller(dbus_session_bus_address=secret_service.address)
    keyring = Keyring(KeyringPlace(file=tmp_path / "none"))
    secret_service.hang()
    try:
        asking = asyncio.create_task(keyring.list(caller))
        await asyncio.sleep(0.5)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    finally:
        secret_service.wake()
