"""Readers, settings and selection."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remjobs.errors import InventoryError, UsageError
from remjobs.inventory.files import InventoryFile
from remjobs.inventory.plain import parse_host, parse_plain
from remjobs.inventory.select import resolve
from remjobs.inventory.yaml_file import parse_inventory_yaml
from remjobs.model.host import Host, SshOptions
from remjobs.model.request import Targets

SAMPLES = Path(__file__).parents[2] / "inventories"
NOWHERE = Path("/no/such/inventory")


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("web1", Host(name="web1")),
        ("root@web1", Host(name="web1", user="root")),
        ("web1:2222", Host(name="web1", port=2222)),
        ("bob@corp@web1:22", Host(name="web1", user="bob@corp", port=22)),
        ("[::1]:22", Host(name="::1", port=22)),
        ("[::1]", Host(name="::1")),
        ("::1", Host(name="::1")),
        ("fe80::1%eth0", Host(name="fe80::1%eth0")),
    ],
)
def test_a_line_is_a_host_with_its_settings(text, host):
    """User and port stand around the name; IPv6 keeps its colons."""
    assert list(parse_host(text)) == [host]


@pytest.mark.parametrize("text", ["@web1", "-x", "a b", "a:0", "a:99999", "a/b", ""])
def test_what_is_no_host_is_refused(text):
    """With a message, never a crash."""
    with pytest.raises(UsageError):
        list(parse_host(text))


def test_comments_and_blank_lines_are_passed_over():
    """A # inside a word is part of it, and then no host name."""
    found = parse_plain("# all\n\n  a  # first\nb\n", "x")
    assert list(found.hosts) == ["a", "b"]
    with pytest.raises(InventoryError, match="x:1: 'a#b'"):
        parse_plain("a#b\n", "x")


@given(st.text())
def test_any_text_is_hosts_or_an_inventory_error(text):
    """Neither reader crashes on what it is fed."""
    for parse in (parse_plain, parse_inventory_yaml):
        complaint = "x"
        try:
            parse(text, "x")
        except InventoryError as exc:
            complaint = str(exc)
        assert complaint.startswith("x")
        assert "\n" not in complaint


FLEET = """
defaults: {user: deploy, port: 22, variables: {a: 1, b: 1}, ssh: {connect_timeout: 5}}
hosts:
  web1:
  web2: {user: own, ssh: {login_timeout: 7}}
groups:
  all_web: {children: [web], user: parent, port: 1, variables: {b: 2}}
  web: {hosts: [web1, web2, "new[1-2]"], user: child, variables: {c: [3, x, true, null]}}
"""


def test_the_nearest_setting_wins():
    """Defaults, then parents, then groups, then the host; variables and ssh are merged."""
    found = parse_inventory_yaml(FLEET, "/etc/x.yaml")
    one, two = found.hosts["web1"], found.hosts["web2"]
    assert (one.user, one.port) == ("child", 1)
    assert one.variables == {"a": 1, "b": 2, "c": [3, "x", True, None]}
    assert two.user == "own"
    assert two.ssh == SshOptions(connect_timeout=5, login_timeout=7)
    assert found.groups["all_web"] == found.groups["web"] == ("web1", "web2", "new1", "new2")


def test_paths_in_a_file_are_meant_from_its_folder():
    """Wherever the command was typed."""
    text = "hosts: {a: {ssh: {identity_files: [k, /k, ~/k], config_file: none}}}"
    found = parse_inventory_yaml(text, "/etc/fleet/x.yaml").hosts["a"].ssh
    assert found.identity_files == ("/etc/fleet/k", "/k", str(Path("~/k").expanduser()))
    assert found.config_file == "none"


def test_names_are_taken_as_they_are_written():
    """YAML would make a number of 10 and a truth of no; hosts are called so."""
    assert list(parse_inventory_yaml("hosts: [10, no, 1.5]", "x").hosts) == ["10", "no", "1.5"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", "x:1: found a list, expected a mapping of defaults, hosts, groups"),
        ("hosts: {a: [1]}", "x:1: found a list, expected a mapping of transport"),
        ("hosts: {a: {port: 1.5}}", r"x:1: found a number \('1.5'\), expected a port"),
        ("hosts: {a: {ssh: {connect_timeout: 0}}}", "expected a number of seconds above 0"),
        ("hosts: {a: {ssh: {connect_timeout: .inf}}}", "expected a number of seconds above 0"),
        ("hosts: {a: {ssh: {host_key_checking: no}}}", "expected one of: strict, accept-new, off"),
        ("defaults: {ssh: {host_key_checking: off}}", "x:1: host_key_checking: off can be said of"),
        (
            "groups:\n  g: {hosts: [a], ssh: {host_key_checking: off}}",
            "x:2: host_key_checking: off",
        ),
        ("hosts:\n  h[1-2]: {ssh: {host_key_checking: off}}", "x:2: host_key_checking: off"),
        ("groups: {all: [a]}", "x:1: 'all' is the name of every host"),
        ("hosts: [a]\ngroups: {a: [b]}", "x:2: 'a' is the name of a host"),
        ("hosts: [{a: 1}]", "x:1: found a mapping, expected a host name"),
        ("defaults: {address: a}", "x:1: unknown key 'address'"),
        ("hosts: *a", "x:1: .*alias"),
        ("a: b: c", "x:1: not YAML"),
        ("hosts: " + "[" * 100 + "]" * 100, "expected"),
    ],
)
def test_a_wrong_place_is_named(text, message):
    """Line, what stands there, and what was expected."""
    with pytest.raises(InventoryError, match=message):
        parse_inventory_yaml(text, "x")


def test_a_bomb_of_aliases_is_refused_before_it_grows():
    """A few lines cannot stand for gigabytes."""
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60)]
    with pytest.raises(InventoryError, match="anchors and aliases"):
        parse_inventory_yaml("\n".join(lines), "x")


def test_forwarding_an_agent_is_yes_or_no():
    """Anything else is told, and not taken for one of them."""
    text = "hosts:\n  h:\n    ssh: {forward_agent: %s}\n"
    assert parse_inventory_yaml(text % "true", "x").hosts["h"].ssh.forward_agent
    assert not parse_inventory_yaml(text % "false", "x").hosts["h"].ssh.forward_agent
    with pytest.raises(InventoryError, match="true or false"):
        parse_inventory_yaml(text % "'yes'", "x")


def test_every_sample_can_be_read():
    """What we ship is right."""
    assert len(InventoryFile(SAMPLES / "servers.txt").load().hosts) == 23
    fleet = InventoryFile(SAMPLES / "fleet.yaml").load()
    assert len(fleet.groups["production"]) == 21
    assert fleet.hosts["db1.example.com"].user == "prod"
    assert fleet.hosts["old"].ssh.known_hosts_file == str(SAMPLES / "known_hosts")


# Selection


@pytest.fixture
def fleet(tmp_path):
    """A folder with an inventory and a list."""
    (tmp_path / "fleet.yaml").write_text(
        "hosts: [web1, web2, web3, db1]\ngroups:\n  web: [web1, web2, web3]\n  db: [db1]\n",
    )
    (tmp_path / "some.txt").write_text("web2\ndb  # a group\n")
    return tmp_path


def chosen(folder, *include, inventory="fleet.yaml", **more):
    inventories = (inventory,) if inventory else ()
    targets = Targets(include=include, inventories=inventories, **more)
    return [host.name for host in resolve(targets, str(folder), NOWHERE).hosts]


@pytest.mark.parametrize(
    ("include", "more", "names"),
    [
        (["web2"], {}, ["web2"]),
        (["db,web"], {}, ["db1", "web1", "web2", "web3"]),
        (["web[2-3]", "db1"], {}, ["web2", "web3", "db1"]),
        (["all"], {}, ["web1", "web2", "web3", "db1"]),
        (["all"], {"exclude": ("web[1-2],db",)}, ["web3"]),
        (["@some.txt"], {}, ["web2", "db1"]),
        (["-"], {"standard_input": "db1\nweb1\n"}, ["db1", "web1"]),
        (["web1,web1"], {"allow_duplicates": True}, ["web1", "web1"]),
        ([" web1 , ,db1"], {}, ["web1", "db1"]),
    ],
)
def test_expressions_select_in_their_order(fleet, include, more, names):
    """Names, groups, ranges, unions, lists and exclusions."""
    assert chosen(fleet, *include, **more) == names


def test_without_an_inventory_a_name_is_a_host_as_it_is(fleet):
    """With user and port as in a list."""
    targets = Targets(include=("root@a:7,127.0.1.[1-2]",))
    hosts = resolve(targets, str(fleet), NOWHERE).hosts
    assert hosts[0] == Host(name="a", user="root", port=7)
    assert [host.name for host in hosts[1:]] == ["127.0.1.1", "127.0.1.2"]


def test_the_default_inventory_is_used_where_none_is_named(fleet):
    """If it exists; one that is named takes its place."""
    hosts = resolve(Targets(include=("db",)), "/", fleet / "fleet.yaml").hosts
    assert [host.name for host in hosts] == ["db1"]


def test_a_later_inventory_wins(fleet):
    """Host by host."""
    (fleet / "more.yaml").write_text("hosts: {web1: {port: 7}, extra: }\n")
    targets = Targets(include=("web1,extra",), inventories=("fleet.yaml", "more.yaml"))
    hosts = resolve(targets, str(fleet), NOWHERE).hosts
    assert [(host.name, host.port) for host in hosts] == [("web1", 7), ("extra", None)]


@pytest.mark.parametrize(
    ("include", "message"),
    [
        (["wbe1"], r"no host or group 'wbe1' in .*fleet.yaml; did you mean web1"),
        (["web[1-9]"], "no host or group 'web4'"),
        (["@none.txt"], "none.txt: cannot read the inventory"),
        (["-"], "needs names on standard input"),
        ([","], "no host matched"),
    ],
)
def test_what_selects_nothing_is_an_error(fleet, include, message):
    """It names the expression, and near names if there are."""
    with pytest.raises(UsageError, match=message):
        chosen(fleet, *include)


def test_an_unknown_name_in_a_list_is_told_with_its_line(fleet):
    """Whether the list is a file or standard input."""
    with pytest.raises(UsageError, match="standard input:2: no host or group 'x'"):
        chosen(fleet, "-", standard_input="web1\nx\n")


def test_duplicates_and_idle_exclusions_are_warned_of(fleet):
    """They are no errors, but seldom meant."""
    targets = Targets(include=("web1", "web"), exclude=("db",), inventories=("fleet.yaml",))
    selection = resolve(targets, str(fleet), NOWHERE)
    assert [host.name for host in selection.hosts] == ["web1", "web2", "web3"]
    assert selection.warnings == (
        "-x db excludes nothing",
        "web1 is named more than once; it is one child",
    )


def test_hosts_given_whole_need_no_inventory(fleet):
    """From Python; they come first."""
    own = Host(name="own", port=7)
    targets = Targets(hosts=(own,), include=("db1",), inventories=("fleet.yaml",))
    assert resolve(targets, str(fleet), NOWHERE).hosts[0] == own
