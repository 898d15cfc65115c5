"""Windows hosts as people reach them: by certificate or password, over WinRM."""

import pytest
from support.sshd import wait_for
from support.windows import Windows
from support.winrm import PASSWORD

ATTACHED = "on Windows hosts work ends with its connection, and is not found again"
PHRASE = "opens the file"


@pytest.fixture
def windows(tmp_path):
    """A Windows host over https."""
    with Windows(tmp_path / "windows", scheme="https") as host:
        yield host


@pytest.fixture
def inventory(windows, tmp_path):
    """An inventory with two names of it, which a certificate logs in to."""
    certificate, key = windows.endpoint.client_certificate("alice")
    path = tmp_path / "work" / "inventory.toml"
    path.write_text(
        f"""
        [defaults]
        transport = "winrm"
        port = {windows.endpoint.port}
        authentication = "Certificate"
        [defaults.winrm]
        ca_file = "{windows.endpoint.ca_file}"
        certificate_file = "{certificate}"
        certificate_key_file = "{key}"
        [hosts.localhost]
        [hosts.w2]
        address = "127.0.0.1"
        """
    )
    return path


def test_a_job_on_a_windows_host(cli, inventory):
    """Output comes to its stream, the exit code is ours; nothing warns of run."""
    words = ["-i", inventory, "-t", "localhost"]
    text = "Write-Output hi\nWrite-Warning careful\nexit 3"
    done = cli("run", *words, "--exit-code-of-work", "--command", text)
    assert (done.code, done.out) == (3, "hi\n")
    assert "careful" in done.err
    assert ATTACHED not in done.err
    done = cli("run", *words, "--", "Write-Output", "a b")
    assert (done.code, done.out) == (1, "")


def test_start_says_that_work_is_attached_and_durable_is_refused(cli, inventory):
    """Once, with the hosts; by name it is an error, and nothing starts."""
    words = ["-i", inventory, "-t", "localhost"]
    done = cli("start", *words, "--command", "Write-Output hi")
    assert done.code == 0
    assert done.err == f"remjobs: {ATTACHED}: localhost\n"
    assert cli("wait", done.out.strip()).code == 0
    assert cli.ok("receive", done.out.strip()) == "hi\n"
    done = cli("start", *words, "--durable", "--command", "Write-Output hi")
    assert (done.code, done.out) == (2, "")
    assert "localhost: --durable: work on Windows hosts hangs on its connection" in done.err
    assert len(cli("list", "--json").json) == 1


def test_an_exit_code_that_does_not_fit_is_never_success(cli, inventory):
    """Windows has 32 bits, of which 256 leaves none here."""
    words = ["-i", inventory, "-t", "localhost", "--shell", "cmd"]
    text = 'echo 256 >"$WINRM_EXIT_CODE"'
    done = cli("run", *words, "--exit-code-of-work", "--command", text)
    assert done.code == 1
    done = cli("run", *words, "--success-codes", "0,256", "--command", text)
    assert done.code == 0
    assert cli("get", "@last", "--json").json["children"][0]["exit_code"] == 256


def test_a_certificate_for_another_name_is_refused_unless_it_is_said_so(cli, inventory, windows):
    """Per host, by its name, with a warning each time; or the certificate is pinned."""
    words = ["-i", inventory, "-t", "w2", "--command", "Write-Output hi"]
    done = cli("run", *words)
    assert done.code == 4, done
    done = cli("run", *words, "--insecure-tls")
    assert (done.code, done.out) == (0, "hi\n"), done
    assert "certificate not checked: w2 may be any machine" in done.err
    done = cli("run", *words, "--tls-fingerprint", windows.endpoint.fingerprint)
    assert (done.code, done.out) == (0, "hi\n"), done
    assert "not checked" not in done.err
    done = cli("run", "-i", inventory, "-t", "w*", "--insecure-tls", "--command", "x")
    assert done.code == 2
    assert "certificates can go unchecked only for hosts that are named one by one" in done.err


def test_what_would_be_done_and_how_it_is_reached_is_shown(cli, inventory, windows):
    """Without a connection; the settings with their places."""
    words = ["-i", inventory, "-t", "localhost", "--command", "Get-Date"]
    [host] = cli("start", *words, "--dry-run", "--json").json
    assert host["command"] == "powershell.exe: Get-Date"
    assert host["address"] == f"localhost:{windows.endpoint.port}"
    assert windows.endpoint.status()["connections"] == 0
    shown = cli.ok("inventory", "show", "localhost", "-i", inventory)
    assert "winrm.ca_file" in shown
    done = cli("ping", "-i", inventory, "-t", "localhost")
    assert done.code == 0, done
    assert "winrm Certificate" in done.out
    assert "Microsoft Windows" in done.out


def test_a_password_of_the_keyring_logs_in(cli, windows, tmp_path):
    """All of it typed; a stop ends the work there; what cannot be done there is refused."""
    cli.environment.pop("DBUS_SESSION_BUS_ADDRESS", None)
    cli.ok("unlock", "--new", stdin=f"{PHRASE}\n{PHRASE}\n".encode())
    cli.ok("credential", "set", "ops", "--user", "alice", stdin=PASSWORD.encode())
    words = ["-t", "localhost", "--transport", "winrm", "-p", windows.endpoint.port]
    words += ["--authentication", "Negotiate", "--credential", "ops"]
    words += ["--ca-file", windows.endpoint.ca_file, "--shell", "cmd"]
    job = cli.ok("start", *words, "--command", "echo begun; sleep 1000").strip()
    wait_for(lambda: windows.endpoint.status()["running"], "the work runs")
    cli.ok("stop", job)
    assert cli("get", job, "--json").json["state"] == "Stopped"
    assert windows.endpoint.status()["running"] == []
    wrong = cli("run", *words, "--become", "--command", "x")
    assert wrong.code == 2
    assert "--become: on Windows hosts nobody becomes root" in wrong.err
    wrong = cli("push", "-t", "localhost", *words[2:-2], a_file_in(tmp_path), "--to", "x")
    assert wrong.code == 2
    assert "files cannot be copied to or from hosts that are reached by WinRM" in wrong.err


def a_file_in(folder):
    """Return a file that might be copied."""
    path = folder / "work" / "file"
    path.write_text("x")
    return path
