"""The server side of each mechanism at the WinRM endpoint, tried by clients not ours."""

import base64
import hashlib
import socket
import ssl
from collections.abc import Callable
from typing import Any

import pytest
import requests
import spnego
from pypsrp.exceptions import AuthenticationError, WinRMTransportError
from pypsrp.shell import WinRS
from requests.auth import HTTPBasicAuth, HTTPDigestAuth
from spnego.channel_bindings import GssChannelBindings
from support.kdc import Kdc
from support.sshd import wait_for
from support.winrm import PASSWORD, WinRmEndpoint
from support.winrm_clients import Came, pypsrp_connection, run_pypsrp, run_pywinrm
from winrm.exceptions import InvalidCredentialsError

HELLO = "cat; echo err >&2; exit 3"
SAID = Came(3, b"in", b"err\n")
WRONG = "not " + PASSWORD
SEALED = "application/HTTP-{}-session-encrypted"
Run = Callable[..., Came]
WAYS: list[tuple[str, Run, str, str, str | None]] = [
    ("http", run_pywinrm, "ntlm", "ntlm", "SPNEGO"),
    ("http", run_pypsrp, "ntlm", "negotiate", "SPNEGO"),
    ("http", run_pypsrp, "negotiate", "negotiate", "SPNEGO"),
    ("http", run_pypsrp, "credssp", "credssp", "CredSSP"),
    ("https", run_pywinrm, "ntlm", "ntlm", None),
    ("https", run_pywinrm, "basic", "basic", None),
    ("https", run_pypsrp, "basic", "basic", None),
    ("https", run_pypsrp, "negotiate", "negotiate", None),
    ("https", run_pypsrp, "credssp", "credssp", None),
]


@pytest.fixture
def kdc(tmp_path, monkeypatch):
    """A KDC with alice and a host, and an environment to reach it."""
    made = Kdc(tmp_path / "kdc")
    made.add_user("alice", PASSWORD)
    made.add_host()
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path}/none")
    yield made
    made.stop()


def post(host, client: Any = requests, **more):
    """Ask for nothing, with plain requests; return the answer."""
    return client.post(host.url, verify=str(host.ca_file), timeout=30, **more)


def logins(host, user="alice"):
    """Return how many logins of a user were accepted, and how many refused."""
    seen = host.status()["logins"].get(user, {"accepted": 0, "refused": 0})
    return seen["accepted"], seen["refused"]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way[0]}-{way[1].__name__}-{way[2]}")
def test_each_mechanism_lets_in_and_refuses(tmp_path, way):
    """The right password logs in, sealed over HTTP; a wrong one is refused, and came once."""
    scheme, run, mechanism, named, sealed = way
    with WinRmEndpoint(tmp_path / "host", scheme=scheme) as host:
        assert run(host, mechanism, HELLO, sent=b"in") == SAID
        seen = host.status()
        assert seen["mechanisms"] == {named: 1}
        assert {exchange["sealed"] for exchange in seen["exchanges"]} == {
            sealed and SEALED.format(sealed),
        }
        with pytest.raises(
            (AuthenticationError, InvalidCredentialsError, spnego.exceptions.SpnegoError)
        ):
            run(host, mechanism, HELLO, password=WRONG)
        assert logins(host) == (1, 1)
        assert host.status()["commands"] == 1


@pytest.mark.parametrize("run", [run_pywinrm, run_pypsrp])
def test_messages_may_be_sealed_over_https_too(tmp_path, run):
    """A client may seal what TLS covers already."""
    always = {"message_encryption": "always"} if run is run_pywinrm else {"encryption": "always"}
    with WinRmEndpoint(tmp_path / "host", scheme="https") as host:
        assert run(host, "ntlm", HELLO, sent=b"in", **always) == SAID
        assert host.status()["exchanges"][0]["sealed"] == SEALED.format("SPNEGO")


def test_credssp_seals_large_messages_in_parts(tmp_path):
    """More than a TLS record holds goes in several parts, both ways."""
    with WinRmEndpoint(tmp_path / "host") as host:
        came = run_pypsrp(host, "credssp", "cat", sent=b"x" * 50_000)
        assert came.output == b"x" * 50_000


@pytest.mark.parametrize(("mechanism", "other"), [("ntlm", "CredSSP"), ("credssp", "SPNEGO")])
def test_messages_are_sealed_by_the_name_of_their_mechanism(tmp_path, mechanism, other):
    """Another protocol's name on a sealed message makes it a bad request."""
    with WinRmEndpoint(tmp_path / "host") as host, pypsrp_connection(host, mechanism) as connection:
        shell = WinRS(connection)
        shell.open()
        sealing: Any = connection.transport.encryption
        sealing.protocol = SEALED.format(other)
        with pytest.raises(WinRMTransportError) as raised:
            shell.close()
        assert raised.value.code == 400


def test_names_of_domains_are_users_of_their_own(tmp_path):
    """DOMAIN and realm belong to a user's name."""
    users = {"ACME\\alice": PASSWORD, "bob@ACME.TEST": WRONG}
    with WinRmEndpoint(tmp_path / "host", users=users) as host:
        for user, password in users.items():
            run_pywinrm(host, "ntlm", "true", user=user, password=password)
            assert logins(host, user) == (1, 0)
        with pytest.raises(InvalidCredentialsError):
            run_pywinrm(host, "ntlm", "true", user="alice")


def test_passwords_have_all_letters(tmp_path):
    """Passwords beyond ASCII log in, however a client encodes them."""
    users = {"alice": "grün: geheim €", "bob": "grün: geheim"}
    with WinRmEndpoint(tmp_path / "host", scheme="https", users=users) as host:
        for user, password in users.items():
            run_pywinrm(host, "ntlm", "true", user=user, password=password)
            encoded = HTTPBasicAuth(user.encode(), password.encode())
            assert post(host, auth=encoded).status_code == 200
        assert post(host, auth=HTTPBasicAuth("bob", users["bob"])).status_code == 200
        assert post(host, auth=HTTPBasicAuth("bob", "grün")).status_code == 401
        assert (logins(host, "alice"), logins(host, "bob")) == ((2, 0), (3, 1))


def test_only_what_is_offered_is_taken(tmp_path):
    """A host offers its mechanisms, and refuses others unlooked-at."""
    with WinRmEndpoint(tmp_path / "host", scheme="https", mechanisms=["kerberos"]) as host:
        asked = post(host, auth=HTTPBasicAuth("alice", PASSWORD))
        assert asked.status_code == 401
        assert asked.headers["WWW-Authenticate"] == "Kerberos"
        assert host.status()["logins"] == {}


@pytest.mark.parametrize("mechanism", ["basic", "digest"])
def test_in_the_clear_nothing_is_taken_unless_allowed(tmp_path, mechanism):
    """Over HTTP, Basic and Digest are there only where traffic may be unencrypted."""
    make = {"basic": HTTPBasicAuth, "digest": HTTPDigestAuth}[mechanism]
    for allowed, status in ((False, 401), (True, 200)):
        with WinRmEndpoint(tmp_path / str(allowed), allow_unencrypted=allowed) as host:
            offered = post(host).headers["WWW-Authenticate"]
            assert (mechanism.title() in offered) is allowed
            assert post(host, auth=make("alice", PASSWORD)).status_code == status


def test_what_is_not_sealed_is_refused_over_http(tmp_path):
    """Who has logged in but does not seal is told so, and gets nothing done."""
    with WinRmEndpoint(tmp_path / "host") as host:
        with pytest.raises(Exception, match="Unencrypted traffic is disabled"):
            run_pypsrp(host, "ntlm", "true", encryption="never")
        assert host.status()["shells_opened"] == 0


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "MD5-sess"])
def test_digest(tmp_path, algorithm):
    """Digest lets in the right password over HTTPS, with each algorithm, and counts right."""
    with WinRmEndpoint(
        tmp_path / "host",
        scheme="https",
        mechanisms=["digest"],
        digest_algorithm=algorithm,
        digest_uses=3,
    ) as host:
        for password, status in ((PASSWORD, 200), (WRONG, 401)):
            with requests.Session() as session:
                session.auth = HTTPDigestAuth("alice", password)
                for _ in range(5 if status == 200 else 1):
                    answer = post(host, session)
                    assert answer.status_code == status
        assert logins(host) == (1, 1)


def test_digest_takes_no_response_twice(tmp_path):
    """A response that was seen before is stale."""
    with WinRmEndpoint(tmp_path / "host", scheme="https", mechanisms=["digest"]) as host:
        answer = post(host, auth=HTTPDigestAuth("alice", PASSWORD))
        used = answer.request.headers["Authorization"]
        again = post(host, headers={"Authorization": used})
        assert again.status_code == 401
        assert "stale=true" in again.headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    ("run", "key", "certificate"),
    [
        (run_pywinrm, "cert_key_pem", "cert_pem"),
        (run_pypsrp, "certificate_key_pem", "certificate_pem"),
    ],
)
def test_client_certificates(tmp_path, run, key, certificate):
    """A certificate logs in the user that it names; of an unknown one nothing is done."""
    with WinRmEndpoint(tmp_path / "host", scheme="https") as host:
        for user, refused in (("alice", False), ("nobody", True)):
            paths = host.client_certificate(user)
            files = {certificate: str(paths[0]), key: str(paths[1])}
            if refused:
                with pytest.raises((AuthenticationError, InvalidCredentialsError)):
                    run(host, "certificate", "true", **files)
            else:
                assert run(host, "certificate", HELLO, sent=b"in", **files) == SAID
            assert logins(host, user) == ((0, 1) if refused else (1, 0))


@pytest.mark.parametrize("kind", ["expired", "self-signed"])
def test_bad_client_certificates_end_the_handshake(tmp_path, kind):
    """TLS refuses certificates that are old or of an unknown authority."""
    with WinRmEndpoint(tmp_path / "host", scheme="https") as host:
        paths = host.client_certificate("alice", kind)
        with pytest.raises(requests.ConnectionError):
            post(host, cert=(str(paths[0]), str(paths[1])))
        assert host.status()["requests"] == 0


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("wrong-name", "Hostname mismatch"),
        ("expired", "certificate has expired"),
        ("self-signed", "self-signed certificate"),
    ],
)
def test_bad_server_certificates(tmp_path, kind, why):
    """Clients that check find each fault of a server's certificate."""
    with WinRmEndpoint(tmp_path / "host", scheme="https", certificate=kind) as host:
        with pytest.raises(requests.exceptions.SSLError, match=why):
            post(host)
        pem = ssl.get_server_certificate((host.address, host.port))
        der = ssl.PEM_cert_to_DER_cert(pem)
        assert hashlib.sha256(der).hexdigest() == host.fingerprint


def test_old_tls_is_refused_by_clients(tmp_path):
    """A host that speaks nothing newer than TLS 1.1 is none for clients of today."""
    with WinRmEndpoint(tmp_path / "host", scheme="https", tls="1.1") as host:
        with pytest.raises(
            requests.exceptions.SSLError, match=r"PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL"
        ):
            post(host)
        old = ssl.create_default_context(cafile=host.ca_file)
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.minimum_version = ssl.TLSVersion.TLSv1_1
        with (
            socket.create_connection(("127.0.0.1", host.port)) as plain,
            old.wrap_socket(plain, server_hostname="localhost") as shaken,
        ):
            assert shaken.version() == "TLSv1.1"


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("mechanisms", "sealed"),
    [(["kerberos"], "Kerberos"), (["negotiate"], "SPNEGO")],
)
def test_kerberos(tmp_path, kdc, scheme, mechanisms, sealed):
    """A ticket logs in, by the name of Kerberos and of Negotiate, and seals."""
    with WinRmEndpoint(
        tmp_path / "host",
        kdc=kdc,
        scheme=scheme,
        mechanisms=mechanisms,
        channel_binding="required",
    ) as host:
        came = run_pypsrp(host, "kerberos", HELLO, sent=b"in", encryption="always")
        assert came == SAID
        seen = host.status()
        assert seen["negotiated"] == {"kerberos": 1}
        assert seen["exchanges"][0]["sealed"] == SEALED.format(sealed)
        assert logins(host) == (1, 0)


def test_credssp_on_kerberos(tmp_path, kdc):
    """CredSSP takes Kerberos inside where there is a KDC, and says that all was delegated."""
    with WinRmEndpoint(tmp_path / "host", kdc=kdc, mechanisms=["credssp"]) as host:
        assert run_pypsrp(host, "credssp", HELLO, sent=b"in") == SAID
        seen = host.status()
        assert seen["negotiated"] == {"kerberos": 1}
        assert seen["exchanges"][0]["delegated"] is True


def test_kerberos_by_a_ticket_cache(tmp_path, kdc, monkeypatch):
    """A ticket from kinit is enough; without one, or when it has expired, nothing is asked."""
    good = kdc.ticket("alice", PASSWORD, tmp_path / "good")
    short = kdc.ticket("alice", PASSWORD, tmp_path / "short", "-l", "1s")
    wait_for(lambda: not kdc.gives(short), "the ticket has expired")
    implicit: dict[str, Any] = {"user": None, "password": None}
    with WinRmEndpoint(tmp_path / "host", kdc=kdc, mechanisms=["kerberos"]) as host:
        for cache, why in ((None, "No Kerberos credentials"), (short, "expired")):
            if cache:
                monkeypatch.setenv("KRB5CCNAME", cache)
            with pytest.raises(spnego.exceptions.SpnegoError, match=why):
                run_pypsrp(host, "kerberos", HELLO, **implicit)
        monkeypatch.setenv("KRB5CCNAME", good)
        assert run_pypsrp(host, "kerberos", HELLO, sent=b"in", **implicit) == SAID
        assert host.status()["logins"] == {"alice": {"tried": 1, "accepted": 1, "refused": 0}}


def test_delegation_is_seen(tmp_path, kdc, monkeypatch):
    """Whether a client hands over its ticket is known at the host."""
    monkeypatch.setenv("KRB5CCNAME", kdc.ticket("alice", PASSWORD, tmp_path / "cache", "-f"))
    with WinRmEndpoint(tmp_path / "host", kdc=kdc, mechanisms=["kerberos"]) as host:
        for delegate in (False, True):
            run_pypsrp(
                host,
                "kerberos",
                "true",
                user=None,
                password=None,
                negotiate_delegate=delegate,
            )
            assert host.status()["exchanges"][-1]["delegated"] is delegate


def test_kerberos_for_another_service_is_refused(tmp_path, kdc):
    """A ticket for a service that the host is not gets in nowhere."""
    with WinRmEndpoint(tmp_path / "host", kdc=kdc, mechanisms=["kerberos"]) as host:
        with pytest.raises(spnego.exceptions.SpnegoError, match="not found in Kerberos database"):
            run_pypsrp(host, "kerberos", "true", negotiate_service="CIFS")
        kdc.add_host("elsewhere")
        other: dict[str, Any] = {"negotiate_hostname_override": "elsewhere"}
        kdc.keytab.unlink()
        kdc.add_service("host/unrelated")
        with pytest.raises(AuthenticationError):
            run_pypsrp(host, "kerberos", "true", **other)
        assert logins(host, "") == (0, 1)


def test_kerberos_with_a_clock_that_is_off(tmp_path, kdc):
    """A host whose clock is an hour off takes no ticket."""
    with WinRmEndpoint(
        tmp_path / "host",
        kdc=kdc,
        mechanisms=["kerberos"],
        environment=kdc.skewed("+1h"),
    ) as host:
        with pytest.raises(AuthenticationError):
            run_pypsrp(host, "kerberos", "true")
        assert logins(host, "") == (0, 1)


BOUND = [
    ("none", "right", True),
    ("none", "none", True),
    ("none", "wrong", True),
    ("allowed", "right", True),
    ("allowed", "none", True),
    ("allowed", "wrong", False),
    ("required", "right", True),
    ("required", "none", False),
    ("required", "wrong", False),
]


@pytest.mark.parametrize("mechanism", ["ntlm", "negotiate", "kerberos"])
def test_channel_bindings(tmp_path, kdc, mechanism):
    """They are looked at as the host is set, with each mechanism that has them."""
    for number, (setting, given, right) in enumerate(BOUND):
        with WinRmEndpoint(
            tmp_path / str(number),
            scheme="https",
            kdc=None if mechanism == "ntlm" else kdc,
            channel_binding=setting,
        ) as host:
            status = _log_in(host, mechanism, _bindings(host, given))
            assert (status == 200) is right, (setting, given)


def _bindings(host, given):
    if given == "none":
        return None
    digest = bytes.fromhex(host.fingerprint) if given == "right" else bytes(32)
    return GssChannelBindings(application_data=b"tls-server-end-point:" + digest)


def _log_in(host, mechanism, bindings):
    """Log in by hand; return the last status."""
    context = spnego.client(
        "alice",
        PASSWORD,
        hostname="localhost",
        service="HTTP",
        protocol=mechanism,
        channel_bindings=bindings,
    )
    name = {"ntlm": "NTLM", "negotiate": "Negotiate", "kerberos": "Kerberos"}[mechanism]
    token = context.step()
    with requests.Session() as session:
        while True:
            said = {"Authorization": f"{name} {base64.b64encode(token or b'').decode()}"}
            answer = post(host, session, headers=said)
            offered = answer.headers.get("WWW-Authenticate", "")
            if answer.status_code == 200 or not offered.startswith(f"{name} "):
                return answer.status_code
            token = context.step(base64.b64decode(offered.removeprefix(f"{name} ")))


@pytest.mark.parametrize(
    "said",
    ["Negotiate", "Negotiate !", "NTLM AAAA", "CredSSP FgMBAAE=", "Basic !", "Digest x", "What"],
)
def test_nonsense_is_refused(tmp_path, said):
    """Whatever a client sends for a login, the answer is 401, and the next login works."""
    with WinRmEndpoint(tmp_path / "host", scheme="https") as host:
        asked = post(
            host,
            headers={"Authorization": said},
        )
        assert asked.status_code == 401
        assert run_pywinrm(host, "ntlm", HELLO, sent=b"in") == SAID


def test_no_secret_is_printed_or_left(tmp_path):
    """Passwords are in no file of an endpoint, in no argument, and in what it tells."""
    with WinRmEndpoint(tmp_path / "host", scheme="https", programs=tmp_path) as host:
        run_pywinrm(host, "basic", "true")
        with pytest.raises(InvalidCredentialsError):
            run_pywinrm(host, "ntlm", "true", password=WRONG)
        assert PASSWORD not in str(host.status())
        environment = run_pywinrm(host, "ntlm", "env; ps -ef").output.decode()
        assert PASSWORD not in environment
        assert "NTLM_USER_FILE" not in environment
    files = [path for path in (tmp_path / "host").rglob("*") if path.is_file()]
    assert not any(PASSWORD.encode() in path.read_bytes() for path in files)
