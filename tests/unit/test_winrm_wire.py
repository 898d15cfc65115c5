"""The pure parts of the wire to Windows hosts."""

import errno
import hashlib
import http.client
import socket
import ssl
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.utils import format_datetime

import pytest
import spnego
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from remjobs.errors import UsageError
from remjobs.model.authentication import Authentication as Auth
from remjobs.model.job import ReasonKind as K
from remjobs.model.ping import Stage
from remjobs.model.secret import Secret
from remjobs.transports.base import HostFailure
from remjobs.transports.winrm.wire import (
    AnswerRefused,
    Endpoint,
    LoginRefused,
    WinRmLogin,
    Wire,
    check_login,
)
from remjobs.transports.winrm.wire.answer import Answer, check_envelope, refusal
from remjobs.transports.winrm.wire.clocks import clock_words
from remjobs.transports.winrm.wire.contexts import Contexts
from remjobs.transports.winrm.wire.digest import Responder
from remjobs.transports.winrm.wire.errors import not_reached, went
from remjobs.transports.winrm.wire.sealing import seal, unseal
from remjobs.transports.winrm.wire.tickets import Tickets, kerberos_failure
from remjobs.transports.winrm.wire.tls import binding_of, check_pin

HTTP = Endpoint(scheme="http", address="win1", port=5985)
HTTPS = Endpoint(scheme="https", address="win1", port=5986)
SPNEGO = "application/HTTP-SPNEGO-session-encrypted"
ENVELOPE = b"<s:Envelope xmlns:s='urn:x'><s:Body/></s:Envelope>"


def answer(status=200, body=b"", **fields):
    headers = Message()
    for name, values in fields.items():
        for value in [values] if isinstance(values, str) else values:
            headers[name.replace("_", "-")] = value
    return Answer(status=status, phrase="Phrase", headers=headers, body=body)


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("win1", "http://win1:5985/wsman"),
        ("10.0.0.1", "http://10.0.0.1:5985/wsman"),
        ("::1", "http://[::1]:5985/wsman"),
    ],
)
def test_url(address, url):
    """An endpoint's URL, of IPv6 addresses too."""
    assert Endpoint(scheme="http", address=address, port=5985).url == url


def test_names():
    """Certificate and principal are of the address unless another name is said."""
    assert HTTP.name == "win1"
    assert Endpoint(scheme="http", address="win1", port=1, host_name="w.corp").name == "w.corp"


def test_nothing_is_shown():
    """The password is in no repr."""
    login = WinRmLogin(user="alice", secret=Secret("pa55word"))
    assert "pa55word" not in f"{login!r}{Wire(HTTP, login)!r}"


OFFERS = [
    (["Negotiate", "Kerberos", "CredSSP"], ["Negotiate", "Kerberos", "CredSSP"]),
    (['Negotiate, Basic realm="a, Digest b", CredSSP'], ["Negotiate", "Basic", "CredSSP"]),
    (['Basic realm="WSMAN"'], ["Basic"]),
    (['Digest realm="x", qop="auth", nonce="y", stale=true'], ["Digest"]),
    (["Negotiate TlRMTVNTUAACAAAA=="], ["Negotiate"]),
    (["negotiate YII=, kerberos"], ["negotiate", "kerberos"]),
    ([], []),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "names"), OFFERS)
def test_offered(fields, names):
    """The schemes of a 401, in one field or in several."""
    assert answer(401, WWW_Authenticate=fields).offered == names


@pytest.mark.parametrize(
    ("fields", "token"),
    [
        (["Negotiate", "Kerberos aGk="], None),
        (["NEGOTIATE aGk="], b"hi"),
        (["Basic realm=x, Negotiate aGk="], b"hi"),
        (["Negotiate", "Negotiate aGk="], b"hi"),
        (["XNegotiate aGk="], None),
    ],
)
def test_token(fields, token):
    """The token of one scheme and of no other."""
    assert answer(401, WWW_Authenticate=fields).token("Negotiate") == token


def test_token_that_is_none():
    """What is not base64 is refused."""
    with pytest.raises(HostFailure, match="is not base64"):
        answer(401, WWW_Authenticate="Negotiate aGk").token("Negotiate")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (answer(307, Location="http://e\x1b[2J\nvil/"), "the host redirects to http://e?[2J?vil/"),
        (answer(302), "the host redirects to nowhere"),
        (answer(403), "the host refuses: 403 Phrase"),
        (answer(404), "there is no WinRM listener under this path (404 Phrase)"),
        (answer(407), "the proxy wants a login of its own"),
    ],
)
def test_refusal(given, words):
    """A status is said in words that cannot forge output."""
    failure = refusal(given)
    assert failure.reason is K.REFUSED
    assert str(failure).startswith(words)


GOOD = [
    ENVELOPE,
    b"\xef\xbb\xbf" + ENVELOPE,
    b'<?xml version="1.0" encoding="utf-8"?>\n' + ENVELOPE + b"\n",
    b"<?xml version='1.0' encoding='UTF-8'?>" + ENVELOPE,
    b"<Envelope></Envelope >",
]
BAD = [
    (b"", "nothing"),
    (b"hello", "not XML"),
    (b"<html></html>", "no SOAP envelope"),
    (ENVELOPE[:-3], "cut off"),
    (b"<!DOCTYPE a>" + ENVELOPE, "document type"),
    (b"<?xml version='1.0'?>\n<!--x--><!DOCTYPE a [<!ENTITY b 'c'>]>" + ENVELOPE, "document type"),
    (ENVELOPE.decode().encode("utf-16"), "not XML"),
    (ENVELOPE.decode().encode("utf-16-le"), "not in UTF-8"),
    (b"<?xml version='1.0' encoding='cp037'?>" + ENVELOPE, "not in UTF-8"),
    (b'<?xml version="1.0" encoding="utf-16"?>' + ENVELOPE, "not in UTF-8"),
]


@pytest.mark.parametrize("body", GOOD)
def test_envelope(body):
    """A SOAP envelope in UTF-8 is taken as it is."""
    assert check_envelope(body) is body


@pytest.mark.parametrize(("body", "words"), BAD)
def test_no_envelope(body, words):
    """Anything else does not reach an XML parser."""
    with pytest.raises(AnswerRefused, match=words):
        check_envelope(body)


@pytest.fixture(scope="module", autouse=True)
def users(tmp_path_factory):
    """Whom NTLM lets in."""
    file = tmp_path_factory.mktemp("ntlm") / "users"
    file.write_text(":alice:pw\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NTLM_USER_FILE", str(file))
        yield


def both():
    """Return the two ends of an NTLM login."""
    ours = spnego.client("alice", "pw", protocol="ntlm")
    theirs = spnego.server(protocol="ntlm")
    theirs.step(ours.step(theirs.step(ours.step())))
    return ours, theirs


def headers_of(kind):
    headers = Message()
    headers["Content-Type"] = kind
    return headers


@given(message=st.binary(max_size=40_000))
def test_sealed(message):
    """What one end seals the other opens, whatever it is; nothing of it can be read."""
    ours, theirs = both()
    kind, body = seal(ours, SPNEGO, message)
    assert unseal(theirs, headers_of(kind), body) == message
    assert len(message) < 8 or message not in body


def test_form():
    """A sealed message has the form of [MS-WSMV] 2.2.9.1."""
    ours, theirs = both()
    kind, body = seal(ours, SPNEGO, b"12345")
    assert kind == f'multipart/encrypted;protocol="{SPNEGO}";boundary="Encrypted Boundary"'
    head = (
        "--Encrypted Boundary\r\n"
        f"\tContent-Type: {SPNEGO}\r\n"
        "\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length=5\r\n"
        "--Encrypted Boundary\r\n"
        "\tContent-Type: application/octet-stream\r\n"
    ).encode()
    assert body.startswith(head + b"\x10\0\0\0")
    assert body.endswith(b"--Encrypted Boundary--\r\n")
    assert unseal(theirs, headers_of(kind), body) == b"12345"


def test_pieces():
    """CredSSP seals a TLS record at a time."""
    ours, theirs = both()
    credssp = "application/HTTP-CredSSP-session-encrypted"
    kind, body = seal(ours, credssp, b"x" * 40_000)
    assert kind.startswith("multipart/x-multi-encrypted;")
    assert body.count(b"Length=16384\r\n") == 2
    assert unseal(theirs, headers_of(kind), body) == b"x" * 40_000


@pytest.mark.parametrize("blank", [b"", b" "])
@pytest.mark.parametrize("end", [b"\r\n", b""])
def test_other_forms(blank, end):
    """What other listeners make of the form is read too."""
    ours, theirs = both()
    kind, body = seal(ours, SPNEGO, b"12345")
    body = body.removesuffix(b"\r\n").replace(b"--Encrypted", b"--" + blank + b"Encrypted") + end
    assert unseal(theirs, headers_of(kind), body) == b"12345"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: body[:0],
        lambda body: body[:60],
        lambda body: body[: body.index(b"octet-stream")],
        lambda body: body[: body.index(b"octet-stream") + 16] + b"--Encrypted Boundary--\r\n",
        lambda body: body.replace(b"\x10\0\0\0", b"\xff\xff\xff\xff", 1),
        lambda body: body.replace(b"Length=5", b"Length=50", 1),
        lambda body: body.replace(b"Length=5", b"Length=4", 1),
        lambda body: body.replace(b"Length=5", b"", 1),
    ],
)
def test_spoiled(spoil):
    """A sealed message that is not whole is refused."""
    ours, theirs = both()
    kind, body = seal(ours, SPNEGO, b"12345")
    with pytest.raises(AnswerRefused):
        unseal(theirs, headers_of(kind), spoil(body))


def test_not_sealed():
    """An answer in plain is not taken for a sealed one."""
    with pytest.raises(AnswerRefused, match="without encryption"):
        unseal(both()[1], headers_of("application/soap+xml"), ENVELOPE)


def certificate(key, digest):
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "win1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, digest)
    )
    return made.public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("key", "signed", "bound"),
    [
        (ec.generate_private_key(ec.SECP256R1()), hashes.SHA256(), "sha256"),
        (ec.generate_private_key(ec.SECP384R1()), hashes.SHA384(), "sha384"),
        (ec.generate_private_key(ec.SECP256R1()), hashes.SHA512(), "sha512"),
        (ed25519.Ed25519PrivateKey.generate(), None, "sha256"),
    ],
    ids=["sha256", "sha384", "sha512", "ed25519"],
)
def test_binding(key, signed, bound):
    """A channel binding hashes as the certificate was signed (RFC 5929, 4.1)."""
    made = certificate(key, signed)
    digest = hashlib.new(bound, made).digest()
    assert binding_of(made) == b"tls-server-end-point:" + digest


def test_binding_of_nonsense():
    """What cannot be read as a certificate is hashed all the same."""
    assert binding_of(b"x") == b"tls-server-end-point:" + hashlib.sha256(b"x").digest()


def test_pin():
    """A pin is compared without regard to case and colons."""
    digest = hashlib.sha256(b"x").hexdigest()
    colons = ":".join(digest[at : at + 2] for at in range(0, 64, 2)).upper()
    for pin in (digest, colons):
        check_pin(b"x", Endpoint(scheme="https", address="a", port=1, fingerprint=pin))
        with pytest.raises(HostFailure) as caught:
            check_pin(b"y", Endpoint(scheme="https", address="a", port=1, fingerprint=pin))
        assert caught.value.reason is K.HOST_KEY
        assert digest in str(caught.value)
        assert hashlib.sha256(b"y").hexdigest() in str(caught.value)


NETWORK = [
    (TimeoutError(), "no answer in 10 s (win1:5985)", Stage.TCP),
    (ConnectionRefusedError(111, "x"), "connection refused (win1:5985)", Stage.TCP),
    (ConnectionResetError(104, "x"), "connection reset (win1:5985)", Stage.TCP),
    (socket.gaierror(-2, "x"), "name not found (win1:5985)", Stage.NAME),
    (OSError(errno.EHOSTUNREACH, "x"), "no route to host (win1:5985)", Stage.TCP),
    (OSError(errno.ENETUNREACH, "x"), "network is unreachable (win1:5985)", Stage.TCP),
    (http.client.BadStatusLine("x"), "what answers does not speak HTTP (win1:5985)", Stage.TCP),
    (ValueError("x"), "the connection failed (win1:5985)", Stage.TCP),
    (OSError("x"), "the connection failed (win1:5985)", Stage.TCP),
]


@pytest.mark.parametrize(("exc", "words", "stage"), NETWORK)
def test_not_reached(exc, words, stage):
    """Each way of not reaching a host has its words."""
    failure = not_reached(exc, HTTP)
    assert (failure.reason, str(failure), failure.stage) == (K.UNREACHABLE, words, stage)


GONE = [
    (TimeoutError(), "no answer in 60 s"),
    (http.client.RemoteDisconnected("x"), "the connection was closed"),
    (BrokenPipeError(32, "x"), "the connection was closed"),
    (http.client.IncompleteRead(b"pa55word"), "the connection was closed in mid-answer"),
    (ssl.SSLEOFError(), "the connection was closed"),
]


@pytest.mark.parametrize(("exc", "words"), GONE)
def test_went(exc, words):
    """Each way of losing a connection has its words, and none of the answer's."""
    assert str(went(exc, HTTP)) == f"{words} (win1:5985)"


def test_clocks():
    """A clock that is off by more than Kerberos allows is said to be so."""
    now = datetime(2026, 5, 1, 12, tzinfo=UTC)
    for seconds, words in [
        (299, ""),
        (-299, ""),
        (600, "its clock is 600 s ahead of ours (clock skew)"),
        (-86_400, "its clock is 86400 s behind ours (clock skew)"),
    ]:
        date = format_datetime(now + timedelta(seconds=seconds), usegmt=True)
        assert clock_words(date, now) == words
    for nonsense in (None, "", "soon"):
        assert clock_words(nonsense, now) == ""


class Krb5Error(Exception):
    """As the library's."""

    def __init__(self, code):
        super().__init__("library's words")
        self.err_code = code


OF_KERBEROS = [
    (-1765328360, "authentication refused: user or password of alice (the KDC says so)"),
    (-1765328353, "authentication refused: user or password of alice (the KDC says so)"),
    (-1765328378, "the KDC does not know the user"),
    (-1765328377, "the KDC knows no service HTTP/win1"),
    (-1765328366, "the KDC has locked or disabled the user"),
    (-1765328361, "the password has expired"),
    (-1765328352, "the Kerberos ticket has expired"),
    (-1765328347, "the clocks differ too much (clock skew)"),
    (-1765328228, "no KDC answers for the realm"),
    (-1765328189, "there is no Kerberos ticket"),
    (-1, "Kerberos failed: library's words"),
]


@pytest.mark.parametrize(("code", "words"), OF_KERBEROS)
@pytest.mark.parametrize("unsigned", [False, True])
def test_kerberos_failure(code, words, unsigned):
    """Each of Kerberos's errors has its words, wherever the libraries put the code."""
    login = WinRmLogin(user="alice", secret=Secret("x"))
    exc = RuntimeError()
    exc.__cause__ = Krb5Error(code + 2**32 if unsigned else code)
    failure = kerberos_failure(exc, login, "HTTP/win1")
    assert (failure.reason, str(failure)) == (K.AUTHENTICATION, words)
    assert isinstance(failure, LoginRefused) is words.startswith("authentication refused")


def test_tickets_are_renewed(monkeypatch):
    """A ticket of ours that is about to end is not used any more."""
    made = []

    def obtained(self):
        made.append(object())
        return (made[-1], None), now[0] + 3600

    now = [1_000_000.0]
    monkeypatch.setattr("time.time", lambda: now[0])
    monkeypatch.setattr(Tickets, "_obtained", obtained)
    monkeypatch.setattr(
        "remjobs.transports.winrm.wire.tickets._name", lambda one, _: f"MEMORY:{made.index(one)}"
    )
    destroyed = []
    monkeypatch.setattr("krb5.cc_destroy", lambda *own: destroyed.append(own[0]))
    tickets = Tickets(WinRmLogin(user="alice", secret=Secret("x")))
    assert [tickets.cache(), tickets.cache()] == ["MEMORY:0", "MEMORY:0"]
    now[0] += 3400
    assert tickets.cache() == "MEMORY:1"
    tickets.close()
    assert destroyed == made


@pytest.mark.parametrize("mechanism", [Auth.NTLM, Auth.NEGOTIATE, Auth.CREDSSP])
@pytest.mark.parametrize(("endpoint", "seals"), [(HTTP, True), (HTTPS, False)])
def test_sealing_is_asked_for_where_it_is_used(mechanism, endpoint, seals):
    """Over https nothing is sealed, and a library that cannot do it will do."""
    contexts = Contexts(mechanism, endpoint, WinRmLogin(user="alice", secret=Secret("x")))
    contexts.prepare()
    options = contexts.new(None).options
    assert bool(options & spnego.NegotiateOptions.wrapping_winrm) is seals


CHALLENGE = {"realm": "WSMAN", "nonce": "n", "qop": "auth"}


@pytest.mark.parametrize("algorithm", ["MD5", "MD5-sess", "SHA-256"])
def test_digest(algorithm):
    """A challenge is answered without the password; a nonce's uses are counted."""
    responder = Responder("alice", "pa55word")
    challenge = {**CHALLENGE, "algorithm": algorithm}
    for count in ("00000001", "00000002"):
        said = responder.respond(challenge, HTTPS.url)
        assert said.startswith('Digest username="alice", realm="WSMAN", nonce="n", uri="/wsman"')
        assert f"nc={count}" in said
        assert "pa55word" not in said


@pytest.mark.parametrize("more", [{"algorithm": "SHA-512-256-sess"}, {"qop": "auth-int"}])
def test_digest_that_is_not_known(more):
    """What is asked for and not known is refused."""
    with pytest.raises(HostFailure, match="is not known"):
        Responder("alice", "pa55word").respond({**CHALLENGE, **more}, HTTPS.url)


@pytest.fixture
def files(tmp_path):
    (tmp_path / "junk.pem").write_text("junk")
    return {"junk": str(tmp_path / "junk.pem"), "none": str(tmp_path / "none.pem")}


PIN = "ab" * 32
REFUSED = [
    # scheme, mechanism, of the login, of the endpoint, words
    ("http", Auth.BASIC, {}, {}, "Basic over http shows"),
    ("http", Auth.DIGEST, {}, {}, "Digest cannot keep the work secret over http"),
    ("http", Auth.CERTIFICATE, {"certificate_file": "x"}, {}, "Certificate cannot keep"),
    ("https", Auth.CERTIFICATE, {"certificate_file": "{none}"}, {}, "cannot use {none}: No such"),
    ("https", Auth.CERTIFICATE, {"certificate_file": "{junk}"}, {}, "cannot use {junk}"),
    ("https", Auth.CERTIFICATE, {}, {}, "Certificate needs a client certificate"),
    ("https", Auth.CERTIFICATE, {"secret": Secret("x")}, {}, "Certificate has no password"),
    ("https", Auth.NTLM, {}, {"ca_file": "{none}"}, "cannot use {none}: No such file"),
    ("https", Auth.NTLM, {}, {"ca_file": "{junk}"}, "cannot use {junk}"),
    ("https", Auth.NTLM, {}, {"fingerprint": "ab"}, "the fingerprint is no SHA-256"),
    ("https", Auth.NTLM, {}, {"fingerprint": "xy" * 32}, "the fingerprint is no SHA-256"),
    ("http", Auth.NTLM, {}, {"fingerprint": PIN}, "there is no certificate to pin over http"),
    ("http", Auth.NTLM, {}, {"path": "a b"}, "'a b' is no path of a URL"),
    ("http", Auth.PUBLIC_KEY, {}, {}, "WinRM has no authentication PublicKey; there are: Default"),
    (
        "http",
        Auth.NEGOTIATE_WITH_IMPLICIT_CREDENTIAL,
        {"secret": Secret("x")},
        {},
        "NegotiateWithImplicitCredential uses your Kerberos ticket",
    ),
]


def filled(said, files):
    return {
        name: value.format(**files) if isinstance(value, str) else value
        for name, value in said.items()
    }


@pytest.mark.parametrize("row", REFUSED)
def test_check_refuses(files, row):
    """What can never log in is refused with the host's name and what to do."""
    scheme, mechanism, of_login, of_endpoint, words = row
    endpoint = Endpoint(scheme=scheme, address="a", port=1, **filled(of_endpoint, files))
    login = WinRmLogin(mechanism=mechanism, **filled(of_login, files))
    with pytest.raises(UsageError) as caught:
        check_login(endpoint, login, "win1")
    assert str(caught.value).startswith(f"win1: {words.format(**files)}")


ACCEPTED = [
    ("http", Auth.DEFAULT, {}, {}),
    ("http", Auth.BASIC, {}, {"allow_plaintext": True}),
    ("https", Auth.BASIC, {}, {}),
    ("https", Auth.DIGEST, {}, {}),
    ("http", Auth.CREDSSP, {}, {}),
    ("http", Auth.KERBEROS, {}, {}),
    ("https", Auth.NTLM, {"secret": Secret("x")}, {"fingerprint": PIN}),
    ("https", Auth.NEGOTIATE, {}, {"insecure_tls": True}),
]


@pytest.mark.parametrize(("scheme", "mechanism", "of_login", "of_endpoint"), ACCEPTED)
def test_check_accepts(scheme, mechanism, of_login, of_endpoint):
    """What may log in is not refused, though its secret may come later."""
    endpoint = Endpoint(scheme=scheme, address="a", port=1, **of_endpoint)
    check_login(endpoint, WinRmLogin(mechanism=mechanism, **of_login), "win1")


@pytest.mark.parametrize(
    ("endpoint", "login", "notes"),
    [
        (HTTPS, WinRmLogin(mechanism=Auth.NTLM), ()),
        (HTTP, WinRmLogin(mechanism=Auth.CREDSSP), ("CredSSP gives the host user and password",)),
        (HTTP, WinRmLogin(mechanism=Auth.KERBEROS, delegate=True), ("delegation",)),
        (HTTP, WinRmLogin(mechanism=Auth.BASIC), ("Basic over http",)),
    ],
)
def test_notes(endpoint, login, notes):
    """What is odd about a login is said, and nothing else."""
    said = Wire(endpoint, login).notes
    assert len(said) == len(notes)
    assert all(one.startswith(words) for one, words in zip(said, notes, strict=True))


@pytest.mark.parametrize(
    ("login", "lacking"),
    [
        (WinRmLogin(mechanism=Auth.NTLM), "user"),
        (WinRmLogin(mechanism=Auth.NTLM, user="alice"), "password for alice"),
        (WinRmLogin(mechanism=Auth.BASIC, user="alice"), "password for alice"),
        (WinRmLogin(mechanism=Auth.CREDSSP, user="alice"), "password for alice"),
    ],
)
def test_nothing_to_log_in_with(login, lacking):
    """A secret that never came is said to be missing, once somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        endpoint = Endpoint(scheme="http", address="127.0.0.1", port=port, allow_plaintext=True)
        with pytest.raises(HostFailure) as caught:
            Wire(endpoint, login).send_message("<x/>")
    assert caught.value.reason is K.AUTHENTICATION
    assert str(caught.value) == f"there is no {lacking} to log in with"
