"""Logging in to WinRM hosts: every mechanism, over http and https, and how each fails.

The hosts are endpoints that do real NTLM, Kerberos (of a real KDC), CredSSP, Digest,
Basic and client certificates.
"""

import base64
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from spnego import ContextReq
from support.kdc import REALM, Kdc
from support.sshd import wait_for
from support.winrm import PASSWORD, WinRmEndpoint
from support.wires import SEALED, Relay, endpoint_of, login_of, soap_over

from remjobs.model.authentication import Authentication as Auth
from remjobs.model.job import ReasonKind as K
from remjobs.model.secret import Secret
from remjobs.transports.base import HostFailure
from remjobs.transports.winrm.wire import LoginRefused, Wire

WRONG = "Wr0ng and l0ud"
ALICE = f"alice@{REALM}"
USERS = {"alice": PASSWORD, ALICE: PASSWORD, "CORP\\bob": PASSWORD, "jörg": "Grüße, 世界!"}
SCHEMES = ("http", "https")
IMPLICIT = Auth.NEGOTIATE_WITH_IMPLICIT_CREDENTIAL
BY_NTLM = (Auth.NTLM, Auth.NEGOTIATE, Auth.CREDSSP)
BY_TICKET = (Auth.KERBEROS, IMPLICIT, Auth.NEGOTIATE, Auth.DEFAULT)
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"


@pytest.fixture(scope="module")
def kdc(tmp_path_factory):
    made = Kdc(tmp_path_factory.mktemp("kdc") / "realm")
    made.add_user("alice", PASSWORD)
    made.require_preauth("alice")
    made.add_service("HTTP/localhost")
    made.add_odd_user("locked", PASSWORD, "-allow_tix")
    made.add_odd_user("old", PASSWORD, "-pwexpire", "yesterday")
    made.add_user("OTHER/localhost", "of a service whose key no host has")
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def realm(kdc, monkeypatch, tmp_path):
    """The KDC, whose realm this process is in; the default ticket cache is empty."""
    monkeypatch.setenv("KRB5_CONFIG", kdc.environment["KRB5_CONFIG"])
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path}/nobodys")
    return kdc


@pytest.fixture(scope="module")
def start(kdc, tmp_path_factory):
    """Starts hosts, each kind once."""
    made: dict[str, WinRmEndpoint] = {}

    def one(scheme="http", **more):
        name = f"{scheme}{sorted(more.items())}"
        if name not in made:
            folder = tmp_path_factory.mktemp("winrm")
            made[name] = WinRmEndpoint(folder, scheme=scheme, kdc=kdc, users=USERS, **more).start()
        return made[name]

    yield one
    for host in made.values():
        host.stop()


class Lab:
    """Hosts of each kind, wires to them, and a ticket of alice's."""

    def __init__(self, host, kdc, folder):
        self.host = host
        self.kdc = kdc
        self.ticket = kdc.ticket("alice", PASSWORD, folder / "hers")
        self._wires = []

    def wire(self, endpoint, login):
        self._wires.append(Wire(endpoint, login))
        return self._wires[-1]

    def close(self):
        for wire in self._wires:
            wire.close()


@pytest.fixture
def lab(start, kdc, tmp_path):
    """What a test logs in with; this process knows nothing of the ticket."""
    made = Lab(start, kdc, tmp_path)
    yield made
    made.close()


def opened(wire):
    """Open and close a shell: two messages, each with an answer."""
    soap = soap_over(wire)
    soap.close_shell(soap.open_shell(), close_session=False)


def fails(wire, kind=HostFailure):
    with pytest.raises(kind) as caught:
        wire.send_message("<never-sent/>")
    return caught.value


def counted(host, user):
    """Return how often somebody was refused, and how many requests there were."""
    seen = host.status()
    return seen["logins"].get(user, {"refused": 0})["refused"], seen["requests"]


RIGHT = [
    # mechanism, user, what let us in, schemes
    (Auth.NTLM, "alice", "Ntlm", SCHEMES),
    (Auth.NTLM, "CORP\\bob", "Ntlm", SCHEMES),
    (Auth.NEGOTIATE, "alice", "Negotiate (NTLM)", SCHEMES),
    (Auth.NEGOTIATE, "CORP\\bob", "Negotiate (NTLM)", SCHEMES),
    (Auth.NEGOTIATE, ALICE, "Negotiate (Kerberos)", SCHEMES),
    (Auth.NEGOTIATE, None, "Negotiate (Kerberos)", SCHEMES),
    (IMPLICIT, None, f"{IMPLICIT} (Kerberos)", SCHEMES),
    (Auth.KERBEROS, ALICE, "Kerberos", SCHEMES),
    (Auth.KERBEROS, "alice", "Kerberos", SCHEMES),
    (Auth.KERBEROS, None, "Kerberos", SCHEMES),
    (Auth.DEFAULT, "alice", "Negotiate (NTLM)", SCHEMES),
    (Auth.DEFAULT, ALICE, "Kerberos", SCHEMES),
    (Auth.DEFAULT, None, "Kerberos", SCHEMES),
    (Auth.CREDSSP, "alice", "Credssp (NTLM)", SCHEMES),
    (Auth.CREDSSP, ALICE, "Credssp (Kerberos)", SCHEMES),
    (Auth.BASIC, "alice", "Basic", ("https",)),
    (Auth.DIGEST, "alice", "Digest", ("https",)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("scheme", "mechanism", "user", "by"),
    [(scheme, *row[:3]) for row in RIGHT for scheme in row[3]],
)
def test_right(lab, scheme, mechanism, user, by):
    """Each mechanism lets in; over http every message is sealed its own way."""
    host = lab.host(scheme)
    ours = lab.wire(endpoint_of(host), login_of(mechanism, user, ccache=lab.ticket))
    before = len(host.status()["exchanges"])
    opened(ours)
    sealed = {seen["sealed"] or "" for seen in host.status()["exchanges"][before:]}
    assert sealed == {SEALED[by.partition(" ")[0]] if scheme == "http" else ""}
    assert ours.authentication == by


@pytest.mark.parametrize(
    ("scheme", "mechanism"),
    [("http", Auth.NTLM), ("http", Auth.CREDSSP), ("https", Auth.BASIC)],
)
def test_letters(lab, scheme, mechanism):
    """User and password may have letters of any script."""
    login = login_of(mechanism, "jörg", secret=Secret("Grüße, 世界!"))
    opened(lab.wire(endpoint_of(lab.host(scheme)), login))


def test_letters_in_digest(lab):
    """A name that a header can hold only in UTF-8 is no fault of ours."""
    login = login_of(Auth.DIGEST, "世界", secret=Secret("x"))
    fails(lab.wire(endpoint_of(lab.host("https")), login), LoginRefused)


def test_certificate(lab):
    """A client certificate lets in whom the host takes it for."""
    host = lab.host("https")
    crt, key = map(str, host.client_certificate("alice"))
    files = {"certificate_file": crt, "certificate_key_file": key}
    ours = lab.wire(endpoint_of(host), login_of(Auth.CERTIFICATE, **files))
    opened(ours)
    assert ours.authentication == "Certificate"
    assert host.status()["exchanges"][-1]["user"] == "alice"


WRONG_PASSWORDS = [
    # mechanism, user, who refuses, schemes
    (Auth.NTLM, "alice", "host", SCHEMES),
    (Auth.NTLM, "CORP\\bob", "host", SCHEMES),
    (Auth.NEGOTIATE, "alice", "host", SCHEMES),
    (Auth.NEGOTIATE, ALICE, "KDC", SCHEMES),
    (Auth.KERBEROS, ALICE, "KDC", SCHEMES),
    (Auth.KERBEROS, "alice", "KDC", SCHEMES),
    (Auth.DEFAULT, "alice", "host", SCHEMES),
    (Auth.DEFAULT, ALICE, "KDC", SCHEMES),
    (Auth.CREDSSP, "alice", "host", SCHEMES),
    (Auth.CREDSSP, ALICE, "KDC", SCHEMES),
    (Auth.BASIC, "alice", "host", ("https",)),
    (Auth.DIGEST, "alice", "host", ("https",)),
]


@pytest.mark.parametrize(
    ("scheme", "mechanism", "user", "who"),
    [(scheme, *row[:3]) for row in WRONG_PASSWORDS for scheme in row[3]],
)
def test_wrong_password(lab, scheme, mechanism, user, who):
    """A wrong password is refused once, and no further message shows it again."""
    host = lab.host(scheme)
    login = login_of(mechanism, user, secret=Secret(WRONG))
    ours = lab.wire(endpoint_of(host), login)
    before, requests = counted(host, user)[0], lab.kdc.refusals("alice")
    said = "" if who == "host" else " (the KDC says so)"
    words = f"authentication refused: user or password of {user}{said}"
    failure = fails(ours, LoginRefused)
    assert (failure.reason, str(failure)) == (K.AUTHENTICATION, words)
    seen = counted(host, user)
    assert str(fails(ours, LoginRefused)) == words
    assert counted(host, user) == seen, "the host was asked again"
    tried = (seen[0] - before, lab.kdc.refusals("alice") - requests)
    assert tried == ((1, 0) if who == "host" else (0, 1))


CERTIFICATES = [
    ("good", "mallory", "the host does not let the certificate in"),
    ("expired", "alice", "the host refuses our certificate: "),
    ("self-signed", "alice", "the host refuses our certificate: "),
]


@pytest.mark.parametrize(("kind", "user", "words"), CERTIFICATES)
def test_wrong_certificate(lab, kind, user, words):
    """A client certificate that the host does not take is a failed login."""
    host = lab.host("https")
    crt, key = map(str, host.client_certificate(user, kind))
    files = {"certificate_file": crt, "certificate_key_file": key}
    failure = fails(lab.wire(endpoint_of(host), login_of(Auth.CERTIFICATE, **files)))
    assert failure.reason is K.AUTHENTICATION
    assert str(failure).startswith(words)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("mechanism", BY_TICKET)
def test_no_ticket(lab, tmp_path, scheme, mechanism):
    """Without a ticket the host is asked nothing, and we are told to get one."""
    host = lab.host(scheme)
    before = host.status()["requests"]
    none = f"FILE:{tmp_path}/none"
    failure = fails(lab.wire(endpoint_of(host), login_of(mechanism, ccache=none)))
    assert (failure.reason, str(failure)) == (
        K.AUTHENTICATION,
        f"there is no Kerberos ticket in {none}",
    )
    assert "kinit" in failure.remedy
    assert host.status()["requests"] == before


@pytest.mark.parametrize("mechanism", BY_TICKET)
def test_ticket_of_another(lab, mechanism):
    """Where a user is named, only that user's ticket will do."""
    login = login_of(mechanism, f"bob@{REALM}", secret=None, ccache=lab.ticket)
    failure = fails(lab.wire(endpoint_of(lab.host()), login))
    words = f"there is no Kerberos ticket of bob@{REALM} in {lab.ticket}"
    assert (failure.reason, str(failure)) == (K.AUTHENTICATION, words)


KDC_REFUSES = [
    ("locked", "the KDC has locked or disabled the user"),
    ("old", "the password has expired"),
]


@pytest.mark.parametrize(("user", "words"), KDC_REFUSES)
@pytest.mark.parametrize("mechanism", [Auth.KERBEROS, Auth.NEGOTIATE, Auth.CREDSSP])
def test_kdc_refuses(lab, user, words, mechanism):
    """What the KDC has against a user is said; the password goes to nobody else."""
    host = lab.host()
    before = host.status()["requests"]
    failure = fails(lab.wire(endpoint_of(host), login_of(mechanism, f"{user}@{REALM}")))
    assert (failure.reason, str(failure)) == (K.AUTHENTICATION, words)
    assert host.status()["requests"] == before


NOT_IN_REALM = [
    (f"nobody@{REALM}", "the KDC does not know the user"),
    ("alice@NOWHERE.INVALID", "no KDC answers for the realm"),
    ("a@b@c", "a@b@c is no name in a realm: Malformed representation of principal"),
]


@pytest.mark.parametrize(("user", "words"), NOT_IN_REALM)
def test_not_in_realm(lab, user, words):
    """A user that no KDC knows of can have no ticket; Negotiate goes on with NTLM."""
    host = lab.host()
    failure = fails(lab.wire(endpoint_of(host), login_of(Auth.KERBEROS, user)))
    assert (failure.reason, str(failure)) == (K.AUTHENTICATION, words)
    negotiated = login_of(Auth.NEGOTIATE, user, secret=Secret(WRONG))
    before = counted(host, user)[0]
    fails(lab.wire(endpoint_of(host), negotiated), LoginRefused)
    assert counted(host, user)[0] == before + 1


@pytest.fixture(scope="module")
def expired(kdc, tmp_path_factory):
    """A ticket whose time is up."""
    cache = kdc.ticket("alice", PASSWORD, tmp_path_factory.mktemp("old") / "cc", "-l", "1s")
    environment = {**kdc.environment, "PATH": "/usr/bin:/bin"}
    klist = ["klist", "-s", "-c", cache]
    wait_for(
        lambda: subprocess.run(klist, env=environment, check=False).returncode,
        "the ticket has expired",
    )
    return cache


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("mechanism", BY_TICKET)
def test_expired_ticket(lab, expired, scheme, mechanism):
    """A ticket whose time is up is said to be that."""
    failure = fails(lab.wire(endpoint_of(lab.host(scheme)), login_of(mechanism, ccache=expired)))
    words = f"the Kerberos ticket in {expired} has expired"
    assert (failure.reason, str(failure)) == (K.AUTHENTICATION, words)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    "who",
    [
        *((mechanism, None) for mechanism in BY_TICKET),
        (Auth.KERBEROS, ALICE),
        (Auth.DEFAULT, ALICE),
    ],
)
@pytest.mark.parametrize(
    ("service", "words"),
    [
        ("NOBODY", "the KDC knows no service NOBODY/localhost"),
        ("OTHER", "the host refuses the Kerberos ticket for OTHER/localhost"),
    ],
)
def test_wrong_spn(lab, scheme, who, service, words):
    """A service that the KDC, or the host, does not know is named."""
    login = login_of(*who, ccache=lab.ticket, service=service)
    failure = fails(lab.wire(endpoint_of(lab.host(scheme)), login))
    assert (failure.reason, str(failure)) == (K.AUTHENTICATION, words)
    assert failure.remedy


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("mechanism", [Auth.NEGOTIATE, Auth.CREDSSP])
def test_ticket_refused_with_password(lab, scheme, mechanism):
    """A ticket that the host refuses is said to be that, and NTLM is not tried with it."""
    host = lab.host(scheme)
    before = counted(host, ALICE)[0]
    failure = fails(lab.wire(endpoint_of(host), login_of(mechanism, ALICE, service="OTHER")))
    assert failure.reason is K.AUTHENTICATION
    assert str(failure) == "the host refuses the Kerberos ticket for OTHER/localhost"
    assert counted(host, ALICE)[0] == before


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("mechanism", [Auth.NEGOTIATE, Auth.CREDSSP])
def test_wrong_spn_with_password(lab, scheme, mechanism):
    """Negotiate goes on with NTLM where there is no ticket for the host."""
    login = login_of(mechanism, "alice", service="NOBODY")
    ours = lab.wire(endpoint_of(lab.host(scheme)), replace(login, user=ALICE))
    opened(ours)
    assert ours.authentication == f"{mechanism} (NTLM)"


@pytest.fixture(scope="module")
def ahead(start):
    """Starts hosts whose clock is ten minutes ahead."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LD_PRELOAD", FAKETIME)
        patch.setenv("FAKETIME", "+10m")
        patch.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        return {scheme: start(scheme, denied=("nobody",)) for scheme in SCHEMES}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    ("mechanism", "user"),
    [
        *((mechanism, None) for mechanism in BY_TICKET),
        *(
            (mechanism, ALICE)
            for mechanism in (Auth.KERBEROS, Auth.DEFAULT, Auth.NEGOTIATE, Auth.CREDSSP)
        ),
    ],
)
def test_clock_skew(ahead, lab, scheme, mechanism, user):
    """Clocks that differ too much for Kerberos are what is said, and by how much."""
    failure = fails(
        lab.wire(endpoint_of(ahead[scheme]), login_of(mechanism, user, ccache=lab.ticket))
    )
    assert failure.reason is K.AUTHENTICATION
    assert "clock skew" in str(failure)
    assert "NTP" in failure.remedy


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("mechanism", BY_NTLM)
def test_ntlm_minds_no_clock(ahead, lab, scheme, mechanism):
    """NTLM lets in whatever the clocks say."""
    opened(lab.wire(endpoint_of(ahead[scheme]), login_of(mechanism, "alice")))


EVERY = (*BY_NTLM, Auth.KERBEROS, Auth.DEFAULT, Auth.BASIC, Auth.DIGEST)
NOT_TRUSTED = [
    # certificate, what we know, words
    ("self-signed", {}, "the certificate is not trusted: self-signed certificate"),
    ("good", {"ca_file": None}, "the certificate is not trusted: self-signed certificate in"),
    ("wrong-name", {}, "the certificate is not for localhost"),
    ("good", {"host_name": "elsewhere.example"}, "the certificate is not for elsewhere.example"),
    ("expired", {}, "the certificate has expired"),
    ("good", {"fingerprint": "ab" * 32}, "the certificate is not the pinned one"),
    ("good", {"fingerprint": "ab" * 32, "insecure_tls": True}, "the certificate is not the pinned"),
]  # fmt: skip


@pytest.mark.parametrize("mechanism", EVERY)
@pytest.mark.parametrize(("kind", "known", "words"), NOT_TRUSTED)
def test_not_trusted(lab, mechanism, kind, known, words):
    """A host that does not prove who it is gets no request, by whatever mechanism."""
    host = lab.host("https", certificate=kind)
    before = host.status()["requests"]
    failure = fails(lab.wire(endpoint_of(host, **known), login_of(mechanism, "alice")))
    assert failure.reason is K.HOST_KEY
    assert str(failure).startswith(words)
    assert failure.remedy
    assert host.status()["requests"] == before


def test_both_fingerprints_are_said(lab):
    """Where the pinned certificate is another one, both fingerprints are in the message."""
    host = lab.host("https", certificate="good")
    failure = fails(
        lab.wire(endpoint_of(host, fingerprint="CD" * 32), login_of(Auth.NTLM, "alice"))
    )
    assert "cd" * 32 in str(failure)
    assert host.fingerprint in str(failure)


def colons(text):
    return ":".join(text[at : at + 2] for at in range(0, len(text), 2)).upper()


@pytest.mark.parametrize("mechanism", EVERY)
@pytest.mark.parametrize("kind", ["good", "self-signed", "wrong-name", "expired"])
def test_pinned(lab, mechanism, kind):
    """The pinned certificate is enough, whoever signed it, for whom, and until when."""
    host = lab.host("https", certificate=kind)
    pinned = endpoint_of(host, ca_file=None, fingerprint=colons(host.fingerprint))
    ours = lab.wire(pinned, login_of(mechanism, "alice"))
    opened(ours)
    assert not [note for note in ours.notes if "TLS" in note]


@pytest.mark.parametrize("kind", ["self-signed", "wrong-name", "expired"])
def test_insecure(lab, kind):
    """Said by name, any certificate will do, and that is noted."""
    endpoint = endpoint_of(lab.host("https", certificate=kind), insecure_tls=True)
    ours = lab.wire(endpoint, login_of(Auth.NTLM, "alice"))
    opened(ours)
    assert ours.notes == ("insecure TLS: the host did not prove who it is",)


BY_TOKENS = [
    (Auth.NTLM, "alice"),
    (Auth.NEGOTIATE, "alice"),
    (Auth.NEGOTIATE, ALICE),
    (Auth.KERBEROS, ALICE),
]


@pytest.mark.parametrize(("mechanism", "user"), BY_TOKENS)
def test_channel_binding(lab, mechanism, user):
    """A host that wants the login tied to TLS lets in those that are, and no others."""
    host = lab.host("https", channel_binding="required")
    opened(lab.wire(endpoint_of(host), login_of(mechanism, user)))
    loose = login_of(mechanism, user, channel_binding=False)
    assert fails(lab.wire(endpoint_of(host), loose)).reason is K.AUTHENTICATION


@pytest.mark.parametrize("scheme", SCHEMES)
def test_not_offered(lab, scheme):
    """A mechanism that the host does not have is refused with those that it has."""
    host = lab.host(scheme, mechanisms=("kerberos", "credssp"))
    failure = fails(lab.wire(endpoint_of(host), login_of(Auth.NTLM, "alice")))
    words = "the host does not offer Negotiate; it offers: Kerberos, CredSSP"
    assert (failure.reason, str(failure)) == (K.REFUSED, words)


def test_kerberos_in_negotiate(lab):
    """A host without the scheme of Kerberos takes its ticket in Negotiate's."""
    host = lab.host("http", mechanisms=("negotiate",))
    opened(lab.wire(endpoint_of(host), login_of(Auth.KERBEROS, ccache=lab.ticket)))
    assert host.status()["exchanges"][-1]["sealed"] == SEALED["Negotiate"]


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_stale_digest(lab, algorithm):
    """A nonce that is used up is answered with the new one: that is no refusal."""
    host = lab.host("https", digest_uses=1, digest_algorithm=algorithm)
    before = counted(host, "alice")[0]
    ours = lab.wire(endpoint_of(host), login_of(Auth.DIGEST, "alice"))
    opened(ours)
    opened(ours)
    assert counted(host, "alice")[0] == before


def test_basic_in_plaintext(lab):
    """Basic over http, where it was asked for, works and says what it shows."""
    host = lab.host("http", allow_unencrypted=True)
    ours = lab.wire(endpoint_of(host, allow_plaintext=True), login_of(Auth.BASIC, "alice"))
    opened(ours)
    assert ours.notes == ("Basic over http: password and work can be read on the way",)


@pytest.mark.parametrize(
    ("mechanism", "user"),
    [
        *BY_TOKENS,
        (IMPLICIT, None),
        (Auth.CREDSSP, "alice"),
        (Auth.CREDSSP, ALICE),
    ],
)
def test_nothing_readable_crosses(lab, mechanism, user):
    """Over http neither the password nor a word of SOAP can be read on the way."""
    with Relay(lab.host("http").port) as relay:
        endpoint = endpoint_of(lab.host("http"), port=relay.port)
        ours = lab.wire(endpoint, login_of(mechanism, user, ccache=lab.ticket))
        soap = soap_over(ours)
        shell = soap.open_shell()
        soap.run_command(shell, "echo a-word-of-the-work")
        soap.close_shell(shell)
        crossed = relay.crossed
    assert b"Encrypted Boundary" in crossed
    for text in (PASSWORD, "Envelope", "a-word-of-the-work", "ShellId"):
        for form in (text.encode(), text.encode("utf-16-le"), base64.b64encode(text.encode())):
            assert form not in crossed, text


def test_no_secret_in_errors(lab):
    """An exception shows no password, nor does anything that it came from."""
    host = lab.host("https")
    for mechanism in (
        Auth.NTLM,
        Auth.NEGOTIATE,
        Auth.KERBEROS,
        Auth.CREDSSP,
        Auth.BASIC,
        Auth.DIGEST,
    ):
        login = login_of(mechanism, ALICE, secret=Secret(WRONG))
        exc: BaseException | None = fails(lab.wire(endpoint_of(host), login), LoginRefused)
        while exc is not None:
            shown = f"{exc!r} {exc} {vars(exc)!r}"
            for form in (WRONG, base64.b64encode(f"{ALICE}:{WRONG}".encode()).decode()):
                assert form not in shown
            exc = exc.__cause__ or exc.__context__


def test_delegation_only_when_asked(lab, tmp_path):
    """A forwardable ticket stays here unless delegation was asked for."""
    cache = lab.kdc.ticket("alice", PASSWORD, tmp_path / "f", "-f")
    for delegate in (False, True):
        login = login_of(Auth.KERBEROS, ccache=cache, delegate=delegate)
        ours = lab.wire(endpoint_of(lab.host("http")), login)
        opened(ours)
        assert any("delegation" in note for note in ours.notes) is delegate
        assert _delegates(ours) is delegate


def _delegates(wire):
    return bool(wire._admission._context.context_attr & ContextReq.delegate)


def test_tickets_of_ours_are_gone(lab):
    """A ticket that a password got is in memory, and destroyed with the wire."""
    program = f"""
import krb5
from support.wires import *
from remjobs.model.authentication import Authentication as Auth
host = Endpoint(scheme="http", address="localhost", port={lab.host("http").port})
wire = Wire(host, login_of(Auth.KERBEROS, "{ALICE}"))
soap_over(wire).open_shell()
context = krb5.init_context()
name = wire._admission._contexts._tickets.cache()
assert name.startswith("MEMORY:"), name
held = lambda: krb5.cc_get_principal(context, krb5.cc_resolve(context, name.encode()))
held()
wire.close()
try:
    held()
except krb5.Krb5Error:
    print("gone")
"""
    said = subprocess.run(
        [sys.executable, "-c", program],
        env={
            **lab.kdc.environment,
            "PYTHONPATH": str(Path(__file__).parents[1]),
            "PATH": "/usr/bin:/bin",
        },
        check=True,
        capture_output=True,
        text=True,
    )
    assert said.stdout == "gone\n"
