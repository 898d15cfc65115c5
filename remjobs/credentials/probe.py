"""Seeing whether the keyring can be used: ``python -m remjobs.credentials.probe``.

keyring has no time limit anywhere, and a backend that was chosen may still ask a
person who is not there. So a value is set, read and deleted in a process of its own,
which is killed if it takes too long. It prints one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
from collections.abc import Mapping
from typing import Any, Final

from remjobs.model.doctor import Finding, Verdict

__all__ = ["probe"]

_CHECK: Final = "keyring"
_SECONDS: Final = 10.0
_SERVICE: Final = "remjobs-doctor"
_HEADLESS: Final = (
    "without a desktop start one: `dbus-run-session -- sh`, in it `gnome-keyring-daemon "
    "--unlock --components=secrets`; SSH keys and agents need none"
)
_ANOTHER: Final = (
    "name another with PYTHON_KEYRING_BACKEND or in keyringrc.cfg, and start the controller anew "
    f"(`remjobs controller stop`); {_HEADLESS}"
)


async def probe(environment: Mapping[str, str], seconds: float = _SECONDS) -> Finding:
    """Set, read and delete a value in the keyring that this environment chooses.

    Args:
        environment: The helper process's.
        seconds: After so many it is killed.
    """
    helper = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "remjobs.credentials.probe"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=dict(environment),
    )
    try:
        async with asyncio.timeout(seconds):
            said, _ = await helper.communicate()
    except TimeoutError:
        message = f"the keyring does not answer within {seconds:g} s: it may wait for a person"
        return _finding(Verdict.WARNING, message, f"unlock it, or end its daemon; {_HEADLESS}")
    finally:
        if helper.returncode is None:
            helper.kill()
            await helper.wait()
    try:
        return _judged(json.loads(said))
    except ValueError:
        message = f"the keyring's backend ended our helper (exit code {helper.returncode})"
        return _finding(Verdict.WARNING, message, _ANOTHER)


def _judged(seen: Mapping[str, Any]) -> Finding:
    names = ", ".join(seen["backends"]) or "the keyring"
    for name in seen["backends"]:
        if reason := _unfit(name):
            among = "" if name == names else f", and is one of those in use: {names}"
            return _finding(Verdict.PROBLEM, f"{name} {reason}{among}", _ANOTHER)
    if seen["error"]:
        return _finding(Verdict.WARNING, f"{names}: {seen['error']}", _HEADLESS)
    return _finding(Verdict.OK, f"{names}: a value was set, read and deleted")


def _unfit(name: str) -> str:
    """Say why a backend must not have secrets; empty if it may."""
    if name.startswith("keyring.backends.null."):
        return "forgets what it is given"
    if "plaintext" in name.lower():
        return "writes secrets to a file as they are"
    return ""


def _finding(verdict: Verdict, message: str, remedy: str = "") -> Finding:
    return Finding(check=_CHECK, verdict=verdict, message=message, remedy=remedy)


def _look() -> dict[str, Any]:
    """Use the keyring, unless it must not have secrets."""
    seen: dict[str, Any] = {"backends": [], "error": ""}
    try:
        import keyring  # noqa: PLC0415 - slow, the helper's alone, and it may not even load

        chosen = keyring.get_keyring()
        parts = list(getattr(chosen, "backends", ())) or [chosen]
        seen["backends"] = [f"{type(part).__module__}.{type(part).__name__}" for part in parts]
        if not any(map(_unfit, seen["backends"])) and not _gives_back(keyring):
            seen["error"] = "it does not give back what it was given"
    except Exception as exc:  # noqa: BLE001 - a backend raises whatever its libraries raise
        seen["error"] = f"it cannot be used: {type(exc).__name__}: {exc}".splitlines()[0]
    return seen


def _gives_back(keyring: Any) -> bool:
    name, value = secrets.token_hex(8), secrets.token_hex(16)
    keyring.set_password(_SERVICE, name, value)
    try:
        return bool(keyring.get_password(_SERVICE, name) == value)
    finally:
        keyring.delete_password(_SERVICE, name)


if __name__ == "__main__":
    print(json.dumps(_look()), flush=True)  # noqa: T201 - what it is for
    # A backend's own threads must not keep us.
    os._exit(0)
