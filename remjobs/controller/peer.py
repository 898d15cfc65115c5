"""Who is at the other end of a Unix socket."""

from __future__ import annotations

import socket
import struct
from typing import Final

__all__ = ["peer_uid"]

_SOL_LOCAL: Final = 0
_LOCAL_PEERCRED: Final = 1


def peer_uid(connection: socket.socket) -> int | None:
    """Return the peer's user id, or None where the system does not tell.

    Linux has SO_PEERCRED (unix(7)), macOS and the BSDs LOCAL_PEERCRED.
    """
    if hasattr(socket, "SO_PEERCRED"):
        size = struct.calcsize("3i")
        _pid, uid, _gid = struct.unpack(
            "3i",
            connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size),
        )
        return int(uid)
    try:
        data = connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, 8)
    except OSError:
        return None
    return int(struct.unpack("2I", data)[1])
