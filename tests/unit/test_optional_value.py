"""An option whose value may be left out never takes the word behind it."""

from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from remjobs.cli.optional_value import OptionalValues


def parsed(*words, interspersed=False):
    """Return what a command with such an option is given."""
    app = typer.Typer()
    given: dict[str, Any] = {}

    @app.command(cls=OptionalValues, context_settings={"allow_interspersed_args": interspersed})
    def verb(
        words: Annotated[list[str] | None, typer.Argument()] = None,
        exclusive: str = typer.Option(None, "--exclusive"),
        name: str = typer.Option(None, "--name", "-n"),
        yes: bool = typer.Option(False, "--yes/--no"),
    ) -> None:
        given.update(words=words or [], exclusive=exclusive, name=name, yes=yes)

    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    return {name: value for name, value in given.items() if value}


@pytest.mark.parametrize(
    ("words", "given"),
    [
        (["--exclusive", "uptime"], {"exclusive": "default", "words": ["uptime"]}),
        (["--exclusive=a", "uptime"], {"exclusive": "a", "words": ["uptime"]}),
        (["--exclusive"], {"exclusive": "default"}),
        (["--exclusive", "--yes"], {"exclusive": "default", "yes": True}),
        (["--yes", "--exclusive"], {"exclusive": "default", "yes": True}),
        (["--name", "--exclusive"], {"name": "--exclusive"}),
        (["-n", "--exclusive", "--exclusive"], {"name": "--exclusive", "exclusive": "default"}),
        (["--name=x", "--exclusive"], {"name": "x", "exclusive": "default"}),
        (["cmd", "--exclusive"], {"words": ["cmd", "--exclusive"]}),
        (["--", "--exclusive"], {"words": ["--exclusive"]}),
    ],
)
def test_its_value_stands_behind_an_equals_sign_or_nowhere(words, given):
    """Also as another option's value, and behind the command, where it is the work's."""
    assert parsed(*words) == given


def test_options_may_stand_behind_other_words_where_that_is_allowed():
    """As with `definition add`, up to the two dashes."""
    words = ["name", "--exclusive", "--", "cmd", "--exclusive"]
    given = {"words": ["name", "cmd", "--exclusive"], "exclusive": "default"}
    assert parsed(*words, interspersed=True) == given
