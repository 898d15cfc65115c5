"""Settings as users have them: a file, variables, and options over both."""

import json
import os
import pty
import subprocess

import pytest


@pytest.fixture
def configured(cli):
    """The CLI with a configuration file; gives a function that writes it."""
    path = cli.cwd / "config.toml"
    cli.environment["REMJOBS_CONFIG"] = str(path)
    del cli.environment["REMJOBS_INVENTORY"]

    def write(text):
        path.write_text(text)
        return cli

    return write


def throttle_of(cli, *options, **variables):
    job = cli.ok("start", *options, "--", "true", **variables).strip()
    return cli("get", job, "--json").json["throttle_limit"]


def test_an_option_outranks_a_variable_outranks_the_file(configured):
    """With a controller that was started under other settings."""
    cli = configured("")
    assert throttle_of(cli) == 32
    configured("throttle_limit = 3\n")
    assert throttle_of(cli) == 3
    assert throttle_of(cli, REMJOBS_THROTTLE_LIMIT="4") == 4
    assert throttle_of(cli, "-f", "5", REMJOBS_THROTTLE_LIMIT="4") == 5
    assert cli.log_count() == 1


def test_a_throttle_limit_of_the_file_is_no_option_of_a_definition(configured):
    """It was not typed: a definition, which says all of that itself, is started."""
    cli = configured("throttle_limit = 3\n")
    cli.ok("definition", "add", "nightly", "--", "echo", "x")
    assert cli("start", "--definition", "nightly").code == 0


def test_the_output_form_of_the_file_gives_way_to_any_that_is_typed(configured):
    """Typing another is no contradiction."""
    cli = configured("output = 'json'\n")
    assert json.loads(cli.ok("run", "--", "echo", "x"))
    assert cli.ok("run", "--output", "text", "--", "echo", "x") == "x\n"
    assert cli.ok("run", "--output", "quiet", "--", "echo", "x") == ""
    assert cli.ok("run", "--", "echo", "x", REMJOBS_OUTPUT="text") == "x\n"


def test_how_hosts_are_reached(configured, sshd):
    """An option outranks the inventory, which outranks the setting, which outranks SSH's."""
    cli = configured("user = 'nobody-here'\ninventory = ['one.toml', 'two.toml', 'none.toml']\n")
    ssh = (
        f"[defaults.ssh]\nconfig_file = '{sshd.ssh_config}'\n"
        f"known_hosts_file = '{sshd.known_hosts}'\n"
    )
    one, two = sshd.address(1), sshd.address(2)
    (cli.cwd / "one.toml").write_text(f"{ssh}[hosts.'{one}']\nuser = '{sshd.user.name}'\n")
    (cli.cwd / "two.toml").write_text(f"{ssh}[hosts.'{two}']\n")
    assert cli.ok("run", "-t", one, "--", "id", "-un") == f"{sshd.user.name}\n"
    refused = cli("run", "-t", two, "--", "true")
    assert (refused.code, "user nobody-here" in refused.err) == (4, True)
    mine = ("-u", sshd.user.name)
    assert cli.ok("run", "-t", two, *mine, "--", "id", "-un") == f"{sshd.user.name}\n"
    named = cli.ok("run", "-t", two, "--", "id", "-un", REMJOBS_USER=sshd.user.name)
    assert named == f"{sshd.user.name}\n"
    assert cli("run", "-t", two, "--", "true", REMJOBS_INVENTORY="one.toml").code == 2


def test_a_mistake_ends_every_verb_and_starts_nothing(configured):
    """One line, exit code 2, no controller."""
    cli = configured("user = 'x'\nthrotle_limit = 3\n")
    for words in (("list",), ("start", "--", "true"), ("config", "show"), ("ping",)):
        done = cli(*words)
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1), done
        assert f"{cli.cwd}/config.toml:2: no setting 'throtle_limit'" in done.err
    assert not cli.home.exists()
    assert cli("--help").code == 0
    assert cli.ok("config", "path") == f"{cli.cwd}/config.toml\n"


def test_a_file_that_breaks_under_a_controller_is_told(configured):
    """A relative name of it works too, though the controller runs elsewhere."""
    cli = configured("idle_timeout = 60\n")
    assert cli("list", REMJOBS_CONFIG="config.toml").code == 0
    assert cli.status()["home"] == str(cli.home)


def test_config_show_says_what_holds_and_where_it_comes_from(configured):
    """As a table and as JSON."""
    cli = configured("throttle_limit = 3\n\nuser = 'deploy'\n")
    rows = cli.ok("config", "show", REMJOBS_KEEPALIVE="7").splitlines()
    table = {row.split()[0]: row.split()[1:] for row in rows[1:]}
    assert table["throttle_limit"] == ["3", f"{cli.cwd}/config.toml:1"]
    assert table["user"] == ["deploy", f"{cli.cwd}/config.toml:3"]
    assert table["keepalive"] == ["7", "REMJOBS_KEEPALIVE"]
    assert table["confirm_above"] == ["50", "default"]
    assert table["connect_timeout"][-1] == "default"
    shown = cli("config", "show", "--json").json
    assert shown["user"] == {"value": "deploy", "origin": f"{cli.cwd}/config.toml:3"}
    assert shown["home"]["value"] == str(cli.home)
    assert shown["keepalive"] == {"value": None, "origin": "default"}


def on_terminal(cli, *words, **environment):
    """Run a command whose standard output is a terminal; return what was shown."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        cli.argv(*words),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        cwd=cli.cwd,
        env={**cli.environment, "TERM": "xterm", **environment},
    )
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:  # a terminal's other end is closed
        pass
    os.close(ours)
    assert process.wait() == 0
    return shown


def test_colours_on_a_terminal_can_be_set_off(configured, sshd):
    """Hosts are told apart by colour unless a setting, or NO_COLOR, says never."""
    cli = configured("color = 'never'\n")
    words = ("run", *sshd.options_for_cli(), "-t", "127.0.1.[1-2]", "--", "echo", "x")
    colour = b"\x1b[3"
    assert colour in on_terminal(cli, *words, REMJOBS_COLOR="auto")
    assert colour not in on_terminal(cli, *words, REMJOBS_COLOR="auto", NO_COLOR="1")
    assert colour not in on_terminal(cli, *words)
