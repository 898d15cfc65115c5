"""The documentation does what it says."""

import re
import subprocess
from pathlib import Path

import pytest
import typer
from support.cli import Cli

from remjobs.cli.main import app

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [*sorted(DOCS.glob("*.md")), DOCS.parent / "README.md"]
OF_OTHERS = {"--user"}  # systemctl, pip and friends in examples


def options(command):
    yield from (name for parameter in command.params for name in parameter.opts)
    yield from (name for parameter in command.params for name in parameter.secondary_opts)
    for inner in getattr(command, "commands", {}).values():
        yield from options(inner)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_option_that_a_page_names_exists(page):
    """A renamed option is renamed everywhere."""
    known = {*options(typer.main.get_command(app)), "--help", *OF_OTHERS}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", page.read_text()))
    assert named <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    """To a file that exists, and to a heading that is in it."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith(("http:", "https:")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        headings = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE) if anchor else []
        slugs = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}
        assert not anchor or anchor in slugs, (target, slugs)


def examples():
    text = (DOCS / "powershell.md").read_text().partition("## Examples\n")[2]
    for part in text.split("\n### ")[1:]:
        title = part.partition("\n")[0]
        yield from (
            pytest.param(block, id=title)
            for block in re.findall(r"```sh\n(.*?)```", part, re.DOTALL)
        )


SAID = {
    "Start a background job": r"1\nId .*\n1 +Job1 .*Completed.*\n\w+\n",
    "A job on the servers of a list": r"1\n.*\n(127\.0\.1\.[123]: Linux\n){3}",
    "All properties of a job": r"Id +: 1\nInstanceId +: \S+\nName +: Job1\n.*ChildJobs.*",
    "A script as a background job": r"1\nsample on Linux\n",
    "A job with a name": r"1\nnamed\n",
    "Initialization, and output kept in a file": r"1\n.*\nmap of everything\n",
    "Input": r"1\n127\.0\.1\.3\n127\.0\.1\.2\n127\.0\.1\.1\n",
    "Working directory": r"1\n/usr\n",
    "Arguments": r"1\npowershell\npwsh\nnote pad\n",
}


@pytest.fixture
def shell(cli, sshd, tmp_path):
    """A user whose SSH config knows the servers, in a folder with a server list."""
    ssh = tmp_path / ".ssh"
    ssh.mkdir()
    (ssh / "config").write_text(sshd.ssh_config.read_text())
    (cli.cwd / "servers.txt").write_text("".join(f"{sshd.address(n)}\n" for n in (1, 2, 3)))
    remjobs = cli.cwd / "bin" / "remjobs"
    remjobs.parent.mkdir()
    words = " ".join(map(str, Cli.argv(cli)))
    remjobs.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    remjobs.chmod(0o755)
    path = f"{remjobs.parent}:{cli.environment['PATH']}"
    cli.environment |= {"HOME": str(tmp_path), "PATH": path}
    return cli


@pytest.mark.parametrize("example", list(examples()))
def test_the_examples_of_start_job(example, shell, request):
    """Each is typed as it stands, on real servers, and prints what it should."""
    done = subprocess.run(
        ["sh", "-e", "-c", example],
        check=False,
        capture_output=True,
        text=True,
        cwd=shell.cwd,
        env=shell.environment,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, ""), done
    said = SAID[request.node.callspec.id]
    assert re.fullmatch(said, done.stdout, re.DOTALL), done.stdout
