"""``remjobs answer``: give a Blocked job what it waits for."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

from remjobs.caller import read_caller
from remjobs.cli.boundary import client, complain, perform
from remjobs.cli.options import Json, SomeSelectors
from remjobs.cli.render.answers import show_jobs
from remjobs.cli.secrets import ask_secret
from remjobs.model.job import Child, Job
from remjobs.model.request import JobQuery
from remjobs.model.secret import Secret
from remjobs.model.state import JobState
from remjobs.service import JobService

__all__ = ["answer", "answer_at_once", "blocked"]

_MAY_ASK: Final = frozenset({JobState.BLOCKED, JobState.DISCONNECTED})
"""What was lost may be looked for only with an answer."""


def answer(jobs: SomeSelectors, json: Json = False) -> None:
    """Answer what Blocked jobs ask: typed without echo, or the first line of standard input."""
    perform(_answer(jobs, json=json))


async def _answer(selectors: list[str], *, json: bool) -> None:
    service = client()
    children = await _children(service, selectors)
    questions = {_question(child) for child in children if child.state is JobState.BLOCKED}
    asks = any(child.state in _MAY_ASK for child in children)
    # What nothing waits for is not asked; the service says so.
    secret = ask_secret(", ".join(sorted(questions)) or "answer") if asks else Secret("")
    await show_jobs(service.answer(selectors, secret, read_caller()), json=json)


async def _children(service: JobService, selectors: Sequence[str]) -> list[Child]:
    found = await service.get(JobQuery(selectors=tuple(selectors)))
    return [
        child
        for item in found
        for child in ((item.children or ()) if isinstance(item, Job) else (item,))
    ]


async def blocked(service: JobService, selectors: Sequence[str]) -> list[Child]:
    """Return the children of these jobs that wait for an answer."""
    children = await _children(service, selectors)
    return [child for child in children if child.state is JobState.BLOCKED]


async def answer_at_once(service: JobService, job: Job) -> bool:
    """Ask the person at the terminal what a job waits for; False if nobody is there.

    Children that ask the same get the same answer.
    """
    asking = await blocked(service, [str(job.id)])
    if not asking or not sys.stdin.isatty() or not sys.stderr.isatty():
        for child in asking:
            complain(f"{child.host}: {child.status_message}")
        return False
    for question in dict.fromkeys(map(_question, asking)):
        secret = ask_secret(question)
        ids = [str(child.id) for child in asking if _question(child) == question]
        await service.answer(ids, secret, read_caller())
    return True


def _question(child: Child) -> str:
    """Return what a child asks, without the words on how to answer."""
    return child.status_message.partition(";")[0]
