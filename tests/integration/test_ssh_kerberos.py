"""Logging in by Kerberos (GSSAPI), with a real KDC and sshd."""

import subprocess

import pytest
from support.execute import ran, text
from support.kdc import Kdc
from support.sshd import wait_for

from remjobs.errors import UsageError
from remjobs.model.authentication import Authentication
from remjobs.model.job import ReasonKind as K
from remjobs.model.request import Caller
from remjobs.transports.base import Exited, HostFailure
from remjobs.transports.ssh import SshTransport, kerberos

PASSWORD = "correct horse 7"  # noqa: S105 - of a principal that the test makes
PRINT = text("echo in")
IN = (Exited(0), b"in\n", b"")


@pytest.fixture(scope="module")
def kdc(tmp_path_factory, user):
    made = Kdc(tmp_path_factory.mktemp("kdc") / "realm")
    made.add_user(user.name, PASSWORD)
    made.add_service("host/127.0.1.1")
    yield made
    made.stop()


@pytest.fixture
def realm(kdc, monkeypatch, tmp_path):
    """The KDC, whose realm this process is in; the default ticket cache is empty."""
    for name, value in kdc.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path}/nobodys")
    return kdc


@pytest.fixture
def gss_sshd(realm, make_sshd):
    """A server that lets in by Kerberos only."""
    own = {**realm.environment, "KRB5_KTNAME": str(realm.keytab)}
    wrapper = ["env", *(f"{name}={value}" for name, value in own.items())]
    options = ["GSSAPIAuthentication yes", "PubkeyAuthentication no"]
    return make_sshd(*options, "GSSAPIStrictAcceptorCheck no", wrapper=wrapper)


def by_ticket(sshd, **more):
    return sshd.host(
        **{"authentication": Authentication.GSSAPI, "ssh": {"identity_files": ()}, **more}
    )


def caller(cache):
    return Caller(krb5ccname=str(cache))


async def refused(host, caller):
    with pytest.raises(HostFailure) as caught:
        await SshTransport(caller).connect(host, None)
    return caught.value


async def test_a_ticket_lets_us_in(realm, gss_sshd, tmp_path):
    """That of the caller's cache, which comes with the request; ours plays no part."""
    cache = realm.ticket(gss_sshd.user.name, PASSWORD, tmp_path / "cc")
    assert await ran(by_ticket(gss_sshd), PRINT, caller=caller(cache)) == IN
    session = await SshTransport(caller(cache)).connect(by_ticket(gss_sshd), None)
    assert session.login.authentication == "gssapi-with-mic"
    await session.close()


async def test_no_ticket_is_told(gss_sshd, tmp_path):
    """Before the host is troubled."""
    failure = await refused(by_ticket(gss_sshd), caller(f"FILE:{tmp_path}/none"))
    assert failure.reason is K.AUTHENTICATION
    assert str(failure) == f"there is no Kerberos ticket in FILE:{tmp_path}/none: `kinit`"
    assert "there is no Kerberos ticket: `kinit`" in str(
        await refused(by_ticket(gss_sshd), Caller())
    )


async def test_an_expired_ticket_is_told(realm, gss_sshd, tmp_path):
    """It was one, for a second."""
    cache = realm.ticket(gss_sshd.user.name, PASSWORD, tmp_path / "cc", "-l", "1s")
    wait_for(lambda: _is_over(tmp_path / "cc"), "the ticket has expired")
    failure = await refused(by_ticket(gss_sshd), caller(cache))
    assert failure.reason is K.AUTHENTICATION
    assert str(failure) == f"the Kerberos ticket in {cache} has expired: `kinit`"


def _is_over(cache):
    return subprocess.run(["klist", "-s", "-c", cache], check=False).returncode != 0


async def test_somebody_elses_ticket_does_not_do(realm, gss_sshd, tmp_path):
    """The server says no; nothing else is tried."""
    realm.add_user("stranger", PASSWORD)
    cache = realm.ticket("stranger", PASSWORD, tmp_path / "cc")
    failure = await refused(by_ticket(gss_sshd), caller(cache))
    assert (failure.reason, "authentication refused" in str(failure)) == (K.AUTHENTICATION, True)


async def test_without_asking_it_is_as_the_configuration_says(realm, gss_sshd, tmp_path):
    """GSSAPIAuthentication is off by default, as with ssh."""
    cache = realm.ticket(gss_sshd.user.name, PASSWORD, tmp_path / "cc")
    config = tmp_path / "config"
    config.write_text("GSSAPIAuthentication yes\n")
    plain = {"authentication": Authentication.DEFAULT}
    assert "refused" in str(await refused(by_ticket(gss_sshd, **plain), caller(cache)))
    host = by_ticket(gss_sshd, ssh={"identity_files": (), "config_file": str(config)}, **plain)
    assert await ran(host, PRINT, caller=caller(cache)) == IN


def test_without_its_package_it_is_refused_before_anything_starts(sshd, monkeypatch):
    """And the message says how to install it."""
    monkeypatch.setattr(kerberos, "find_spec", lambda _name: None)
    with pytest.raises(UsageError, match=r"pip install 'remjobs\[kerberos\]'"):
        SshTransport(Caller()).check(by_ticket(sshd), PRINT)
