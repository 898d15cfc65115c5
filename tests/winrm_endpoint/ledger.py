"""What an endpoint has seen, for tests to read."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from typing import Any


class Ledger:
    """Counts of connections, requests and logins, and the requests in their order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connections: dict[int, int] = {}
        self._open: set[int] = set()
        self._logins: dict[str, Counter[str]] = defaultdict(Counter)
        self._mechanisms: Counter[str] = Counter()
        self._negotiated: Counter[str] = Counter()
        self._exchanges: list[dict[str, Any]] = []

    def connected(self) -> int:
        """Note a new connection; return its number, from 1."""
        with self._lock:
            number = len(self._connections) + 1
            self._connections[number] = 0
            self._open.add(number)
            return number

    def closed(self, connection: int) -> None:
        """Note the end of a connection."""
        with self._lock:
            self._open.discard(connection)

    def requested(self, connection: int) -> None:
        """Note an HTTP request, of whatever kind."""
        with self._lock:
            self._connections[connection] += 1

    def login(self, user: str, mechanism: str, *, accepted: bool) -> None:
        """Note that somebody tried to log in."""
        with self._lock:
            self._logins[user].update(["tried", "accepted" if accepted else "refused"])
            if accepted:
                self._mechanisms[mechanism] += 1

    def negotiated(self, mechanism: str) -> None:
        """Note what a negotiation came to."""
        with self._lock:
            self._negotiated[mechanism] += 1

    def asked(self, exchange: dict[str, Any]) -> None:
        """Note a request for an action by somebody who has logged in."""
        with self._lock:
            self._exchanges.append(exchange)

    def status(self) -> dict[str, Any]:
        """Return all of it."""
        with self._lock:
            return {
                "connections": len(self._connections),
                "open_connections": len(self._open),
                "requests": sum(self._connections.values()),
                "requests_by_connection": list(self._connections.values()),
                "logins": {
                    user: {name: seen[name] for name in ("tried", "accepted", "refused")}
                    for user, seen in self._logins.items()
                },
                "mechanisms": dict(self._mechanisms),
                "negotiated": dict(self._negotiated),
                "actions": [seen["action"] for seen in self._exchanges],
                "exchanges": list(self._exchanges),
            }
