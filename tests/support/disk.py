"""A disk that is full."""

from contextlib import suppress


def fill(path):
    """Write to a file until there is no space left."""
    with path.open("wb", buffering=0) as ballast, suppress(OSError):
        while True:
            ballast.write(b"x" * 4096)
