"""``remjobs doctor``: what is wrong with the set-up, and how to mend it."""

from __future__ import annotations

import os
from contextlib import aclosing

from remjobs.cli.boundary import complain, perform
from remjobs.cli.options import Json
from remjobs.cli.render.json_ import print_json
from remjobs.cli.render.text import escape
from remjobs.model.doctor import Finding, Verdict
from remjobs.model.exits import ExitCode

__all__ = ["doctor"]


def doctor(json: Json = False) -> None:
    """Look through the set-up on this side: what is wrong, and how to mend it.

    No host is contacted; `ping` does that. Ends with 1 if there is a problem.
    """
    perform(_doctor(json=json))


async def _doctor(*, json: bool) -> int:
    from remjobs.doctor import examine  # noqa: PLC0415 - no other verb needs what it needs

    found = []
    async with aclosing(examine(os.environ)) as findings:
        async for finding in findings:
            found.append(finding)
            if not json:
                print(_lines(finding), flush=True)
    if json:
        print_json(found)
    else:
        _sum_up(found)
    problems = any(finding.verdict is Verdict.PROBLEM for finding in found)
    return ExitCode.COMMAND_FAILED if problems else ExitCode.OK


def _lines(finding: Finding) -> str:
    line = f"{finding.verdict:<8} {finding.check:<16} {escape(finding.message)}"
    return f"{line}\n{'':<8} {'':<16} -> {escape(finding.remedy)}" if finding.remedy else line


def _sum_up(found: list[Finding]) -> None:
    counts = {verdict: sum(f.verdict is verdict for f in found) for verdict in Verdict}
    complain(", ".join(f"{counts[verdict]} {verdict}" for verdict in reversed(Verdict)))
