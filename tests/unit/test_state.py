"""The state table and the parent rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remjobs.errors import IllegalTransition
from remjobs.model.state import (
    FINAL,
    SETTLED,
    TRANSITIONS,
    JobState,
    Request,
    advance,
    parent_state,
)

S = JobState

TABLE = {
    S.NOT_STARTED: {S.RUNNING, S.BLOCKED, S.SUSPENDED, S.STOPPED, S.FAILED},
    S.RUNNING: {S.COMPLETED, S.FAILED, S.BLOCKED, S.SUSPENDING, S.STOPPING, S.DISCONNECTED},
    S.BLOCKED: {S.RUNNING, S.NOT_STARTED, S.STOPPING, S.FAILED},
    S.SUSPENDING: {S.SUSPENDED, S.COMPLETED, S.FAILED, S.STOPPING, S.DISCONNECTED},
    S.SUSPENDED: {S.RUNNING, S.NOT_STARTED, S.STOPPING, S.STOPPED},
    S.STOPPING: {S.STOPPED, S.COMPLETED, S.FAILED, S.DISCONNECTED},
    S.DISCONNECTED: {S.RUNNING, S.STOPPING, S.FAILED, S.COMPLETED},
    S.COMPLETED: set(),
    S.FAILED: set(),
    S.STOPPED: set(),
}


@pytest.mark.parametrize("current", list(JobState))
@pytest.mark.parametrize("to", list(JobState))
def test_each_pair_of_states_is_legal_or_raises(current, to):
    """A change that the table has is made; any other raises and names both states."""
    if to in TABLE[current]:
        assert advance(current, to) is to
    else:
        with pytest.raises(IllegalTransition, match=f"from {current} to {to}"):
            advance(current, to)


def test_final_states_are_those_without_a_way_out():
    """Final is what the table says, not a list kept beside it."""
    assert {state for state in JobState if not TRANSITIONS[state]} == FINAL
    assert FINAL < SETTLED


@pytest.mark.parametrize(
    ("children", "request_", "expected"),
    [
        ([S.BLOCKED, S.RUNNING], Request.NONE, S.BLOCKED),
        ([S.RUNNING, S.FAILED], Request.NONE, S.RUNNING),
        ([S.STOPPING, S.FAILED], Request.STOP, S.STOPPING),
        ([S.RUNNING, S.NOT_STARTED], Request.SUSPEND, S.SUSPENDING),
        ([S.SUSPENDING], Request.NONE, S.RUNNING),
        ([S.NOT_STARTED, S.COMPLETED], Request.NONE, S.RUNNING),
        ([S.NOT_STARTED], Request.NONE, S.RUNNING),
        ([S.NOT_STARTED, S.FAILED], Request.SUSPEND, S.SUSPENDED),
        ([S.NOT_STARTED], Request.HOLD, S.NOT_STARTED),
        ([S.SUSPENDED, S.DISCONNECTED], Request.NONE, S.SUSPENDED),
        ([S.DISCONNECTED, S.FAILED], Request.NONE, S.DISCONNECTED),
        ([S.FAILED, S.STOPPED, S.COMPLETED], Request.STOP, S.FAILED),
        ([S.STOPPED, S.COMPLETED], Request.STOP, S.STOPPED),
        ([S.COMPLETED, S.COMPLETED], Request.NONE, S.COMPLETED),
    ],
)
def test_parent_follows_its_children(children, request_, expected):
    """Each clause of the parent rule, one row each."""
    assert parent_state(children, request_) is expected


def test_a_job_without_children_is_refused():
    """No children is a fault of ours, not Completed."""
    with pytest.raises(ValueError, match="at least one child"):
        parent_state([])


@st.composite
def lives(draw):
    """Give the states of a few children after each of many legal steps."""
    children = [S.NOT_STARTED] * draw(st.integers(1, 6))
    history = [tuple(children)]
    for _ in range(draw(st.integers(0, 40))):
        index = draw(st.integers(0, len(children) - 1))
        ways = sorted(TRANSITIONS[children[index]])
        if ways:
            children[index] = advance(children[index], draw(st.sampled_from(ways)))
            history.append(tuple(children))
    return history


@given(lives(), st.sampled_from(Request))
def test_any_legal_life_of_the_children_gives_a_legal_parent(history, request_):
    """The parent is final exactly when all children are, and then stays as it is."""
    final_seen = None
    for children in history:
        state = parent_state(children, request_)
        assert (state in FINAL) == all(child in FINAL for child in children)
        if final_seen is not None:
            assert state is final_seen
        if state in FINAL:
            final_seen = state
        if S.DISCONNECTED in children:
            assert state is not S.COMPLETED


@given(st.lists(st.sampled_from(JobState), min_size=1), st.sampled_from(Request), st.randoms())
def test_order_and_multiplicity_of_children_do_not_matter(children, request_, random):
    """The rule looks at which states there are, nothing else."""
    shuffled = children * 2
    random.shuffle(shuffled)
    assert parent_state(children, request_) is parent_state(shuffled, request_)
