"""The listener: a thread for each connection."""

from __future__ import annotations

import socket
import sys
import threading
import traceback
from functools import partial
from socketserver import TCPServer, ThreadingMixIn
from typing import Any

from winrm_endpoint.connection import Connection
from winrm_endpoint.endpoint import Endpoint

SWEEP = 0.1
"""So often it is looked for idle shells, in seconds."""


class Listener(ThreadingMixIn, TCPServer):
    """Where connections come in."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 512

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._ended = threading.Event()
        settings = endpoint.settings
        if ":" in settings.address:
            self.address_family = socket.AF_INET6
        super().__init__((settings.address, settings.port), partial(Connection, endpoint))

    def start(self) -> None:
        """Begin to serve."""
        for work in (partial(self.serve_forever, 0.05), self._sweep):
            threading.Thread(target=work, daemon=True).start()

    def end(self) -> None:
        """Serve no more; nothing that was begun is left running."""
        self._ended.set()
        self.shutdown()
        self.server_close()
        self._endpoint.cut()
        self._endpoint.shells.end(for_good=True)

    def _sweep(self) -> None:
        while not self._ended.wait(SWEEP):
            self._endpoint.shells.drop_idle()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Be silent about clients that go away, and loud about what is wrong here."""
        if not isinstance(sys.exc_info()[1], OSError):
            traceback.print_exc()
