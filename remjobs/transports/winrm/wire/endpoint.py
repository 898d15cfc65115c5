"""Where a WinRM listener is, and what it has to show for itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Endpoint"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A WinRM listener."""

    scheme: Literal["http", "https"]
    address: str
    """Name or IP address to connect to; an IPv6 address without brackets."""
    port: int
    path: str = "wsman"
    host_name: str = ""
    """What its certificate and its service principal are called; empty: as the address."""
    ca_file: str | None = None
    """PEM file of those who sign certificates here; None: the system's."""
    fingerprint: str | None = None
    """SHA-256 of its certificate in hex, colons allowed: then that and nothing else counts."""
    insecure_tls: bool = False
    """Any certificate will do. For hosts that are named one by one only."""
    allow_plaintext: bool = False
    """Basic over http is allowed: password and work can be read on the way."""
    proxy: str | None = None
    """``http://NAME:PORT``; None: none, whatever the environment says."""
    connect_timeout: float = 10
    """Seconds until the connection stands, TLS included."""
    read_timeout: float = 60
    """Seconds without an answer; longer than the operation time-out, or that is never seen."""

    @property
    def name(self) -> str:
        """What certificate and service principal are checked against."""
        return self.host_name or self.address

    @property
    def authority(self) -> str:
        """``address:port``, as in a URL (RFC 3986, section 3.2)."""
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"{address}:{self.port}"

    @property
    def target(self) -> str:
        """The path that is asked for, beginning with a slash."""
        return f"/{self.path.lstrip('/')}"

    @property
    def url(self) -> str:
        """The listener's URL."""
        return f"{self.scheme}://{self.authority}{self.target}"

    @property
    def is_https(self) -> bool:
        """Whether TLS keeps what crosses."""
        return self.scheme == "https"
