"""Start an endpoint, take orders, and end with standard input."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from contextlib import suppress
from typing import Any

from winrm_endpoint import ntlm
from winrm_endpoint.endpoint import Endpoint
from winrm_endpoint.faults import KINDS, Fault
from winrm_endpoint.server import Listener
from winrm_endpoint.settings import Settings


def main() -> None:
    """Serve until standard input ends."""
    settings = Settings.read(sys.stdin.readline())
    users = settings.folder / "users"
    ntlm.write_users(users, settings.users)
    os.environ.update(NTLM_USER_FILE=str(users), LM_COMPAT_LEVEL="5")
    # A shell in the background ignores these, and what begins so can never be signalled.
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    endpoint = Endpoint(settings)
    listener = Listener(endpoint)
    # pyspnego warns of logins that are refused, which is what it is here for.
    logging.disable()
    listener.start()
    _say({"port": listener.server_address[1]})
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with suppress(ValueError, OSError):
            for line in sys.stdin:
                _say(_obey(endpoint, json.loads(line)))
    finally:
        listener.end()
        users.unlink(missing_ok=True)


def _say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)  # noqa: T201 - the way it answers


def _obey(endpoint: Endpoint, order: dict[str, Any]) -> dict[str, Any]:
    match order.pop("do"):
        case "status":
            return endpoint.status()
        case "fault" if order["kind"] not in KINDS:
            return {"error": f"no such fault: {order['kind']}"}
        case "fault":
            endpoint.faults.add(Fault(**order))
        case "clear":
            endpoint.faults.clear()
        case "drop-contexts":
            endpoint.drop_contexts()
        case "cut":
            endpoint.cut()
        case "close-shells":
            endpoint.shells.end()
        case other:
            return {"error": f"no such order: {other}"}
    return {}


if __name__ == "__main__":
    main()
