"""A host's files over SFTP (draft-ietf-secsh-filexfer-02, and OpenSSH's extensions)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeVar

import asyncssh
from asyncssh.packet import PacketDecodeError

from remjobs.model.job import ReasonKind
from remjobs.transports.base import HostFailure
from remjobs.transports.copying.files import CannotCopy, Gone, Info, Kind, kind_of, shown

__all__ = ["SftpFiles", "open_files"]

T = TypeVar("T")

_OPEN_SECONDS: Final = 30.0
_CLOSE_SECONDS: Final = 2.0
_LEAST_BLOCK: Final = 4 * 1024
_MOST_BLOCK: Final = 256 * 1024 - 1024
"""OpenSSH ends a connection whose messages are longer than 256 KiB."""
_NO_SFTP: Final = "it has no SFTP for us ({}); sshd_config wants: Subsystem sftp internal-sftp"
_NOT_THERE: Final = (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath)
_GONE: Final = (
    OSError,
    PacketDecodeError,
    asyncssh.ChannelOpenError,
    asyncssh.DisconnectError,
    asyncssh.SFTPBadMessage,
    asyncssh.SFTPConnectionLost,
    asyncssh.SFTPNoConnection,
)
"""Nothing can be asked any more: there is no connection, or what comes makes no sense."""


@contextmanager
def _told(path: str) -> Iterator[None]:
    """Translate what asyncssh raises."""
    try:
        yield
    except _GONE as exc:
        msg = f"connection lost: {getattr(exc, 'reason', None) or exc or type(exc).__name__}"
        raise Gone(msg) from exc
    except asyncssh.SFTPError as exc:
        msg = f"{shown(path)}: {_why(exc)}"
        raise CannotCopy(msg) from exc


def _why(exc: asyncssh.SFTPError) -> str:
    if isinstance(exc, asyncssh.SFTPPermissionDenied):
        return "permission denied on the host"
    if isinstance(exc, _NOT_THERE):
        return "there is no such file on the host"
    return f"the host refuses it, and says: {shown(exc.reason)}"


async def open_files(connection: asyncssh.SSHClientConnection) -> SftpFiles:
    """Open an SFTP session on a connection.

    Raises:
        HostFailure: The host has none for us; nothing was copied.
    """
    try:
        async with asyncio.timeout(_OPEN_SECONDS):
            client = await connection.start_sftp_client(path_errors="surrogateescape")
    except TimeoutError as exc:
        msg = _NO_SFTP.format("no answer")
        raise HostFailure(ReasonKind.REFUSED, msg) from exc
    except (asyncssh.Error, PacketDecodeError, OSError) as exc:
        if connection.is_closed():
            msg = "the connection was lost before the copy began"
            raise HostFailure(ReasonKind.UNREACHABLE, msg) from exc
        msg = _NO_SFTP.format(getattr(exc, "reason", None) or exc)
        raise HostFailure(ReasonKind.REFUSED, msg) from exc
    return SftpFiles(client)


class _Open:
    """A file on the host, being read or written."""

    def __init__(self, path: str, file: asyncssh.SFTPClientFile, block: int) -> None:
        self._path = path
        self._file = file
        self._block = block

    async def info(self) -> Info:
        with _told(self._path):
            return _info(await self._file.stat())

    async def read(self, size: int, offset: int) -> bytes:
        with _told(self._path):
            blocks = self._blocks(size)
            parts = await _all(self._read(length, offset + start) for start, length in blocks)
        data = b""
        for (start, _), part in zip(blocks, parts, strict=True):
            if start != len(data):
                break  # behind a block that was short is the end, whatever the host says
            data += part
        return data

    async def _read(self, size: int, offset: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = await self._file.read(size - len(data), offset + len(data))
            assert isinstance(piece, bytes)  # noqa: S101 - it was opened so
            if not piece:
                break
            data += piece
        return data[:size]

    async def write(self, data: bytes, offset: int) -> None:
        with _told(self._path):
            await _all(
                self._file.write(data[start : start + length], offset + start)
                for start, length in self._blocks(len(data))
            )

    def _blocks(self, size: int) -> list[tuple[int, int]]:
        """Return where each block begins, and how long it is."""
        starts = range(0, size, self._block)
        return [(start, min(self._block, size - start)) for start in starts]

    async def set_mode(self, mode: int) -> None:
        with _told(self._path):
            await self._file.setstat(asyncssh.SFTPAttrs(permissions=mode))

    async def close(self) -> None:
        with _told(self._path):
            await self._file.close()


class SftpFiles:
    """The files of a host by an SFTP session, which begins in the home there."""

    def __init__(self, client: asyncssh.SFTPClient) -> None:
        """Use this session."""
        self._client = client

    async def look(self, path: str, *, follow: bool) -> Info | None:
        """Return what is there."""
        with _told(path):
            try:
                return _info(await (self._client.stat if follow else self._client.lstat)(path))
            except _NOT_THERE:
                return None

    async def names(self, path: str) -> AsyncGenerator[tuple[str, Info], None]:
        """Yield what a folder holds; what the listing does not tell is looked up."""
        with _told(path):
            async for entry in self._client.scandir(path):
                name = entry.filename
                assert isinstance(name, str)  # noqa: S101 - the path is one
                info: Info | None = _info(entry.attrs)
                if entry.attrs.permissions is None and "/" not in name:
                    info = await self.look(f"{path}/{name}", follow=False)
                if info is not None:
                    yield name, info

    async def make_folder(self, path: str) -> None:
        """Make a folder."""
        with _told(path):
            await self._client.mkdir(path, asyncssh.SFTPAttrs(permissions=0o700))

    async def set_mode(self, path: str, mode: int) -> None:
        """Set the permission bits of a folder."""
        with _told(path):
            await self._client.chmod(path, mode)

    async def create(self, path: str) -> _Open:
        """Make a file that was not there; SFTP's EXCL follows no link."""
        with _told(path):
            attrs = asyncssh.SFTPAttrs(permissions=0o600)
            file = await self._client.open(path, "xb", attrs, block_size=None)
            return _Open(path, file, _block(self._client.limits.max_write_len))

    async def open(self, path: str) -> _Open:
        """Open a file to read it."""
        with _told(path):
            file = await self._client.open(path, "rb", block_size=None)
            return _Open(path, file, _block(self._client.limits.max_read_len))

    async def replace(self, path: str, by: str) -> None:
        """Give a file its name; without OpenSSH's extension only where nothing has it."""
        with _told(path):
            try:
                await self._client.posix_rename(by, path)
            except asyncssh.SFTPOpUnsupported:
                await self._client.rename(by, path)

    async def remove(self, path: str) -> None:
        """Remove a file, if it is there."""
        with _told(path), suppress(*_NOT_THERE):
            await self._client.remove(path)

    async def room(self, path: str) -> int | None:
        """Return the free bytes of a folder's file system, if the host can say."""
        with _told(path):
            try:
                there = await self._client.statvfs(path)
            except asyncssh.SFTPOpUnsupported:
                return None
        return (there.bavail or 0) * (there.frsize or 0)

    async def until_gone(self) -> None:
        """Return once the session has ended."""
        await self._client.wait_closed()

    async def close(self) -> None:
        """End the session, without waiting long for the other side."""
        self._client.exit()
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._client.wait_closed()


def _block(limit: int) -> int:
    """Return how many bytes to ask for at a time, if the host tells such a limit."""
    return min(max(limit, _LEAST_BLOCK), _MOST_BLOCK)


async def _all(requests: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Have requests under way at once; none is left behind when one fails.

    asyncssh can do that too, but forgets what is under way when it is broken off.
    """
    tasks = [asyncio.create_task(request) for request in requests]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


def _info(attrs: asyncssh.SFTPAttrs) -> Info:
    mode = attrs.permissions or 0
    kind = kind_of(mode)
    return Info(
        kind=kind,
        size=(attrs.size or 0) if kind is Kind.FILE else 0,
        mode=mode & 0o777,
        modified=float(attrs.mtime or 0),
    )
