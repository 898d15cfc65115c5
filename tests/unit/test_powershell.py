"""How work becomes PowerShell's, and its streams are gone on with."""

import asyncio
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remjobs.errors import UsageError
from remjobs.model.record import Chunk, Stream
from remjobs.model.work import Command, Script, Work
from remjobs.testing import MemoryExecution, MemoryHost, MemoryWork
from remjobs.transports.posix.programs import attached, durable, runs_powershell
from remjobs.transports.powershell import invocation
from remjobs.transports.powershell.streams import PowerShellExecution


def document(**work):
    return json.loads(invocation.payload(Work(**work)).content)


def read_back(text):
    """Return the words that PowerShell reads: bare ones, and those between quotes."""
    assert text.startswith("& ")
    quote = "['\u2018\u2019\u201a\u201b]"
    words = re.findall(rf"{quote}((?:[^'\u2018-\u201b]|{quote}{{2}})*){quote}|(\S+)", text[2:])
    return [bare or re.sub(rf"({quote})\1", r"\1", quoted) for quoted, bare in words]


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
def test_each_word_is_one_argument(words):
    """Whatever is in it: quotes of all kinds, spaces, nothing at all."""
    assert read_back(document(command=Command(words=("x", *words)))["text"]) == ["x", *words]


def test_a_parameters_name_stays_bare():
    """Between quotes PowerShell would take it for a value."""
    command = Command(words=("Get-Process", "-Name", "pwsh", "--long", "-a;b"))
    text = "& 'Get-Process' -Name 'pwsh' '--long' '-a;b'"
    assert document(command=command, shell="pwsh")["text"] == text


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
def test_arguments_are_data(arguments):
    """They come back as they were, and stand nowhere in the program."""
    work = Work(command=Command(text="$args"), arguments=tuple(arguments), shell="pwsh")
    assert json.loads(invocation.payload(work).content)["arguments"] == arguments


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"\xef\xbb\xbfWrite-Output \xc3\xa4", "Write-Output ä"),
        (b"plain", "plain"),
    ],
)
def test_scripts_are_text(content, text):
    """UTF-8, with a mark or without one."""
    assert document(script=Script(name="x.ps1", content=content))["text"] == text


@pytest.mark.parametrize(
    ("shell", "is_it"),
    [
        ("pwsh", True),
        ("/opt/microsoft/powershell/7/pwsh", True),
        ("pwsh -ExecutionPolicy Bypass", True),
        ("PowerShell.exe", True),
        ("pwsh-preview", True),
        ("bash", False),
        ("/opt/pwsh/bash", False),
        ("notpwsh", False),
    ],
)
def test_powershell_is_known_by_its_name(shell, is_it):
    """Wherever it is, and whatever its options."""
    assert runs_powershell(Work(command=Command(text="x"), shell=shell)) is is_it


@pytest.mark.parametrize("make", [attached, lambda key, work: durable(key, "w" * 32, work)])
def test_the_command_line_is_the_same_for_all_work(make):
    """Text, arguments and initialization travel in the document alone."""
    work = Work(command=Command(text="SECRET-TEXT"), arguments=("SECRET-ARG",), shell="pwsh -v")
    key = "3f8ee2b4-4a7e-4dbb-8fd2-7fb6e4e0b1a5"
    launch = make(key, work)
    everything = launch.script.encode() + launch.prefix
    assert " ".join(["pwsh -v", *invocation.WORDS]).encode() in everything.replace(b'"', b"")
    assert b"SECRET" not in launch.script.encode()


def test_bad_bytes_in_a_script_are_refused():
    """Before anything starts."""
    work = Work(script=Script(name="x.ps1", content=b"\xfc"), shell="pwsh")
    with pytest.raises(UsageError, match=r"x\.ps1: for PowerShell a script must be UTF-8"):
        invocation.check(work, "pwsh")


class Raw(MemoryExecution):
    """An execution that sends these bytes as standard error."""

    def __init__(self, data, size):
        super().__init__(MemoryHost(), MemoryWork(), b"")
        self._pieces = [(at, data[at : at + size]) for at in range(0, len(data), size)]

    async def __aiter__(self):
        for at, data in self._pieces:
            yield Chunk(stream=Stream.ERROR, offset=at, data=data)


ALL = (
    b'#< CLIXML\r\n<Objs Version="1">'
    b'<S S="warning">one</S>native\n<S S="verbose">two</S><S S="warning">three</S></Objs>'
)


def streams(size, known):
    async def read():
        return [chunk async for chunk in PowerShellExecution(Raw(ALL, size), known)]

    return asyncio.run(read())


@given(st.integers(1, 60), st.integers(0, 14), st.integers(0, 14), st.integers(0, 14))
def test_what_is_known_does_not_come_again(size, warning, verbose, error):
    """To the byte, in each stream, however the bytes are cut this time."""
    whole = {Stream.WARNING: b"one\nthree\n", Stream.VERBOSE: b"two\n", Stream.ERROR: b"native\n"}
    known = {Stream.WARNING: warning, Stream.VERBOSE: verbose, Stream.ERROR: error}
    told = dict.fromkeys(whole, b"")
    for chunk in streams(size, known):
        assert chunk.offset == max(known[chunk.stream], 0) + len(told[chunk.stream])
        told[chunk.stream] += chunk.data
    assert told == {stream: data[known[stream] :] for stream, data in whole.items()}
