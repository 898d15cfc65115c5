"""Looking at the keys that a host offers, without logging in."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final, TypeVar

import asyncssh
from asyncssh.public_key import get_default_certificate_algs

from remjobs.model.host import Host
from remjobs.model.job import ReasonKind
from remjobs.model.known_hosts import KeyStanding, OfferedKey
from remjobs.model.ping import Stage
from remjobs.transports.base import HostFailure, HostKeys
from remjobs.transports.ssh.config import Resolved
from remjobs.transports.ssh.errors import translate
from remjobs.transports.ssh.remedies import mended
from remjobs.transports.ssh.trust import Known, Trust, address_label, kind, label_of

__all__ = ["scan"]

T = TypeVar("T")

_FAMILIES: Final = (
    ("ssh-ed25519",),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    ("rsa-sha2-512", "rsa-sha2-256"),
)
"""Signature algorithms, as far as a host may have a key of each."""
_ALL: Final = tuple(algorithm for family in _FAMILIES for algorithm in family)
_TRIES: Final = 4
_SECONDS: Final = 10.0


async def scan(host: Host, settings: Resolved, trust: Trust) -> HostKeys:
    """Return the keys that a host offers: one connection for each type.

    Args:
        host: Which.
        settings: What the SSH config says of it.
        trust: What is known.

    Raises:
        HostFailure: It was not reached, or offers no key that we take.
    """
    known = trust.known(settings)
    found = [await _key(host, settings, algorithms) for algorithms in _FAMILIES]
    offered = [key for key in found if key is not None]
    if not offered:
        msg = "it offers no host key that is taken"
        raise HostFailure(ReasonKind.REFUSED, msg, stage=Stage.HOST_KEY)
    keys = [_offered(key, offered, known, settings, trust) for key in offered]
    if known.authorities:
        keys += await _certified(host, settings, known)
    return HostKeys(
        name=label_of(settings),
        file=settings.user_known_hosts or "",
        keys=tuple(keys),
    )


def _offered(
    key: asyncssh.SSHKey,
    offered: Sequence[asyncssh.SSHKey],
    known: Known,
    settings: Resolved,
    trust: Trust,
) -> OfferedKey:
    standing, instead = known.standing(key, offered)
    return OfferedKey(
        type=kind(key),
        fingerprint=key.get_fingerprint(),
        standing=standing,
        public=key.export_public_key("openssh").decode().strip(),
        known=trust.places(settings, instead) if instead else (),
    )


async def _key(
    host: Host,
    settings: Resolved,
    algorithms: Sequence[str],
) -> asyncssh.SSHKey | None:
    """Return the host's key for these algorithms; None if it has none.

    The others are offered after them: a server that finds none of its own cuts the
    connection, and that looks like any other fault.
    """

    async def look() -> asyncssh.SSHKey | None:
        return await asyncssh.get_server_host_key(
            host.address or host.name,
            host.port or (),
            config=list(settings.config_paths),
            server_host_key_algs=list(dict.fromkeys([*algorithms, *_ALL])),
        )

    key = await _tried(look, host, settings)
    if key is None or not {name.decode() for name in key.sig_algorithms} & {*algorithms}:
        return None
    return key


async def _certified(
    host: Host,
    settings: Resolved,
    known: Known,
) -> list[OfferedKey]:
    """Return the authority that vouches for the host, if it is one that is trusted."""
    seen = _Authority()

    async def look() -> None:
        connection = await asyncssh.connect(
            host.address or host.name,
            host.port or (),
            config=list(settings.config_paths),
            known_hosts=((), (), known.revoked),
            server_host_key_algs=[*map(bytes.decode, get_default_certificate_algs()), *_ALL],
            agent_path=None,
            client_keys=None,
            connect_timeout=None,
            client_factory=lambda: seen,
        )
        connection.abort()

    with suppress(asyncssh.HostKeyNotVerifiable):
        await _tried(look, host, settings, asyncssh.HostKeyNotVerifiable)
    return [
        OfferedKey(
            type=f"certificate by {kind(key)}",
            fingerprint=key.get_fingerprint(),
            standing=KeyStanding.CERTIFIED,
        )
        for key in known.authorities
        if key == seen.key
    ]


class _Authority(asyncssh.SSHClient):
    """Takes note of who signed a host's certificate, and goes no further."""

    key: asyncssh.SSHKey | None = None

    def validate_host_ca_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Remember the key, and hang up."""
        self.key = key
        return False


async def _tried(
    look: Callable[[], Awaitable[T]],
    host: Host,
    settings: Resolved,
    *meant: type[asyncssh.Error],
) -> T:
    """Look; again where the host turned us away at the door (MaxStartups).

    Args:
        look: Connects once.
        host: To this host.
        settings: What the SSH config says of it.
        *meant: Errors that are an answer.

    Raises:
        HostFailure: It was not reached.
    """
    limit = host.ssh.connect_timeout or settings.connect_timeout or _SECONDS
    where = address_label(settings.address, settings.port)
    for tried in range(1, _TRIES + 1):
        try:
            async with asyncio.timeout(limit):
                return await look()
        except meant:
            raise
        except TimeoutError as exc:
            failure = HostFailure(ReasonKind.UNREACHABLE, f"no answer in {limit:g} s ({where})")
            raise mended(failure, Stage.TCP, settings) from exc
        except (asyncssh.ConnectionLost, ConnectionResetError) as exc:
            if tried == _TRIES:
                raise mended(translate(exc, where), Stage.HOST_KEY, settings) from exc
        except (OSError, asyncssh.Error, ValueError) as exc:
            raise mended(translate(exc, where), _stage(exc), settings) from exc
        await asyncio.sleep(random.uniform(0.1, 0.3) * 2**tried)  # noqa: S311 - jitter
    raise AssertionError  # pragma: no cover - the last try raised


def _stage(exc: Exception) -> Stage:
    if isinstance(exc, socket.gaierror):
        return Stage.NAME
    return Stage.TCP if isinstance(exc, OSError) else Stage.HOST_KEY
