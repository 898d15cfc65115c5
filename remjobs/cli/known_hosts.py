"""``remjobs known-hosts``: look at hosts' keys, and accept them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from typing import Annotated

import typer

from remjobs.cli.boundary import client, complain, perform
from remjobs.cli.options import Json
from remjobs.cli.render.json_ import print_json
from remjobs.cli.render.text import escape
from remjobs.cli.signatures import with_reach_options
from remjobs.cli.target_options import Reach, ThrottleLimit, throttle_of
from remjobs.errors import UsageError
from remjobs.model.exits import ExitCode
from remjobs.model.known_hosts import (
    AcceptedKeys,
    AcceptRequest,
    ChosenKeys,
    KeyStanding,
    OfferedKey,
    ScannedHost,
    ScanRequest,
)
from remjobs.service import KnownHostsService

__all__ = ["app"]

app = typer.Typer(
    help="Look at the keys by which hosts prove who they are, and accept them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Yes = Annotated[bool, typer.Option("--yes", help="Ask nothing: you have compared them.")]
Fingerprints = Annotated[
    list[str] | None,
    typer.Option(
        "--fingerprint",
        metavar="SHA256:...",
        help="Accept the keys with this fingerprint, ask nothing (repeatable).",
    ),
]
ReplaceChanged = Annotated[
    bool,
    typer.Option("--replace-changed", help="Also where another key is known: that one goes."),
]
_BAD = frozenset({KeyStanding.CHANGED, KeyStanding.REVOKED})


@app.callback()
def known_hosts() -> None:
    """Look at the keys by which hosts prove who they are, and accept them."""


@app.command()
@with_reach_options
def scan(
    reach: Callable[[], Reach],
    throttle_limit: ThrottleLimit = None,
    json: Json = False,
) -> None:
    """Show the fingerprints of hosts' keys, and what is known of them; logs in nowhere."""

    async def work() -> int:
        request = _request(reach, throttle_of(throttle_limit))
        found = await _scanned(client().known_hosts, request, print if not json else None)
        if json:
            print_json(found)
        return _code(found)

    perform(work())


@app.command()
@with_reach_options
def accept(
    reach: Callable[[], Reach],
    yes: Yes = False,
    fingerprint: Fingerprints = None,
    replace_changed: ReplaceChanged = False,
    throttle_limit: ThrottleLimit = None,
    json: Json = False,
) -> None:
    """Show the keys of hosts that are not known yet, ask once, and keep them.

    Off a terminal --yes or --fingerprint stands for the answer. A key that has
    changed is kept only with --replace-changed.
    """

    async def work() -> int:
        request = _request(reach, throttle_of(throttle_limit))
        service = client().known_hosts
        found = await _scanned(service, request, complain if json else print, known=False)
        chooser = _Chooser(frozenset(fingerprint or ()), replace_changed=replace_changed)
        chosen = [chooser.choose(host) for host in found if host.reason is None]
        kept = [each for each in chosen if each.public]
        failed = chooser.refuses or any(host.reason for host in found)
        if kept:
            asks = not (yes or fingerprint)
            if asks and not _agreed(found, kept):
                complain("nothing was accepted")
                return ExitCode.COMMAND_FAILED
            failed |= await _keep(service, request, kept, json=json)
        elif not failed:
            complain("every key is known already")
        if json and not kept:
            print_json([])
        return ExitCode.NOT_REACHED if failed else ExitCode.OK

    perform(work())


def _request(reach: Callable[[], Reach], throttle_limit: int) -> ScanRequest:
    where = reach()
    if where.targets is None:
        msg = "whose keys? -t names hosts"
        raise UsageError(msg)
    return ScanRequest(
        targets=where.targets,
        throttle_limit=throttle_limit,
        connection=where.connection,
        caller=where.caller,
    )


async def _scanned(
    service: KnownHostsService,
    request: ScanRequest,
    tell: Callable[[str], None] | None,
    *,
    known: bool = True,
) -> list[ScannedHost]:
    """Return what was seen, and tell it as it comes; ``known``: also keys that are."""
    found = []
    async with aclosing(service.scan(request)) as coming:
        async for host in coming:
            found.append(host)
            for key in host.keys:
                if tell is not None and (known or key.standing is not KeyStanding.KNOWN):
                    tell(escape(f"{host.host}: {_line(key)}"))
            if host.reason is not None:
                remedy = f"; {host.remedy}" if host.remedy else ""
                complain(escape(f"{host.host}: {host.reason.message}{remedy}"))
    return found


def _line(key: OfferedKey) -> str:
    instead = ", ".join(f"known {old} in {old.place}" for old in key.known)
    return f"{key.type} {key.fingerprint} {key.standing}" + (f", {instead}" if instead else "")


def _code(found: Sequence[ScannedHost]) -> int:
    bad = any(host.reason or any(key.standing in _BAD for key in host.keys) for host in found)
    return ExitCode.NOT_REACHED if bad else ExitCode.OK


class _Chooser:
    """Says which keys may be kept, and complains of those that may not."""

    def __init__(self, fingerprints: frozenset[str], *, replace_changed: bool) -> None:
        self._fingerprints = fingerprints
        self._replace_changed = replace_changed
        self.refuses = False

    def choose(self, host: ScannedHost) -> ChosenKeys:
        """Return what may be kept of a host: nothing, where one key speaks against it."""
        standings = {key.standing for key in host.keys}
        if KeyStanding.REVOKED in standings:
            return self._refuse(
                host, "a revoked key: this is not the host, or it must have a new one"
            )
        if KeyStanding.CHANGED in standings and not self._replace_changed:
            return self._refuse(host, "host key CHANGED; if that is expected: --replace-changed")
        offered = [key for key in host.keys if key.standing in _OPEN]
        wanted = [key for key in offered if self._is_wanted(key)]
        if offered and not wanted and KeyStanding.KNOWN not in standings:
            return self._refuse(host, "none of its keys has a fingerprint that was given")
        return ChosenKeys(
            host=host.host,
            public=tuple(key.public for key in wanted),
            replaces=tuple(dict.fromkeys(old.fingerprint for key in wanted for old in key.known)),
        )

    def _is_wanted(self, key: OfferedKey) -> bool:
        return not self._fingerprints or key.fingerprint in self._fingerprints

    def _refuse(self, host: ScannedHost, why: str) -> ChosenKeys:
        self.refuses = True
        complain(escape(f"{host.host}: {why}"))
        return ChosenKeys(host=host.host, public=())


_OPEN = frozenset({KeyStanding.NEW, KeyStanding.CHANGED})


def _agreed(found: Sequence[ScannedHost], chosen: Sequence[ChosenKeys]) -> bool:
    """Ask the person at the terminal, once; what is replaced stands before the question.

    Raises:
        UsageError: There is no terminal.
    """
    if not sys.stdin.isatty():
        msg = "nothing was accepted: compare the fingerprints, then say --yes or --fingerprint"
        raise UsageError(msg)
    for change in _changes(found, chosen):
        complain(escape(change))
    new = sum(len(each.public) for each in chosen)
    old = sum(len(each.replaces) for each in chosen)
    question = f"accept {_count(new, 'key')} of {_count(len(chosen), 'host')}"
    question += f", and remove {_count(old, 'known key')}" if old else ""
    print(f"remjobs: {question}? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().casefold() in {"y", "yes"}


def _changes(found: Sequence[ScannedHost], chosen: Sequence[ChosenKeys]) -> Iterator[str]:
    kept = {public for each in chosen for public in each.public}
    for host in found:
        for key in host.keys:
            if key.known and key.public in kept:
                old = ", ".join(map(str, key.known))
                yield f"{host.host}: known {old}, new {key.fingerprint} ({key.type})"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


async def _keep(
    service: KnownHostsService,
    scanned: ScanRequest,
    chosen: Sequence[ChosenKeys],
    *,
    json: bool,
) -> bool:
    """Keep keys and say what was done; return whether something stood in the way."""
    request = AcceptRequest(
        targets=scanned.targets,
        chosen=tuple(chosen),
        connection=scanned.connection,
        caller=scanned.caller,
    )
    answers = await service.accept(request)
    if json:
        print_json(answers)
    for answer in answers:
        _tell(answer)
    return any(answer.reason for answer in answers)


def _tell(answer: AcceptedKeys) -> None:
    if answer.reason is not None:
        complain(escape(f"{answer.host}: {answer.reason.message}"))
        return
    gone = f", {len(answer.removed)} removed" if answer.removed else ""
    added = _count(len(answer.added), "key")
    complain(escape(f"{answer.host}: {added} accepted{gone}, in {answer.file}"))
