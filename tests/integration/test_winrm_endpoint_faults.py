"""The faults that the WinRM endpoint makes on demand, each as a client sees it."""

import time
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import requests
from pypsrp.exceptions import AuthenticationError, WinRMError, WinRMTransportError, WSManFaultError
from pypsrp.shell import Process, WinRS
from support.winrm import PASSWORD, WinRmEndpoint
from support.winrm_clients import pypsrp_connection, run_pypsrp, run_pywinrm
from winrm.exceptions import InvalidCredentialsError


@pytest.fixture(params=["http", "https"])
def host(request, tmp_path):
    with WinRmEndpoint(tmp_path / "host", scheme=request.param) as started:
        yield started


def fails(host, expected, match=None):
    """Run a command that fails in some way; return the failure, and let another one do."""
    with pypsrp_connection(host) as connection:
        shell = WinRS(connection)
        process = Process(shell, "echo", ["it"])
        with pytest.raises(expected, match=match) as raised:
            _to_the_end(shell, process)
    assert run_pypsrp(host, "negotiate", "echo it").output == b"it\n"
    assert host.status()["faults"] == 0
    return raised.value


def _to_the_end(shell, process):
    shell.open()
    process.begin_invoke()
    process.end_invoke()


@pytest.mark.parametrize("status", [403, 500, 503])
def test_a_bare_status(host, status):
    """An HTTP status without a body."""
    host.fault("status", action="Create", status=status)
    assert fails(host, WinRMTransportError).code == status


@pytest.mark.parametrize(("status", "code"), [(500, 2150859173), (500, 12345), (403, 5)])
def test_a_fault_of_any_code(host, status, code):
    """A fault of WS-Management, with a status, a code and a text as asked for."""
    host.fault("status", action="Command", status=status, code=code, text="as <told>")
    failure = fails(host, WSManFaultError)
    assert (failure.code, failure.reason) == (code, "as <told>")
    assert host.status()["commands"] == 1


def test_a_time_out_is_passed_over(host):
    """Several time-outs of Receive, and then all goes on."""
    host.fault("status", action="Receive", times=3, code=2150858793)
    assert run_pypsrp(host, "negotiate", "echo it").output == b"it\n"
    assert host.status()["actions"].count("Receive") >= 4


def test_a_login_may_be_refused_or_broken(host):
    """A 401 or a reset in the middle of a login, where no login is counted."""
    host.fault("status", action="Login", times=3, status=401)
    fails(host, AuthenticationError)
    host.fault("reset-before", action="Login")
    fails(host, requests.ConnectionError)
    assert host.status()["logins"]["alice"]["refused"] == 0


def test_an_empty_body(host):
    """A 200 with nothing in it."""
    host.fault("empty", action="Create")
    fails(host, ET.ParseError, match="no element found")


def test_half_a_document(host):
    """XML that stops in the middle."""
    host.fault("truncated", action="Receive")
    fails(host, ET.ParseError)


def test_a_document_type_with_entities(host):
    """A DOCTYPE whose entities grow."""
    host.fault("doctype", action="Create")
    fails(host, WinRMError, match="related id")


def test_a_redirect(host, tmp_path):
    """A 307 to somewhere else, which a client that follows it takes with it."""
    with WinRmEndpoint(tmp_path / "other") as other:
        host.fault("redirect", action="Login", url=other.url)
        answer = requests.post(
            host.url,
            verify=str(host.ca_file),
            timeout=30,
            allow_redirects=False,
        )
        assert (answer.status_code, answer.headers["Location"]) == (307, other.url)
        assert other.status()["requests"] == 0


@pytest.mark.parametrize("perform", [False, True])
def test_a_reset_before_the_answer(host, perform):
    """The connection is reset; what was asked for has been done, or has not."""
    host.fault("reset-before", action="Command", perform=perform)
    # Over TLS, Python says of a reset that the other end has closed.
    fails(host, requests.ConnectionError, match="reset by peer|closed connection")
    assert host.status()["commands"] == (2 if perform else 1)


def test_a_reset_in_the_middle_of_the_answer(host):
    """Half the answer, then a reset."""
    host.fault("reset-middle", action="Receive")
    fails(host, requests.RequestException)


def test_a_late_answer(host):
    """An answer that takes its time."""
    host.fault("delay", action="Create", seconds=0.5)
    started = time.monotonic()
    assert run_pypsrp(host, "negotiate", "echo it").output == b"it\n"
    assert time.monotonic() - started >= 0.5


def test_a_body_without_end(host):
    """A body that goes on for as long as somebody reads it."""
    host.fault("endless", action="Login")
    with requests.post(host.url, verify=str(host.ca_file), timeout=30, stream=True) as answer:
        assert "Content-Length" not in answer.headers
        chunks = answer.iter_content(1 << 20)
        assert sum(len(next(chunks)) for _ in range(20)) == 20 << 20
    assert run_pypsrp(host, "negotiate", "echo it").output == b"it\n"


def test_connections_that_end_with_each_answer(tmp_path):
    """No connection lives on after an answer."""
    with WinRmEndpoint(tmp_path / "host", scheme="https") as host:
        host.fault("close", times=1000)
        assert run_pywinrm(host, "basic", "echo it").output == b"it\n"
        seen = host.status()
        assert seen["connections"] == seen["requests"] == len(seen["actions"])


def test_contexts_that_are_lost(host):
    """Who had logged in has not any more, by a fault and by an order; its shell is still there."""
    for way in (lambda: host.fault("drop-contexts", action="Receive"), host.drop_contexts):
        with pypsrp_connection(host) as connection:
            shell = WinRS(connection)
            shell.open()
            process = Process(shell, "echo", ["it"])
            process.begin_invoke()
            way()
            if host.scheme == "http":
                # pypsrp logs in anew and sends again what it had sealed for the old login.
                with pytest.raises(WinRMTransportError) as raised:
                    process.poll_invoke()
                assert raised.value.code == 400
            else:
                process.poll_invoke()
    seen = host.status()
    assert (seen["shells"], seen["logins"]["alice"]["accepted"]) == (2, 4)


def test_a_sealed_message_that_does_not_open_is_a_bad_request(tmp_path):
    """What was changed on its way is answered with 400, and the login is lost."""
    with WinRmEndpoint(tmp_path / "host") as host, pypsrp_connection(host) as connection:
        shell = WinRS(connection)
        shell.open()
        sealing: Any = connection.transport.encryption
        wrap = sealing.wrap_message

        def spoilt(message):
            kind, body = wrap(message)
            at = len(body) - 60
            return kind, body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]

        sealing.wrap_message = spoilt
        with pytest.raises(WinRMTransportError) as raised:
            shell.close()
        assert raised.value.code == 400
        assert host.status()["shells"] == 1


def test_orders(host):
    """Shells are closed and connections cut at once; faults to come are taken back."""
    with pypsrp_connection(host) as connection:
        shell = WinRS(connection)
        shell.open()
        host.close_shells()
        with pytest.raises(WSManFaultError) as raised:
            shell.close()
        assert raised.value.code == 2150858843
        host.cut()
    host.fault("empty", times=5)
    host.clear_faults()
    assert run_pypsrp(host, "negotiate", "echo it").output == b"it\n"
    with pytest.raises(AssertionError, match="no such fault"):
        host.fault("no-such-kind")
    with pytest.raises((AuthenticationError, InvalidCredentialsError)):
        run_pypsrp(host, "negotiate", "true", password=f"{PASSWORD}x")
