"""asyncssh's reader of ssh_config(5), mended where OpenSSH reads it otherwise."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from asyncssh.config import SSHClientConfig

__all__ = ["SYSTEM", "OpenSshConfig"]

SYSTEM: Final = Path("/etc/ssh/ssh_config")
"""Read after the user's own file."""
_PROXIES: Final = frozenset({"ProxyJump", "ProxyCommand"})


class OpenSshConfig(SSHClientConfig):
    """Reads Host, Match, Include and the options."""

    _percent_expand = SSHClientConfig._percent_expand | {"UserKnownHostsFile"}  # noqa: SLF001

    def parse(self, path: Path) -> None:
        """Read a file; relative names in the system's are looked for beside it."""
        outside = self._default_path
        if path == SYSTEM:
            self._default_path = SYSTEM.parent
        try:
            super().parse(path)
        finally:
            self._default_path = outside

    def _match(self, option: str, args: list[str]) -> None:
        """Begin a Match block; ssh expands tokens in what Match exec runs."""
        self._set_tokens()
        for place, word in enumerate(args[:-1], start=1):
            if word.lower().lstrip("!") == "exec":
                args[place] = re.sub("%(.)", self._expand_token, args[place])
        super()._match(option, args)

    def _set_tokens(self) -> None:
        """Add those that asyncssh does not have."""
        super()._set_tokens()
        jump = str(self._options.get("ProxyJump") or "")
        self._tokens["k"] = str(self._options.get("HostKeyAlias") or self._orig_host)
        self._tokens["j"] = jump.rpartition(",")[2].rpartition("@")[2].partition(":")[0]

    def _set_proxy(self, option: str, args: list[str]) -> None:
        """Of ProxyJump and ProxyCommand the first one counts."""
        if self._options.keys() & _PROXIES:
            args.clear()
        else:
            self._set_string(option, args)

    _handlers = SSHClientConfig._handlers | {  # noqa: SLF001 - the one way to extend it
        "match": ("Match", _match),
        "proxyjump": ("ProxyJump", _set_proxy),
        "proxycommand": ("ProxyCommand", _set_proxy),
    }
