"""What an outcome makes of a child."""

import pytest

from remjobs.engine.verdict import verdict
from remjobs.model.job import ReasonKind
from remjobs.model.state import JobState
from remjobs.transports.base import Exited, Lost, NotCopied, NotInitialized, Signaled, StopReport

S, K = JobState, ReasonKind
KILLED = StopReport(confirmed=True, signalled=3)
GONE = StopReport(confirmed=True, signalled=0)
ALIVE = StopReport(confirmed=False, signalled=2, message="still running: pid 7")


@pytest.mark.parametrize(
    ("outcome", "stop", "state", "kind"),
    [
        (Exited(0), None, S.COMPLETED, None),
        (Exited(3), None, S.COMPLETED, None),
        (Exited(1), None, S.FAILED, K.EXIT),
        (Signaled("KILL"), None, S.FAILED, K.SIGNAL),
        (NotInitialized(3), None, S.FAILED, K.INITIALIZATION),
        (NotInitialized(143), KILLED, S.STOPPED, None),
        (NotCopied("full"), None, S.FAILED, K.COPY),
        (NotCopied("stopped"), KILLED, S.STOPPED, None),
        (NotCopied("full"), GONE, S.FAILED, K.COPY),
        (Lost("cut"), None, S.DISCONNECTED, K.LOST),
        (Signaled("TERM"), KILLED, S.STOPPED, None),
        (Exited(0), KILLED, S.STOPPED, None),
        (Lost("cut"), KILLED, S.STOPPED, None),
        (Exited(0), GONE, S.COMPLETED, None),
        (Exited(1), GONE, S.FAILED, K.EXIT),
        (Lost("cut"), GONE, S.STOPPED, None),
        (Exited(0), ALIVE, S.DISCONNECTED, K.LOST),
        (Lost("cut"), ALIVE, S.DISCONNECTED, K.LOST),
    ],
)
def test_outcome_and_stop_give_the_state(outcome, stop, state, kind):
    """One row a case; Stopped only where the end was seen, success never by silence."""
    how = verdict(outcome, frozenset({0, 3}), stop)
    assert how.state is state
    assert (how.reason.kind if how.reason else None) is kind


def test_an_unconfirmed_kill_says_so():
    """The words that the documentation promises, with what is left."""
    how = verdict(Lost("x"), frozenset({0}), ALIVE)
    assert how.message == "kill not confirmed: still running: pid 7"


def test_exit_code_and_signal_are_kept():
    """Whatever the state, how it ended is told."""
    assert verdict(Exited(4), frozenset({0})).exit_code == 4
    assert verdict(Signaled("TERM"), frozenset({0}), KILLED).signal == "TERM"
