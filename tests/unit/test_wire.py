"""The JSON forms."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remjobs.errors import UsageError
from remjobs.model import wire
from remjobs.model.host import Host
from remjobs.model.job import Child, Job, JobType, Reason, ReasonKind
from remjobs.model.record import Record, Stream
from remjobs.model.request import StartRequest, Targets
from remjobs.model.state import JobState
from remjobs.model.work import Command, Script, Work

NOW = datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=UTC)
CHILD = Child(
    id=2,
    instance_id=UUID(int=2),
    parent_id=1,
    name="Job2",
    host="web1",
    transport="ssh",
    state=JobState.FAILED,
    reason=Reason(kind=ReasonKind.EXIT, message="exit code 3"),
    exit_code=3,
    attempt=1,
    begin_time=NOW,
    end_time=NOW,
    command="false",
)
JOB = Job(
    id=1,
    instance_id=UUID(int=1),
    name="Job1",
    type=JobType.REMOTE,
    state=JobState.FAILED,
    counts={JobState.FAILED: 1},
    location="web1",
    children=(CHILD,),
)


def through_json(value):
    return json.loads(wire.dumps(value))


def test_a_job_has_the_documented_keys_and_no_others():
    """Scripts rely on the keys; a new one is a decision, not an accident."""
    shown = through_json(wire.job_json(JOB))
    assert set(shown) == {
        *("id", "instance_id", "name", "type", "state", "reason", "has_more_data", "location"),
        *("command", "status_message", "begin_time", "end_time", "throttle_limit", "counts"),
        "children",
        "definition",
        "exclusive",
        "retry_of",
        "submit_time",
    }
    assert shown["counts"] == {"Failed": 1}


def test_a_child_has_the_documented_keys_and_no_children():
    """A child adds what only hosts have."""
    shown = through_json(wire.child_json(CHILD))
    assert set(shown) == {
        *("id", "instance_id", "name", "type", "state", "reason", "has_more_data", "command"),
        "location",
        *("status_message", "begin_time", "end_time", "parent_id", "host", "transport"),
        *("exit_code", "signal", "attempt", "sought_until", "address"),
        *("throttle_limit", "counts"),
    }
    assert shown["counts"] == {"Failed": 1}
    assert shown["reason"] == {"kind": "exit", "message": "exit code 3"}
    assert shown["begin_time"] == "2026-01-02T03:04:05.678900Z"


def test_streams_are_there_where_they_were_asked_for():
    """In what ``get`` gives; they survive the socket."""
    child = replace(CHILD, streams={Stream.ERROR: 3})
    job = replace(JOB, streams={Stream.OUTPUT: 7, Stream.ERROR: 3}, children=(child,))
    shown = through_json(wire.job_json(job))
    assert (shown["streams"], shown["children"][0]["streams"]) == (
        {"Output": 7, "Error": 3},
        {"Error": 3},
    )
    again = wire.decode(shown, Job)
    [found] = again.children or ()
    assert (again.streams, found.streams) == (job.streams, child.streams)


def test_a_listed_job_has_no_children_key():
    """``list`` shows parents only."""
    bare = Job(
        id=1,
        instance_id=UUID(int=1),
        name="a",
        type=JobType.REMOTE,
        state=JobState.RUNNING,
    )
    assert "children" not in wire.job_json(bare)


@pytest.mark.parametrize(("data", "key"), [(b"h\xc3\xa9", "text"), (b"\xff\0", "base64")])
def test_bytes_are_text_where_they_are_utf8_else_base64(data, key):
    """A record shows its bytes in one of two keys."""
    record = Record(
        job_id=1,
        child_id=2,
        host="h",
        stream=Stream.ERROR,
        seq=7,
        time=NOW,
        data=data,
    )
    shown = through_json(wire.event_json(record))
    assert set(shown) == {"job_id", "child_id", "host", "stream", "seq", "time", key}
    assert wire.event_from_json(shown) == record


def test_jobs_and_children_survive_the_socket():
    """What is decoded equals what was encoded."""
    assert wire.decode(through_json(wire.job_json(JOB)), Job) == JOB
    assert wire.event_from_json(through_json(wire.event_json(CHILD))) == CHILD


texts = st.text(st.characters(exclude_characters="\0", codec="utf-8"))


@given(texts.filter(str.strip), st.binary(), texts, st.sampled_from(["command", "script"]))
def test_any_request_survives_the_socket(text, data, value, kind):
    """Commands, binary input and odd variables arrive as they were given."""
    work = Work(
        command=Command(text=text) if kind == "command" else None,
        script=Script(name="s.sh", content=b"echo \xff") if kind == "script" else None,
        input=data,
        environment={"A": value},
        arguments=(value,),
    )
    request = StartRequest(
        instance_id=uuid4(),
        work=work,
        targets=Targets(include=("web[1-3]",), hosts=(Host(name="h", variables={"n": [1]}),)),
    )
    assert wire.decode(through_json(request), StartRequest) == request


@pytest.mark.parametrize("body", [b"", b"{", b"\xff"])
def test_what_is_no_json_is_a_usage_error(body):
    """A broken client gets an error, not a traceback in the log."""
    with pytest.raises(UsageError, match="not JSON"):
        wire.parse(body)


def test_json_of_another_shape_is_a_usage_error():
    """The message names the type that was expected."""
    with pytest.raises(UsageError, match="not a StartRequest"):
        wire.decode({"work": 3}, StartRequest)
