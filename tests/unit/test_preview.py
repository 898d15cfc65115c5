"""What a preview shows is what the shell gets."""

import subprocess

import pytest

from remjobs.model.work import Command, Script, Work
from remjobs.transports.posix.programs import shown

WORKS = {
    "words": (Work(command=Command(words=("echo", "a b", "$HOME", "it's"))), "a b $HOME it's\n"),
    "text": (Work(command=Command(text="echo $1 | tr a b"), arguments=("aaa",)), "bbb\n"),
    "directory": (Work(command=Command(text="pwd"), directory="/"), "/\n"),
    "environment": (
        Work(command=Command(text='echo "$X"'), environment={"X": "a 'b' \\ c"}),
        "a 'b' \\ c\n",
    ),
    "initialization": (
        Work(command=Command(text="f x"), initialization="f() { echo f$1; }"),
        "fx\n",
    ),
    "script": (
        Work(script=Script(name="a script.sh", content=b"echo $#"), arguments=("1", "2 3")),
        "2\n",
    ),
    "shell": (Work(command=Command(text="echo $0"), shell="/bin/bash"), "bash\n"),
}


@pytest.mark.parametrize("name", WORKS)
def test_what_is_shown_can_be_typed(tmp_path, name):
    """It does what the work does; a script is read by its name."""
    work, output = WORKS[name]
    (tmp_path / "a script.sh").write_bytes(b"echo $#")
    done = subprocess.run(
        ["/bin/sh", "-c", shown(work)],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.stdout == output
    assert "\n" not in shown(work) or name == "initialization"


@pytest.mark.parametrize(
    ("work", "text"),
    [
        (Work(command=Command(text="Get-Date"), shell="pwsh"), "pwsh: Get-Date"),
        (
            Work(command=Command(words=("Get-Item", "-Path", "it's")), shell="pwsh"),
            "pwsh: & 'Get-Item' -Path 'it''s'",
        ),
        (
            Work(
                script=Script(name="a b.ps1", content=b"x"),
                arguments=("1 2",),
                initialization="$x = 1",
            ),
            "pwsh: $x = 1; & 'a b.ps1' '1 2'",
        ),
    ],
)
def test_for_powershell_its_own_text_is_shown(work, text):
    """Not the program that hands it over."""
    assert shown(work) == text
