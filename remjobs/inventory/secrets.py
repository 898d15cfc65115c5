"""Which variables hold a secret by their name: no inventory's are ever kept."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

__all__ = ["Encrypted", "is_secret", "without_secrets"]

_SECRET: Final = re.compile(
    r"(?:^|_)(?:pass|passphrase|secret|token|api_?key|private_key)$"
    r"|passw(?:or)?d(?!_?(?:file|path|prompt|length|policy))",
    re.IGNORECASE,
)


class Encrypted:
    """Stands for a value that ansible-vault has encrypted."""

    def __repr__(self) -> str:
        """Say what it is."""
        return "Encrypted()"


@lru_cache(maxsize=4096)
def is_secret(name: str) -> bool:
    """Whether a variable of this name holds a secret: ``ansible_password``, ``db_token``."""
    return _SECRET.search(name) is not None


def without_secrets(value: object) -> tuple[object, bool]:
    """Return a value without what is secret or encrypted in it, and whether anything was."""
    if isinstance(value, dict):
        kept: dict[object, object] = {}
        found = False
        for key, inner in value.items():
            if is_secret(str(key)) or isinstance(inner, Encrypted):
                found = True
                continue
            kept[key], inside = without_secrets(inner)
            found = found or inside
        return kept, found
    if isinstance(value, list):
        pairs = [without_secrets(item) for item in value if not isinstance(item, Encrypted)]
        lost = len(pairs) < len(value) or any(inside for _, inside in pairs)
        return [item for item, _ in pairs], lost
    return value, False
