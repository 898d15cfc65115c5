"""Names as ranges."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remjobs.errors import UsageError
from remjobs.model.ranges import expand, fold


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("web1", ["web1"]),
        ("web[1-3]", ["web1", "web2", "web3"]),
        ("web[08-10]", ["web08", "web09", "web10"]),
        ("web[1,3,5-6]x", ["web1x", "web3x", "web5x", "web6x"]),
        ("r[1-2]n[1-2]", ["r1n1", "r1n2", "r2n1", "r2n2"]),
        ("127.0.1.[1-2]", ["127.0.1.1", "127.0.1.2"]),
        ("[::1]:22", ["[::1]:22"]),
        ("fe80::1%eth0", ["fe80::1%eth0"]),
        ("web[a-c]", ["web[a-c]"]),
    ],
)
def test_ranges_stand_for_names_in_order(text, names):
    """Numbers expand with their zeros; anything else in brackets is left alone."""
    assert list(expand(text)) == names


@pytest.mark.parametrize(
    ("text", "message"),
    [("web[5-1]", r"\[5-1\] is not a range"), ("n[1-999999]", "more than 100000 names")],
)
def test_bad_ranges_are_refused(text, message):
    """A range that runs backwards or is far too large names itself."""
    with pytest.raises(UsageError, match=message):
        list(expand(text))


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], ""),
        (["db1"], "db1"),
        (["web1", "web2", "web3"], "web[1-3]"),
        (["web01", "web02", "db1"], "db1,web[01-02]"),
        (["::1", "web1", "web2"], "web[1-2],::1"),
        (["a", "a"], "a"),
    ],
)
def test_names_fold(names, text):
    """Neighbours fold; what ranges cannot hold stays itself."""
    assert fold(names) == text


names = st.builds(
    "{}{:02d}{}".format,
    st.sampled_from(["web", "db", "a-b", "n.x"]),
    st.integers(0, 99),
    st.sampled_from(["", ".example.com"]),
)


@given(st.sets(names, min_size=1))
def test_folding_loses_and_invents_no_name(found):
    """Folded and expanded again, the names are the same."""
    folded = fold(sorted(found))
    parts = split_outside_brackets(folded)
    assert {name for part in parts for name in expand(part)} == found


def split_outside_brackets(text):
    parts, depth = [""], 0
    for letter in text:
        depth += {"[": 1, "]": -1}.get(letter, 0)
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return parts
