"""How jobs look as tables."""

from uuid import uuid4

import pytest

from remjobs.cli.render.columns import fit, print_rows
from remjobs.cli.render.groups import groups
from remjobs.cli.render.table import _why, print_details
from remjobs.model.job import Child, Reason, ReasonKind
from remjobs.model.state import JobState as S


def child(number, state=S.COMPLETED, why="", kind=ReasonKind.UNREACHABLE, **more):
    return Child(
        id=number,
        instance_id=uuid4(),
        parent_id=1,
        name="c",
        host=f"h{number}",
        transport="ssh",
        state=state,
        reason=Reason(kind=kind, message=why) if why else None,
        **more,
    )


@pytest.mark.parametrize(
    ("natural", "elastic", "room", "widths"),
    [
        ([5, 30, 10], [False, True, False], 60, [5, 30, 10]),
        ([5, 30, 10], [False, True, False], 40, [5, 25, 10]),
        ([5, 30, 10], [False, True, False], 29, [5, 14, 10]),
        ([5, 30, 10], [False, True, False], 20, [5, 7, 8]),
        ([5, 30, 10], [False, True, False], 7, [5, 1, 1]),
        ([5, 30, 50], [False, True, True], 45, [5, 20, 20]),
        ([5, 8, 50], [False, True, True], 30, [5, 8, 17]),
    ],
)
def test_columns_give_way_widest_first(natural, elastic, room, widths):
    """Elastic ones while they can be read, then all but the first."""
    assert fit(natural, elastic, room) == widths


def test_plain_columns_are_not_filled_up_for_one_long_cell(capsys):
    """A job on hosts that do not fold does not push all others to the right."""
    print_rows(("Id", "Location", "Command"), [("1", "x" * 5000, "a"), ("2", "h", "b")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == f"1   {'x' * 5000}  a"
    assert lines[2] == f"2   {'h':<40}  b"


def test_children_that_are_alike_share_a_line():
    """What wants a person first; a host's name in a reason does not set it apart."""
    children = [child(n, exit_code=0) for n in range(1, 6)]
    children += [child(n, S.FAILED, f"h{n}: h{n}:22: refused") for n in (6, 7)]
    children += [child(8, S.FAILED, "h8: h8:22: refused", exit_code=1), child(9, S.BLOCKED)]
    found = [(g.first.state, g.count, g.hosts, g.why) for g in groups(children, _why)]
    assert found == [
        (S.BLOCKED, 1, "h9", ""),
        (S.FAILED, 2, "h[6-7]", "HOST:22: refused"),
        (S.FAILED, 1, "h8", "h8:22: refused"),
        (S.COMPLETED, 5, "h[1-5]", ""),
    ]


def test_a_thousand_different_reasons_are_told_apart_by_kind():
    """Else a group for each would be no group."""
    children = [child(n, S.FAILED, f"at 10:{n}") for n in range(100)]
    children += [child(n, S.FAILED, f"no {n}", ReasonKind.HOST_KEY) for n in range(100, 200)]
    found = [(g.count, g.why) for g in groups(children, _why)]
    assert found == [(100, "at 10:0, and others"), (100, "no 100, and others")]


def test_a_message_of_several_lines_forges_no_property(capsys):
    """What goes on below stands apart from the names."""
    print_details(child(1, S.FAILED, "bad\nState          : Completed"))
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("State ")] == ["State          : Failed"]
