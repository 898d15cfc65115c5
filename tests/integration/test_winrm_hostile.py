"""Hosts that do not mean well, or are none: what they can and cannot make the wire do."""

import base64
import socket
import textwrap
import threading
import time
from contextlib import suppress
from dataclasses import replace

import pytest
import spnego
from spnego._ntlm_raw.messages import Challenge, NegotiateFlags
from support.kdc import Kdc
from support.winrm import PASSWORD, WinRmEndpoint
from support.wires import Scripted, answered, endpoint_of, login_of

from remjobs.model.authentication import Authentication as Auth
from remjobs.model.job import ReasonKind as K
from remjobs.transports.base import HostFailure
from remjobs.transports.winrm.wire import (
    AnswerRefused,
    ConnectionBroken,
    Endpoint,
    LoginRefused,
    Wire,
)

SOAP = "Content-Type: application/soap+xml;charset=UTF-8"
ENVELOPE = b"<s:Envelope xmlns:s='urn:x'><s:Body/></s:Envelope>"
KEPT = (Auth.NTLM, Auth.NEGOTIATE, Auth.CREDSSP)


@pytest.fixture
def wire():
    """Makes wires, and closes them."""
    made = []

    def one(host, mechanism, user="alice", **more):
        made.append(Wire(host.endpoint, login_of(mechanism, user, **more)))
        return made[-1]

    yield one
    for each in made:
        each.close()


@pytest.fixture(scope="module")
def users(tmp_path_factory):
    """Whom a host of NTLM in this process knows."""
    file = tmp_path_factory.mktemp("ntlm") / "users"
    file.write_text(f":alice:{PASSWORD}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NTLM_USER_FILE", str(file))
        yield


def fails(wire, kind=HostFailure):
    with pytest.raises(kind) as caught:
        wire.send_message(ENVELOPE)
    return caught.value


@pytest.mark.parametrize("mechanism", KEPT)
def test_let_in_without_a_login(wire, mechanism):
    """A host that lets anybody in did not prove who it is, and gets no message."""
    with Scripted(answered(200)) as host:
        failure = fails(wire(host, mechanism))
        assert [body for _, body in host.seen] == [b""]
    assert failure.reason is K.HOST_KEY
    assert "did not prove who it is" in str(failure)


@pytest.mark.parametrize("mechanism", KEPT)
@pytest.mark.parametrize(
    "token", [b"", b"junk", b"NTLMSSP\0\2\0\0\0", b"\xa1\x05\x30\x03\xa0\x01\x02"]
)
def test_junk_for_a_token(wire, mechanism, token):
    """Tokens that are none end the login, and no password was shown."""
    scheme = "CredSSP" if mechanism is Auth.CREDSSP else "Negotiate"
    said = f"WWW-Authenticate: {scheme} {base64.b64encode(token).decode()}"
    with Scripted(answered(401, b"", said)) as host:
        failure = fails(wire(host, mechanism))
    assert failure.reason in {K.AUTHENTICATION, K.REFUSED}
    assert not isinstance(failure, LoginRefused)


def test_login_without_end(wire, users):
    """A host that asks on and on is left."""

    def ask(fields, _):
        theirs = spnego.server(protocol="ntlm")
        ours = spnego.client("alice", "x", protocol="ntlm").step()
        token = base64.b64encode(theirs.step(ours) or b"").decode()
        return answered(401, b"", f"WWW-Authenticate: Negotiate {token}")

    with Scripted(*[ask] * 30) as host:
        fails(wire(host, Auth.NTLM))
        assert len(host.seen) <= 3


class Ntlm:
    """NTLM's acceptor, whose challenge can be made worse."""

    def __init__(self, spoil=lambda challenge: challenge):
        self.context = spnego.server(protocol="ntlm")
        self._spoil = spoil

    def __call__(self, fields, _):
        token = base64.b64decode(fields["authorization"].split()[1])
        said = self.context.step(token)
        if said is None:
            return answered(200)
        challenge = base64.b64encode(self._spoil(said)).decode()
        return answered(401, b"", f"WWW-Authenticate: Negotiate {challenge}")


def without_seal(packed):
    challenge = Challenge.unpack(packed)
    challenge.flags &= ~(NegotiateFlags.seal | NegotiateFlags.sign | NegotiateFlags.always_sign)
    return challenge.pack()


def test_no_encryption_agreed(wire, users):
    """A host, or somebody in between, that takes encryption away gets no message."""
    ntlm = Ntlm(without_seal)
    with Scripted(ntlm, lambda *_: answered(200)) as host:
        failure = fails(wire(host, Auth.NTLM))
        assert [body for _, body in host.seen] == [b"", b""]
    assert failure.reason is K.REFUSED
    assert str(failure) == "the host does not agree to encrypted messages"


@pytest.mark.parametrize("status", [200, 500])
def test_plain_answer(wire, users, status):
    """A plain answer to an encrypted message is refused, a fault too."""
    ntlm = Ntlm()
    with Scripted(ntlm, ntlm, answered(status, ENVELOPE, SOAP)) as host:
        failure = fails(wire(host, Auth.NTLM), AnswerRefused)
        assert ENVELOPE not in host.seen[2][1]
    assert "without encryption" in str(failure)


def test_forged_answer(wire, users):
    """An answer that somebody else encrypted is refused."""
    ntlm = Ntlm()

    def forged(fields, body):
        return answered(200, body, f"Content-Type: {fields['content-type']}")

    with Scripted(ntlm, ntlm, forged) as host:
        failure = fails(wire(host, Auth.NTLM), AnswerRefused)
    assert "cannot be decrypted" in str(failure)


ANSWERS = [
    (answered(200, ENVELOPE, "Content-Type: text/html"), "is no SOAP: text/html"),
    (answered(200, ENVELOPE), "is no SOAP: text/plain"),
    (answered(200, b"", SOAP), "answered with nothing"),
    (answered(500, b"oops", "Content-Type: text/html"), "answers 500 So without saying why"),
    *(
        (answered(status), f"answers {status} So without saying why")
        for status in (202, 204, 408, 502, 503, 504, 522)
    ),
    (answered(500, b"<!DOCTYPE x>" + ENVELOPE, SOAP), "document type"),
]


@pytest.mark.parametrize(("said", "words"), ANSWERS)
def test_answers(wire, said, words):
    """What is no SOAP is refused, and the message may have run."""
    with Scripted(said) as host:
        failure = fails(wire(host, Auth.BASIC), AnswerRefused)
    assert words in str(failure)
    assert failure.sent


BROKEN = [
    (b"SSH-2.0-OpenSSH_9.2\r\n", "what answers does not speak HTTP"),
    (
        b"HTTP/1.1 200 So\r\nContent-Length: 500\r\n" + SOAP.encode() + b"\r\n\r\n<s",
        "in mid-answer",
    ),
    (
        b"HTTP/1.1 200 So\r\nTransfer-Encoding: chunked\r\n" + SOAP.encode() + b"\r\n\r\n5\r\n<s:",
        "in mid-answer",
    ),
    (b"HTTP/1.1 200 So\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", "does not speak HTTP"),
    (b"HTTP/1.1 200 So\r\n" + b"X: y\r\n" * 200 + b"\r\n", "does not speak HTTP"),
]


@pytest.mark.parametrize(("said", "words"), BROKEN)
def test_broken(wire, said, words):
    """What is no HTTP, or not all of it, leaves open whether the message ran."""
    with Scripted(said) as host:
        failure = fails(wire(host, Auth.BASIC), ConnectionBroken)
    assert words in str(failure)
    assert failure.sent


def test_chunked(wire):
    """An answer in chunks is put together."""
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (ENVELOPE[:9], ENVELOPE[9:]))
    head = f"HTTP/1.1 200 So\r\nTransfer-Encoding: chunked\r\n{SOAP}\r\n\r\n".encode()
    with Scripted(head + chunks + b"0\r\n\r\n") as host:
        assert wire(host, Auth.BASIC).send_message(ENVELOPE) == ENVELOPE


def test_large_by_its_own_word(wire):
    """An answer that is larger than any should be is not read to its end."""
    pieces = b"HTTP/1.1 200 So\r\nContent-Length: 9000000\r\n\r\n" + b" " * 9_000_000
    with Scripted(pieces) as host:
        failure = fails(wire(host, Auth.BASIC), AnswerRefused)
    assert str(failure) == "the host's answer is larger than 8 MiB"


def test_words_cannot_forge_output(wire):
    """What a host says is shown without control characters, and not at length."""
    evil = "HTTP/1.1 403 \x1b[2J" + "x" * 5000 + "\r\nContent-Length: 0\r\n\r\n"
    with Scripted(evil.encode()) as host:
        failure = fails(wire(host, Auth.BASIC))
    assert str(failure).isprintable()
    assert len(str(failure)) < 300


OLD_CREDSSP = textwrap.dedent("""
    import spnego._credssp
    spnego._credssp._CREDSSP_VERSION = 4
""")


FORGED_CREDSSP = textwrap.dedent("""
    import spnego._credssp as credssp
    right = credssp._get_pub_key_auth
    def forged(key, usage, nonce=None):
        return right(key if usage == "initiate" else key[::-1], usage, nonce)
    credssp._get_pub_key_auth = forged
""")


@pytest.mark.parametrize(
    ("patch", "reason", "words"),
    [
        (OLD_CREDSSP, K.REFUSED, "CVE-2018-0886"),
        (FORGED_CREDSSP, K.HOST_KEY, "its CredSSP is not at the end of this connection"),
    ],
    ids=["old", "forged"],
)
def test_unsafe_credssp(tmp_path, monkeypatch, patch, reason, words):
    """A host whose CredSSP is old, or another one's, gets no password."""
    (tmp_path / "sitecustomize.py").write_text(patch)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with WinRmEndpoint(tmp_path / "w") as host:
        wire = Wire(endpoint_of(host), login_of(Auth.CREDSSP, "alice"))
        failure = fails(wire)
        wire.close()
        assert host.status()["logins"].get("alice", {"accepted": 0})["accepted"] == 0
    assert failure.reason is reason
    assert words in str(failure)


IN_HEAD = b"HTTP/1.1 200 So\r\nX: "
IN_BODY = f"HTTP/1.1 200 So\r\nContent-Length: 9999\r\n{SOAP}\r\n\r\n".encode()
IN_CHUNK = f"HTTP/1.1 200 So\r\nTransfer-Encoding: chunked\r\n{SOAP}\r\n\r\n5".encode()


@pytest.mark.parametrize("begun", [b"", IN_HEAD, IN_BODY, IN_CHUNK], ids=repr)
def test_drip(begun):
    """A host that sends a byte now and then does not keep us."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener, begun))
        thread.start()
        endpoint = Endpoint(
            scheme="http",
            address="127.0.0.1",
            port=listener.getsockname()[1],
            allow_plaintext=True,
            read_timeout=0.5,
        )
        ours = Wire(endpoint, login_of(Auth.BASIC, "alice"))
        failure = fails(ours, ConnectionBroken)
        thread.join()
    assert str(failure).startswith("no answer in 0.5 s")


def drip(listener, begun):
    near, _ = listener.accept()
    with near, suppress(OSError):
        near.sendall(begun)
        while True:
            near.sendall(b" ")
            time.sleep(0.02)


@pytest.fixture
def kdc(tmp_path, monkeypatch):
    made = Kdc(tmp_path / "kdc")
    made.add_user("alice", PASSWORD)
    made.add_service("HTTP/localhost")
    monkeypatch.setenv("KRB5_CONFIG", made.environment["KRB5_CONFIG"])
    yield made
    made.stop()


@pytest.mark.parametrize(
    "said",
    [answered(200), answered(200, b"", "WWW-Authenticate: Kerberos anVuaw==")],
    ids=["nothing", "junk"],
)
def test_kerberos_not_proven(kdc, tmp_path, said):
    """A host that takes our ticket and cannot read it did not prove who it is."""
    cache = kdc.ticket("alice", PASSWORD, tmp_path / "cc")
    with Scripted(said) as host:
        endpoint = replace(host.endpoint, host_name="localhost")
        ours = Wire(endpoint, login_of(Auth.KERBEROS, ccache=cache))
        failure = fails(ours)
        ours.close()
        assert [body for _, body in host.seen] == [b""]
    assert failure.reason in {K.HOST_KEY, K.AUTHENTICATION}
