"""The canary is found wherever it is, or tests that look for it would hold nothing."""

import base64
import subprocess
import sys

import pytest
from support.canary import Canary

FORMS = {
    "plain": lambda text: b"password=" + text + b";",
    "UTF-16": lambda text: ("x" + text.decode() + "y").encode("utf-16"),
    "hex": lambda text: b"\\x".join([b"", text.hex().encode()]),
    "base64": base64.b64encode,
    "base64 behind one": lambda text: base64.b64encode(b"u" + text + b"more"),
    "base64 behind two": lambda text: base64.b64encode(b"u:" + text),
    "base64 of UTF-16": lambda text: base64.b64encode(b"::::" + text.decode().encode("utf-16-le")),
}


@pytest.mark.parametrize("form", FORMS)
def test_it_is_found_in_each_form(form, tmp_path):
    """In bytes, in a file, and in the name of one; nothing else is taken for it."""
    canary = Canary()
    data = FORMS[form](canary.text.encode())
    assert canary.sings_in(data)
    (tmp_path / "file").write_bytes(b"\0" * 1000 + data)
    (tmp_path / canary.text).touch()
    assert len(canary.files_with_it(tmp_path)) == 2
    assert not Canary().sings_in(data)


@pytest.mark.parametrize("where", ["argv", "environment"])
def test_it_is_seen_in_a_process_that_lives_as_long_as_ours_do(where):
    """The shortest of them, which asks the keyring, takes longer to start alone."""
    canary = Canary()
    words = [sys.executable, "-IS", "-c", "import time; time.sleep(0.2)"]
    with canary.watched():
        if where == "argv":
            subprocess.run([*words, canary.text], check=True)
        else:
            subprocess.run(words, check=True, env={"X": canary.text})
    [seen] = {what.partition(" ")[0] for what in canary.seen}
    assert seen == {"argv": "cmdline", "environment": "environ"}[where]
