"""A job as one page of HTML that needs nothing else: no network, no other file.

Everything that comes from a host or a person is text: it is escaped as on a terminal
and then for HTML, and the page's policy lets nothing run or load but its own style and
script, which are known by their hash.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape as for_html
from importlib.resources import files
from string import Template
from typing import Final

from remjobs import __version__
from remjobs.cli.render import fold
from remjobs.cli.render.columns import local_time
from remjobs.cli.render.groups import shorten
from remjobs.cli.render.text import escape
from remjobs.model.job import Child, Job
from remjobs.model.ranges import fold as folded
from remjobs.model.record import Stream
from remjobs.model.results import Result, Results, how_of, normalized
from remjobs.model.state import JobState

__all__ = ["MOST_SHOWN", "report"]

MOST_SHOWN: Final = 8 * 1024 * 1024
"""Bytes of output in one page, shared by the groups."""
_MOST_OF_GROUP: Final = 64 * 1024
_LEAST_OF_GROUP: Final = 2 * 1024
"""A group shows so much, however many groups there are."""
_UNFOLDED: Final = 20
"""Groups beside the most common that are open at first."""
_WIDTH: Final = 1000
"""Units of a row's time line; its drawing is stretched to the column."""
_THINNEST: Final = 2
_MARKS: Final = 4
_MINUTE: Final = 60
_HOUR: Final = 3600


def report(
    job: Job,
    results: Results,
    now: datetime | None = None,
    *,
    normalize: bool = False,
) -> str:
    """Return the page.

    Args:
        job: With its children.
        results: What its hosts sent.
        now: When this is; None is now.
        normalize: Fold without minding a host's own name or address, or times.
    """
    at = now or datetime.now(UTC)
    children = job.children or ()
    found = fold.groups(map(normalized, results) if normalize else results)
    scale = _Scale.of(job, children, at)
    style, script = _part("style.css"), _part("script.js")
    return Template(_part("page.html")).substitute(
        version=__version__,
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        title=_text(f"{job.name}: {job.state}"),
        id=job.id,
        name=_text(job.name),
        state=job.state.value,
        command=_shown(job.command.encode("utf-8", "replace")),
        counts=_text(_counts(job)),
        share="".join(_share(job)),
        facts="".join(_facts(job, at)),
        states="".join(_states(job)),
        axis="".join(f"<span>{_took(second)}</span>" for second in scale.marks()),
        rows="\n".join(_rows(children, scale, _places(found))),
        folded=_told(found, len(children)),
        groups="\n".join(_groups(job, found)),
        footer=_text(f"remjobs {__version__}, {local_time(at)}"),
    )


def _part(name: str) -> str:
    return (files("remjobs.cli.render") / "page" / name).read_text("utf-8").rstrip("\n")


def _hash(text: str) -> str:
    """Return how a policy names an inline part (CSP 3, section 2.3.1)."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _text(text: str) -> str:
    """Return any text as HTML in which nothing of it acts."""
    return for_html(escape(text.encode("utf-8", "replace").decode()))


# The summary


def _counts(job: Job) -> str:
    return ", ".join(f"{count} {state}" for state, count in job.counts.items())


def _share(job: Job) -> Iterator[str]:
    """Yield a piece for each state, as wide as its share of the hosts."""
    total, before = sum(job.counts.values()) or 1, 0
    for state, count in job.counts.items():
        x, width = before * _WIDTH / total, count * _WIDTH / total
        yield f'<rect class="s-{state.value}" x="{x:.1f}" width="{width:.1f}" height="10"/>'
        before += count


def _states(job: Job) -> Iterator[str]:
    for state, count in job.counts.items():
        name = state.value
        yield (
            f'<button type="button" class="s-{name}" value="{name}" aria-pressed="false">'
            f"{count} {name}</button>"
        )


def _facts(job: Job, now: datetime) -> Iterator[str]:
    why = "" if job.reason is None else f"{job.reason.message} ({job.reason.kind})"
    begun, ended = job.begin_time, job.end_time
    facts = [
        ("PSJobTypeName", job.type.value),
        ("Hosts", str(sum(job.counts.values()))),
        ("Asked for", local_time(job.submit_time)),
        ("Began", local_time(begun)),
        ("Ended", local_time(ended) or f"not at {local_time(now)}"),
        ("Took", _took(_seconds(begun, ended)) if begun and ended else ""),
        ("Hosts at a time", str(job.throttle_limit)),
        ("Tries again", "" if job.retry_of is None else f"job {job.retry_of}"),
        ("Definition", job.definition or ""),
    ]
    wide = [
        ("Where", shorten(job.location)),
        ("Why", why),
        ("Status", job.status_message),
        ("Noticed", "; ".join(job.warnings)),
    ]
    for style, pairs in (("fact", facts), ("wide", wide)):
        for name, value in pairs:
            if value:
                yield f'<div class="{style}"><dt>{name}</dt><dd>{_text(value)}</dd></div>'


# The time line


def _seconds(begin: datetime, end: datetime) -> float:
    return max(0.0, (end - begin).total_seconds())


@dataclass(frozen=True, slots=True)
class _Scale:
    """From moments to places on the time line."""

    begin: datetime
    end: datetime

    @classmethod
    def of(cls, job: Job, children: Sequence[Child], now: datetime) -> _Scale:
        """Return a scale from when a job was asked for to its end, or to now."""
        known = [t for c in children for t in (c.begin_time, c.end_time) if t is not None]
        goes_on = any(c.end_time is None and not _is_given_up(c) for c in children)
        begin = job.submit_time or min(known, default=now)
        return cls(begin, max(begin, *known, *([now] if goes_on else []), begin))

    @property
    def length(self) -> float:
        """Seconds; never none."""
        return max(_seconds(self.begin, self.end), 0.001)

    def place(self, moment: datetime) -> float:
        return _seconds(self.begin, moment) / self.length * _WIDTH

    def marks(self) -> Iterator[float]:
        """Yield the seconds that stand above the time line."""
        yield from (self.length * number / _MARKS for number in range(_MARKS + 1))


def _is_given_up(child: Child) -> bool:
    return child.state is JobState.DISCONNECTED and child.sought_until is None


def _places(found: Sequence[fold.Group]) -> dict[int, int]:
    """Return for each child the number of its group."""
    return {child: number for number, group in enumerate(found) for child in group.children}


def _rows(children: Sequence[Child], scale: _Scale, groups: dict[int, int]) -> Iterator[str]:
    for place, child in enumerate(children):
        group = f"g{groups[child.id]}"
        begun = child.begin_time
        waited = _seconds(scale.begin, begun or child.end_time or scale.end)
        ran = _ran(child, scale)
        since = "" if begun is None else f"{_seconds(scale.begin, begun):.3f}"
        state, why = child.state.value, _why(child)
        yield (
            f'<tr class="s-{state}" data-group="{group}" data-state="{state}" data-place="{place}"'
            f' data-begun="{since}" data-waited="{waited:.3f}"'
            f' data-ran="{"" if ran is None else f"{ran:.3f}"}">'
            f'<td class="host"><a href="#{group}">{_text(child.host)}</a>'
            f"{f'<small>{_text(why)}</small>' if why else ''}</td>"
            f'<td class="state">{state}</td>'
            f'<td class="number">{_text(_exit(child))}</td>'
            f'<td class="number">{_took(waited)}</td>'
            f'<td class="number">{_ran_text(begun, ran)}</td>'
            f'<td class="bar">{_bar(child, scale, waited, ran)}</td></tr>'
        )


def _ran(child: Child, scale: _Scale) -> float | None:
    """Return how long a child ran (seconds); None where it did not, or nobody knows."""
    if child.begin_time is None or _is_given_up(child):
        return None
    return _seconds(child.begin_time, child.end_time or scale.end)


def _ran_text(begun: datetime | None, ran: float | None) -> str:
    if ran is None:
        return "" if begun is None else "?"
    return _took(ran)


def _why(child: Child) -> str:
    reason = child.reason.message.removeprefix(f"{child.host}: ") if child.reason else ""
    message = "" if child.status_message == reason else child.status_message
    tries = f"try {child.attempt}" if child.attempt > 1 else ""
    return "; ".join(filter(None, [reason, message, tries]))


def _exit(child: Child) -> str:
    return child.signal or ("" if child.exit_code is None else str(child.exit_code))


def _bar(child: Child, scale: _Scale, waited: float, ran: float | None) -> str:
    """Return the time line of one child: what it waited, then what it ran."""
    how_long = _ran_text(child.begin_time, ran)
    label = f"waited {_took(waited)}" + (f", ran {how_long}" if how_long else "")
    turn = scale.place(child.begin_time or child.end_time or scale.end)
    pieces = [_piece("waited", 0, turn)] if waited else []
    if child.begin_time is not None:
        kind = "ran" if child.end_time is not None else "ran open"
        pieces.append(_piece(kind, turn, scale.place(child.end_time or scale.end)))
    return (
        f'<svg class="time" viewBox="0 0 {_WIDTH} 10" preserveAspectRatio="none" role="img"'
        f' aria-label="{label}"><title>{label}</title>{"".join(pieces)}</svg>'
    )


def _piece(kind: str, begin: float, end: float) -> str:
    width = max(end - begin, _THINNEST)
    x = min(begin, _WIDTH - width)
    return f'<rect class="{kind}" x="{x:.1f}" width="{width:.1f}" height="10"/>'


def _took(seconds: float) -> str:
    if seconds == 0:
        return "0 s"
    if seconds < _MINUTE:
        return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"
    if seconds < _HOUR:
        return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"
    return f"{int(seconds) // 3600} h {int(seconds) % 3600 // 60:02d} min"


# The output


def _told(found: Sequence[fold.Group], hosts: int) -> str:
    if len(found) == 1:
        return "The same on all hosts." if hosts > 1 else "Of the one host."
    return (
        f"{len(found)} different results on {hosts} hosts, the most common first; "
        "output, errors, state and exit code make a result."
    )


def _groups(job: Job, found: Sequence[fold.Group]) -> Iterator[str]:
    share = MOST_SHOWN // max(1, len(found))
    most = max(_LEAST_OF_GROUP, min(_MOST_OF_GROUP, share))
    for number, group in enumerate(found):
        is_open = len(found) == 1 or 0 < number <= _UNFOLDED
        child, many = group.result.child, len(group.children)
        yield (
            f'<details id="g{number}" class="s-{child.state.value}"{" open" if is_open else ""}>'
            f"<summary><b>{_text(shorten(folded(group.hosts)))}</b>"
            f"<span>{f'{many} hosts' if many > 1 else ''}</span>"
            f'<span class="how">{_text(how_of(child))}</span>'
            f'<span class="first">{_text(group.result.first_line()[:200])}</span></summary>'
            f'<div class="body">{"".join(_body(job, group.result, most))}</div></details>'
        )


def _body(job: Job, result: Result, most: int) -> Iterator[str]:
    streams = [(stream, data) for stream in Stream if (data := result.streams.get(stream))]
    if not streams:
        yield '<p class="legend">No output.</p>'
    for stream, data in streams:
        if stream is not Stream.OUTPUT or len(streams) > 1:
            yield f"<h3>{stream.value}</h3>"
        yield from _cut(job, result, data, most // len(streams))


def _cut(job: Job, result: Result, data: bytes, most: int) -> Iterator[str]:
    """Yield output; of one that is too long its beginning and its end."""
    if len(data) <= most:
        yield f"<pre>{_shown(data)}</pre>"
        return
    head, tail = data[: most * 2 // 3], data[-(most // 3) :]
    head = head[: head.rfind(b"\n") + 1] or head
    tail = tail[tail.find(b"\n") + 1 :] or tail
    left_out = len(data) - len(head) - len(tail)
    command = f"remjobs receive {job.id} --all --keep --host {result.child.host}"
    yield f"<pre>{_shown(head)}</pre>"
    yield (
        f'<p class="cut">{left_out:,} of {len(data):,} bytes are left out here; '
        f"<code>{_text(command)}</code> shows them all.</p>"
    )
    yield f"<pre>{_shown(tail)}</pre>"


def _shown(data: bytes) -> str:
    # A newline right after <pre> is not shown (HTML, section 13.2.6.4.7): one more is.
    text = _text(data.decode("utf-8", "replace").removesuffix("\n"))
    return f"\n{text}" if text.startswith("\n") else text
