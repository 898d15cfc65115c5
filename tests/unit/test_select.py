"""Which jobs a selector names."""

from uuid import UUID

import pytest

from remjobs.engine.select import Selected, select
from remjobs.errors import NoSuchJob
from remjobs.model.job import Job, JobType
from remjobs.model.state import JobState


def job(number, name, uuid):
    return Job(
        id=number,
        instance_id=UUID(uuid),
        name=name,
        type=JobType.REMOTE,
        state=JobState.RUNNING,
    )


JOBS = [
    job(1, "Job1", "aaaa0000-0000-4000-8000-000000000001"),
    job(4, "Deploy", "aaaa1111-0000-4000-8000-000000000002"),
    job(6, "deploy", "bbbb0000-0000-4000-8000-000000000003"),
    job(7, "2026", "12345678-0000-4000-8000-000000000006"),
    job(8, "5", "dddd0000-0000-4000-8000-000000000007"),
    job(9, "a[1]", "eeee0000-0000-4000-8000-000000000008"),
    job(10, "a1", "ffff0000-0000-4000-8000-000000000009"),
]
CHILDREN = {2: (1, UUID("cccc0000-0000-4000-8000-000000000004")), 5: (4, UUID(int=5))}


@pytest.mark.parametrize(
    ("selectors", "expected"),
    [
        ([], [(1,), (4,), (6,), (7,), (8,), (9,), (10,)]),
        (["1"], [(1,)]),
        (["2"], [(1, 2)]),
        (["DEPLOY"], [(4,), (6,)]),
        (["de*"], [(4,), (6,)]),
        (["nothing*"], []),
        (["@last"], [(10,)]),
        (["2026"], [(7,)]),
        (["1234"], [(7,)]),
        (["5"], [(4, 5)]),
        (["8"], [(8,)]),
        (["A[1]"], [(9,), (10,)]),
        (["bbbb"], [(6,)]),
        (["AAAA1"], [(4,)]),
        (["cccc0000"], [(1, 2)]),
        (["6", "1", "6"], [(6,), (1,)]),
    ],
)
def test_selectors_name_jobs_in_their_order(selectors, expected):
    """Ids before names before UUIDs, names without case, globs, @last; each thing once."""
    assert list(select(selectors, JOBS, CHILDREN)) == [Selected(*hit) for hit in expected]


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        ("99", "no job 99"),
        ("nosuch", "no job 'nosuch'"),
        ("aaaa", "begins the UUIDs of 2 jobs"),
        ("bbb", "no job 'bbb'"),
    ],
)
def test_a_literal_that_names_nothing_is_an_error(selector, message):
    """Only a glob may match nothing in silence."""
    with pytest.raises(NoSuchJob, match=message):
        select([selector], JOBS, CHILDREN)
