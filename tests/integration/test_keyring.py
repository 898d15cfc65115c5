"""What doctor says of the keyring, with real backends: usable, unfit, hanging, and none."""

import pytest
from support.engines import engine_over

from remjobs.credentials.keyring import Keyring, KeyringPlace
from remjobs.engine.examine import examine
from remjobs.model.doctor import ExamineRequest, Verdict
from remjobs.model.request import Caller
from remjobs.model.secret import Secret

GNOME = "keyring.backends.SecretService.Keyring"
DEADLY = """\
import os
from keyring.backend import KeyringBackend

class Keyring(KeyringBackend):
    priority = 9
    def set_password(self, *args): os._exit(7)
    get_password = delete_password = set_password
"""


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Gives what doctor finds, where this backend is chosen."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.delenv("PYTHON_KEYRING_BACKEND", raising=False)

    async def ask(backend=None, *, bus=None, unlocked=None):
        if backend is not None:
            monkeypatch.setenv("PYTHON_KEYRING_BACKEND", backend)
        keyring = Keyring(KeyringPlace(file=tmp_path / "file", timeout=2))
        if unlocked is not None:
            await keyring.unlock(Secret("phrase"), Caller(), new=True)
            if not unlocked:
                await keyring.lock()
        caller = Caller(dbus_session_bus_address=bus)
        async with engine_over(tmp_path / "jobs", keyring) as (engine, _):
            found = [each async for each in examine(engine, ExamineRequest(caller=caller), ())]
        [finding] = [each for each in found if each.check == "keyring"]
        assert bool(finding.remedy) == (finding.verdict is not Verdict.OK)
        return finding

    return ask


async def test_a_keyring_that_works(asked, secret_service):
    """A value is set, read and deleted; nothing of it stays."""
    finding = await asked(GNOME, bus=secret_service.address)
    assert finding.verdict is Verdict.OK, finding
    assert finding.message == f"{GNOME}: a value was set and read"


async def test_a_daemon_that_hangs_and_one_that_is_locked(asked, secret_service):
    """It says what to do, within its time."""
    secret_service.hang()
    finding = await asked(GNOME, bus=secret_service.address)
    secret_service.wake()
    assert finding.verdict is Verdict.WARNING
    assert "did not answer in 2 s" in finding.message
    secret_service.lock()
    finding = await asked(bus=secret_service.address)
    assert (finding.verdict, "is locked" in finding.message) == (Verdict.WARNING, True)


@pytest.mark.parametrize("unlocked", [True, False])
async def test_the_encrypted_file_is_what_is_looked_at_where_there_is_one(
    asked, tmp_path, unlocked
):
    """Whatever else there is on the machine."""
    finding = await asked("keyring.backends.null.Keyring", unlocked=unlocked)
    assert finding.verdict is (Verdict.OK if unlocked else Verdict.WARNING)
    assert str(tmp_path / "file") in finding.message
    assert finding.remedy == ("" if unlocked else "`remjobs unlock`")


@pytest.mark.parametrize(
    ("backend", "verdict", "message"),
    [
        (GNOME, Verdict.WARNING, "the keyring cannot be used: "),
        ("keyring.backends.fail.Keyring", Verdict.WARNING, "there is no keyring"),
        (None, Verdict.PROBLEM, "PlaintextKeyring keeps secrets for everybody to read"),
        ("keyring.backends.null.Keyring", Verdict.PROBLEM, "null.Keyring forgets what it is given"),
        ("nothing.at.All", Verdict.WARNING, "the keyring cannot be used: ModuleNotFoundError"),
        ("deadly.Keyring", Verdict.WARNING, "the keyring's backend ended our helper"),
    ],
)
async def test_a_keyring_that_cannot_be_used(asked, tmp_path, backend, verdict, message):
    """No bus, no backend, a plain file, one that forgets, a wrong name, one that kills."""
    (tmp_path / "deadly.py").write_text(DEADLY)
    finding = await asked(backend)
    assert finding.verdict is verdict
    assert message in finding.message
    assert "unlock --new" in finding.remedy
