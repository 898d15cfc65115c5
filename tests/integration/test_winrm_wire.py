"""What the wire makes of connections that go and of answers that are none."""

import os
import socket
import ssl
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.winrm import WinRmEndpoint
from support.wires import Proxy, Relay, endpoint_of, login_of, soap_over
from winrm.exceptions import WinRMTransportError, WSManFaultError

from remjobs.errors import UsageError
from remjobs.model.authentication import Authentication as Auth
from remjobs.model.job import ReasonKind as K
from remjobs.model.ping import Stage
from remjobs.transports.base import HostFailure
from remjobs.transports.winrm.wire import (
    AnswerRefused,
    ConnectionBroken,
    Endpoint,
    LoginRefused,
    Wire,
)

WAYS = [
    ("http", Auth.NTLM),
    ("http", Auth.NEGOTIATE),
    ("http", Auth.CREDSSP),
    ("https", Auth.NTLM),
    ("https", Auth.CREDSSP),
    ("https", Auth.BASIC),
    ("https", Auth.DIGEST),
]
KEPT = [way for way in WAYS if way[1] not in {Auth.BASIC, Auth.DIGEST}]


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    made = {
        scheme: WinRmEndpoint(tmp_path_factory.mktemp("winrm"), scheme=scheme).start()
        for scheme in ("http", "https")
    }
    yield made
    for host in made.values():
        host.stop()


@pytest.fixture
def lab(hosts):
    """A wire that is in, its host and its shell."""
    made = []

    def one(scheme="http", mechanism=Auth.NTLM, **more):
        made.append(Lab(hosts[scheme], mechanism, more))
        return made[-1]

    yield one
    for each in made:
        each.host.clear_faults()
        each.wire.close()


class Lab:
    """One wire and what is at its ends."""

    def __init__(self, host, mechanism, more):
        self.host = host
        self.wire = Wire(endpoint_of(host, **more), login_of(mechanism, "alice"))
        self.soap = soap_over(self.wire)

    @property
    def actions(self):
        return self.host.status()["actions"]

    def logins(self):
        return self.host.status()["logins"]["alice"]["accepted"]

    def open(self):
        return self.soap.open_shell()

    def close(self, shell):
        self.soap.close_shell(shell, close_session=False)


@pytest.mark.parametrize(("scheme", "mechanism"), WAYS)
def test_one_connection(lab, scheme, mechanism):
    """All messages go over one connection, with one login."""
    ours = lab(scheme, mechanism)
    before = ours.host.status()
    for _ in range(3):
        ours.close(ours.open())
    after = ours.host.status()
    assert after["connections"] - before["connections"] == 1
    assert ours.logins() - before["logins"].get("alice", {"accepted": 0})["accepted"] == 1


@pytest.mark.parametrize(("scheme", "mechanism"), KEPT)
@pytest.mark.parametrize("what", ["drop_contexts", "cut"])
def test_idle(lab, scheme, mechanism, what):
    """A login that went while nothing was asked is made anew; the message runs once."""
    ours = lab(scheme, mechanism)
    shell = ours.open()
    logins, actions = ours.logins(), len(ours.actions)
    getattr(ours.host, what)()
    ours.close(shell)
    assert ours.actions[actions:] == ["Delete"]
    assert ours.logins() == logins + 1


@pytest.mark.parametrize(("scheme", "mechanism"), WAYS)
def test_hung_up_after_each_answer(lab, scheme, mechanism):
    """A host that closes the connection after an answer is connected to again."""
    ours = lab(scheme, mechanism)
    ours.host.fault("close", action="Create")
    ours.close(ours.open())
    ours.close(ours.open())


@pytest.mark.parametrize(("scheme", "mechanism"), KEPT)
def test_let_in_and_turned_away(lab, scheme, mechanism):
    """A fresh login whose message is refused is not made again and again."""
    ours = lab(scheme, mechanism)
    ours.host.fault("status", action="Create", status=401, times=9)
    actions = len(ours.actions)
    with pytest.raises(HostFailure) as caught:
        ours.open()
    assert caught.value.reason is K.AUTHENTICATION
    assert "let us in, but the host refuses the request (401)" in str(caught.value)
    assert ours.actions[actions:] == ["Create"]


@pytest.mark.parametrize(("scheme", "mechanism"), WAYS)
@pytest.mark.parametrize(
    ("kind", "words"),
    [("reset-before", "connection reset"), ("reset-middle", "connection reset")],
)
def test_reset(lab, scheme, mechanism, kind, words):
    """A reset in mid-exchange leaves open whether the message ran: it is not sent again."""
    ours = lab(scheme, mechanism)
    ours.close(ours.open())
    actions = len(ours.actions)
    ours.host.fault(kind, action="Create", perform=True)
    with pytest.raises(ConnectionBroken) as caught:
        ours.open()
    assert caught.value.sent
    assert (caught.value.failure.reason, caught.value.failure.stage) == (K.UNREACHABLE, Stage.TCP)
    assert str(caught.value).startswith((words, "the connection was closed"))
    assert ours.actions[actions:] == ["Create"]
    ours.close(ours.open())


@pytest.mark.parametrize(("scheme", "mechanism"), KEPT)
def test_reset_during_login(lab, scheme, mechanism):
    """A reset during the login is a host that cannot be used: nothing was sent."""
    ours = lab(scheme, mechanism)
    ours.host.fault("reset-before", action="Login")
    with pytest.raises(HostFailure) as caught:
        ours.open()
    assert caught.value.reason is K.UNREACHABLE
    ours.close(ours.open())


def test_no_answer(lab):
    """A host that does not answer in time is given up, and the message may have run."""
    ours = lab(read_timeout=0.5)
    ours.close(ours.open())
    ours.host.fault("delay", action="Create", seconds=1.5)
    with pytest.raises(ConnectionBroken, match=r"^no answer in 0\.5 s \(localhost:") as caught:
        ours.open()
    assert caught.value.sent


@pytest.mark.parametrize(("scheme", "mechanism"), WAYS)
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("doctype", "the host's answer has a document type"),
        ("truncated", "the host's answer is cut off"),
        ("empty", "the host answered"),
        ("endless", "the host's answer is larger than 8 MiB"),
    ],
)
def test_answers_that_are_none(lab, scheme, mechanism, kind, words):
    """What is no answer is refused; the message may have run, and is not sent again."""
    ours = lab(scheme, mechanism)
    ours.close(ours.open())
    actions = len(ours.actions)
    ours.host.fault(kind, action="Create")
    with pytest.raises(AnswerRefused) as caught:
        ours.open()
    assert str(caught.value).startswith(words)
    assert caught.value.sent
    assert ours.actions[actions:] == ["Create"]
    ours.close(ours.open())


def test_unsealed_answer(lab):
    """An answer in plain to an encrypted request is refused."""
    ours = lab("http")
    ours.host.fault("empty", action="Create")
    with pytest.raises(AnswerRefused, match="without encryption"):
        ours.open()


@pytest.mark.parametrize(("scheme", "mechanism"), WAYS)
def test_redirect(lab, scheme, mechanism):
    """A redirect is not followed; it is said where to."""
    ours = lab(scheme, mechanism)
    url = "http://elsewhere.invalid/wsman"
    ours.host.fault("redirect", action="Create", url=url)
    with pytest.raises(HostFailure) as caught:
        ours.open()
    assert caught.value.reason is K.REFUSED
    assert url in str(caught.value)


@pytest.mark.parametrize(
    ("action", "status", "words"),
    [
        ("Login", 403, "403 Forbidden"),
        ("Login", 503, "503 Service"),
        ("Login", 408, "408 Request"),
        ("Create", 403, "403 Forbidden"),
    ],
)
def test_statuses(lab, action, status, words):
    """A status that refuses says what it is."""
    ours = lab()
    ours.host.fault("status", action=action, status=status)
    with pytest.raises(HostFailure) as caught:
        ours.open()
    assert caught.value.reason is K.REFUSED
    assert str(caught.value).startswith(f"the host refuses: {words}")


def test_no_listener(lab):
    """A path without a listener is said to be that."""
    ours = lab(path="other")
    with pytest.raises(HostFailure, match="no WinRM listener under this path"):
        ours.open()


@pytest.mark.parametrize(("scheme", "mechanism"), WAYS)
def test_fault(lab, scheme, mechanism):
    """A SOAP fault reaches pywinrm as its own transport would hand it over."""
    ours = lab(scheme, mechanism)
    shell = ours.open()
    ours.close(shell)
    with pytest.raises(WSManFaultError) as caught:
        ours.close(shell)
    assert (caught.value.code, caught.value.wsman_fault_code) == (500, 2150858843)
    with pytest.raises(WinRMTransportError) as raw:
        ours.wire.send_message("<no-envelope/>")
    assert raw.value.code == 500
    assert "WSManFault" in raw.value.response_text


@pytest.mark.parametrize(("scheme", "mechanism"), WAYS)
def test_large(lab, scheme, mechanism):
    """Messages and answers of many TLS records arrive whole, sealed or not."""
    ours = lab(scheme, mechanism)
    shell = ours.open()
    command = ours.soap.run_command(shell, "cat")
    ours.soap.send_command_input(shell, command, b"x" * 90_000, end=True)
    out = b""
    is_done = False
    while not is_done:
        said, _, _, is_done = ours.soap.get_command_output_raw(shell, command)
        out += said
    assert out == b"x" * 90_000
    ours.close(shell)


def test_gone_for_good(lab, tmp_path):
    """A host that had let us in and is gone: the message was certainly not sent."""
    with WinRmEndpoint(tmp_path / "w") as host:
        wire = Wire(endpoint_of(host), login_of(Auth.NTLM, "alice"))
        soap_over(wire).open_shell()
    with pytest.raises(ConnectionBroken) as caught:
        wire.send_message("<x/>")
    wire.close()
    assert not caught.value.sent
    assert str(caught.value).startswith("connection refused (localhost:")


def test_threads(lab):
    """A wire may pass from thread to thread: Digest counts its nonce's uses over all."""
    ours = lab("https", Auth.DIGEST)
    before = ours.host.status()["requests"]
    for _ in range(4):
        thread = threading.Thread(target=lambda: ours.close(ours.open()))
        thread.start()
        thread.join()
    assert ours.host.status()["requests"] - before == 1 + 8


def test_ipv6(hosts):
    """An IPv6 address is one like any other, in URL and certificate."""
    host = hosts["https"]
    with Relay(host.port, "::1") as relay:
        endpoint = endpoint_of(host, address="::1", port=relay.port)
        wire = Wire(endpoint, login_of(Auth.NTLM, "alice"))
        soap_over(wire).open_shell()
        wire.close()
    assert endpoint.url == f"https://[::1]:{relay.port}/wsman"


NOBODY = {"scheme": "http", "address": "127.0.0.1"}


def failure_at(**where):
    wire = Wire(Endpoint(**where), login_of(Auth.NTLM, "alice"))
    with pytest.raises(HostFailure) as caught:
        wire.send_message("<x/>")
    wire.close()
    return caught.value


def test_refused():
    """Nobody listens: at once, and said where."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        failure = failure_at(**NOBODY, port=port)
    words = f"connection refused (127.0.0.1:{port})"
    assert (failure.reason, str(failure), failure.stage) == (K.UNREACHABLE, words, Stage.TCP)


def test_black_hole():
    """Nobody answers: given up after the time that was said."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            failure = failure_at(**NOBODY, port=port, connect_timeout=0.3)
    assert str(failure) == f"no answer in 0.3 s (127.0.0.1:{port})"


def test_silent_tls():
    """A port that never begins TLS is given up likewise."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        where = {"scheme": "https", "address": "127.0.0.1"}
        failure = failure_at(**where, port=port, connect_timeout=0.3)
    assert str(failure) == f"no answer in 0.3 s (127.0.0.1:{port})"


def test_no_name():
    """A name that stands for nothing."""
    failure = failure_at(scheme="http", address="no-such-host.invalid", port=5985)
    words = "name not found (no-such-host.invalid:5985)"
    assert (failure.reason, str(failure), failure.stage) == (K.UNREACHABLE, words, Stage.NAME)


def test_https_to_http(hosts):
    """TLS to a port that has none is told apart from a certificate that is not trusted."""
    where = {"scheme": "https", "address": "127.0.0.1", "port": hosts["http"].port}
    failure = failure_at(**where)
    assert failure.reason is K.UNREACHABLE
    assert str(failure).startswith("TLS failed: ")


def test_old_tls(hosts):
    """TLS 1.1 is not spoken."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    (pem,) = (hosts["https"].folder / "ca").glob("server-*.pem")
    context.load_cert_chain(pem)
    with serving(context) as port:
        where = {"scheme": "https", "address": "localhost", "port": port}
        failure = failure_at(**where, ca_file=str(hosts["https"].ca_file))
    assert failure.reason is K.UNREACHABLE
    assert str(failure).startswith("TLS failed: tlsv1 alert protocol version")


@contextmanager
def serving(context):
    """Shake hands with one client, as far as that goes."""

    def shake():
        near, _ = listener.accept()
        try:
            context.wrap_socket(near, server_side=True).close()
        except OSError:
            near.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=shake)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def test_environment_is_not_asked(lab, monkeypatch):
    """Proxies and CAs of the environment play no part."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere")
    ours = lab("https")
    ours.close(ours.open())


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_proxy(lab, scheme):
    """A proxy that was asked for is gone through, unless it wants a login of its own."""
    with Proxy() as proxy:
        ours = lab(scheme, proxy=f"http://127.0.0.1:{proxy.port}")
        ours.close(ours.open())
        assert proxy.asked == [f"CONNECT localhost:{ours.host.port}"]
    with Proxy(wants_login=True) as proxy:
        refused = lab(scheme, proxy=f"http://127.0.0.1:{proxy.port}/")
        with pytest.raises(HostFailure) as caught:
            refused.open()
    assert caught.value.reason is K.UNREACHABLE
    assert str(caught.value).startswith("the proxy does not connect us: 407")


def test_plaintext_is_not_sent(lab, hosts):
    """Whoever forgot to check: Basic over http sends nothing."""
    host = hosts["http"]
    before = host.status()["connections"]
    wire = Wire(endpoint_of(host), login_of(Auth.BASIC, "alice"))
    with pytest.raises(UsageError, match="Basic over http"):
        wire.send_message("<x/>")
    assert host.status()["connections"] == before


def test_password_that_changed(lab):
    """A password that is refused later is not shown again either."""
    ours = lab("https", Auth.BASIC)
    ours.close(ours.open())
    ours.host.fault("status", action="Login", status=401)
    with pytest.raises(LoginRefused):
        ours.open()
    before = ours.host.status()["requests"]
    with pytest.raises(LoginRefused):
        ours.open()
    assert ours.host.status()["requests"] == before


WITHOUT = """
import sys
sys.modules.update(gssapi=None, krb5=None)
from support.wires import *
from remjobs.errors import UsageError
from remjobs.model.authentication import Authentication as Auth
from remjobs.transports.base import HostFailure
from remjobs.transports.winrm.wire import check_login
host = Endpoint(scheme="http", address="localhost", port=int(sys.argv[1]))
for mechanism in (Auth.NTLM, Auth.NEGOTIATE, Auth.DEFAULT, Auth.CREDSSP):
    wire = Wire(host, login_of(mechanism, "alice"))
    soap_over(wire).open_shell()
    print(wire.authentication)
    wire.close()
for mechanism in (Auth.DEFAULT, Auth.NEGOTIATE):
    check_login(host, login_of(mechanism), "win1")
    try:
        Wire(host, login_of(mechanism)).send_message("<x/>")
    except HostFailure as exc:
        print(exc.reason.value, exc, sep=": ")
try:
    check_login(host, login_of(Auth.KERBEROS), "win1")
except UsageError as exc:
    print(exc)
"""


NO_KERBEROS = (
    "authentication: there is no password, and a Kerberos ticket needs more packages: "
    "name a credential, or `pip install 'remjobs[kerberos]'`"
)


def test_without_kerberos(hosts):
    """Without the extra NTLM works, by Negotiate, Default and CredSSP too; Kerberos says so."""
    said = subprocess.run(
        [sys.executable, "-c", WITHOUT, str(hosts["http"].port)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        check=True,
        capture_output=True,
        text=True,
    )
    assert said.stdout.splitlines() == [
        "Ntlm",
        "Negotiate (NTLM)",
        "Negotiate (NTLM)",
        "Credssp (NTLM)",
        *2 * [NO_KERBEROS],
        "win1: Kerberos needs more packages: `pip install 'remjobs[kerberos]'`",
    ]
