"""Readers, settings and selection."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.sshd import wait_for

from remjobs.errors import InventoryError, UsageError
from remjobs.inventory.draft import Draft
from remjobs.inventory.files import InventoryFile
from remjobs.inventory.kinds import READERS, Kind, kind_of, split_kind
from remjobs.inventory.merged import Merged
from remjobs.inventory.patterns import compile_regex
from remjobs.inventory.plain import parse_host
from remjobs.inventory.script import InventoryScript
from remjobs.inventory.select import resolve
from remjobs.model.authentication import Authentication
from remjobs.model.host import Host, SshOptions
from remjobs.model.request import Targets
from remjobs.settings import Settings

SAMPLES = Path(__file__).parents[2] / "inventories"
NOWHERE = ()


def read(text, kind, name="/etc/x"):
    draft = Draft(name)
    READERS[kind](text, draft)
    return Merged([draft.finish()], Path("/"))


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
    assert list(read("# all\n\n  a  # first\nb\n", Kind.LIST).hosts) == ["a", "b"]
    with pytest.raises(InventoryError, match="x:1: 'a#b'"):
        read("a#b\n", Kind.LIST)


@given(st.sampled_from(list(Kind)), st.text())
def test_any_text_is_hosts_or_an_inventory_error(kind, text):
    """No reader crashes on what it is fed."""
    assert_read_or_refused(kind, text)


def assert_read_or_refused(kind, text):
    complaint = "/etc/x"
    try:
        merged = read(text, kind)
        for name in merged.hosts:
            merged.host(name)
    except InventoryError as exc:
        complaint = str(exc)
    assert complaint.startswith("/etc/x")
    assert "\n" not in complaint


PIECES = """[a] [b:children] [a:vars] [all:vars] a b web[1:3] web[1-3] x=1 Host Include
* !x 10.0.0.1 ::1 name,port a,7 [hosts] [groups] port=7 all: hosts: vars: - & * << , " ' {{
ansible_user= !vault !!python/name:os.x [hosts.a] [groups.g] hosts=["a"] children=["g"] #"""
WORDS = st.sampled_from(PIECES.split())


@given(st.sampled_from(list(Kind)), st.lists(st.lists(WORDS, max_size=4).map(" ".join), max_size=8))
def test_nearly_right_text_is_hosts_or_an_inventory_error(kind, lines):
    """Made of pieces that the readers look for."""
    assert_read_or_refused(kind, "\n".join(lines))


# Which reader


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("x.yml", "", Kind.YAML),
        ("x.JSON", "", Kind.YAML),
        ("x.toml", "", Kind.TOML),
        ("x.tsv", "", Kind.CSV),
        ("x.ini", "", Kind.INI),
        ("ssh_config", "", Kind.SSH_CONFIG),
        ("x", "# SSH\nHost a b\n", Kind.SSH_CONFIG),
        ("x", "Include other\n", Kind.SSH_CONFIG),
        ("hosts", "127.0.0.1 localhost\n", Kind.HOSTS),
        ("hosts", "fe80::1%lo0 localhost\n", Kind.HOSTS),
        ("hosts", "a\n[web]\nb\n", Kind.INI),
        ("hosts", "a\n[web:children] # x\nb\n", Kind.INI),
        ("hosts", "10.0.0.1 ansible_user=root\n", Kind.INI),
        ("hosts", "web[01:20]\n", Kind.INI),
        ("hosts", "node-[a:f].example.com\n", Kind.INI),
        ("hosts", "---\nall:\n", Kind.YAML),
        ("hosts", "web:\n  hosts:\n", Kind.YAML),
        ("x", "10.0.0.1\n10.0.0.2\n", Kind.LIST),
        ("x", "web[01-20]\nroot@a:22\n[::1]:22\n[2001:db8::17]\nfe80::1%eth0\n", Kind.LIST),
        ("x", "", Kind.LIST),
    ],
)
def test_the_reader_is_found_by_name_or_content(name, text, kind):
    """What looks like nothing else is a plain list."""
    assert kind_of(Path(name), text) is kind


@pytest.mark.parametrize(
    ("text", "kind", "path"),
    [
        ("csv:a/b", Kind.CSV, "a/b"),
        ("ssh-config:~/x", Kind.SSH_CONFIG, "~/x"),
        ("./csv:a", None, "./csv:a"),
        ("other:a", None, "other:a"),
        ("hosts", None, "hosts"),
        ("csv:", None, "csv:"),
    ],
)
def test_the_reader_can_be_named(text, kind, path):
    """As KIND:PATH."""
    assert split_kind(text) == (kind, path)


def test_a_folder_is_read_as_ansible_reads_it(tmp_path):
    """In the order of the alphabet, what Ansible passes over left out."""
    (tmp_path / "b.yaml").write_text("web: {hosts: {w1: {x: 2}}}")
    (tmp_path / "a").write_text("[web]\nw1 x=1 y=1\n")
    (tmp_path / "c.txt").write_text("never\n")
    (tmp_path / ".hidden").write_text("never\n")
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars" / "web.yml").write_text("z: 3")
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "d").write_text("w2\n")
    merged = Merged(InventoryFile(tmp_path).load(), tmp_path)
    assert list(merged.hosts) == ["w1", "w2"]
    assert merged.host("w1").variables == {"x": 2, "y": 1, "z": 3}


def test_a_program_is_never_run_by_itself(tmp_path):
    """Not as a file, and not in a folder."""
    path = tmp_path / "inventory"
    path.write_text("#!/bin/sh\ntouch ran\n")
    path.chmod(0o755)
    for named in (path, tmp_path):
        with pytest.raises(InventoryError, match="only where it is named by --inventory-script"):
            list(InventoryFile(named).load())


def test_what_is_no_file_is_not_waited_for(tmp_path):
    """A pipe that nobody writes to would hold us for ever."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InventoryError, match="pipe: cannot read the inventory: neither a file"):
        list(InventoryFile(tmp_path / "pipe").load())
    assert list(Merged(InventoryFile(Path("/dev/null")).load(), tmp_path).hosts) == []


def test_messages_hold_no_control_characters():
    """Whatever names a file has for groups and variables."""
    with pytest.raises(InventoryError, match=r"\[a\\x1b:b\] is unknown"):
        read("[a\x1b:b]\n", Kind.INI)
    [warning] = read('a: {vars: {"\\e[2J_password": 1}}', Kind.YAML).warnings
    assert "\\x1b[2J_password is not kept" in warning


# Our own form

FLEET = """
[defaults]
user = "deploy"
port = 22
variables = {a = 1, b = 1}
ssh.connect_timeout = 5
[hosts.web1]
[hosts.web2]
user = "own"
ssh = {login_timeout = 7}
[groups.all_web]
children = ["web"]
user = "parent"
port = 1
[groups.all_web.variables]
b = 2
[groups.web]
hosts = ["web1", "web2",
  "new[1-2]"]
user = "child"
[groups.web.variables]
c = [3, "x", true]
"""


def test_the_nearest_setting_wins():
    """Defaults, then parents, then groups, then the host; variables and ssh are merged."""
    found = read(FLEET, Kind.TOML, "/etc/x.toml")
    one, two = found.host("web1"), found.host("web2")
    assert (one.user, one.port) == ("child", 1)
    assert one.variables == {"a": 1, "b": 2, "c": [3, "x", True]}
    assert two.user == "own"
    assert two.ssh == SshOptions(connect_timeout=5, login_timeout=7)
    assert found.members("all_web") == found.members("web") == ("web1", "web2", "new1", "new2")


def test_every_setting_says_its_line():
    """Also inside tables, and after lists over several lines."""
    found = read(FLEET, Kind.TOML, "x.toml")
    places = {key: str(setting.place) for key, setting in found.settings("web2").items()}
    assert places == {
        "port": "x.toml:14",
        "ssh.connect_timeout": "x.toml:6",
        "ssh.login_timeout": "x.toml:10",
        "user": "x.toml:9",
        "variables.a": "x.toml:5",
        "variables.b": "x.toml:16",
        "variables.c": "x.toml:22",
    }


def test_a_priority_decides_between_groups_as_deep():
    """As ansible_group_priority; else the later name in the alphabet wins."""
    text = "[groups.{}]\nhosts = ['h']\npriority = {}\nvariables.v = '{}'\n"
    both = text.format("a", 2, "a") + text.format("b", 1, "b")
    assert read(both, Kind.TOML).host("h").variables == {"v": "a"}
    assert read(both.replace("2", "1"), Kind.TOML).host("h").variables == {"v": "b"}


def test_paths_in_a_file_are_meant_from_its_folder():
    """Wherever the command was typed."""
    text = "[hosts.a.ssh]\nidentity_files = ['k', '/k', '~/k']\nconfig_file = 'none'\n"
    found = read(text, Kind.TOML, "/etc/fleet/x.toml").host("a").ssh
    assert found.identity_files == ("/etc/fleet/k", "/k", str(Path("~/k").expanduser()))
    assert found.config_file == "none"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "x:1: unknown key 'x'; expected one of: defaults, hosts, groups"),
        ("hosts.a = [1]", "x:1: found a list, expected a table of transport"),
        ("[hosts]\na.port = 1.5", r"x:2: found a number \('1.5'\), expected a port"),
        ("hosts.a.ssh.connect_timeout = 0", "expected a number of seconds above 0"),
        ("hosts.a.ssh.connect_timeout = inf", "expected a number of seconds above 0"),
        ("hosts.a.ssh.host_key_checking = 'no'", "expected one of: strict, accept-new, off"),
        ("hosts.a.ssh.forward_agent = 'yes'", "expected true or false"),
        ("defaults.ssh.host_key_checking = 'off'", "x:1: host_key_checking: off can be said of"),
        ("[groups.g.ssh]\nhost_key_checking = 'off'", "x:1: host_key_checking: off"),
        ("hosts.'h[1-2]'.ssh.host_key_checking = 'off'", "x:1: host_key_checking: off"),
        ("hosts.a.user = 7", r"found a number \('7'\), expected a text"),
        ("hosts.a.authentication = 'x'", "no authentication 'x'"),
        ("[groups]\nall = ['a']", "x:2: 'all' is the name of a group that is always there"),
        ("hosts = ['a']\n\n[groups]\na = ['b']", "x:4: 'a' is the name of a host"),
        ("[groups.g]\nchildren = ['h']", "x:2: no group 'h'; there are: g"),
        ("hosts = [{a = 1}]", "x:1: found a table, expected a host name"),
        ("defaults.address = 'a'", "x:1: unknown key 'address'"),
        ("defaults.password = 'a'", "x:1: unknown key 'password'"),
        ("a = 1\na = 2", "x:2: not TOML"),
        ("[hosts.a]\n[hosts.a]", "x:2: not TOML"),
        ("a = " + "[" * 5000, "x:?.*: not TOML"),
    ],
)
def test_a_wrong_place_in_toml_is_named(text, message):
    """Line, what stands there, and what was expected."""
    with pytest.raises(InventoryError, match=message):
        read(text, Kind.TOML)


# What Ansible's variables mean


def of_ini(line, name="a"):
    return read(f"{name} {line}\n", Kind.INI).host(name)


@pytest.mark.parametrize(
    ("line", "host"),
    [
        ("ansible_host=10.0.0.1 ansible_port=22", {"address": "10.0.0.1", "port": 22}),
        ("ansible_ssh_host=b ansible_ssh_port=7", {"address": "b", "port": 7}),
        ("ansible_ssh_user=new ansible_user=old", {"user": "new"}),
        ("ansible_connection=local", {"transport": "local"}),
        ("ansible_connection=paramiko", {"transport": "ssh"}),
        ("ansible_connection=winrm ansible_winrm_user=w", {"transport": "winrm", "user": "w"}),
        ("ansible_connection=psrp ansible_ssh_user=x", {"transport": "winrm"}),
        ("ansible_winrm_user=w ansible_user=s", {"user": "s"}),
        (
            "ansible_connection=winrm ansible_winrm_transport=kerberos",
            {"transport": "winrm", "authentication": Authentication.KERBEROS},
        ),
        (
            "ansible_ssh_private_key_file=keys/a ansible_ssh_timeout=5",
            {"ssh": SshOptions(identity_files=("/keys/a",), connect_timeout=5)},
        ),
    ],
)
def test_ansibles_variables_are_ours(line, host):
    """They stay variables as well; those of another transport mean nothing."""
    found = of_ini(line)
    assert found == Host(name="a", variables=found.variables, **host)
    assert set(found.variables) == {word.partition("=")[0] for word in line.split()}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ansible_host='{{ x }}'", "^/etc/x:1: ansible_host is a template .* remjobs expands none"),
        ("ansible_port=many", "x:1: ansible_port is 'many', expected a port"),
        ("ansible_port=70000", "expected a port from 1 to 65535"),
        ("ansible_user=-x", "x:1: ansible_user: '-x' is not a user name"),
        ("ansible_host=-x", "x:1: ansible_host: '-x' is not a host name"),
        ("ansible_connection=docker", "x:1: ansible_connection is 'docker'; .* there are: ssh"),
        ("ansible_ssh_timeout=0", "expected a number of seconds above 0"),
        ("ansible_user=[1]", r"ansible_user is \[1\], expected a text"),
    ],
)
def test_a_connection_variable_that_cannot_be_taken_is_named(line, message):
    """Only for hosts that are asked for: others may hold what they will."""
    with pytest.raises(InventoryError, match=message):
        of_ini(line)
    assert list(read(f"a {line}\nb\n", Kind.INI).hosts) == ["a", "b"]


def test_variables_may_hold_templates_for_others():
    """They are kept as they are, and never expanded."""
    assert of_ini("x='{{ y }}'").variables == {"x": "{{ y }}"}


@pytest.mark.parametrize(
    "name",
    [
        "ansible_password",
        "ansible_ssh_pass",
        "ansible_become_password",
        "ansible_become_pass",
        "db_password",
        "API_TOKEN",
        "aws_secret",
        "ansible_ssh_private_key",
    ],
)
def test_secrets_are_dropped_with_their_place(name):
    """Whatever the form; the value is nowhere."""
    for kind, text in (
        (Kind.INI, f"a {name}=hunter2\n"),
        (Kind.YAML, f"all: {{hosts: {{a: {{{name}: hunter2}}}}}}"),
        (Kind.TOML, f"hosts.a.variables.{name} = 'hunter2'"),
        (Kind.CSV, f"name,{name}\na,hunter2\n"),
    ):
        merged = read(text, kind)
        assert merged.host("a").variables == {}
        [warning] = merged.warnings
        assert f": {name.lower() if kind is Kind.CSV else name} is not kept: a secret" in warning
        assert "keyring" in warning
        assert "hunter2" not in repr(merged.hosts) + warning


def test_secrets_inside_of_variables_are_dropped_too():
    """The rest of the variable stays."""
    merged = read(
        "all: {vars: {db: {user: u, password: p}, l: [{token: t}]}, hosts: {a: }}", Kind.YAML
    )
    assert merged.host("a").variables == {"db": {"user": "u"}, "l": [{}]}
    assert len(merged.warnings) == 2


def test_what_no_secret_is_by_its_name_is_kept():
    """A path to a secret, or a word that only looks like one."""
    line = "bypass=1 ansible_ssh_private_key_file=k password_file=/x tokens=2 compass=3"
    assert len(of_ini(line).variables) == 5


def test_vault_values_are_told():
    """A variable is dropped; a connection's is an error, since it is needed."""
    text = "all: {{hosts: {{a: {{{}: !vault 'x'}}}}}}"
    merged = read(text.format("x"), Kind.YAML)
    assert merged.host("a").variables == {}
    assert "x is not kept" in merged.warnings[0]
    with pytest.raises(InventoryError, match="ansible_user is encrypted by ansible-vault"):
        read(text.format("ansible_user"), Kind.YAML).host("a")
    with pytest.raises(InventoryError, match="x:1: encrypted by ansible-vault"):
        read("$ANSIBLE_VAULT;1.1;AES256\n6162\n", Kind.YAML)


def test_a_vaulted_file_beside_an_inventory_is_passed_over(tmp_path):
    """With a warning that names it."""
    (tmp_path / "hosts.ini").write_text("[web]\na\n")
    folder = tmp_path / "group_vars" / "web"
    folder.mkdir(parents=True)
    (folder / "vault.yml").write_text("$ANSIBLE_VAULT;1.1;AES256\n6162\n")
    (folder / "vars.yml").write_text("x: 1\nansible_become_pass: p\n")
    merged = Merged(InventoryFile(tmp_path / "hosts.ini").load(), tmp_path)
    assert merged.host("a").variables == {"x": 1}
    assert [w.partition(": ")[0] for w in merged.warnings] == [
        f"{folder}/vars.yml:2",
        f"{folder}/vault.yml",
    ]


def test_what_is_passed_over_is_warned_of():
    """With what to do instead."""
    merged = read("a ansible_ssh_common_args='-J b' ansible_become=true x=1\n", Kind.INI)
    merged.host("a")
    assert [w.partition(" is passed")[0] for w in merged.warnings] == [
        "/etc/x:1: ansible_ssh_common_args",
        "/etc/x:1: ansible_become",
    ]


# Contradictions


def test_a_host_twice_with_different_settings_is_warned_of():
    """The later one counts; the same twice is fine."""
    merged = read("a:22\na:22\na:23\n", Kind.LIST)
    assert merged.host("a").port == 23
    assert merged.warnings == (
        "/etc/x:3: a: port is 23 here, but 22 in line 2; the later one counts",
    )
    ini = read("[g]\na x=1\n[h]\na x=2 y=1\n", Kind.INI)
    assert ini.host("a").variables == {"x": 2, "y": 1}
    assert len(ini.warnings) == 1


def test_many_warnings_are_few_lines():
    """Nobody reads thousands."""
    text = "".join(f"h{n}:22\nh{n}:23\n" for n in range(1000))
    warnings = read(text, Kind.LIST).warnings
    assert len(warnings) == 11
    assert warnings[-1] == "/etc/x: 990 more of this kind"
    [secrets] = read("".join(f"h{n} x_password=1\n" for n in range(1000)), Kind.INI).warnings
    assert "(and 999 more lines)" in secrets


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Kind.INI, "[a:children]\nb\n[b:children]\nc\n[c:children]\na\n"),
        (Kind.YAML, "a: {children: {b: {children: {c: {children: {a: }}}}}}"),
        (Kind.TOML, "groups.a.children=['b']\ngroups.b.children=['c']\ngroups.c.children=['a']"),
    ],
)
def test_groups_that_contain_each_other_are_named(kind, text):
    """With the way round."""
    with pytest.raises(InventoryError, match=r"x:\d: groups contain each other: (. > ){3}."):
        read(text, kind)


def test_a_chain_of_groups_may_be_long():
    """No recursion gives out."""
    text = "".join(f"[g{n}:children]\ng{n + 1}\n" for n in range(3000)) + "[g3000]\na\n"
    assert read(text, Kind.INI).members("g0") == ("a",)


def test_a_host_and_a_group_of_one_name_are_warned_of():
    """Both are meant by it."""
    merged = read("[web]\nweb\na\n", Kind.INI)
    assert "'web' names a host and a group" in merged.warnings[0]


# Single forms


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[a b]\n", r"x:1: \[a b\] is not a section"),
        ("[a:other]\n", r"x:1: \[a:other\] is unknown; expected one of: hosts, children, vars"),
        ("[a:children]\nb\n", r"x:2: \[a:children\] names 'b', which has no section"),
        ("[a:vars]\nx=1\n", r"x:1: \[a:vars\] is about a group that has no section"),
        ("a 'x=1\n", "x:1: No closing quotation"),
        ("web[1:\n", "x:1: 'web\\[1:' is not a host name"),
        ("web[5:1]\n", r"x:1: 'web\[5:1\]': \[5:1\] is not a range"),
        ("web[01:100]\n", "is not a range"),
        ("web[1:9999999]\n", "stands for more than 100000 names"),
        ("[a:vars]\nansible_group_priority=x\n[a]\n", "x:2: .* expected a whole number"),
    ],
)
def test_a_wrong_line_in_ini_is_named(text, message):
    """Line, what stands there, and what was expected."""
    with pytest.raises(InventoryError, match=message):
        read(text, Kind.INI)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", "x:1: found a list, expected a mapping of groups"),
        ("web: {hosts: [a]}", "x:1: found a list, expected a mapping of the hosts"),
        ("web: [a]", "x:1: found a list, expected a group"),
        ("hosts: [a]", "x:1: found a list, expected a group.*TOML"),
        ("web: {hosts: {a: 1}}", r"x:1: found a number \('1'\), expected a mapping of variables"),
        ("web: *a", "x:1: .*alias"),
        ("web: &a {children: *a}", "x:1: the alias \\*a stands for nothing that has ended"),
        ("a: b: c", "x:1: not YAML"),
        ("a: \n---\nb: ", "x:2: a second document"),
        ("plugin: aws_ec2", "x:1: configures a plugin of Ansible"),
        ("web: {vars: {a: !!python/name:os.system }}", "x:1: found the tag tag:.*python"),
        ("web: {vars: {a: !!binary x}}", "x:1: found"),
        ("web: {vars: {[1]: 2}}", "x:1: found a list, expected a name"),
        ("web: " + "[" * 500 + "]" * 500, "expected"),
        ("web: {vars: {a: " + "[" * 100 + "]" * 100 + "}}", "at most 60 levels"),
        ("a: " + "{children: {a: " * 99 + "}}" * 99, "at most 60 deep"),
    ],
)
def test_a_wrong_place_in_yaml_is_named(text, message):
    """Line, what stands there, and what was expected."""
    with pytest.raises(InventoryError, match=message):
        read(text, Kind.YAML)


def test_anchors_and_merge_keys_are_followed():
    """As inventories use them."""
    text = "x: {vars: &v {a: 1, b: 1}}\ny: {hosts: {h: {<<: *v, b: 2}, g: *v}}"
    merged = read(text, Kind.YAML)
    assert merged.host("h").variables == {"a": 1, "b": 2}
    assert merged.host("g").variables == {"a": 1, "b": 1}


def test_unsafe_is_a_text():
    """Ansible's mark for what is no template."""
    assert read("a: {hosts: {h: {u: !unsafe '{{ y }}'}}}", Kind.YAML).host("h").variables == {
        "u": "{{ y }}",
    }


def test_a_bomb_of_aliases_is_refused_before_it_grows():
    """A few lines cannot stand for gigabytes."""
    lines = ["web:", "  vars:", "    a0: &a0 [x, x]"]
    lines += [f"    a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60)]
    with pytest.raises(InventoryError, match="the file's aliases make too much of it"):
        read("\n".join(lines), Kind.YAML)


def test_yaml_that_means_less_is_read_with_a_warning():
    """As Ansible does."""
    merged = read("web: {hosts: {a: }, other: {b: }, children: db}", Kind.YAML)
    assert list(merged.hosts) == ["a"]
    assert "unknown key 'other' in group 'web'" in merged.warnings[0]
    assert "db" in merged.groups


def test_an_ssh_config_names_its_hosts(tmp_path, monkeypatch):
    """Wildcards and negations left out, Includes followed; its settings are SSH's to read."""
    monkeypatch.setenv("HOME", str(tmp_path))
    ssh = tmp_path / ".ssh"
    (ssh / "more").mkdir(parents=True)
    (ssh / "config").write_text(
        "# mine\nInclude more/*\nHost a 'b' *.x !c d?\n  User u\nhost=e\nMatch all\n  Port 7\n",
    )
    (ssh / "more" / "one").write_text("Host f\n  HostName 10.0.0.1\n")
    merged = Merged(InventoryFile(ssh / "config").load(), tmp_path)
    assert list(merged.hosts) == ["f", "a", "b", "e"]
    assert merged.host("a") == Host(name="a")
    assert str(merged.places["f"]) == f"{ssh}/more/one:1"
    other = tmp_path / "ssh_config"
    other.write_text("Host g\n")
    found = Merged(InventoryFile(other).load(), tmp_path)
    assert found.host("g").ssh == SshOptions(config_file=str(other))


def test_ssh_configs_that_include_each_other_end(tmp_path, monkeypatch):
    """As deep as ssh goes."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    path = tmp_path / ".ssh" / "config"
    path.write_text("Include config\n")
    with pytest.raises(InventoryError, match="config:1: files include each other"):
        list(InventoryFile(path).load())


def test_a_hosts_file_names_machines_only():
    """The first line of a name counts, aliases select, the machine itself is left out."""
    merged = read(
        "127.0.0.1 localhost localhost.localdomain\n::1 localhost ip6-localhost\n"
        "ff02::1 ip6-allnodes\n0.0.0.0 ads.example\n10.0.0.1 a.example a # x\nfe80::1 a.example\n",
        Kind.HOSTS,
    )
    assert {name: merged.host(name).address for name in merged.hosts} == {"a.example": "10.0.0.1"}
    assert merged.aliases == {"a": "a.example"}


def test_a_table_is_hosts_with_groups_and_variables():
    """Semicolons do as well; quotes are CSV's."""
    text = 'Host;IP;Port;Groups;Note\nweb[1-2];;2222;"web;all web";"a; ""b"""\ndb;10.0.0.1;;;\n'
    merged = read(text, Kind.CSV)
    assert merged.host("web2") == Host(name="web2", port=2222, variables={"note": 'a; "b"'})
    assert merged.host("db").address == "10.0.0.1"
    assert merged.members("web") == ("web1", "web2")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n", "x:1: no column says the host's name; expected a header"),
        ("name,port,port\n", "x:1: the column 'port' stands here twice"),
        ("name,port\na\n", "x:2: 1 cells, expected 2"),
        ('name\n"a\n', "x:2: not CSV"),
        ("name,user\na,-x\n", "x:2: '-x' is not a user name"),
    ],
)
def test_a_wrong_row_is_named(text, message):
    """Line, what stands there, and what was expected."""
    with pytest.raises(InventoryError, match=message):
        read(text, Kind.CSV)


@pytest.mark.parametrize(
    ("name", "hosts", "host", "user"),
    [
        ("servers.txt", 23, "web01.example.com", None),
        ("fleet.toml", 23, "db1.example.com", "prod"),
        ("hosts.csv", 21, "db1", "prod"),
        ("ansible/hosts.ini", 22, "db1.example.com", "prod"),
    ],
)
def test_every_sample_can_be_read(name, hosts, host, user):
    """What we ship is right."""
    merged = Merged(InventoryFile(SAMPLES / name).load(), SAMPLES)
    assert len(merged.hosts) == hosts
    assert merged.host(host).user == user
    assert not merged.warnings


def test_the_samples_show_what_they_say():
    """Groups, paths and variables."""
    fleet = Merged(InventoryFile(SAMPLES / "fleet.toml").load(), SAMPLES)
    assert len(fleet.members("production")) == 21
    assert fleet.host("old").ssh.known_hosts_file == str(SAMPLES / "known_hosts")
    ansible = Merged(InventoryFile(SAMPLES / "ansible" / "hosts.ini").load(), SAMPLES)
    assert ansible.host("db1.example.com").variables["backup"] == "nightly"


# Selection


@pytest.fixture
def fleet(tmp_path):
    """A folder with an inventory and a list."""
    (tmp_path / "fleet.toml").write_text(
        "hosts = ['web1', 'web2', 'web3', 'db1']\n"
        "[groups]\nweb = ['web1', 'web2', 'web3']\ndb = ['db1']\nempty = []\n",
    )
    (tmp_path / "some.txt").write_text("web2\ndb  # a group\n")
    return tmp_path


def chosen(folder, *include, inventory="fleet.toml", **more):
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
    hosts = resolve(Targets(include=("db",)), "/", [fleet / "fleet.toml"]).hosts
    assert [host.name for host in hosts] == ["db1"]


def test_a_later_inventory_wins(fleet):
    """Host by host."""
    (fleet / "more.toml").write_text("hosts.web1.port = 7\nhosts.extra = {}\n")
    targets = Targets(include=("web1,extra",), inventories=("fleet.toml", "more.toml"))
    hosts = resolve(targets, str(fleet), NOWHERE).hosts
    assert [(host.name, host.port) for host in hosts] == [("web1", 7), ("extra", None)]


@pytest.mark.parametrize(
    ("include", "message"),
    [
        (["wbe1"], r"no host or group 'wbe1' in .*fleet.toml; did you mean web1"),
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
    targets = Targets(include=("web1", "web"), exclude=("db",), inventories=("fleet.toml",))
    selection = resolve(targets, str(fleet), NOWHERE)
    assert [host.name for host in selection.hosts] == ["web1", "web2", "web3"]
    assert selection.warnings == (
        "-x db excludes nothing",
        "web1 is named more than once; it is one child",
    )


def test_hosts_given_whole_need_no_inventory(fleet):
    """From Python; they come first."""
    own = Host(name="own", port=7)
    targets = Targets(hosts=(own,), include=("db1",), inventories=("fleet.toml",))
    assert resolve(targets, str(fleet), NOWHERE).hosts[0] == own


# Patterns


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("web*", ["web1", "web2", "web3"]),
        ("web[!3]", ["web1", "web2"]),
        ("d?", ["db1"]),
        ("~b[13]$|db", ["db1"]),
        ("~.*[13]", ["web1", "web3", "db1"]),
        ("~^web[1-2]{1,1}$,db", ["web1", "web2", "db1"]),
        ("web[1-3/2]", ["web1", "web3"]),
        ("web[1-3:2]", ["web1", "web3"]),
        ("web[1,3]", ["web1", "web3"]),
        ("web,!web2", ["web1", "web3"]),
        ("!web2,web", ["web1", "web3"]),
        ("web,&~.*[12]", ["web1", "web2"]),
        ("all,&web,!web[1-2]", ["web3"]),
        ("!web", ["db1"]),
        ("&web", ["web1", "web2", "web3"]),
        ("all,!@some.txt", ["web1", "web3"]),
        ("web[0]", ["web1"]),
        ("web[-1],db[0]", ["web3", "db1"]),
        ("web[1:]", ["web2", "web3"]),
        ("web[:1]", ["web1", "web2"]),
        ("all[2:3]", ["web3", "db1"]),
        ("w[eb]*1", ["web1"]),
        ("ungrouped,db", ["db1"]),
    ],
)
def test_patterns_select(fleet, pattern, names):
    """Globs, expressions, steps, intersections, exclusions, host numbers."""
    assert chosen(fleet, pattern) == names


def test_a_wildcard_never_means_every_host_by_its_first_letter(fleet):
    """All and ungrouped are groups by their own name only; Ansible's a* is all of them."""
    (fleet / "x.ini").write_text("apple\nunder\nbanana\n[web]\nw\n")
    assert chosen(fleet, "a*", inventory="x.ini") == ["apple"]
    assert chosen(fleet, "~u", inventory="x.ini") == ["under"]
    assert chosen(fleet, "*", inventory="x.ini") == ["apple", "under", "banana", "w"]


def test_operators_count_over_all_expressions(fleet):
    """However often -t is given."""
    assert chosen(fleet, "web", "!web1", "&@some.txt") == ["web2"]
    assert chosen(fleet, "all", exclude=("web,!web1",)) == ["web1", "db1"]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("wep*", "no host or group matches 'wep\\*' in .*; did you mean web"),
        ("~^x", "no host or group matches '~\\^x'"),
        ("~(", "~\\( is not a regular expression"),
        ("~(a+)+$", "repeats a group that holds a repetition"),
        ("~(?:a|b)*c", "repeats a group that holds a repetition or a choice"),
        ("~((a?b)c)+", "repeats a group that holds a repetition"),
        ("~.*.*.*.*.*x", "repeats more than 4 times"),
        ("web,!nothing", "no host or group 'nothing'"),
        ("web,&db", "no host matched: web,&db"),
        ("web,!", "'!' stands alone"),
        ("web[7]", "web has 3 hosts, and none of number 7"),
        ("web[1-3:0]", "is not a range"),
    ],
)
def test_a_pattern_that_cannot_be_meant_is_named(fleet, pattern, message):
    """Nothing matched is an error, with near names; so is what could take for ever."""
    with pytest.raises(UsageError, match=message):
        chosen(fleet, pattern)


@pytest.mark.parametrize("pattern", ["(web|db)1", "[(]+a*", r"\(+x", "(?i)WEB.*", "(a{2})*b"])
def test_an_expression_that_ends_soon_is_taken(pattern):
    """The guard looks at what is repeated, not at what is quoted."""
    assert compile_regex(pattern).pattern == pattern


def test_what_excludes_nothing_is_warned_of(fleet):
    """As a misspelt exclusion would."""
    targets = Targets(include=("web,!db",), inventories=("fleet.toml",))
    assert resolve(targets, str(fleet), NOWHERE).warnings == ("!db excludes nothing",)


def test_a_group_without_hosts_is_warned_of(fleet):
    """Alone it matches nothing."""
    targets = Targets(include=("empty,db",), inventories=("fleet.toml",))
    assert resolve(targets, str(fleet), NOWHERE).warnings == ("the group 'empty' has no hosts",)
    with pytest.raises(UsageError, match="no host matched: empty"):
        chosen(fleet, "empty")


def test_a_list_only_adds(fleet):
    """Operators in it would be read as names by other tools."""
    with pytest.raises(UsageError, match="standard input:1: !db: a list only adds hosts"):
        chosen(fleet, "-", standard_input="!db\n")


@pytest.mark.parametrize("pattern", ["web*", "~web", "all", "*"])
def test_without_an_inventory_wildcards_are_refused(fleet, pattern):
    """There is nothing that they could match."""
    with pytest.raises(UsageError, match="needs an inventory"):
        chosen(fleet, pattern, inventory="")


def test_without_an_inventory_exclusions_work(fleet):
    """And addresses with colons stay as they are."""
    names = chosen(fleet, "web[1-3],!web2,[::1]:22,fe80::1%eth0", inventory="")
    assert names == ["web1", "web3", "::1", "fe80::1%eth0"]


def test_inventories_merge_setting_by_setting(tmp_path):
    """Whatever their forms; what is said of the host itself beats what is said of groups."""
    (tmp_path / "a.ini").write_text("[web]\nw ansible_user=a ansible_port=22\n[web:vars]\nx=1\n")
    (tmp_path / "b.toml").write_text(
        "[hosts.w]\nport = 2222\n[groups.web]\nhosts = ['w']\nuser = 'group'\n[groups.new]\n"
        "hosts = ['n']\n",
    )
    (tmp_path / "c.csv").write_text("name,address,group\nw,10.0.0.1,csv\n")
    targets = Targets(include=("all",), inventories=("a.ini", "b.toml", "csv:c.csv"))
    one, two = resolve(targets, str(tmp_path), NOWHERE).hosts
    assert (one.user, one.port, one.address) == ("a", 2222, "10.0.0.1")
    assert two.name == "n"
    back = Targets(include=("w",), inventories=("b.toml", "a.ini"))
    [host] = resolve(back, str(tmp_path), NOWHERE).hosts
    assert (host.port, host.user) == (22, "a")


def test_aliases_of_a_hosts_file_select(tmp_path):
    """The host is called by its first name."""
    (tmp_path / "hosts").write_text("10.0.0.1 web.example.com web\n")
    assert chosen(tmp_path, "web", inventory="hosts") == ["web.example.com"]


# Programs


def scripted(folder, body, **more):
    path = folder / "script"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return InventoryScript(path, folder, **more)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("echo no", "the inventory script printed no JSON .*: 'no'"),
        ("echo []", "printed list, expected an object of groups"),
        ("echo why >&2; exit 3", "failed with exit code 3: why"),
        ("kill -9 $$", "failed with exit code -9"),
        ("echo '{\"g\": 7}'", "g is int, expected an object or a list"),
        ('echo \'{"g": {"hosts": "a"}}\'', "g.hosts is str, expected a list of names"),
        ('echo \'{"g": {"children": [1]}}\'', "g.children is list, expected a list of names"),
        ('echo \'{"g": {"vars": []}}\'', "g.vars is list, expected an object"),
        ('echo \'{"_meta": {}, "g": ["a"]}\'', "_meta.hostvars is NoneType, expected"),
        ('echo \'{"_meta": {"hostvars": {"a": 1}}, "g": ["a"]}\'', "variables of a is int"),
        ('echo \'{"g": {"children": ["g"]}}\'', "groups contain each other"),
        ('echo \'{"g": ["-x"]}\'', "'-x' is not a host name"),
    ],
)
def test_a_script_that_prints_something_else_is_named(tmp_path, body, message):
    """With its arguments and what it did."""
    with pytest.raises(InventoryError, match=rf"{tmp_path}/script --list: .*{message}"):
        Merged(scripted(tmp_path, body).load(), tmp_path)


def test_a_script_that_hangs_is_ended_with_all_it_started(tmp_path):
    """Nothing of it is left, and nobody waits."""
    source = scripted(tmp_path, "sleep 1000 & echo $! >child; wait", seconds=0.5)
    with pytest.raises(InventoryError, match=r"did not end in 0.5 s; it was ended"):
        source.load()
    child = int((tmp_path / "child").read_text())
    wait_for(lambda: not alive(child), "what the script started has ended")


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_script_that_prints_without_end_is_ended(tmp_path):
    """Before it has filled the memory."""
    source = scripted(tmp_path, "exec yes '{}'", seconds=60)
    with pytest.raises(InventoryError, match="printed over 64 MiB; it was ended"):
        source.load()


def test_much_on_standard_error_holds_nothing_up(tmp_path):
    """It is read, and not kept."""
    answer = '{"g": ["a"], "_meta": {"hostvars": {}}}'
    source = scripted(tmp_path, f"head -c 3000000 /dev/zero >&2; echo '{answer}'")
    assert list(Merged(source.load(), tmp_path).hosts) == ["a"]


def test_a_script_is_no_program(tmp_path):
    """Without the right to run it, or a first line."""
    source = scripted(tmp_path, "echo {}")
    (tmp_path / "script").chmod(0o644)
    with pytest.raises(InventoryError, match="cannot be run: Permission denied"):
        source.load()


# The default place


@pytest.mark.parametrize("name", ["inventory.toml", "inventory.yml", "inventory.ini", "inventory"])
def test_the_default_inventory_is_the_first_that_is_there(tmp_path, monkeypatch, name):
    """Whatever its form; REMJOBS_INVENTORY names another."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    folder = tmp_path / "remjobs"
    folder.mkdir()
    (folder / "inventory").touch()
    (folder / name).touch()
    assert Settings.resolve({}).inventory == (folder / name,)
    named = Settings.resolve({"REMJOBS_INVENTORY": "/etc/x.csv"})
    assert named.inventory == (Path("/etc/x.csv"),)
