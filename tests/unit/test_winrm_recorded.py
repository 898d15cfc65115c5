"""What real Windows hosts answered, read by the wire and the remote shell as ever.

Where the answers come from: tests/data/winrm/NOTICE.
"""

import base64
import re
from email.message import Message
from itertools import groupby
from pathlib import Path
from typing import Any
from uuid import uuid4
from xml.etree import ElementTree as ET

import pytest
from winrm_endpoint import answers, soap
from winrm_endpoint.codes import NO_COMMAND, WsmanFault
from winrm_endpoint.settings import Settings
from winrm_endpoint.shells import Shells as ServedShells

from remjobs.model.record import Stream
from remjobs.transports.base import Exited, Unknown
from remjobs.transports.powershell.clixml import Clixml
from remjobs.transports.windows.launch import Launch, Surroundings
from remjobs.transports.winrm.execution import Running, WinRmExecution
from remjobs.transports.winrm.faults import Code, Fault
from remjobs.transports.winrm.shell import Received, RemoteShell
from remjobs.transports.winrm.shells import Shells
from remjobs.transports.winrm.wire import AnswerRefused, Endpoint, WinRmLogin, Wire
from remjobs.transports.winrm.wire.answer import Answer

DATA = Path(__file__).parents[1] / "data" / "winrm"
SHELL, COMMAND = "4283CBDC-3706-415B-88BD-B385F3E51A53", "CF84C20A-0A35-43FA-AF78-0B4711DA5F30"
DIR = Launch(line="dir")
WIN1 = Endpoint(scheme="https", address="win1", port=5986)


def recorded(name):
    """Return an answer's body."""
    return (DATA / f"{name}.xml").read_bytes()


def answered(body):
    """Return what a host answers over HTTP."""
    headers = Message()
    headers["Content-Type"] = "application/soap+xml;charset=UTF-8"
    status = 500 if b"Fault>" in body else 200
    return Answer(status=status, phrase="", headers=headers, body=body)


class Recorded(Wire):
    """A wire whose host gives these answers, one after the other; ``sent`` has the requests."""

    def __init__(self, *bodies, related=True):
        super().__init__(WIN1, WinRmLogin())
        self._bodies = list(bodies)
        self._related = related
        self.sent: list[ET.Element] = []

    def _answered(self, body):
        self.sent.append(ET.fromstring(body))  # noqa: S314 - from ourselves
        return answered(self._to(self.sent[-1], self._bodies.pop(0)))

    def _to(self, request, given):
        """Return an answer as one to this request."""
        asked = request.findtext("s:Header/a:MessageID", "", soap.NAMES).encode()
        found, count = re.subn(rb"(?<=<a:RelatesTo>)[^<]*", asked, given)
        assert count == 1
        return found if self._related else given


def remote(*names):
    """Return a remote shell that is answered so."""
    return RemoteShell(Recorded(*map(recorded, names)), 20)


@pytest.mark.parametrize(
    ("name", "shell"),
    [
        ("create", SHELL),
        ("create-with-environment", "58B89A37-84F9-4874-8999-AA7578B34ABE"),
        ("create-in-directory", "CBA3E536-A3A2-4B88-9ED3-4919930E15C2"),
    ],
)
def test_a_shell(name, shell):
    """Its id, whatever else the host says of it: its variables have names too."""
    assert remote(name).open(Surroundings()) == shell


def idle(wire):
    """Return the idle time-outs that were asked for, in order."""
    return [request.findtext(".//rsp:IdleTimeOut", None, soap.NAMES) for request in wire.sent]


def test_a_shell_that_is_left_ends_by_itself():
    """In time, and long after we would have asked for news; a host that has less keeps its own."""
    wire = Recorded(recorded("create"))
    RemoteShell(wire, 20).open(Surroundings())
    assert idle(wire) == ["PT620S"]
    refused = recorded("fault-no-shell").replace(b"2150858843", b"2150859250")
    wire = Recorded(refused, recorded("create"))
    assert RemoteShell(wire, 20).open(Surroundings()) == SHELL
    assert idle(wire) == ["PT620S", None]


@pytest.mark.parametrize(
    ("name", "command"),
    [("command", COMMAND), ("command-newer", "1B922CC0-CE49-4A7E-AC46-B01C472B49A9")],
)
def test_a_command(name, command):
    """Its id, of older hosts and of those that count activities."""
    assert remote(name).begin(SHELL, DIR) == command


@pytest.mark.parametrize(
    ("name", "received"),
    [
        ("receive-output", Received(output=b"hi\r\n", error=b"", code=0)),
        ("receive-error-exit-1", Received(output=b"out \r\n", error=b"err \r\n", code=1)),
        ("receive-unicode", Received(output="こんにちは\n".encode(), error=b"", code=0)),
        ("receive-pieces", Received(output=b"output 1\noutput 2\n", error=b"", code=0)),
        ("receive-running", Received(output=b"hi\n", error=b"", code=None)),
        ("receive-rest", Received(output=b"hi again\n", error=b"", code=0)),
    ],
)
def test_output(name, received):
    """Both streams' bytes, in UTF-8 as asked for; an exit code once it has ended."""
    assert remote(name).receive(SHELL, COMMAND) == received


def test_a_command_that_is_silent_for_a_while():
    """Silence is none of its output and not its end: we ask again, and get the rest."""
    host = remote("receive-running", "fault-timed-out", "fault-timed-out", "receive-rest")
    received = [host.receive(SHELL, COMMAND) for _ in range(4)]
    assert [got and (got.output, got.code) for got in received] == [
        (b"hi\n", None),
        None,
        None,
        (b"hi again\n", 0),
    ]


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"0", 0),
        (b"255", 255),
        (b"2147483647", 2147483647),
        (b"2147483648", -2147483648),
        (b"4294967295", -1),
        (b"3221225786", -1073741510),
        (b"-1073741510", -1073741510),
    ],
)
def test_exit_codes(said, code):
    """All 32 bits of them, whether a host says them with a sign or without."""
    body = recorded("receive-error-exit-1").replace(b"ExitCode>1<", b"ExitCode>%s<" % said)
    received = RemoteShell(Recorded(body), 20).receive(SHELL, COMMAND)
    assert received == Received(output=b"out \r\n", error=b"err \r\n", code=code)


@pytest.mark.parametrize("of", ["", "-newer"])
def test_an_end(of):
    """Input, signal and delete are taken for done, and were of what they should be."""
    wire = Recorded(*map(recorded, ("send", f"signal{of}", f"delete{of}")))
    host = RemoteShell(wire, 20)
    host.send(SHELL, COMMAND, b"x", end=True)
    host.end(SHELL, COMMAND)
    host.close(SHELL)
    sent = [
        (_header(one, "a:Action"), _header(one, "w:SelectorSet/w:Selector")) for one in wire.sent
    ]
    assert sent == [
        (f"{soap.SHELL}/Send", SHELL),
        (f"{soap.SHELL}/Signal", SHELL),
        (f"{soap.TRANSFER}/Delete", SHELL),
    ]


def _header(request, path):
    return request.findtext(f"s:Header/{path}", "", soap.NAMES)


@pytest.mark.parametrize(
    ("name", "ask"),
    [
        ("signal", lambda host: host.end(SHELL, COMMAND)),
        ("delete", lambda host: host.close(SHELL)),
    ],
)
def test_an_answer_to_somebody_else(name, ask):
    """What relates to another request has ended nothing of ours."""
    with pytest.raises(AnswerRefused, match="cannot be read"):
        ask(RemoteShell(Recorded(recorded(name), related=False), 20))


@pytest.mark.parametrize(
    ("name", "was", "now", "ask"),
    [
        ("create", SHELL, "", lambda host: host.open(Surroundings())),
        ("create", SHELL, " ", lambda host: host.open(Surroundings())),
        ("command", COMMAND, "", lambda host: host.begin(SHELL, DIR)),
        ("receive-output", ' Name="stdout"', "", lambda host: host.receive(SHELL, COMMAND)),
        ("signal", "(?<=<a:RelatesTo>)[^<]*", "", lambda host: host.end(SHELL, COMMAND)),
    ],
)
def test_an_answer_that_lacks_what_it_is_for(name, was, now, ask):
    """An id, a stream's name: it cannot be read, and is no accident of ours."""
    body, count = re.subn(was.encode(), now.encode(), recorded(name))
    assert count
    with pytest.raises(AnswerRefused, match="cannot be read"):
        ask(RemoteShell(Unrelated(body), 20))


class Unrelated(Recorded):
    """A wire whose answers are given as they are."""

    def _to(self, request, given):
        return given


BAD_SCHEMA = (
    "The Windows Remote Shell cannot process the request. The SOAP packet contains an element "
    "Argument that is invalid. Retry the request with the correct XML element."
)
NO_SELECTORS = (
    "The WS-Management service cannot process the request because the request contained invalid "
    "selectors for the resource."
)
BAD_TIMEOUT = (
    "The WS-Management service cannot process the request. The XML contains an invalid timeout "
    "field in the SOAP header: PT-1S."
)
NOT_UNDERSTOOD = (
    "The WS-Management service cannot process a SOAP header in the request that is marked as "
    "mustUnderstand by the client. This could be caused by the use of a version of the protocol "
    "which is not supported, or may be an incompatibility between the client and server "
    "implementations."
)
FAULTS = [
    ("fault-bad-command-id", Code.NO_SHELL, NO_COMMAND),
    ("fault-no-shell", Code.NO_SHELL, NO_SELECTORS),
    ("fault-no-command-id", 87, "The parameter is incorrect."),
    ("fault-no-such-program", 2147942402, "The system cannot find the file specified."),
    ("fault-bad-timeout", 2150858767, BAD_TIMEOUT),
    ("fault-bad-schema", 2150858817, BAD_SCHEMA),
    ("fault-not-understood", None, NOT_UNDERSTOOD),
]


@pytest.mark.parametrize(("name", "code", "words"), FAULTS)
def test_faults(name, code, words):
    """A fault's code, and the words that say most: the detail's message, else the reason."""
    with pytest.raises(Fault) as caught:
        remote(name).receive(SHELL, COMMAND)
    assert (caught.value.code, str(caught.value)) == (code, words)


@pytest.mark.parametrize(
    ("name", "is_refusal"),
    [
        ("fault-no-shell", True),
        ("fault-no-command-id", True),
        ("fault-bad-schema", True),
        ("fault-no-such-program", True),
        ("fault-not-understood", False),
        ("fault-timed-out", False),
    ],
)
def test_which_faults_begin_nothing(name, is_refusal):
    """Those that say so by their code, or find the request at fault; all others may."""
    with pytest.raises(Fault) as caught:
        remote(name).begin(SHELL, DIR)
    assert caught.value.is_refusal is is_refusal


def test_only_output_may_be_late():
    """A time-out of anything else is a fault: it may not have been done."""
    with pytest.raises(Fault) as caught:
        remote("fault-timed-out").send(SHELL, COMMAND, b"x", end=False)
    assert caught.value.code == Code.TIMED_OUT


def test_a_shell_that_the_host_knows_no_more():
    """A command meets it in a shell that we kept: then a new one may do."""
    with pytest.raises(Fault) as caught:
        remote("fault-no-shell").begin(SHELL, DIR)
    assert caught.value.is_of_kept
    with pytest.raises(Fault) as caught:
        remote("fault-no-such-program").begin(SHELL, DIR)
    assert not caught.value.is_of_kept


class Direct:
    """A line that asks at once."""

    def __init__(self, host):
        self.host = host

    async def ask(self, request, *given, **named):
        return request(self.host, *given, **named)


async def lived(*names):
    """Return an execution's chunks and its outcome, as the host answers so."""
    line: Any = Direct(remote(*names))
    nobody: Any = None
    running = Running(line=line, shell=SHELL, command=COMMAND)
    execution = WinRmExecution(uuid4(), running, nobody, Shells(), lambda _running: None)
    execution.begin(b"", b"")
    chunks = [(chunk.stream, chunk.offset, chunk.data) async for chunk in execution]
    return chunks, await execution.outcome()


async def test_a_whole_life():
    """Input, output, silence, output and an end: bytes in their order, and the exit."""
    chunks, outcome = await lived(
        "send", "receive-running", "fault-timed-out", "fault-timed-out", "receive-rest"
    )
    assert b"".join(data for _, _, data in chunks) == b"hi\nhi again\n"
    assert outcome == Exited(0)


async def test_a_life_that_the_host_forgot():
    """What was printed is kept; the end is unknown, in the host's own words."""
    chunks, outcome = await lived("send", "receive-running", "fault-bad-command-id")
    assert chunks == [(Stream.OUTPUT, 0, b"hi\n")]
    said = "the host has the shell, or the command in it, no more"
    assert outcome == Unknown(f"{said} ({NO_COMMAND})")


def streams(*pieces):
    """Return the streams in pieces of standard error, neighbours joined."""
    parser = Clixml()
    found = [item for piece in pieces for item in parser.feed(piece)] + parser.close()
    return [
        (stream, b"".join(data for _, data in group))
        for stream, group in groupby(found, key=lambda item: item[0])
    ]


PROGRESS = (Stream.PROGRESS, b"Preparing modules for first use.: completed\n" * 2)
ERROR = (
    Stream.ERROR,
    b"""\
fake : The term 'fake' is not recognized as the name of a cmdlet, function, script file, or \
operable program. Check \n\
the spelling of the name, or if a path was included, verify that the path is correct and try \
again.
At line:1 char:1
+ fake cmdlet
+ ~~~~
    + CategoryInfo          : ObjectNotFound: (fake:String) [], CommandNotFoundException
    + FullyQualifiedErrorId : CommandNotFoundException
 \n""",
)


@pytest.mark.parametrize(
    ("name", "found"),
    [("clixml-progress", [PROGRESS]), ("clixml-error", [PROGRESS, ERROR])],
)
def test_clixml(name, found):
    """PowerShell's records come out of standard error as streams, however the host cuts it."""
    written = (DATA / f"{name}.txt").read_bytes()
    for size in (7, 512, len(written)):
        cut = [written[at : at + size] for at in range(0, len(written), size)]
        bodies = [_with_error(piece) for piece in cut]
        host = RemoteShell(Recorded(*bodies), 20)
        received = [host.receive(SHELL, COMMAND) for _ in bodies]
        assert streams(*(got.error for got in received if got)) == found


def _with_error(data):
    """Return a recorded answer with other bytes in standard error."""
    was, now = base64.b64encode(b"err \r\n"), base64.b64encode(data)
    return recorded("receive-error-exit-1").replace(was, now)


# The endpoint of the tests


class Served(Wire):
    """A wire to the endpoint, without HTTP between; ``said`` has its last answer of a kind."""

    def __init__(self, folder):
        super().__init__(WIN1, WinRmLogin())
        self.shells = ServedShells(Settings(folder=folder, users={}))
        self.said: dict[str, bytes] = {}

    def _answered(self, body):
        request = soap.read(body)
        try:
            said = self.shells.serve(request, "me")
        except WsmanFault as exc:
            said = soap.fault(request.message, exc)
        self.said[request.name] = said
        return answered(said)


@pytest.fixture
def served(tmp_path):
    """An endpoint."""
    wire = Served(tmp_path)
    yield wire
    wire.shells.end(for_good=True)


def form(element):
    """Return an element's form: names and attributes, without what they say."""
    return (element.tag, sorted(element.attrib), [form(child) for child in element])


def read(data):
    """Return an envelope."""
    return ET.fromstring(data)  # noqa: S314 - from the tests


def body_of(data):
    """Return what an envelope holds."""
    body = read(data).find("s:Body", soap.NAMES)
    assert body is not None
    return body


def said(body):
    """Return what elements say, and whose words they are."""
    named = ("Code", "provider", "path")
    return [
        (" ".join((element.text or "").split()), *map(element.get, named))
        for element in body.iter()
    ]


def test_the_endpoint_answers_in_the_form_of_windows(served):
    """Other tests hold for Windows as far as the endpoint is like it."""
    host = RemoteShell(served, 20)
    shell = host.open(Surroundings())
    command = host.begin(shell, Launch(line="cat"))
    host.send(shell, command, b"x", end=True)
    host.end(shell, command)
    host.close(shell)
    for action in ("Create", "Command", "Send", "Signal", "Delete"):
        assert form(read(served.said[action])) == form(read(recorded(action.lower())))


BOTH = ("stdout", "stderr")
OUT, ERR = ("stdout", b"out \r\n"), ("stderr", b"err \r\n")


@pytest.mark.parametrize(
    ("name", "came", "code"),
    [
        ("receive-output", [OUT], 0),
        ("receive-error-exit-1", [OUT, ERR], 1),
        ("receive-running", [OUT, OUT], None),
    ],
)
def test_the_endpoint_gives_output_in_the_form_of_windows(name, came, code):
    """Each piece, the streams' ends, and the state of the command."""
    spaces = " ".join(f'xmlns:{short}="{uri}"' for short, uri in soap.NAMES.items())
    given = answers.received(COMMAND, came, BOTH, code)
    assert form(read(f"<s:Body {spaces}>{given}</s:Body>")) == form(body_of(recorded(name)))


@pytest.mark.parametrize(
    ("name", "action", "ask"),
    [
        ("fault-bad-command-id", "Receive", lambda host, shell: host.receive(shell, COMMAND)),
        ("fault-no-command-id", "Receive", lambda host, shell: host.receive(shell, "")),
        (
            "fault-no-such-program",
            "Command",
            lambda host, shell: host._asked(
                host._soap.run_command, shell, "no-such", skip_cmd_shell=True
            ),
        ),
    ],
)
def test_the_endpoint_refuses_as_windows_does(served, name, action, ask):
    """Code, subcode, words and form of a fault."""
    host = RemoteShell(served, 20)
    shell = host.open(Surroundings())
    with pytest.raises(Fault):
        ask(host, shell)
    _check_alike(served.said[action], recorded(name))


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("fault-timed-out", WsmanFault(2150858793)),
        ("fault-bad-schema", WsmanFault(2150858817, message=BAD_SCHEMA)),
    ],
)
def test_the_endpoint_words_faults_as_windows_does(name, fault):
    """Those too that are longer in coming."""
    _check_alike(soap.fault("uuid:x", fault), recorded(name))


def _check_alike(ours, theirs):
    assert form(body_of(ours)) == form(body_of(theirs))
    assert said(body_of(ours)) == said(body_of(theirs))
