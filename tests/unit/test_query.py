"""Which jobs a list keeps."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from remjobs.cli.options import parse_time
from remjobs.engine.query import kept, with_children_kept
from remjobs.errors import UsageError
from remjobs.model.job import Child, Job, JobType
from remjobs.model.request import JobQuery
from remjobs.model.state import JobState as S

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def job(number, state=S.COMPLETED, *, hours=None, command="uptime", more=False, children=()):
    return Job(
        id=number,
        instance_id=uuid4(),
        name=f"Job{number}",
        type=JobType.REMOTE,
        state=state,
        command=command,
        has_more_data=more,
        end_time=None if hours is None else NOON + timedelta(hours=hours),
        children=tuple(
            Child(
                id=100 + at,
                instance_id=uuid4(),
                parent_id=number,
                name="c",
                host=f"h{at}",
                transport="ssh",
                state=each,
            )
            for at, each in enumerate(children)
        ),
    )


JOBS = [
    job(1, hours=0),
    job(2, S.FAILED, hours=2, command="Patch.sh now"),
    job(3, S.RUNNING, more=True),
    job(4, S.STOPPED, hours=1, more=True),
]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ({}, [1, 2, 3, 4]),
        ({"states": frozenset({S.FAILED, S.RUNNING})}, [2, 3]),
        ({"has_more_data": True}, [3, 4]),
        ({"has_more_data": False}, [1, 2]),
        ({"newest": 1}, [2]),
        ({"newest": 3}, [1, 2, 4]),
        ({"newest": 9}, [1, 2, 3, 4]),
        ({"after": NOON}, [2, 4]),
        ({"before": NOON + timedelta(hours=2)}, [1, 4]),
        ({"after": NOON, "before": NOON + timedelta(hours=2)}, [4]),
        ({"command": "patch*"}, [2]),
        ({"command": "patch"}, []),
        ({"newest": 1, "states": frozenset({S.STOPPED})}, [4]),
    ],
)
def test_a_query_keeps_parents(query, ids):
    """What has not ended is left out by times, and comes last by newest."""
    assert [job.id for job in kept(JOBS, JobQuery(**query))] == ids


def test_child_states_keep_parents_with_such_children_and_only_these():
    """A parent without one is left out."""
    jobs = [job(1, children=[S.FAILED, S.COMPLETED]), job(2, children=[S.COMPLETED])]
    [found] = with_children_kept(jobs, JobQuery(child_states=frozenset({S.FAILED})))
    assert [child.state for child in found.children or ()] == [S.FAILED]
    assert with_children_kept(jobs, JobQuery()) == jobs


def test_times_are_moments_or_ages():
    """Local where no zone is given."""
    now = datetime.now(UTC)
    assert parse_time("2026-01-31T12:00:00Z") == NOON
    assert parse_time("2026-01-31T13:00:00+01:00") == NOON
    assert parse_time("2026-01-31") == datetime(2026, 1, 31).astimezone()
    assert abs(now - parse_time("2h") - timedelta(hours=2)) < timedelta(seconds=5)
    assert abs(now - parse_time("3d ago") - timedelta(days=3)) < timedelta(seconds=5)
    assert parse_time("14:30").astimezone().strftime("%H:%M") == "14:30"


@pytest.mark.parametrize("text", ["", "yesterday", "2h30", "-1h", "2026-13-01", "25:00"])
def test_what_is_no_time_is_refused(text):
    """With the forms that are."""
    with pytest.raises(UsageError, match="is not a time; write"):
        parse_time(text)


def test_newest_of_nothing_is_refused():
    """It would keep nothing by mistake."""
    with pytest.raises(UsageError, match="--newest 0: expected 1 or more"):
        JobQuery(newest=0)
