"""What every keyring does: gnome-keyring, the encrypted file, and the one in memory."""

from __future__ import annotations

import asyncio

import pytest

from remjobs.credentials.keyring import Keyring, KeyringPlace
from remjobs.errors import KeyringLocked, KeyringTrouble, NoSuchCredential, UsageError
from remjobs.model.credential import CredentialInfo, CredentialKind
from remjobs.model.request import Caller
from remjobs.model.secret import Secret
from remjobs.testing import MemoryKeyring

PASSPHRASE = Secret("correct horse battery staple")
NOBODY = Caller()


async def system(tmp_path, request):
    """gnome-keyring, by the system's way to it."""
    backend = "keyring.backends.SecretService.Keyring"
    request.getfixturevalue("monkeypatch").setenv("PYTHON_KEYRING_BACKEND", backend)
    service = request.getfixturevalue("secret_service")
    return Keyring(KeyringPlace(file=tmp_path / "none")), Caller(
        dbus_session_bus_address=service.address
    )


async def encrypted(tmp_path, request):
    """The encrypted file, unlocked."""
    del request
    keyring = Keyring(KeyringPlace(file=tmp_path / "keyring"))
    await keyring.unlock(PASSPHRASE, NOBODY, new=True)
    return keyring, NOBODY


async def memory(tmp_path, request):
    """The one for tests, under a passphrase too."""
    del tmp_path, request
    keyring = MemoryKeyring()
    await keyring.unlock(PASSPHRASE, NOBODY, new=True)
    return keyring, NOBODY


@pytest.fixture(params=[system, encrypted, memory], ids=lambda make: make.__name__)
async def kept(request, tmp_path):
    """A keyring that is empty, and who asks."""
    keyring, caller = await request.param(tmp_path, request)
    for info in await keyring.list(caller):
        await keyring.remove(info.name, caller)
    return keyring, caller


@pytest.fixture(params=[encrypted, memory], ids=lambda make: make.__name__)
async def lockable(request, tmp_path):
    """A keyring of our own, under a passphrase, and unlocked."""
    return await request.param(tmp_path, request)


async def test_what_is_kept_is_given_back(kept):
    """User, kind and any text as the secret; the newest one counts."""
    keyring, caller = kept
    text = "p w\"'$`\\ é 漢 😀 \u202e #"
    info = CredentialInfo(name="web admin", user="alice", kind=CredentialKind.SUDO)
    await keyring.set(info, Secret("old"), caller)
    assert await keyring.set(info, Secret(text), caller) == info
    found = await keyring.get("web admin", caller)
    assert (found.info, found.password) == (info, Secret(text))
    assert await keyring.show("web admin", caller) == info


async def test_names_are_listed_without_secrets(kept):
    """By name, case and all: admin and Admin are two."""
    keyring, caller = kept
    for name in ("b", "Admin", "admin"):
        await keyring.set(CredentialInfo(name=name), Secret(f"of {name}"), caller)
    assert [info.name for info in await keyring.list(caller)] == ["Admin", "admin", "b"]
    assert (await keyring.get("Admin", caller)).password == Secret("of Admin")
    assert (await keyring.get("admin", caller)).password == Secret("of admin")


async def test_what_is_removed_is_gone(kept):
    """The others stay."""
    keyring, caller = kept
    for name in ("one", "two"):
        await keyring.set(CredentialInfo(name=name), Secret("x"), caller)
    assert (await keyring.remove("one", caller)).name == "one"
    assert [info.name for info in await keyring.list(caller)] == ["two"]
    for act in (keyring.get, keyring.show, keyring.remove):
        with pytest.raises(NoSuchCredential, match=r"no credential 'one'; there are: two"):
            await act("one", caller)


@pytest.mark.parametrize("name", ["", "-x", "#names", "a\nb", "x" * 201])
async def test_names_that_none_can_have_are_refused(kept, name):
    """Before anything is kept."""
    keyring, caller = kept
    with pytest.raises(UsageError, match="not a credential's name"):
        await keyring.set(CredentialInfo(name=name), Secret("x"), caller)


async def test_a_probe_says_which_keyring_works(kept):
    """It leaves nothing behind."""
    keyring, caller = kept
    assert (await keyring.probe(caller)).backend
    assert await keyring.list(caller) == ()


async def test_many_at_once(kept):
    """Nothing is lost."""
    keyring, caller = kept
    names = [f"c{number}" for number in range(4)]
    await asyncio.gather(
        *(keyring.set(CredentialInfo(name=name), Secret(name), caller) for name in names),
    )
    assert [info.name for info in await keyring.list(caller)] == names
    found = await asyncio.gather(*(keyring.get(name, caller) for name in names))
    assert [one.password for one in found] == [Secret(name) for name in names]


async def test_what_is_locked_gives_nothing(lockable):
    """Until it is unlocked, and who waits for that goes on."""
    keyring, caller = lockable
    await keyring.set(CredentialInfo(name="x"), Secret("y"), caller)
    assert (await keyring.lock()).is_locked
    waiting = asyncio.create_task(keyring.unlocked(caller))
    for asked in (
        keyring.get("x", caller),
        keyring.list(caller),
        keyring.set(CredentialInfo(name="z"), Secret("z"), caller),
        keyring.remove("x", caller),
        keyring.probe(caller),
    ):
        with pytest.raises(KeyringLocked, match="locked: `remjobs unlock`"):
            await asked
    with pytest.raises(KeyringTrouble, match="wrong passphrase"):
        await keyring.unlock(Secret("guess"), caller)
    assert not waiting.done()
    await keyring.unlock(PASSPHRASE, caller)
    await asyncio.wait_for(waiting, 10)
    assert (await keyring.get("x", caller)).password == Secret("y")


async def test_a_second_one_is_not_made(lockable):
    """The first one stays as it is."""
    keyring, caller = lockable
    with pytest.raises(KeyringTrouble, match="exists already"):
        await keyring.unlock(Secret("other"), caller, new=True)
    await keyring.lock()
    await keyring.unlock(PASSPHRASE, caller)
