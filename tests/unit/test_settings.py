"""Settings that say how long things are kept."""

import pytest

from remjobs.errors import UsageError
from remjobs.settings import Settings

KEPT = [("REMJOBS_KEEP_DAYS", "keep_days", 30), ("REMJOBS_HISTORY_DAYS", "history_days", 365)]


@pytest.mark.parametrize(("name", "field", "default"), KEPT)
def test_how_long_things_are_kept(name, field, default):
    """A number of days, or for ever; without one, the default."""
    for text, days in {"": default, "7": 7, "0.5": 0.5, "0": None, "Never": None}.items():
        assert getattr(Settings.resolve({name: text}), field) == days
    assert getattr(Settings.resolve({}), field) == default


@pytest.mark.parametrize(("name", "field", "default"), KEPT)
@pytest.mark.parametrize("text", ["-1", "a week", "nan", "inf", "7d"])
def test_what_is_no_number_of_days_is_refused(name, field, default, text):
    """Rather than keep too little by mistake."""
    with pytest.raises(UsageError, match=f"{name} is '{text}', but must be a number of days"):
        Settings.resolve({name: text})
