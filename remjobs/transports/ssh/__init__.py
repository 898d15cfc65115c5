"""The SSH transport, on asyncssh."""

from remjobs.transports.ssh.transport import SshTransport

__all__ = ["SshTransport"]
