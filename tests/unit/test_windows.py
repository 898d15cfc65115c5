"""How work becomes a command line for Windows hosts."""

import base64
import re
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remjobs.errors import UsageError
from remjobs.model.work import Command, Script, Work
from remjobs.transports.windows.cmd import LONGEST, line_of
from remjobs.transports.windows.document import WORDS, document
from remjobs.transports.windows.launch import (
    Surroundings,
    check,
    launch_of,
    runs_powershell,
    shown,
)

KEY = uuid4()
UNSAFE = '%!^&|<>"'
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


def split(line):
    """Split a command line as Windows' programs do (CommandLineToArgvW)."""
    words: list[str] = []
    word, begun, quoted, at = "", False, False, 0
    while at < len(line):
        slashes = len(line) - at - len(line[at:].lstrip("\\"))
        if slashes:
            at += slashes
            before_quote = at < len(line) and line[at] == '"'
            word += "\\" * (slashes // 2 if before_quote else slashes)
            begun = True
            if before_quote and slashes % 2:
                word, at = word + '"', at + 1
        elif line[at] == '"':
            quoted, begun, at = not quoted, True, at + 1
        elif line[at] in " \t" and not quoted:
            words, word, begun, at = [*words, *([word] if begun else [])], "", False, at + 1
        else:
            word, begun, at = word + line[at], True, at + 1
    return [*words, *([word] if begun else [])]


@given(st.lists(st.text(st.characters(exclude_characters=UNSAFE, exclude_categories=["C"]))))
def test_each_word_is_one_argument_of_a_program_under_cmd(words):
    """Whatever may stand in it; nothing of it means anything to cmd."""
    line = line_of(Command(words=("x.exe", *words)))
    assert split(line) == ["x.exe", *words]


@given(texts, st.sampled_from([*UNSAFE, "\n", "\r", "\t", "\x1b"]), texts)
def test_what_means_something_to_cmd_is_refused(before, character, after):
    """In one line that says what to do."""
    with pytest.raises(UsageError, match="in an argument safely") as refusal:
        line_of(Command(words=("x", before + character + after)))
    assert "\n" not in str(refusal.value)


def test_a_line_for_cmd_never_begins_with_a_quote():
    """Of one that does, cmd /c takes the first and the last quote away."""
    line = line_of(Command(words=(r"C:\Program Files\x.exe", "a b", "c\\", "d e\\")))
    assert line == r'call "C:\Program Files\x.exe" "a b" c\ "d e\\"'


def test_help_of_a_program_is_not_calls_own():
    """Behind ``call``, cmd takes /? for itself."""
    with pytest.raises(UsageError, match=r"cmd takes '/\?' for itself"):
        line_of(Command(words=(r"C:\Program Files\x.exe", "/?")))
    assert line_of(Command(words=("x.exe", "/?"))) == 'x.exe "/?"'


def test_a_text_for_cmd_is_passed_as_it_is():
    """Who writes it knows cmd; only what cmd would cut off is refused."""
    text = 'echo %PATH% & dir "C:\\x y" | find "z" > nul'
    assert line_of(Command(text=f"{text}\n")) == text
    with pytest.raises(UsageError, match="cmd reads one line"):
        line_of(Command(text="echo 1\necho 2"))
    with pytest.raises(UsageError, match=f"{LONGEST} characters, and this one has 9000"):
        line_of(Command(text="x" * 9000))


def read(data):
    """Return the fields of a document, and what follows it."""
    size, _, rest = data.partition(b"\n")
    fields = [base64.b64decode(field).decode() for field in rest[: int(size)].split(b"|")]
    return fields, rest[int(size) :]


@given(st.lists(texts), texts, st.dictionaries(st.from_regex(r"[A-Z]{1,5}", fullmatch=True), texts))
def test_the_document_holds_the_work_as_it_is(arguments, text, environment):
    """Nothing of it is code, and nothing is lost."""
    work = Work(
        command=Command(text=text),
        arguments=tuple(arguments),
        environment=environment,
        initialization=text,
        directory="~/x y",
    )
    fields, rest = read(document(KEY, work))
    assert rest == b""
    assert fields[:5] == [str(KEY), "~/x y", f"={text}", text, str(len(environment))]
    end = 5 + 2 * len(environment)
    assert dict(zip(fields[5:end:2], fields[6:end:2], strict=True)) == environment
    assert fields[end:] == arguments


def test_the_command_line_is_always_the_same_and_short():
    """Below cmd's 8,191 characters, none of which means anything to cmd; nothing of the work."""
    work = Work(command=Command(text="canary " * 10_000), environment={"X": "canary"})
    launch = launch_of(KEY, work)
    assert len(launch.line) < LONGEST
    assert not re.search(r'[%!^&|<>"]', launch.line)
    assert "canary" not in base64.b64decode(WORDS[-1]).decode("utf-16-le")
    assert launch.line.split() == ["powershell.exe", "-InputFormat", "None", *WORDS]
    assert launch.surroundings == Surroundings()


def test_powershell_leaves_standard_input_to_the_work():
    """It would read all of it, if its command spoke of $input."""
    program = base64.b64decode(WORDS[-1]).decode("utf-16-le")
    assert "$input" not in program.lower()
    assert "ConvertFrom-Json" not in program


def script(name, content=b"x"):
    return Script(name=name, content=content)


@pytest.mark.parametrize(
    ("work", "program"),
    [
        (Work(command=Command(text="x")), "powershell.exe"),
        (Work(command=Command(text="x"), shell="PowerShell"), "PowerShell.exe"),
        (Work(command=Command(text="x"), shell="pwsh.exe"), "pwsh.exe"),
        (Work(script=script("a.ps1")), "powershell.exe"),
        (Work(script=script("A.PS1"), ps_version="7"), "pwsh.exe"),
        (Work(script=script("a", b"#!/usr/bin/env pwsh\nx")), "pwsh.exe"),
        (Work(script=script("a.txt"), shell="powershell"), "powershell.exe"),
        (Work(command=Command(text="x"), ps_version="4.0"), "powershell.exe -Version 4.0"),
        (
            Work(command=Command(text="x"), run_as_32=True, ps_version="5.1"),
            r"%SystemRoot%\SysWOW64\WindowsPowerShell\v1.0\powershell.exe",
        ),
        (
            Work(command=Command(text="x"), shell="powershell -ExecutionPolicy Bypass"),
            "powershell.exe -ExecutionPolicy Bypass",
        ),
        (
            Work(command=Command(text="x"), shell=r"C:\Program Files\PowerShell\7\pwsh.exe"),
            r'call "C:\Program Files\PowerShell\7\pwsh.exe"',
        ),
        (
            Work(command=Command(text="x"), shell=r"C:\Windows\powershell.exe"),
            r"C:\Windows\powershell.exe",
        ),
    ],
)
def test_the_shell_follows_from_the_work(work, program):
    """As asked, else the script's own, else Windows PowerShell."""
    launch = launch_of(KEY, work)
    own = "" if "pwsh" in program else " -InputFormat None"
    assert launch.line == f"{program}{own} {' '.join(WORDS)}"
    assert runs_powershell(work)
    check(work)


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"command": Command(text="x"), "shell": "bash"}, "have powershell, pwsh and cmd"),
        ({"command": Command(text="x"), "shell": "powershell -x;y"}, "cannot be passed on safely"),
        ({"command": Command(text="x"), "shell": r"C:\a&b\pwsh.exe"}, "have powershell, pwsh"),
        ({"command": Command(text="x"), "shell": "cmd /V:ON"}, "cmd takes no options here"),
        ({"command": Command(text="a\x1b"), "shell": "cmd"}, "cannot be given the character"),
        (
            {"command": Command(text="a"), "shell": "cmd", "environment": {"A": "\x01"}},
            "cannot be given the character",
        ),
        ({"script": script("a.bat")}, "a.bat: a script for cmd cannot be carried"),
        ({"script": script("a.ps1"), "shell": "cmd"}, "a script for cmd cannot be carried"),
        ({"script": script("a.py")}, r"scripts are PowerShell's \(.ps1\)"),
        ({"script": script("a.sh", b"#!/bin/sh\n")}, r"scripts are PowerShell's"),
        ({"script": script("a.ps1", b"\xff")}, "must be UTF-8"),
        ({"command": Command(text="x"), "shell": "cmd", "run_as_32": True}, "--run-as-32 needs"),
        ({"command": Command(text="x"), "shell": "cmd", "ps_version": "7"}, "--ps-version 7 needs"),
        ({"command": Command(text="x"), "shell": "cmd", "initialization": "y"}, "--init needs"),
        ({"command": Command(text="x"), "shell": "cmd", "arguments": ("y",)}, "--arg needs"),
        ({"command": Command(text="x"), "shell": "pwsh", "ps_version": "5.1"}, "asks for pwsh"),
        ({"command": Command(text="x"), "shell": "pwsh", "run_as_32": True}, "asks for pwsh"),
        ({"command": Command(text="x"), "shell": "powershell", "ps_version": "7"}, "is pwsh"),
        ({"command": Command(text="x"), "ps_version": "7", "run_as_32": True}, "32 bits"),
    ],
)
def test_what_cannot_run_there_is_refused(more, problem):
    """Before anything starts, in words that say which option it is."""
    with pytest.raises(UsageError, match=problem):
        check(Work(**more))


def test_cmd_gets_directory_and_environment_from_its_shell():
    """A leading ~ is the home there."""
    work = Work(
        command=Command(text="dir"),
        shell="cmd",
        directory="~/a/b",
        environment={"B": "2", "A": "1"},
    )
    launch = launch_of(KEY, work)
    assert (launch.line, launch.prefix) == ("dir", b"")
    assert launch.surroundings == Surroundings(
        directory=r"%USERPROFILE%\a\b", environment=(("A", "1"), ("B", "2"))
    )
    assert not runs_powershell(work)


@pytest.mark.parametrize(
    ("work", "text"),
    [
        (Work(command=Command(words=("dir", "a b")), shell="cmd"), 'cmd: dir "a b"'),
        (
            Work(command=Command(text="Get-Date"), directory="C:\\x", environment={"A": "1"}),
            "powershell.exe: Set-Location 'C:\\x'; $env:A = '1'; Get-Date",
        ),
        (Work(script=script("a b.ps1"), arguments=("1 2",)), "powershell.exe: & 'a b.ps1' '1 2'"),
    ],
)
def test_what_would_be_done_is_shown_to_be_read(work, text):
    """The work's own text, not the program that hands it over."""
    assert shown(work) == text
