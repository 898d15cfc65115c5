"""What is wrong with the set-up of SSH on this side: configuration, keys, agent, known_hosts."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncssh

from remjobs.model.doctor import Finding, Verdict
from remjobs.transports.ssh.survey import Survey, survey
from remjobs.transports.ssh.trust import load_lines

__all__ = ["examine"]

_AGENT_SECONDS: Final = 5.0
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_DEFAULT_KEYS: Final = ("id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk")
"""What ssh_config(5) names for IdentityFile."""
_MANY: Final = 5
"""Malformed lines that are named one by one."""


@dataclass(frozen=True, slots=True)
class _Agent:
    finding: Finding
    keys: frozenset[bytes] = frozenset()
    """The public keys that it holds."""


async def examine(agent_path: str) -> tuple[Finding, ...]:
    """Look through what SSH connections need here; no host is contacted."""
    found = await asyncio.to_thread(survey)
    agent = await _agent(agent_path)
    return (
        *_of_config(found),
        agent.finding,
        *await asyncio.to_thread(lambda: [*_folder(), *_keys(found, agent)]),
        *await asyncio.to_thread(lambda: [*_known_hosts(found)]),
    )


def _ok(check: str, message: str) -> Finding:
    return Finding(check=check, verdict=Verdict.OK, message=message)


def _warning(check: str, message: str, remedy: str) -> Finding:
    return Finding(check=check, verdict=Verdict.WARNING, message=message, remedy=remedy)


def _problem(check: str, message: str, remedy: str) -> Finding:
    return Finding(check=check, verdict=Verdict.PROBLEM, message=message, remedy=remedy)


def _of_config(found: Survey) -> Iterator[Finding]:
    if found.error:
        yield _problem("ssh config", found.error, "mend that line; `ssh -G HOST` reads it, too")
    for option in found.without_effect:
        make = _problem if option.unsafe else _warning
        message = f"{option.where}: {option.name} has no effect here, as it has for ssh"
        yield make("ssh config", message, option.remedy)
    for where in found.unchecked:
        yield _warning(
            "ssh config",
            f"{where}: StrictHostKeyChecking no: whoever answers is taken for the host",
            "say accept-new there, and accept the keys once",
        )
    if not (found.error or found.without_effect or found.unchecked):
        yield _ok("ssh config", str(found.path) if found.path.exists() else "none: defaults hold")


async def _agent(path: str) -> _Agent:
    if not path:
        return _Agent(_ok("ssh agent", "none: SSH_AUTH_SOCK is not set"))
    remedy = "start one (`eval $(ssh-agent); ssh-add`), or unset SSH_AUTH_SOCK"
    try:
        async with asyncio.timeout(_AGENT_SECONDS):
            client = await asyncssh.connect_agent(path)
            async with client:
                keys = await client.get_keys()
    except TimeoutError:
        message = f"the agent at {path} does not answer within {_AGENT_SECONDS:g} s"
        return _Agent(_problem("ssh agent", message, remedy))
    except (OSError, ValueError, asyncssh.Error) as exc:
        message = f"no agent answers at {path}, which SSH_AUTH_SOCK names: {exc}"
        return _Agent(_problem("ssh agent", message, remedy))
    if not keys:
        return _Agent(_warning("ssh agent", f"the agent at {path} holds no keys", "run `ssh-add`"))
    held = frozenset(bytes(key.public_data) for key in keys)
    return _Agent(_ok("ssh agent", f"{len(held)} keys at {path}"), held)


def _folder() -> Iterator[Finding]:
    folder = Path("~/.ssh").expanduser()
    if folder.is_dir() and folder.stat().st_mode & _OTHERS_WRITE:
        yield _problem(
            "ssh keys",
            f"others may write in {folder}: keys and known hosts could be theirs",
            f"run `chmod 700 {folder}`",
        )


def _keys(found: Survey, agent: _Agent) -> Iterator[Finding]:
    defaults = [Path("~/.ssh", name).expanduser() for name in _DEFAULT_KEYS]
    there = bool(agent.keys)
    for path in dict.fromkeys((*found.identities, *defaults)):
        if path.exists():
            there = True
            yield _key(path, agent)
        elif path not in defaults:
            yield _warning(
                "ssh keys",
                f"{path}: no such file; IdentityFile names it, and it is skipped",
                "make it, or take the line away",
            )
    if not there:
        yield _warning(
            "ssh keys",
            "no key to log in with, in a file or in an agent",
            "make one (`ssh-keygen -t ed25519`), and bring it to hosts with `ssh-copy-id HOST`",
        )


def _key(path: Path, agent: _Agent) -> Finding:
    try:
        mode = path.stat().st_mode
        key = asyncssh.read_private_key(path)
    except OSError as exc:
        remedy = f"run `chmod 600 {path}`, as its owner"
        return _problem("ssh keys", f"{path}: cannot be read: {exc.strerror}", remedy)
    except asyncssh.KeyImportError as exc:
        if "assphrase" in str(exc):
            return _locked(path, agent)
        remedy = "restore it, or make another with `ssh-keygen`"
        return _problem("ssh keys", f"{path}: no usable private key: {exc}", remedy)
    if mode & _OTHERS:
        return _problem(
            "ssh keys",
            f"{path}: others may read it (mode {stat.S_IMODE(mode):04o}), and ssh refuses it so",
            f"run `chmod 600 {path}`; if it was so for long, make another key",
        )
    return _ok("ssh keys", f"{path} ({key.get_algorithm()})")


def _locked(path: Path, agent: _Agent) -> Finding:
    """Say whether a key with a passphrase is in the agent; else somebody is asked for it."""
    try:
        public = asyncssh.read_public_key(f"{path}.pub").public_data
    except (OSError, asyncssh.KeyImportError):
        public = b""
    if public in agent.keys:
        return _ok("ssh keys", f"{path}: has a passphrase; the agent holds it")
    message = f"{path}: has a passphrase, and no agent holds it: it is asked for"
    return _warning("ssh keys", message, f"run `ssh-add {path}`")


def _known_hosts(found: Survey) -> Iterator[Finding]:
    known = 0
    bad = False
    for path in found.known_hosts:
        if not path.exists():
            continue
        for finding in _known_file(path):
            bad = True
            yield finding
        known += _count(path)
    if not known:
        yield _warning(
            "known_hosts",
            "no host's key is known: every host will be refused",
            "`remjobs known-hosts accept -t HOST` shows fingerprints, and keeps the keys",
        )
    elif not bad:
        names = ", ".join(str(path) for path in found.known_hosts if path.exists())
        yield _ok("known_hosts", f"{known} lines in {names}")


def _known_file(path: Path) -> Iterator[Finding]:
    try:
        status = path.stat()
        path.read_bytes()
    except OSError as exc:
        remedy = f"run `chmod 644 {path}`, as its owner"
        yield _problem("known_hosts", f"{path}: cannot be read: {exc.strerror}", remedy)
        return
    if status.st_mode & _OTHERS_WRITE or status.st_uid not in {0, os.getuid()}:
        yield _problem(
            "known_hosts",
            f"{path}: others may write it, and so say which host is trusted",
            f"make it yours, run `chmod 644 {path}`, and look through it",
        )
    skipped = [*load_lines(asyncssh.SSHKnownHosts(), path), *_without_key(path)]
    for number, reason in skipped[:_MANY]:
        yield _warning(
            "known_hosts",
            f"{path}:{number}: skipped: {reason}",
            "take the line away; `remjobs known-hosts accept -t HOST` writes it anew",
        )
    if len(skipped) > _MANY:
        more = f"{path}: {len(skipped) - _MANY} more lines are skipped"
        yield _warning("known_hosts", more, "look through the file with `ssh-keygen -lf`")


def _without_key(path: Path) -> Iterator[tuple[int, str]]:
    """Yield lines whose key cannot be read, which asyncssh leaves out without a word."""
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1):
        pattern, _, data = line.strip().partition(" ")
        if pattern.startswith("@"):
            pattern, _, data = data.lstrip().partition(" ")
        if not data or pattern.startswith("#"):
            continue
        try:
            asyncssh.import_public_key(data.strip())
        except asyncssh.KeyImportError:
            yield number, "the key cannot be read"


def _count(path: Path) -> int:
    """Return how many lines say something."""
    try:
        lines: Sequence[str] = path.read_text(errors="replace").splitlines()
    except OSError:
        return 0
    return sum(bool(line.strip()) and not line.lstrip().startswith("#") for line in lines)
