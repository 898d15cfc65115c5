"""Jobs made up for reports, and what a page holds as a parser sees it."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from uuid import UUID

from remjobs.model.job import Child, Job, JobType
from remjobs.model.record import Record, Stream
from remjobs.model.results import Results
from remjobs.model.state import JobState, parent_state

ASKED = datetime(2026, 3, 4, 10, 12, tzinfo=UTC)


def at(seconds):
    """Return a moment so many seconds after the job was asked for."""
    return ASKED + timedelta(seconds=seconds)


def child(number, **changes):
    """Return a child on web1, web2 and so on that waited 1 s and ran 2 s."""
    fields = {
        "id": 100 + number,
        "instance_id": UUID(int=number),
        "parent_id": 7,
        "name": f"Job{100 + number}",
        "host": f"web{number}",
        "transport": "ssh",
        "state": JobState.COMPLETED,
        "exit_code": 0,
        "attempt": 1,
        "begin_time": at(1),
        "end_time": at(3),
    }
    return Child(**{**fields, **changes})


def job(*children, **changes):
    """Return their job."""
    ends = [c.end_time for c in children if c.end_time]
    fields = {
        "id": 7,
        "instance_id": UUID(int=7),
        "name": "patch",
        "type": JobType.REMOTE,
        "state": parent_state(c.state for c in children),
        "location": "web[1-9]",
        "command": "uptime",
        "submit_time": ASKED,
        "begin_time": min((c.begin_time for c in children if c.begin_time), default=None),
        "end_time": max(ends) if len(ends) == len(children) else None,
        "counts": Counter(c.state for c in children),
        "children": children,
    }
    return Job(**{**fields, **changes})


def results(of, *outputs):
    """Return what children sent: for each a text, or texts by stream."""
    gathered = Results(of.children)
    for number, (member, output) in enumerate(zip(of.children, outputs, strict=False)):
        streams = output if isinstance(output, dict) else {Stream.OUTPUT: output}
        for stream, data in streams.items():
            gathered.record(
                Record(
                    job_id=of.id,
                    child_id=member.id,
                    host=member.host,
                    stream=stream,
                    seq=number + 1,
                    time=at(2),
                    data=data,
                ),
            )
    return gathered


class Parsed(HTMLParser):
    """The tags, the attributes and the text of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes = []
        self.text = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_data(self, data):
        self.text.append(data)

    def of(self, tag, name):
        """Return the values of one attribute of one kind of tag."""
        return [value for t, n, value in self.attributes if (t, n) == (tag, name)]
