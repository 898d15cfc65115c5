"""``remjobs ping``: how far one gets on hosts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing

from remjobs.cli.boundary import client, complain, perform
from remjobs.cli.options import Json
from remjobs.cli.render.json_ import print_json
from remjobs.cli.render.text import escape
from remjobs.cli.signatures import with_reach_options
from remjobs.cli.target_options import Reach, ThrottleLimit, throttle_of
from remjobs.model.exits import ExitCode
from remjobs.model.ping import Pinged, PingRequest
from remjobs.model.ranges import fold

__all__ = ["ping"]


@with_reach_options
def ping(
    reach: Callable[[], Reach],
    throttle_limit: ThrottleLimit = None,
    json: Json = False,
) -> None:
    """See how far one gets on hosts: name, tcp, host-key, authentication, become, shell.

    Nothing of yours runs there. The first stage that fails is told, and how to mend it.
    """

    def request() -> PingRequest:
        where = reach()
        return PingRequest(
            targets=where.targets,
            throttle_limit=throttle_of(throttle_limit),
            connection=where.connection,
            caller=where.caller,
        )

    perform(_ping(request, json=json))


async def _ping(request: Callable[[], PingRequest], *, json: bool) -> int:
    answers = []
    async with aclosing(client().ping(request())) as coming:
        async for answer in coming:
            answers.append(answer)
            if not json:
                print(escape(_line(answer)), flush=True)
    if json:
        print_json(answers)
    else:
        _sum_up(answers)
    return ExitCode.NOT_REACHED if any(answer.failed for answer in answers) else ExitCode.OK


def _line(answer: Pinged) -> str:
    if answer.reason is not None:
        return f"{answer.host}: {answer.failed} failed: {answer.reason.message}"
    at = f" at {answer.address}" if answer.address else ""
    took = f"{answer.seconds * 1000:.0f} ms"
    how = " ".join(filter(None, (answer.transport, answer.authentication, "as", answer.user)))
    return f"{answer.host}: ok, {took}, {how}{at}, {answer.system}"


def _sum_up(answers: Sequence[Pinged]) -> None:
    """Say what is common to several hosts once."""
    hints: dict[str, list[str]] = {}
    for answer in answers:
        for hint in (*answer.notes, answer.remedy):
            if hint:
                hints.setdefault(hint, []).append(answer.host)
    for hint, hosts in hints.items():
        complain(escape(f"{fold(hosts)}: {hint}"))
    if len(answers) > 1:
        well = sum(answer.failed is None for answer in answers)
        complain(f"{well} of {len(answers)} hosts are well")
