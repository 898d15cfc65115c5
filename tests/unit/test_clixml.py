"""PowerShell's streams, cut out of standard error however it arrives.

The documents are what PowerShell writes ([MS-PSRP] 2.2.5, and the formats in the tests of
pypsrp and psrpcore, MIT licence).
"""

from itertools import groupby, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remjobs.model.record import Stream
from remjobs.transports.powershell.clixml import Clixml

OPEN = b'<Objs Version="1.1.0.1" xmlns="http://schemas.microsoft.com/powershell/2004/04">'
HEAD = b"#< CLIXML\r\n" + OPEN
PREPARING = (
    b'<Obj S="progress" RefId="0"><TN RefId="0"><T>System.Management.Automation.PSCustomObject</T>'
    b'<T>System.Object</T></TN><MS><I64 N="SourceId">1</I64><PR N="Record">'
    b"<AV>Preparing modules for first use.</AV><AI>0</AI><Nil /><PI>-1</PI><PC>-1</PC>"
    b"<T>Completed</T><SR>-1</SR><SD> </SD></PR></MS></Obj>"
)
COPYING = (
    b'<Obj S="progress" RefId="1"><TNRef RefId="0" /><MS><I64 N="SourceId">1</I64>'
    b'<PR N="Record"><AV>Copying</AV><AI>0</AI><S>current</S><PI>-1</PI><PC>40</PC>'
    b"<T>Processing</T><SR>12</SR><SD>file 4 of 10</SD></PR></MS></Obj>"
)
INFORMATION = (
    b'<Obj S="information" RefId="2"><TN RefId="1">'
    b"<T>System.Management.Automation.InformationRecord</T><T>System.Object</T></TN>"
    b'<ToString>hello</ToString><Props><S N="MessageData">hello</S><S N="Source">x.ps1</S>'
    b'<DT N="TimeGenerated">2024-01-01T00:00:00.0000000+00:00</DT>'
    b'<Obj N="Tags" RefId="3"><TN RefId="2"><T>System.Collections.Generic.List`1</T>'
    b'<T>System.Object</T></TN><LST /></Obj><S N="User">root</S><S N="Computer">c</S>'
    b'<U32 N="ProcessId">1</U32><U32 N="NativeThreadId">2</U32>'
    b'<U32 N="ManagedThreadId">3</U32></Props></Obj>'
)
WHOLE = (
    HEAD
    + PREPARING
    + COPYING
    + b"<S S=\"Error\">cargo : The term 'cargo' is not recognized_x000D__x000A_</S>"
    + b'<S S="Error">the spelling of the name_x000D__x000A_</S>'
    + b'<S S="warning">careful &lt;b&gt;, \xc3\xa4</S><S S="verbose">v</S><S S="debug">d</S>'
    + INFORMATION
    + b"</Objs>"
)
RECORDS = [
    (
        Stream.PROGRESS,
        b"Preparing modules for first use.: completed\nCopying: file 4 of 10 (40 %)\n",
    ),
    (Stream.ERROR, b"cargo : The term 'cargo' is not recognized\nthe spelling of the name\n"),
    (Stream.WARNING, "careful <b>, ä\n".encode()),
    (Stream.VERBOSE, b"v\n"),
    (Stream.DEBUG, b"d\n"),
    (Stream.INFORMATION, b"hello\n"),
]


def parsed(*pieces):
    """Return the streams of bytes that come in these pieces, neighbours joined."""
    parser = Clixml()
    found = [item for piece in pieces for item in parser.feed(piece)] + parser.close()
    return [
        (stream, b"".join(data for _, data in group))
        for stream, group in groupby(found, key=lambda item: item[0])
    ]


def cut(data, places):
    """Cut bytes at these places."""
    marks = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in pairwise(marks)]


def test_each_record_comes_in_its_stream():
    """All of them, in order, as text without any XML."""
    assert parsed(WHOLE) == RECORDS


@given(st.lists(st.integers(0, 10_000), max_size=12))
def test_however_it_is_cut(places):
    """The pieces in which it arrives change nothing."""
    data = b"before #< C\n" + WHOLE + b"after" + WHOLE.replace(b"</Objs>", b"<x> &\n</Objs>")
    assert parsed(*cut(data, places)) == parsed(data)


def test_a_record_is_known_as_soon_as_it_is_whole():
    """Not only at the end of a long run."""
    parser = Clixml()
    assert parser.feed(HEAD + b'<S S="warning">soon</S><S S="warn') == [(Stream.WARNING, b"soon\n")]
    assert parser.feed(b'ing">later</S>') == [(Stream.WARNING, b"later\n")]


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=5))
def test_what_is_none_stays_bytes(data, places):
    """Every byte of it, in its order."""
    assert b"".join(text for _, text in parsed(*cut(data, places))) == data


@pytest.mark.parametrize(
    "data",
    [
        b"#< CLIXML\r\n",
        b"#< CLIXML\r\n<Obj",
        b"#< CLIXML\r\nno document",
        b"#< CLIXML is what PowerShell writes\n",
        b"<Objs without a head",
        b'<S S="Error">outside of any document</S>',
        b'#< CLIXML\n<!DOCTYPE Objs [<!ENTITY a "aaaa">]><Objs Version="1"><S>&a;</S></Objs>',
    ],
)
def test_what_looks_like_it_and_is_none(data):
    """Broken, cut, a bomb: the bytes are shown as they came."""
    assert parsed(data) == [(Stream.ERROR, data)]


def test_what_other_programs_write_stays_bytes_between_records():
    """They share standard error: before, behind, between, with whatever is in it."""
    native = b"curl: a < b && <html> </p> #< C\n"
    inside = HEAD + b'<S S="debug">d</S>' + native + b'<S S="debug">e</S>' + native + b"</Objs>"
    assert parsed(native + inside + native) == [
        (Stream.ERROR, native),
        (Stream.DEBUG, b"d\n"),
        (Stream.ERROR, native),
        (Stream.DEBUG, b"e\n"),
        (Stream.ERROR, native + native),
    ]


def test_a_powershell_that_another_one_started_writes_within_its_document():
    """Both have their streams, and the outer one goes on."""
    inner = HEAD + b'<S S="verbose">in</S></Objs>'
    whole = HEAD + b'<S S="debug">a</S>' + inner + b'<S S="debug">b</S></Objs>after'
    assert parsed(whole) == [
        (Stream.DEBUG, b"a\n"),
        (Stream.VERBOSE, b"in\n"),
        (Stream.DEBUG, b"b\n"),
        (Stream.ERROR, b"after"),
    ]


@pytest.mark.parametrize(
    "record",
    [b'<S S="Error">cut in the mid', b'<S S="Error">&entity;</S>', b'<S S="Error"><b>a</S>'],
)
def test_a_record_that_is_none_stays_bytes(record):
    """Cut, with an entity, or no XML at all."""
    assert parsed(HEAD + b'<S S="debug">d</S>' + record) == [
        (Stream.DEBUG, b"d\n"),
        (Stream.ERROR, record),
    ]


def test_several_documents_and_text_between_them():
    """Each program of a pipeline may write its own; a second one may have no head."""
    warning = OPEN + b'<S S="warning">w</S></Objs>'
    head = b"#< CLIXML\r\n"
    assert parsed(head + warning + warning) == [(Stream.WARNING, b"w\nw\n")]
    assert parsed(b"native\n" + head + warning + b"\r\nmore\n" + head + warning) == [
        (Stream.ERROR, b"native\n"),
        (Stream.WARNING, b"w\n"),
        (Stream.ERROR, b"\r\nmore\n"),
        (Stream.WARNING, b"w\n"),
    ]


def test_a_document_that_was_cut_between_records_leaves_no_xml():
    """PowerShell was killed: what it wrote whole is told."""
    assert parsed(HEAD) == []
    assert parsed(HEAD + b'<S S="verbose">v</S>') == [(Stream.VERBOSE, b"v\n")]
    assert parsed(HEAD + b'<S S="verbose">v</S></Ob') == [(Stream.VERBOSE, b"v\n")]


def test_bytes_of_another_code_page_are_no_reason_to_show_xml():
    """Windows PowerShell may write them: each is told as a mark."""
    assert parsed(HEAD + b'<S S="warning">gr\xfc\xdfe \xc3\xa4</S></Objs>') == [
        (Stream.WARNING, "gr��e ä\n".encode())
    ]


@pytest.mark.parametrize("none", ["<{0}></{0}>", "<{0} />", "<{0}> </{0}>"])
def test_progress_that_says_nothing(none):
    """Without a status, or an activity too, it is progress all the same, and so is the next."""
    quiet = PREPARING.replace(b"<SD> </SD>", none.format("SD").encode())
    activity = b"<AV>Preparing modules for first use.</AV>"
    silent = quiet.replace(activity, none.format("AV").encode())
    assert parsed(HEAD + quiet + COPYING + b"</Objs>") == [RECORDS[0]]
    assert parsed(HEAD + silent + COPYING + b"</Objs>") == [
        (Stream.PROGRESS, b"completed\nCopying: file 4 of 10 (40 %)\n")
    ]


def test_objects_that_nobody_knows_are_told_as_their_text():
    """Nothing is lost, whatever it is."""
    [(stream, data)] = parsed(HEAD + b'<Strange S="Error"><What>a</What></Strange></Objs>')
    assert (stream, data) == (Stream.ERROR, b"a\n")
