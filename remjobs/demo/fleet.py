"""Five SSH servers on loopback, with keys of their own; one of them is down."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import asyncssh

__all__ = [
    "DOWN",
    "HOST_VARIABLE",
    "NAMES",
    "Fleet",
    "demo_fleet",
    "embedded_server",
    "unused_port",
]

NAMES: Final = ("web1", "web2", "web3", "web4", "db1")
DOWN: Final = "web4"
_ADDRESS: Final = "127.0.0.1"
_BLOCK: Final = 65536
HOST_VARIABLE: Final = "DEMO_HOST"
"""The variable in which work finds the name of its host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Where the fleet's files lie."""

    inventory: Path


@asynccontextmanager
async def demo_fleet(folder: Path) -> AsyncIterator[Fleet]:
    """Run the fleet; its key, known_hosts and inventory are made in a folder."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    key_path = folder / "demo_key"
    key_path.touch(mode=0o600)
    key.write_private_key(key_path)
    async with AsyncExitStack() as stack:
        ports, known = {}, []
        for name in NAMES:
            host_key = asyncssh.generate_private_key("ssh-ed25519")
            ports[name] = await _start(stack, name, host_key, key, folder / "spool")
            public = host_key.export_public_key("openssh").decode().strip()
            known.append(f"[{_ADDRESS}]:{ports[name]} {public}\n")
        (folder / "known_hosts").write_text("".join(known), encoding="ascii")
        inventory = folder / "fleet.toml"
        inventory.write_text(_inventory(ports), encoding="ascii")
        yield Fleet(inventory=inventory)


def _inventory(ports: dict[str, int]) -> str:
    lines = [
        "# The demo fleet: five SSH servers on this machine.",
        "[defaults]",
        'user = "demo"',
        "[defaults.ssh]",
        'identity_files = ["demo_key"]',
        'known_hosts_file = "known_hosts"',
        'config_file = "none"',
        "[hosts]",
        *(f'{name} = {{ address = "{_ADDRESS}", port = {port} }}' for name, port in ports.items()),
        "[groups]",
        'web = ["web[1-4]"]',
        'db = ["db1"]',
    ]
    return "\n".join(lines) + "\n"


async def _start(
    stack: AsyncExitStack,
    name: str,
    host_key: asyncssh.SSHKey,
    user_key: asyncssh.SSHKey,
    spool: Path,
) -> int:
    """Start one server and return its port; the one that is down only has a port."""
    if name == DOWN:
        return unused_port(stack)
    environment = {HOST_VARIABLE: name, "REMJOBS_SPOOL": str(spool / name)}
    return await embedded_server(stack, host_key, user_key, environment)


async def embedded_server(
    stack: AsyncExitStack,
    host_key: asyncssh.SSHKey,
    user_key: asyncssh.SSHKey,
    environment: Mapping[str, str],
    files: Path | None = None,
) -> int:
    """Run an SSH server until a stack is closed; return its port.

    Args:
        stack: What ends it.
        host_key: Its own key.
        user_key: The key of whoever may log in, by any name.
        environment: Variables of all that it runs, over those of this process.
        files: The folder that SFTP shows as all of its files; None is no SFTP.
    """
    server = await asyncssh.listen(
        _ADDRESS,
        0,
        server_host_keys=[host_key],
        authorized_client_keys=asyncssh.import_authorized_keys(
            user_key.export_public_key("openssh").decode(),
        ),
        process_factory=lambda process: _run(environment, process),
        sftp_factory=None if files is None else partial(asyncssh.SFTPServer, chroot=bytes(files)),
        encoding=None,
    )
    stack.push_async_callback(_stop, server)
    return server.get_port()


def unused_port(stack: AsyncExitStack) -> int:
    """Hold a port that nobody listens on, so that connecting is refused."""
    holder = stack.enter_context(socket.socket())
    holder.bind((_ADDRESS, 0))
    port: int = holder.getsockname()[1]
    return port


async def _stop(server: asyncssh.SSHAcceptor) -> None:
    server.close()
    await server.wait_closed()


async def _run(
    environment: Mapping[str, str],
    process: asyncssh.SSHServerProcess[bytes],
) -> None:
    """Run a client's command with /bin/sh, in a session of its own."""
    child = await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        process.command or "true",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        cwd=environment.get("HOME"),
        env={**os.environ, **environment},
    )
    feeding = asyncio.create_task(_feed(process.stdin, child.stdin))
    try:
        await asyncio.gather(
            _pump(child.stdout, process.stdout),
            _pump(child.stderr, process.stderr),
        )
        code = await child.wait()
    except asyncio.CancelledError:
        os.killpg(child.pid, signal.SIGKILL)
        raise
    finally:
        feeding.cancel()
    if code < 0:
        process.exit_with_signal(signal.Signals(-code).name.removeprefix("SIG"))
    else:
        process.exit(code)


async def _feed(source: asyncssh.SSHReader[bytes], target: asyncio.StreamWriter | None) -> None:
    assert target is not None  # noqa: S101 - asked for as a pipe
    while data := await source.read(_BLOCK):
        target.write(data)
        await target.drain()
    target.close()


async def _pump(source: asyncio.StreamReader | None, target: asyncssh.SSHWriter[bytes]) -> None:
    assert source is not None  # noqa: S101 - asked for as a pipe
    while data := await source.read(_BLOCK):
        target.write(data)
        await target.drain()
