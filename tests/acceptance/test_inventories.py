"""Looking before running: ``inventory``, ``--dry-run``, and the question above many hosts."""

import shlex

import pytest
from support.terminal import dialogue

INI = """[web]
web1 ansible_host=127.0.1.1
web2 ansible_host=127.0.1.2
[db]
db1 ansible_host=127.0.1.3 ansible_password=hunter2
[all:vars]
ansible_port={port}
ansible_user={user}
ansible_ssh_private_key_file={key}
"""


@pytest.fixture
def fleet(cli, sshd):
    """An inventory of Ansible's that leads to real servers."""
    path = cli.cwd / "fleet.ini"
    path.write_text(INI.format(port=sshd.port, user=sshd.user.name, key=sshd.key))
    return path


@pytest.fixture
def reach(fleet, sshd):
    """What says which hosts, and how they are trusted."""
    return ["-i", fleet, "--known-hosts", sshd.known_hosts, "--ssh-config", "none"]


def test_an_inventory_of_ansibles_is_run_on_as_it_is(cli, reach):
    """Address, port, user and key come from its variables; its password from nowhere."""
    done = cli("run", *reach, "-t", "all,!web2", "--command", "echo $USER")
    assert sorted(line.partition(": ")[0] for line in done.out.splitlines()) == ["db1", "web1"]
    assert done.code == 0
    assert "fleet.ini:5: ansible_password is not kept" in done.err
    assert "hunter2" not in done.err


def test_list_prints_names_for_scripts_and_a_table_for_people(cli, fleet):
    """One host a line where no terminal is."""
    assert cli.ok("inventory", "list", "-i", fleet, "-t", "web,db1") == "web1\nweb2\ndb1\n"
    assert cli.ok("inventory", "list", "-i", fleet, "-x", "web*") == "db1\n"
    [host] = cli("inventory", "list", "-i", fleet, "-t", "web1", "--json").json
    assert (host["name"], host["address"], host["groups"]) == ("web1", "127.0.1.1", ["web"])
    said = dialogue(cli, ("inventory", "list", "-i", fleet, "-t", "web"))
    assert "Transport" in said
    assert "127.0.1.2" in said
    assert "2 hosts" in said
    groups = cli.ok("inventory", "list", "-i", fleet, "--groups")
    assert [line.split()[:3] for line in groups.splitlines()] == [
        ["Group", "Count", "Hosts"],
        ["all", "3", "db1,web[1-2]"],
        ["web", "2", "web[1-2]"],
        ["db", "1", "db1"],
    ]


def test_show_says_where_each_setting_comes_from(cli, fleet, sshd):
    """File and line; a later inventory's settings are told as its own."""
    (cli.cwd / "more.toml").write_text('[hosts.web1]\n\nuser = "other"\n')
    shown = cli.ok("inventory", "show", "web1", "-i", fleet, "-i", "more.toml")
    rows = [line.split() for line in shown.splitlines()]
    assert rows[0] == ["web1", f"({fleet}:2)"]
    assert ["address", "127.0.1.1", f"{fleet}:2", "(ansible_host)"] in rows
    assert ["port", str(sshd.port), f"{fleet}:7", "(group", "all,", "ansible_port)"] in rows
    assert ["user", "other", f"{cli.cwd}/more.toml:3"] in rows
    assert rows[-2] == ["groups:", "web"]
    assert rows[-1][:2] == ["credential:", "none;"]
    shown = cli("inventory", "show", "db1", "-i", fleet)
    assert "hunter2" not in shown.out + shown.err
    unknown = cli("inventory", "show", "wbe1", "-i", fleet)
    assert unknown.code == 2
    assert "did you mean web1" in unknown.err


@pytest.mark.parametrize("verb", ["start", "run"])
def test_a_dry_run_shows_everything_and_starts_nothing(cli, reach, sshd, verb):
    """Hosts, how many, transport, address, user, and the command as the shell gets it."""
    done = cli(verb, *reach, "-t", "web", "--dry-run", "--cwd", "/tmp", "--", "echo", "a b")
    assert done.code == 0
    rows = [line.split() for line in done.out.splitlines()]
    address = f"127.0.1.1:{sshd.port}"
    assert rows[1] == ["web1", "ssh", address, sshd.user.name]
    typed = shlex.join(["/bin/sh", "-c", "echo 'a b'", "sh"]).replace("'\"'\"'", "'\\''")
    assert done.out.splitlines()[-1] == f"command: cd -- /tmp; exec {typed}"
    assert done.err.endswith("remjobs: 2 hosts; nothing was started\n")
    assert cli("list", "--json").json == []


def test_a_dry_run_refuses_what_a_start_would_refuse(cli, reach):
    """And says the same."""
    done = cli("run", *reach, "-t", "web", "--identity", "/none", "--dry-run", "--", "true")
    assert (done.code, done.out) == (2, "")
    assert "/none: cannot read the key" in done.err


def test_many_hosts_are_asked_about_on_a_terminal(cli, reach):
    """Once; no is taken for no, and --yes asks nothing."""
    words = ("run", *reach, "-t", "web", "--confirm-above", "1")
    said = dialogue(cli, (*words, "--", "true"), "Run on 2 hosts", "n", code=130)
    assert "web[1-2]" in said
    assert "nothing was started" in said
    assert cli("list", "--json").json == []
    assert "ok" in dialogue(cli, (*words, "--", "echo", "ok"), "Run on 2 hosts", "y")
    assert "Run on" not in dialogue(cli, (*words, "--yes", "--", "true"))
    assert "Run on" not in dialogue(cli, ("run", *reach, "-t", "web", "--", "true"))
    started = ("start", *reach, "-t", "web", "--confirm-above", "1", "--", "true")
    dialogue(cli, started, "Run on 2 hosts", "y")
    assert len(cli("list", "--json").json) == 4


def test_nobody_is_asked_where_no_terminal_is(cli, reach):
    """A script is not held up."""
    done = cli("run", *reach, "-t", "web", "--confirm-above", "0", "--", "true")
    assert (done.code, "Run on" in done.err) == (0, False)
    assert cli("run", *reach, "-t", "web", "--confirm-above", "-1", "--", "true").code == 2


def test_a_script_is_run_where_it_is_named(cli, fleet):
    """From the folder where the command was typed."""
    path = cli.cwd / "hosts.sh"
    path.write_text('#!/bin/sh\necho "{\\"here\\": [\\"$(cat name)\\"]}"\n')
    path.chmod(0o755)
    (cli.cwd / "name").write_text("found")
    assert cli.ok("inventory", "list", "--inventory-script", "hosts.sh", "-t", "here") == "found\n"
    refused = cli("inventory", "list", "-i", "hosts.sh")
    assert "is run only where it is named by --inventory-script" in refused.err
