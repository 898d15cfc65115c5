"""What work and hosts refuse, and how a command is shown."""

from uuid import uuid4

import pytest

from remjobs.errors import UsageError
from remjobs.model.host import check_host_name, check_user_name
from remjobs.model.request import Connection, ReceiveOptions, StartRequest
from remjobs.model.work import Command, Script, Work

COMMAND = Command(text="true")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Work, "a command, a script or a copy"),
        (
            lambda: Work(command=COMMAND, script=Script(name="s", content=b"")),
            "a command, a script or a copy",
        ),
        (Command, "one text or one or more words"),
        (lambda: Command(text="a", words=("b",)), "one text or one or more words"),
        (lambda: Command(words=("a\0b",)), "NUL"),
        (lambda: Script(name="x.bin", content=b"\0"), "x.bin holds NUL bytes"),
        (lambda: Work(command=COMMAND, environment={"A-B": "x"}), "'A-B' is not a variable"),
        (lambda: Work(command=COMMAND, environment={"A": "\0"}), "value of A"),
        (lambda: Work(command=COMMAND, arguments=("\0",)), "argument"),
        (lambda: Work(command=COMMAND, shell="  "), "shell's name is empty"),
        (lambda: Work(command=COMMAND, stop_grace=-1), "cannot be negative"),
        (lambda: Work(command=COMMAND, exclusive=""), "'' is not a lease's name"),
        (lambda: Work(command=COMMAND, exclusive="../x"), "'../x' is not a lease's name"),
        (lambda: Work(command=COMMAND, exclusive="a" * 65), "is not a lease's name"),
        (lambda: Connection(port=0), "port 0"),
        (lambda: Connection(port=65536), "port 65536"),
        (lambda: ReceiveOptions(keep=True, wait=True), "--keep and --wait"),
        (lambda: ReceiveOptions(events=True), "--events needs --wait"),
    ],
)
def test_what_cannot_be_is_refused_by_name(make, message):
    """Each impossible value has a message that names it."""
    with pytest.raises(UsageError, match=message):
        make()


@pytest.mark.parametrize(("limit", "name"), [(0, None), (-3, None), (1, " ")])
def test_a_request_that_can_never_run_is_refused(limit, name):
    """A throttle limit below 1 and an empty name are errors, not defaults."""
    with pytest.raises(UsageError):
        StartRequest(
            instance_id=uuid4(),
            work=Work(command=COMMAND),
            throttle_limit=limit,
            name=name,
        )


@pytest.mark.parametrize(
    "name",
    ["web1", "web-1.example.com", "127.0.1.1", "::1", "fe80::1%eth0", "_dmarc", "A"],
)
def test_host_names_and_addresses_pass(name):
    """Names, IPv4 and IPv6 with a zone are hosts."""
    assert check_host_name(name) == name


@pytest.mark.parametrize("name", ["", "-oProxyCommand=x", "a b", "a\n", "a;b", "$(x)", "a'b", "é"])
def test_unsafe_host_names_are_refused(name):
    """What an option, a shell or a terminal could take for something else is no host."""
    with pytest.raises(UsageError, match="is not a host name"):
        check_host_name(name)


@pytest.mark.parametrize("name", ["", "-l", "a b", "a\x1b", "a;b"])
def test_unsafe_user_names_are_refused(name):
    """The same for users."""
    with pytest.raises(UsageError, match="is not a user name"):
        check_user_name(name)


@pytest.mark.parametrize("name", ["root", "CORP\\bob", "bob@corp.example", "svc$"])
def test_user_names_of_domains_pass(name):
    """Windows and Kerberos forms are users."""
    assert check_user_name(name) == name


@pytest.mark.parametrize(
    ("work", "shown"),
    [
        (Work(command=Command(text="a | b")), "a | b"),
        (Work(command=Command(words=("echo", "a b"))), "echo 'a b'"),
        (Work(script=Script(name="x.sh", content=b""), arguments=("1", "$x")), "x.sh 1 '$x'"),
    ],
)
def test_a_command_is_shown_as_it_would_be_typed(work, shown):
    """``list`` shows words quoted and a script by name."""
    assert work.display == shown
