"""What is said of WinRM hosts: in inventories, by Ansible's variables, on the command line."""

from pathlib import Path

import pytest
from msgspec import convert, to_builtins

from remjobs.engine.connected import connected, with_defaults
from remjobs.engine.known_hosts import check_named, unchecked
from remjobs.errors import InventoryError, UsageError
from remjobs.inventory.draft import Draft
from remjobs.inventory.kinds import READERS, Kind
from remjobs.inventory.merged import Merged
from remjobs.inventory.select import Selection
from remjobs.model.authentication import Authentication, check_for_winrm
from remjobs.model.copy import Fetch, Push
from remjobs.model.host import Become, Host, WinRmOptions, WinRmScheme
from remjobs.model.request import Caller, Connection, Targets, check_connection
from remjobs.model.work import Command, Work
from remjobs.transports.base import UnfitHost
from remjobs.transports.winrm.login import endpoint_of, operation_timeout
from remjobs.transports.winrm.transport import WinRmTransport

TEXT = Work(command=Command(text="x"))
HTTP = WinRmScheme.HTTP
WINDOWS = "ansible_connection=winrm"
IGNORED = "ansible_winrm_server_cert_validation = 'ignore'"


def read(text, kind=Kind.TOML):
    draft = Draft("x")
    READERS[kind](text, draft)
    return Merged([draft.finish()], Path("/inv"))


def ini(variables, kind=Kind.INI):
    return read(f"[g]\nw1 {WINDOWS} {variables}\n", kind)


def test_toml_says_all_of_it():
    """Each option by its own name; relative paths are meant from the file."""
    text = """
    [hosts.w1]
    transport = "winrm"
    [hosts.w1.winrm]
    scheme = "http"
    path = "custom/wsman"
    ca_file = "/ca.pem"
    allow_plaintext = true
    certificate_file = "/c.pem"
    certificate_key_file = "/k.pem"
    delegate = true
    service = "WSMAN"
    proxy = "http://proxy:3128"
    connect_timeout = 1
    operation_timeout = 2
    read_timeout = 3.5
    """
    host = read(text).host("w1")
    assert (host.transport, host.winrm) == (
        "winrm",
        WinRmOptions(
            scheme=HTTP,
            path="custom/wsman",
            ca_file="/ca.pem",
            allow_plaintext=True,
            certificate_file="/c.pem",
            certificate_key_file="/k.pem",
            delegate=True,
            service="WSMAN",
            proxy="http://proxy:3128",
            connect_timeout=1.0,
            operation_timeout=2.0,
            read_timeout=3.5,
        ),
    )


def test_options_come_key_by_key_from_defaults_groups_and_the_host():
    """The last one wins."""
    text = """
    [defaults.winrm]
    scheme = "http"
    path = "a"
    [groups.g]
    hosts = ["w1"]
    winrm.path = "b"
    winrm.delegate = true
    [hosts.w1.winrm]
    service = "S"
    """
    expected = WinRmOptions(scheme=HTTP, path="b", delegate=True, service="S")
    assert read(text).host("w1").winrm == expected


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("scheme = 'ftp'", "expected one of: https, http"),
        ("path = 'a b'", "is not a WinRM path"),
        ("fingerprint = 'ab'", "64 hexadecimal digits"),
        ("proxy = 'http://me:secret@proxy:3128'", "without a password"),
        *(
            (f"proxy = '{url}'", "the proxy must be http://NAME:PORT")
            for url in (
                "https://p:1",
                "http://p",
                "p:1",
                "http://p:0",
                "http://p:65536",
                "http://p:x",
                "http://[1]:x",
                "http://:1",
                "http://p:1/x",
            )
        ),
        ("service = 'a/b'", "is not a Kerberos service"),
        ("insecure_tls = 1", "expected true or false"),
        ("read_timeout = 0", "above 0"),
        ("operation_timeout = 30\nread_timeout = 30", "must be above the operation's"),
        ("operation_timeout = 0.3\nread_timeout = 0.9", "must be above the operation's"),
        ("operation_timeout = 1.6\nread_timeout = 1.9", "must be above the operation's"),
        ("read_timeout = 1", "must be above the operation's"),
        ("operation_timeout = 1e17", "86400 s at most"),
        ("read_timeout = 1e17", "86400 s at most"),
        ("nothing = 1", "unknown key 'nothing'"),
    ],
)
def test_what_cannot_be_taken_is_told_with_its_line(line, problem):
    """And no secret is repeated."""
    with pytest.raises(InventoryError, match=problem) as refusal:
        read(f"[hosts.w1.winrm]\n{line}\n")
    assert str(refusal.value).startswith("x:")
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    [
        "defaults.winrm.insecure_tls = true",
        "[groups.g.winrm]\ninsecure_tls = true",
        "hosts.'w[1-2]'.winrm.insecure_tls = true",
        f"[hosts.'w[1-3]'.variables]\n{IGNORED}",
        f"[defaults.variables]\n{IGNORED}",
        f"[groups.g.variables]\n{IGNORED}",
    ],
)
def test_certificates_go_unchecked_of_a_named_host_only(text):
    """As host keys do."""
    with pytest.raises(InventoryError, match="can be said of a single host only"):
        read(text)
    assert read("hosts.w1.winrm.insecure_tls = true").host("w1").winrm.insecure_tls
    one = f"hosts.w1.transport = 'winrm'\n[hosts.w1.variables]\n{IGNORED}"
    assert read(one).host("w1").winrm.insecure_tls


@pytest.mark.parametrize(
    ("variables", "options"),
    [
        ("ansible_winrm_scheme=http", {"scheme": HTTP}),
        ("ansible_winrm_path=/wsman", {"path": "/wsman"}),
        ("ansible_winrm_server_cert_validation=ignore", {"insecure_tls": True}),
        ("ansible_winrm_server_cert_validation=validate", {}),
        ("ansible_winrm_ca_trust_path=ca.pem", {"ca_file": "/inv/ca.pem"}),
        ("ansible_winrm_cert_pem=/c.pem", {"certificate_file": "/c.pem"}),
        ("ansible_winrm_cert_key_pem=/k.pem", {"certificate_key_file": "/k.pem"}),
        ("ansible_winrm_kerberos_delegation=yes", {"delegate": True}),
        ("ansible_winrm_service=WSMAN", {"service": "WSMAN"}),
        ("ansible_winrm_operation_timeout_sec=60", {"operation_timeout": 60.0}),
        ("ansible_winrm_read_timeout_sec=70", {"read_timeout": 70.0}),
        ("ansible_psrp_protocol=http", {"scheme": HTTP}),
        ("ansible_psrp_cert_validation=ignore", {"insecure_tls": True}),
        ("ansible_psrp_ca_cert=/ca.pem", {"ca_file": "/ca.pem"}),
        ("ansible_psrp_connection_timeout=5", {"connect_timeout": 5.0}),
        ("ansible_psrp_proxy=http://p:1", {"proxy": "http://p:1"}),
    ],
)
def test_ansibles_variables_mean_the_same(variables, options):
    """None of them is passed over any more."""
    merged = ini(variables)
    assert merged.host("w1").winrm == WinRmOptions(**options)
    assert merged.warnings == ()


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ("ansible_winrm_scheme=ftp", "x:2: ansible_winrm_scheme is 'ftp'"),
        ("ansible_winrm_server_cert_validation=maybe", "expected one of: validate, ignore"),
        ("ansible_winrm_kerberos_delegation=maybe", "expected true or false"),
        ("ansible_winrm_operation_timeout_sec=soon", "a number of seconds above 0"),
        ("ansible_psrp_proxy=http://u:pw@p:1", "x:2: the proxy must be"),
    ],
)
def test_ansibles_variables_are_checked(variables, problem):
    """With their place."""
    with pytest.raises(InventoryError, match=problem):
        ini(variables).host("w1")


@pytest.mark.parametrize(
    "text",
    [
        f"[g]\nw1 {WINDOWS}\n[g:vars]\nansible_winrm_server_cert_validation=ignore\n",
        f"[g]\nw1 {WINDOWS}\n[all:vars]\nansible_psrp_cert_validation=ignore\n",
        f"[g]\nw[1:3] {WINDOWS} ansible_winrm_server_cert_validation=ignore\n",
    ],
)
def test_ansibles_ignore_is_for_a_named_host_only(text):
    """A group or a range of hosts is refused with its line, and no host goes unchecked."""
    with pytest.raises(InventoryError, match=r"^x:\d: ansible_\w+: .*a single host"):
        read(text, Kind.INI).host("w1")


def test_ansibles_ignore_in_yaml_is_for_a_named_host_only():
    """As in INI."""
    variables = "{ansible_connection: winrm, ansible_winrm_server_cert_validation: ignore}"
    one = read(f"all: {{hosts: {{w1: {variables}}}}}", Kind.YAML)
    assert one.host("w1").winrm.insecure_tls
    with pytest.raises(InventoryError, match="single host"):
        read(f"all: {{hosts: {{'w[1:2]': {variables}}}}}", Kind.YAML)


def test_messages_are_encrypted_whatever_ansible_says():
    """``never`` is told to be passed over; what is done anyway is not."""
    merged = ini("ansible_winrm_message_encryption=never ansible_shell_type=powershell")
    merged.host("w1")
    assert [warning.partition(" is passed")[0] for warning in merged.warnings] == [
        "x:2: ansible_winrm_message_encryption"
    ]
    calm = ini("ansible_winrm_message_encryption=auto")
    calm.host("w1")
    assert calm.warnings == ()


def test_what_was_typed_wins_over_the_inventory():
    """Option by option; defaults come below both."""
    host = Host(name="w", winrm=WinRmOptions(path="inv", ca_file="/inv.pem"))
    connection = Connection(transport="winrm", winrm=WinRmOptions(ca_file="/typed.pem"))
    defaults = Connection(winrm=WinRmOptions(connect_timeout=3, path="default"))
    found = connected(with_defaults(host, defaults), connection)
    assert found.transport == "winrm"
    assert found.winrm == WinRmOptions(path="inv", ca_file="/typed.pem", connect_timeout=3)
    assert connected(host, Connection()) == host


def test_options_need_hosts():
    """On this machine they mean nothing."""
    for connection in (Connection(transport="ssh"), Connection(winrm=WinRmOptions(path="x"))):
        with pytest.raises(UsageError, match="which ones"):
            check_connection(connection, None)


def test_unchecked_certificates_need_names_and_are_warned_of():
    """As unchecked host keys."""
    connection = Connection(winrm=WinRmOptions(insecure_tls=True))
    host = Host(name="w1", transport="winrm", winrm=connection.winrm)
    selection = Selection(hosts=(host,), warnings=(), patterns=("w*",))
    with pytest.raises(UsageError, match=r"certificates can go unchecked only .* 'w\*' is no host"):
        check_named(connection, Targets(include=("w*",)), selection)
    assert unchecked([host]) == ("certificate not checked: w1 may be any machine",)
    assert unchecked([Host(name="s", winrm=connection.winrm)]) == ()


def test_hosts_of_earlier_jobs_are_still_read():
    """What was stored without these options has their defaults."""
    stored = to_builtins(Host(name="old"))
    del stored["winrm"]
    assert convert(stored, Host) == Host(name="old")
    new = Host(name="new", winrm=WinRmOptions(scheme=HTTP, fingerprint="ab" * 32))
    assert convert(to_builtins(new), Host) == new


@pytest.mark.parametrize(
    ("port", "scheme", "url"),
    [
        (None, None, "https://h:5986/wsman"),
        (5985, None, "http://h:5985/wsman"),
        (None, HTTP, "http://h:5985/wsman"),
        (5985, WinRmScheme.HTTPS, "https://h:5985/wsman"),
        (443, None, "https://h:443/wsman"),
    ],
)
def test_scheme_and_port_are_the_usual_ones(port, scheme, url):
    """Port 5985 alone means http, as everywhere else."""
    assert endpoint_of(Host(name="h", port=port, winrm=WinRmOptions(scheme=scheme))).url == url


@pytest.mark.parametrize(
    ("address", "name"),
    [
        (None, "web1.example"),
        ("srv.example", "srv.example"),
        ("192.0.2.1", "web1.example"),
        ("fe80::1%eth0", "web1.example"),
    ],
)
def test_a_certificate_is_for_the_name_that_is_connected_to(address, name):
    """An IP address is only where it is sought."""
    assert endpoint_of(Host(name="web1.example", address=address)).name == name


@pytest.mark.parametrize(
    ("operation", "read", "expected"),
    [(None, None, (20, 30)), (5, None, (5, 15)), (None, 10, (5, 10)), (50, 60, (50, 60))],
)
def test_answers_are_waited_for_longer_than_hosts_take(operation, read, expected):
    """Whichever of the two is said."""
    options = WinRmOptions(operation_timeout=operation, read_timeout=read)
    host = Host(name="h", winrm=options)
    assert (operation_timeout(host), endpoint_of(host).read_timeout) == expected


@pytest.mark.parametrize("mechanism", list(Authentication))
def test_mechanisms_of_ssh_are_refused_by_name(mechanism):
    """All others Windows hosts have."""
    of_ssh = {"PublicKey", "Password", "KeyboardInteractive", "Gssapi"}
    if mechanism not in of_ssh:
        check_for_winrm(mechanism, "w")
        return
    with pytest.raises(UsageError, match=f"^w is a WinRM host, .* {mechanism}; there are: Default"):
        check_for_winrm(mechanism, "w")


@pytest.mark.parametrize(
    ("more", "work", "problem"),
    [
        ({}, {"durable": True}, "--durable: work on Windows hosts hangs on its connection"),
        ({"become": Become(user="x")}, {}, "--become: on Windows hosts nobody becomes x"),
        ({}, {"exclusive": "x"}, "--exclusive: hosts reached by WinRM keep no leases"),
        ({"authentication": Authentication.GSSAPI}, {}, "has no authentication Gssapi"),
        ({"user": "a b"}, {}, "is not a user name"),
        (
            {"authentication": Authentication.CERTIFICATE, "credential": "c"},
            {},
            "w: Certificate logs in with a certificate; leave the credential out",
        ),
        (
            {
                "authentication": Authentication.NEGOTIATE_WITH_IMPLICIT_CREDENTIAL,
                "credential": "c",
            },
            {},
            "your own ticket; leave the credential out",
        ),
    ],
)
def test_what_can_never_work_is_refused_before_it_starts(more, work, problem):
    """With the host, the option, and what to do."""
    host = Host(name="w", transport="winrm", **more)
    with pytest.raises(UsageError, match=problem):
        WinRmTransport(Caller()).check(host, Work(command=Command(text="x"), **work))


def test_work_that_is_durable_by_default_is_attached():
    """Nobody asked for it by name."""
    work = Work(command=Command(text="x"), durable=True, durable_if_possible=True)
    WinRmTransport(Caller()).check(Host(name="w", transport="winrm"), work)


@pytest.mark.parametrize(
    "copy", [{"push": Push(sources=("a",), to="x")}, {"fetch": Fetch(path="x", into="/y")}]
)
def test_copies_are_refused(copy):
    """With where they go."""
    with pytest.raises(UsageError, match="files cannot be copied"):
        WinRmTransport(Caller()).check(Host(name="w", transport="winrm"), Work(**copy))


def test_a_file_that_is_not_there_fails_its_host_alone():
    """By its name."""
    host = Host(name="w", transport="winrm", winrm=WinRmOptions(ca_file="/nowhere.pem"))
    with pytest.raises(UnfitHost, match=r"/nowhere\.pem: no such file"):
        WinRmTransport(Caller()).check(host, TEXT)
