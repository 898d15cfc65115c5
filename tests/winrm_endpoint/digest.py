"""Digest's server side (RFC 7616; RFC 2617 for MD5)."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass

REALM = "WSMAN"
_HASHES: dict[str, Callable[[bytes], str]] = {
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
}
_FIELD = re.compile(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of a response: who it is from, whether right, whether its nonce is old."""

    user: str
    right: bool
    stale: bool


class Nonces:
    """Nonces that were given out; each is good for so many requests, each count for one."""

    def __init__(self, algorithm: str, uses: int) -> None:
        self._algorithm = algorithm
        self._hash = _HASHES[algorithm.removesuffix("-sess")]
        self._uses = uses
        self._counts: dict[str, int] = {}
        self._lock = threading.Lock()

    def challenge(self, *, stale: bool = False) -> str:
        """Return a challenge with a fresh nonce."""
        nonce = secrets.token_hex(16)
        with self._lock:
            self._counts[nonce] = 0
        old = ", stale=true" if stale else ""
        return (
            f'Digest realm="{REALM}", nonce="{nonce}", qop="auth", '
            f"algorithm={self._algorithm}, charset=UTF-8{old}"
        )

    def check(self, said: str, method: str, target: str, password: str | None) -> Verdict:
        """Judge what follows the word Digest."""
        fields = {key: quoted or plain for key, quoted, plain in _FIELD.findall(said)}
        user = re.sub(r"\\(.)", r"\1", fields.get("username", ""))
        right = (
            password is not None
            and fields.get("realm") == REALM
            and fields.get("uri") == target
            and fields.get("qop") == "auth"
            and hmac.compare_digest(
                self._response(fields, user, password, method),
                fields.get("response", ""),
            )
        )
        stale = right and not self._use(fields.get("nonce", ""), fields.get("nc", ""))
        return Verdict(user=user, right=right, stale=stale)

    def _response(self, fields: dict[str, str], user: str, password: str, method: str) -> str:
        first = self._hash(f"{user}:{REALM}:{password}".encode())
        if self._algorithm.endswith("-sess"):
            first = self._hash(f"{first}:{fields['nonce']}:{fields.get('cnonce', '')}".encode())
        second = self._hash(f"{method}:{fields.get('uri', '')}".encode())
        named = [fields.get(name, "") for name in ("nonce", "nc", "cnonce", "qop")]
        return self._hash(":".join([first, *named, second]).encode())

    def _use(self, nonce: str, count: str) -> bool:
        """Take one use of a nonce; return whether it was there to take."""
        with self._lock:
            used = self._counts.get(nonce)
            if used is None or not re.fullmatch(r"[0-9a-fA-F]{8}", count):
                return False
            number = int(count, 16)
            if number <= used or number > self._uses:
                return False
            self._counts[nonce] = number
            return True

    def forget(self) -> None:
        """Let every nonce be old."""
        with self._lock:
            self._counts.clear()
