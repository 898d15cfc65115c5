"""Completion, in the shells themselves."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.terminals import BASH, ZSH, Terminal

from remjobs.controller.client import ControllerClient
from remjobs.controller.paths import Paths
from remjobs.errors import VersionMismatch
from remjobs.model.request import JobQuery

INVENTORY = '[groups]\nweb = ["web1", "web2"]\ndb = ["db1"]\n[hosts.lone]\n'


@pytest.fixture
def prompt(cli):
    """A user's folder with a job, a definition and an inventory; `remjobs` is on the PATH."""
    bin_ = Path(sys.executable).parent
    cli.environment |= {
        "PATH": f"{bin_}:{os.environ['PATH']}",
        "HOME": str(cli.cwd),
        "ZDOTDIR": str(cli.cwd),
    }
    (cli.cwd / "inv.toml").write_text(INVENTORY)
    cli.environment["REMJOBS_INVENTORY"] = str(cli.cwd / "inv.toml")
    (cli.cwd / "servers.txt").write_text("web1\n")
    cli.ok("run", "--", "true")
    cli.ok("definition", "add", "nightly", "--", "true")
    return cli


@pytest.fixture
def with_job(prompt):
    """The same with a job that has a name and has failed."""
    assert prompt("start", "--name", "patch", "--", "false").code == 0
    assert prompt("wait", "@last").code == 1
    return prompt


IN_PLACE = {
    "remjobs rece": "remjobs receive ",
    "remjobs definition sh": "remjobs definition show ",
    "remjobs run --outp": "remjobs run --output",
    "remjobs get pa": "remjobs get patch ",
    "remjobs get 1 @": "remjobs get 1 @last ",
    "remjobs wait --state fai": "remjobs wait --state failed ",
    "remjobs run --output ta": "remjobs run --output table ",
    "remjobs run --output=ta": "remjobs run --output=table ",
    "remjobs start --definition /ni": "remjobs start --definition /nightly ",
    "remjobs run -t lo": "remjobs run -t lone ",
    "remjobs run -t db1,!lo": "remjobs run -t db1,!lone ",
    "remjobs run -f 3 -x web1,web2,lo": "remjobs run -f 3 -x web1,web2,lone ",
    "remjobs run -t a[1,2],lo": "remjobs run -t a[1,2],lone ",
    "remjobs run -t @las": "remjobs run -t @last:",
    "remjobs run -t @last:fa": "remjobs run -t @last:failed ",
    "remjobs run -t lone,@last:unr": "remjobs run -t lone,@last:unreachable ",
    "remjobs run -t @serv": "remjobs run -t @servers.txt ",
    "remjobs run -i serv": "remjobs run -i servers.txt ",
    "remjobs run -t lone -- cat serv": "remjobs run -t lone -- cat servers.txt ",
    "remjobs stop 1 --child loc": "remjobs stop 1 --child localhost ",
    "remjobs stop --child lon": "remjobs stop --child lone ",
    "remjobs get serv": "remjobs get serv",
    "remjobs run -f serv": "remjobs run -f serv",
    "remjobs run --script serv": "remjobs run --script servers.txt ",
}


ALSO_IN_ZSH = {
    **{typed: line for typed, line in list(IN_PLACE.items())[::3] if "[" not in typed},
    "remjobs run -t a[1,2],lo": r"remjobs run -t a\[1,2\],lone ",
    "remjobs run -t @last:fa": "remjobs run -t @last:failed ",
    "remjobs run --output=ta": "remjobs run --output=table ",
    "remjobs get serv": "remjobs get serv",
}


def completed(cli, kind, setup, lines):
    """Type these lines' beginnings; return what stands there after Tab."""
    terminal = Terminal(kind, cli.cwd, cli.environment)
    try:
        terminal.run(setup)
        return {typed: terminal.completed(typed) for typed in lines}
    finally:
        terminal.close()


def test_bash_completes_words_in_place(with_job):
    """At a real terminal, in the middle of words that bash takes for several."""
    setup = "source <(remjobs completion bash); set +o histexpand"
    assert completed(with_job, BASH, setup, IN_PLACE) == IN_PLACE


def test_zsh_completes_words_in_place(with_job):
    """The same; what zsh would expand comes back quoted."""
    setup = "source <(remjobs completion zsh); unsetopt bang_hist"
    assert completed(with_job, ZSH, setup, ALSO_IN_ZSH) == ALSO_IN_ZSH


def test_zsh_shows_help_beside_the_words(with_job):
    """Name and state beside a job's id."""
    terminal = Terminal(ZSH, with_job.cwd, with_job.environment)
    try:
        terminal.run("source <(remjobs completion zsh); setopt auto_list no_beep")
        terminal.completed("remjobs get ")
        terminal.until(lambda: b"patch, Failed" in terminal.shown, "the list is shown")
    finally:
        terminal.close()


def test_zsh_finds_the_script_in_its_path_of_functions(with_job):
    """As `_remjobs`, where the docs say to put it."""
    (with_job.cwd / "_remjobs").write_text(with_job.ok("completion", "zsh"))
    kind = (ZSH[0], f"fpath=({with_job.cwd} $fpath); {ZSH[1]}")
    seen = completed(with_job, kind, ":", ["remjobs rece", "remjobs wa"])
    assert list(seen.values()) == ["remjobs receive ", "remjobs wait "]


def fish(cli, line):
    """Return what fish would offer."""
    done = subprocess.run(
        ["fish", "-c", "remjobs completion fish | source; complete -C $argv[1]", line],
        check=True,
        capture_output=True,
        text=True,
        cwd=cli.cwd,
        env=cli.environment,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_fish_offers_words_with_help(with_job):
    """As `complete -C` tells it."""
    assert set(fish(with_job, "remjobs get ")) == {
        "3\tpatch, Failed, false",
        "1\tJob1, Completed, true",
        "@last\tpatch, Failed, false",
    }
    assert fish(with_job, "remjobs run -t db1,w") == [
        "db1,web\tgroup",
        "db1,web1\thost",
        "db1,web2\thost",
    ]
    assert fish(with_job, "remjobs run -t @last:fa") == ["@last:failed\thosts of the job"]
    assert fish(with_job, "remjobs run --output=ta") == ["--output=table"]
    assert fish(with_job, "remjobs definition remove n") == ["nightly\tunder /"]
    assert fish(with_job, "remjobs run -i serv") == ["servers.txt"]
    assert fish(with_job, "remjobs get serv") == []
    assert "--throttle-limit\tHosts at a time. [default: 32]" in fish(with_job, "remjobs run --thr")


def asked(cli, shell, line, word=None, **environment):
    """Ask as a shell's script does; what is written to standard error counts too."""
    done = subprocess.run(
        ["remjobs"],
        check=False,
        capture_output=True,
        text=True,
        cwd=cli.cwd,
        env={
            **cli.environment,
            "_REMJOBS_COMPLETE": f"complete_{shell}",
            "_TYPER_COMPLETE_ARGS": line,
            "_TYPER_COMPLETE_WORD_TO_COMPLETE": line.split(" ")[-1] if word is None else word,
            **environment,
        },
    )
    assert done.stderr == ""
    assert done.returncode == 0
    return done.stdout.splitlines()


def test_powershell_is_answered_as_its_script_asks(with_job):
    """The protocol alone: there is no PowerShell here that could run the script."""
    script = with_job.ok("completion", "powershell")
    assert "Register-ArgumentCompleter -Native -CommandName remjobs" in script
    assert '$Env:_REMJOBS_COMPLETE = "complete_powershell"' in script
    assert asked(with_job, "powershell", "remjobs get")[0].startswith("get:::Show jobs with all")
    assert asked(with_job, "powershell", "remjobs get", "")[0] == "3:::patch, Failed, false"
    found = asked(with_job, "powershell", "remjobs run -t @last:fa")
    assert found == ["@last:failed:::hosts of the job"]


def test_names_that_a_shell_would_read_are_kept_out(with_job):
    """Nor does a name in the help draw anything, or end the line."""
    with_job.ok("run", "--name", "a b;$(touch gone)`x`'\"", "--", "true")
    with_job.ok("run", "--name", "two\nlines\x1b[31m", "--", "true")
    with_job.ok("definition", "add", "*;`id`", "--", "true")
    for shell in ("bash", "zsh", "fish"):
        assert asked(with_job, shell, "remjobs get a") == []
        assert len(asked(with_job, shell, "remjobs definition show ")) == 1
    helped = asked(with_job, "fish", "remjobs get ")
    assert helped[0] == "7\ttwo lines[31m, Completed, true"
    assert len(helped) == 5


def test_nothing_is_offered_or_started_without_a_controller(cli):
    """And nothing is said; what the program knows by itself is offered."""
    cli.environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for words in ("get ", "run -t ", "definition show ", "stop 1 --child "):
        assert asked(cli, "fish", f"remjobs {words}") == []
    assert asked(cli, "fish", "remjobs run --output ta") == ["table"]
    assert not cli.home.exists()


@pytest.mark.parametrize("text", ["user = \n", "nonsense = 1\n"])
def test_broken_settings_offer_nothing(prompt, text):
    """The next command tells what is wrong; a Tab does not."""
    (prompt.cwd / "config.toml").write_text(text)
    broken = {"REMJOBS_CONFIG": str(prompt.cwd / "config.toml")}
    assert asked(prompt, "bash", "remjobs get ", **broken) == []
    assert asked(prompt, "bash", "remjobs rece", **broken) == ["receive"]
    assert asked(prompt, "zsh", "remjobs run -i none.toml -t ") == []
    (prompt.cwd / "inv.toml").write_text("hosts = [")
    assert asked(prompt, "bash", "remjobs run -t ") == []


def test_a_controller_that_does_not_answer_is_given_up(prompt):
    """A person waits with a finger on the key."""
    pid = prompt.status()["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        assert asked(prompt, "bash", "remjobs get ") == []
    finally:
        os.kill(pid, signal.SIGCONT)
    assert asked(prompt, "bash", "remjobs get ")[0] == "1"


async def test_a_look_does_not_replace_a_controller_of_another_version(prompt):
    """An idle one would be, by any verb."""
    looking = ControllerClient(Paths(prompt.home), build="0.0.1", launch=False)
    with pytest.raises(VersionMismatch):
        await looking.list(JobQuery())
    assert prompt.log_count() == 1
    assert prompt.status() is not None
