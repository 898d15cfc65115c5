"""What can stand where a shell asks to complete a word.

Each function is given to an argument or option of typer's. It asks the controller if
one runs, and starts none; on any trouble it has nothing to offer, and says nothing.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator
from glob import escape
from pathlib import Path
from typing import Final, TypeVar

import typer

from remjobs.caller import read_caller
from remjobs.cli.boundary import client
from remjobs.controller.client import ControllerClient
from remjobs.model.authentication import Authentication
from remjobs.model.definition import InstancePolicy
from remjobs.model.job import Child, Job, JobType
from remjobs.model.names import Names, NamesRequest
from remjobs.model.record import Stream
from remjobs.model.request import JobQuery
from remjobs.model.state import JobState

__all__ = [
    "authentications",
    "definitions",
    "hosts_of_jobs",
    "job_types",
    "jobs",
    "policies",
    "states",
    "streams",
    "targets",
]

Item = str | tuple[str, str]
"""A word, perhaps with what a shell may show beside it."""
T = TypeVar("T")

_PATIENCE: Final = 1.0
"""Seconds for the controller's answer; a person waits with a finger on the key."""
_PLAIN: Final = re.compile(r"[\w./:%+-]+")
"""Words that no shell needs quoted."""


def jobs(incomplete: str) -> list[Item]:
    """Return ids, newest first, with name and state; names once one is begun."""
    found = _ask(lambda service: service.list(JobQuery())) or ()
    ids = [(str(job.id), _about(job)) for job in reversed(found)]
    names = {job.name: f"job {job.id}, {job.state}" for job in found if _PLAIN.fullmatch(job.name)}
    last = [("@last", _about(found[-1]))] if found else []
    return [*ids, *last, *(names.items() if incomplete else ())]


def definitions(incomplete: str) -> list[Item]:
    """Return the names of definitions; with their paths where these are begun."""
    found = _ask(lambda service: service.definitions.list()) or ()
    whole = incomplete.startswith("/")
    names = [(item.full_name if whole else item.name, f"under {item.path}") for item in found]
    return [(name, about) for name, about in names if _PLAIN.fullmatch(name)]


def states(incomplete: str) -> list[Item]:
    """Return the states."""
    return _words(JobState, incomplete)


def streams(incomplete: str) -> list[Item]:
    """Return the streams."""
    return _words(Stream, incomplete)


def job_types(incomplete: str) -> list[Item]:
    """Return the types of jobs."""
    return _words(JobType, incomplete)


def authentications(incomplete: str) -> list[Item]:
    """Return the mechanisms to log in by."""
    return _words(Authentication, incomplete)


def policies(incomplete: str) -> list[Item]:
    """Return what can be done while an instance runs."""
    return _words(InstancePolicy, incomplete)


def targets(ctx: typer.Context, incomplete: str) -> list[Item]:
    """Return what the last term of a target expression can be, whole."""
    head, term = _last_term(incomplete)
    named = set(re.split(r"[,!&]+", head))
    return [
        (head + value, about)
        for value, about in (
            _of_jobs_and_files(term) if term.startswith("@") else _hosts(ctx, term)
        )
        if value not in named
    ]


def hosts_of_jobs(ctx: typer.Context, incomplete: str) -> list[Item]:
    """Return the hosts of the jobs that were named before; else those of the inventory."""
    # With a value missing at the end, words that are no option's are left unsorted.
    named = ctx.params.get("jobs") or ctx.args
    if not named:
        return list(_hosts(ctx, incomplete))
    query = JobQuery(selectors=tuple(named))
    found = _ask(lambda service: service.get(query)) or ()
    return [(child.host, str(child.state)) for item in found for child in _children(item)]


def _ask(question: Callable[[ControllerClient], Awaitable[T]]) -> T | None:
    """Ask the controller, if one runs; whatever is wrong, a person at a prompt reads nothing."""

    async def asked() -> T:
        async with asyncio.timeout(_PATIENCE):
            return await question(client(launch=False))

    try:
        return asyncio.run(asked())
    except Exception:  # noqa: BLE001 - the boundary to a shell that completes a word
        return None


def _about(job: Job) -> str:
    return f"{job.name}, {job.state}, {job.command}"


def _children(item: Job | Child) -> Iterable[Child]:
    return (item.children or ()) if isinstance(item, Job) else (item,)


def _words(words: Iterable[str], incomplete: str) -> list[Item]:
    """Return words in the letters that a person began them with: case means nothing."""
    small = incomplete == incomplete.lower() != ""
    return [word.lower() if small else str(word) for word in words]


def _last_term(expression: str) -> tuple[str, str]:
    """Split off what comes after the last comma outside brackets, and ``!`` or ``&``."""
    depth = start = 0
    for place, letter in enumerate(expression):
        depth += {"[": 1, "]": -1}.get(letter, 0)
        if letter == "," and depth <= 0:
            start = place + 1
    while expression[start : start + 1] in {"!", "&"}:
        start += 1
    return expression[:start], expression[start:]


def _hosts(ctx: typer.Context, beginning: str) -> Iterator[tuple[str, str]]:
    """Yield groups and hosts of the inventory that is named before, or the usual one."""

    async def names(service: ControllerClient) -> Names:
        inventories = tuple(ctx.params.get("inventory") or ())
        caller = read_caller()
        request = NamesRequest(beginning=beginning, inventories=inventories, caller=caller)
        return await service.names(request)

    found = _ask(names) or Names()
    for names_of, about in ((found.groups, "group"), (found.hosts, "host")):
        yield from ((name, about) for name in names_of if _PLAIN.fullmatch(name))
    if found.hosts and "all".startswith(beginning):
        yield ("all", "all hosts")


def _of_jobs_and_files(term: str) -> Iterator[tuple[str, str]]:
    """Yield ``@JOB:STATE`` step by step, and ``@FILE``."""
    job, colon, _ = term.partition(":")
    if colon:
        yield from ((f"{job}:{state}", "hosts of the job") for state in _states_of_hosts())
        return
    found = _ask(lambda service: service.list(JobQuery())) or ()
    if found:
        yield ("@last:", _about(found[-1]))
    yield from ((f"@{job.id}:", _about(job)) for job in reversed(found))
    yield from ((f"@{path}", "file") for path in _files(term[1:]))


def _states_of_hosts() -> Iterator[str]:
    """Yield states as target expressions have them: ``not-started``."""
    for state in (*JobState, "Unreachable"):
        yield re.sub(r"(?<!^)(?=[A-Z])", "-", str(state)).lower()


def _files(beginning: str) -> Iterator[str]:
    head, slash, name = beginning.rpartition("/")
    folder = Path(f"{head}{slash}" or ".").expanduser()
    for path in sorted(folder.glob(f"{escape(name)}*")):
        if _PLAIN.fullmatch(path.name) and path.name.startswith(".") == name.startswith("."):
            yield f"{head}{slash}{path.name}{'/' if path.is_dir() else ''}"
