"""The probe of the keyring, with real backends: usable, unfit, hanging, and none."""

import os
import signal

import pytest
from support.keyring import keyring_session

from remjobs.credentials.probe import probe
from remjobs.model.doctor import Verdict

SECRET_SERVICE = {"PYTHON_KEYRING_BACKEND": "keyring.backends.SecretService.Keyring"}


@pytest.fixture
def headless(tmp_path):
    """An environment without a session bus, and with nothing of the user's."""
    kept = {k: v for k, v in os.environ.items() if k in {"PATH", "LANG"}}
    return {**kept, "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}


async def test_a_keyring_that_works(tmp_path):
    """A value is set, read and deleted; nothing of it stays."""
    with keyring_session(tmp_path) as (environment, _):
        for _ in range(2):
            finding = await probe({**environment, **SECRET_SERVICE})
            assert (finding.verdict, finding.remedy) == (Verdict.OK, ""), finding
    assert "a value was set, read and deleted" in finding.message
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*.keyring"))
    assert b"remjobs-doctor" not in stored


async def test_a_daemon_that_hangs_is_given_up_and_the_helper_killed(tmp_path):
    """Keyring has no time limit of its own."""
    with keyring_session(tmp_path) as (environment, daemon):
        daemon.send_signal(signal.SIGSTOP)
        finding = await probe({**environment, **SECRET_SERVICE}, seconds=2)
    assert finding.verdict is Verdict.WARNING
    assert "does not answer within 2 s" in finding.message
    assert "dbus-run-session" in finding.remedy


async def test_a_locked_keyring_without_a_desktop(tmp_path):
    """There is nobody to unlock it."""
    with keyring_session(tmp_path, unlocked=False) as (environment, _):
        finding = await probe({**environment, **SECRET_SERVICE}, seconds=5)
    assert finding.verdict is Verdict.WARNING
    assert "cannot be used: " in finding.message or "does not answer" in finding.message


async def test_no_session_bus(headless):
    """On a server, over SSH."""
    finding = await probe({**headless, **SECRET_SERVICE})
    assert finding.verdict is Verdict.WARNING
    assert "cannot be used: " in finding.message
    assert "dbus-run-session" in finding.remedy


async def test_no_backend(headless):
    """What keyring chooses where it finds none."""
    backend = {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
    finding = await probe({**headless, **backend})
    assert finding.verdict is Verdict.WARNING
    assert "NoKeyringError" in finding.message


async def test_a_plaintext_file_is_refused(headless, tmp_path):
    """It is what keyring chooses by itself where keyrings.alt is installed and no bus is."""
    finding = await probe(headless)
    assert finding.verdict is Verdict.PROBLEM
    assert "PlaintextKeyring writes secrets to a file as they are" in finding.message
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


async def test_a_chain_with_a_plaintext_file_in_it_is_refused(tmp_path):
    """Though a keyring that works comes first in it."""
    with keyring_session(tmp_path) as (environment, _):
        finding = await probe({k: v for k, v in environment.items() if "KEYRING_B" not in k})
    assert finding.verdict is Verdict.PROBLEM
    assert "PlaintextKeyring writes secrets to a file as they are, and is one" in finding.message
    assert "SecretService" in finding.message


async def test_a_backend_that_forgets_is_refused(headless):
    """It says nothing when it is given a secret."""
    backend = {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}
    finding = await probe({**headless, **backend})
    assert finding.verdict is Verdict.PROBLEM
    assert "forgets what it is given" in finding.message


async def test_a_backend_that_does_not_exist(headless):
    """A wrong name."""
    finding = await probe({**headless, "PYTHON_KEYRING_BACKEND": "nothing.at.All"})
    assert finding.verdict is Verdict.WARNING
    assert "cannot be used: ModuleNotFoundError" in finding.message


async def test_a_backend_that_ends_its_process(headless, tmp_path):
    """As a library in C may; it does not take us with it."""
    (tmp_path / "deadly.py").write_text(
        "import os\nfrom keyring.backend import KeyringBackend\n"
        "class Keyring(KeyringBackend):\n    priority = 9\n"
        "    def set_password(self, *args): os._exit(7)\n"
        "    get_password = delete_password = set_password\n",
    )
    backend = {"PYTHON_KEYRING_BACKEND": "deadly.Keyring", "PYTHONPATH": str(tmp_path)}
    finding = await probe({**headless, **backend})
    assert (finding.verdict, "exit code 7" in finding.message) == (Verdict.WARNING, True)
