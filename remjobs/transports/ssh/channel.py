"""A command on an SSH connection as a Channel."""

from __future__ import annotations

import asyncio

import asyncssh

from remjobs.model.record import Stream
from remjobs.transports.base import Exited, Signaled
from remjobs.transports.flow import Flow

__all__ = ["SshChannel"]


class SshChannel(asyncssh.SSHClientSession[bytes]):
    """Takes asyncssh's callbacks for one session channel (RFC 4254, section 6)."""

    def __init__(self) -> None:
        """Wait for the channel to be opened."""
        self.flow = Flow()
        self._channel: asyncssh.SSHClientChannel[bytes] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._gone = False

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        """Keep the channel, and pause it when its output is not read."""
        self._channel = chan
        self.flow.attach(lambda paused: (chan.pause_reading if paused else chan.resume_reading)())

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        """Take output."""
        stream = Stream.OUTPUT if datatype is None else Stream.ERROR
        self.flow.feed(stream, data)

    def exit_status_received(self, status: int) -> None:
        """Take the exit status."""
        self.flow.ended(Exited(status))

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:
        """Take the signal that ended the command."""
        self.flow.ended(Signaled(signal))

    def eof_received(self) -> bool:
        """Keep our side open: the exit status comes after the output's end."""
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Close; without an exit status before, the outcome is lost."""
        self._gone = True
        self._writable.set()
        what = str(exc) if exc else "the channel closed without an exit status"
        self.flow.close(f"connection lost: {what}")

    def pause_writing(self) -> None:
        """Hold the input: the host does not read."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Go on with the input."""
        self._writable.set()

    async def send(self, data: bytes) -> None:
        """Write input in pieces, as fast as the host reads; one that hung up reads no more."""
        view = memoryview(data)
        while view and not self._gone and self._channel is not None:
            try:
                self._channel.write(bytes(view[:32768]))
            except BrokenPipeError:
                # It is closed already, and connection_lost comes: the flow says how it ended.
                return
            view = view[32768:]
            await self._writable.wait()

    def end_input(self) -> None:
        """Send end of file."""
        if self._channel is not None and not self._gone and not self._channel.is_closing():
            self._channel.write_eof()

    def close(self) -> None:
        """Close the channel. sshd lets the command go on; see PosixExecution.stop."""
        if self._channel is not None:
            self._channel.close()
        self.flow.close("the output was let go of")

    async def dismiss(self) -> None:
        """Close the channel; what follows work on the host ends when it finds that out."""
        self.close()
