"""The frozen exit codes."""

from uuid import uuid4

import pytest

from remjobs.model.exits import ExitCode, exit_code
from remjobs.model.job import Child, Reason, ReasonKind
from remjobs.model.state import JobState

S, K = JobState, ReasonKind


def child(state, kind=None):
    return Child(
        id=2,
        instance_id=uuid4(),
        parent_id=1,
        name="Job2",
        host="h",
        transport="ssh",
        state=state,
        reason=Reason(kind=kind, message="m") if kind else None,
    )


OK, EXIT, AWAY = child(S.COMPLETED), child(S.FAILED, K.EXIT), child(S.FAILED, K.UNREACHABLE)
LOST, STOPPED = child(S.DISCONNECTED, K.LOST), child(S.STOPPED)


@pytest.mark.parametrize(
    ("children", "expected"),
    [
        ([OK, OK], 0),
        ([OK, EXIT], 1),
        ([OK, child(S.FAILED, K.SIGNAL)], 1),
        ([OK, child(S.FAILED, K.TIMEOUT)], 1),
        ([OK, AWAY], 4),
        ([child(S.FAILED, K.AUTHENTICATION)], 4),
        ([child(S.FAILED, K.HOST_KEY)], 4),
        ([child(S.FAILED, K.REFUSED)], 4),
        ([EXIT, AWAY], 5),
        ([OK, LOST], 6),
        ([EXIT, AWAY, LOST], 6),
        ([OK, STOPPED], 1),
        ([child(S.NOT_STARTED)], 1),
        ([EXIT, AWAY, child(S.STOPPED, K.HALTED)], 8),
        ([LOST, child(S.STOPPED, K.HALTED)], 6),
        ([EXIT, child(S.STOPPED, K.TIMEOUT)], 124),
        ([child(S.FAILED, K.INTERNAL), EXIT], 70),
    ],
)
def test_children_give_the_exit_code(children, expected):
    """One row a rule: an unknown outcome outranks a failure, which outranks success."""
    assert exit_code(children) == expected


def test_the_numbers_are_frozen():
    """Scripts test these numbers; they never change."""
    assert {code.name: code.value for code in ExitCode} == {
        "OK": 0,
        "COMMAND_FAILED": 1,
        "USAGE": 2,
        "NO_SUCH_JOB": 3,
        "NOT_REACHED": 4,
        "FAILED_AND_NOT_REACHED": 5,
        "UNKNOWN": 6,
        "HALTED": 8,
        "INTERNAL": 70,
        "TIMEOUT": 124,
        "INTERRUPTED": 130,
        "TERMINATED": 143,
    }
