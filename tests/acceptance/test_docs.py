"""The documentation does what it says."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import typer
from support.readers import Reader, blocks, cells_of, differs, fleet, steps_of, text_of

import remjobs
from remjobs.cli.main import app

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.glob("*.md")), ROOT / "README.md"]
OF_OTHERS = {"--user", "--list", "--unlock", "--components"}
"""Of systemctl, ansible-inventory and friends in examples."""
NOT_TYPED = {
    "make ": "they run these tests themselves",
    "pipx install ": "it would install into the account of whoever runs the tests",
    "ssh-copy-id ": "it asks for a password",
}
"""What no test types, by how it begins, and why."""
MIGRATION = [page for page in PAGES if page.name.startswith("from-")]
PICTURE = DOCS / "images" / "terminal.svg"
LANGUAGES = {"console", "python", "text", "yaml", "ini", "toml", "json", "csv", "powershell"}
"""Of blocks. What is typed stands in a console block, so that it is tested."""


def by_name(page):
    return page.name


def options(command):
    yield from (name for parameter in command.params for name in parameter.opts)
    yield from (name for parameter in command.params for name in parameter.secondary_opts)
    for inner in getattr(command, "commands", {}).values():
        yield from options(inner)


@pytest.mark.parametrize("page", [page for page in PAGES if page not in MIGRATION], ids=by_name)
def test_every_option_that_a_page_names_exists(page):
    """A renamed option is renamed everywhere."""
    known = {*options(typer.main.get_command(app)), "--help", *OF_OTHERS}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", page.read_text()))
    assert named <= known


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_every_verb_that_a_page_names_exists(page):
    """Also in the middle of a sentence."""
    program: Any = typer.main.get_command(app)
    for verb, second in re.findall(r"`remjobs ([a-z-]+)(?: ([a-z-]+))?", page.read_text()):
        command = program.commands.get(verb)
        assert command is not None, verb
        assert not second or second in getattr(command, "commands", {second: None}), second


@pytest.mark.parametrize("page", PAGES, ids=by_name)
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


PARAMETERS = {
    "Start-Job": "DefinitionName DefinitionPath Type Name ScriptBlock Credential FilePath "
    "LiteralPath Authentication InitializationScript WorkingDirectory RunAs32 PSVersion "
    "InputObject ArgumentList",
    "Invoke-Command": "Session ComputerName Credential Port UseSSL ConfigurationName "
    "ApplicationName ThrottleLimit ConnectionUri AsJob InDisconnectedSession SessionName "
    "HideComputerName JobName ScriptBlock NoNewScope FilePath AllowRedirection SessionOption "
    "Authentication EnableNetworkAccess RunAsAdministrator InputObject ArgumentList VMId VMName "
    "ContainerId CertificateThumbprint HostName UserName KeyFilePath Subsystem ConnectingTimeout "
    "SSHTransport SSHConnection RemoteDebug Options",
    "Get-Job": "IncludeChildJob ChildJobState HasMoreData Before After Newest Command Id "
    "InstanceId Name State Filter",
    "Receive-Job": "Job ComputerName Location Session Keep NoRecurse Force Wait AutoRemoveJob "
    "WriteEvents WriteJobInResults Id InstanceId Name",
    "Wait-Job": "Any Timeout Force Id Job Name InstanceId State Filter",
    "Stop-Job": "PassThru Id Job Name InstanceId State Filter WhatIf Confirm",
    "Suspend-Job": "Force Wait Id Job Name InstanceId State Filter",
    "Resume-Job": "Wait Id Job Name InstanceId State Filter",
    "Remove-Job": "Force Command Id Job Name InstanceId State Filter WhatIf Confirm",
    "Register-ScheduledJob": "Name ScriptBlock FilePath ArgumentList MaxResultCount RunNow "
    "RunEvery",
    "New-JobTrigger": "Once At Daily Weekly DaysOfWeek AtStartup AtLogOn RandomDelay "
    "RepetitionInterval RepetitionDuration DaysInterval WeeksInterval",
    "New-ScheduledJobOption": "MultipleInstancePolicy",
}
"""As the cmdlets' reference has them (PowerShell 5.1 and 7)."""


@pytest.mark.parametrize("cmdlet", PARAMETERS)
def test_each_cmdlet_and_parameter_has_its_form_here(cmdlet):
    """A row says what it is called, or that there is nothing like it."""
    tables = (DOCS / "powershell.md").read_text().partition("## Examples\n")[0]
    named = {
        word for row in re.findall(r"^\| (.*?) \| ", tables, re.MULTILINE) for word in row.split()
    }
    words = {word.strip("`,()").lstrip("-") for word in named}
    assert cmdlet in words
    assert set(PARAMETERS[cmdlet].split()) <= words


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_no_block_hides_commands_from_the_tests(page):
    """Each says what it is, and what is typed is a console block."""
    for line, language, text in blocks(page.read_text()):
        assert language in LANGUAGES, f"{page.name}:{line}: a block of {language or 'nothing'}"
        assert language != "console" or text.startswith("$ "), f"{page.name}:{line}"
        assert language != "text" or "remjobs start" not in text, f"{page.name}:{line}"


def steps(page):
    """Return what a page has one type; of pages of migration the tables' commands, too."""
    text = text_of(page)
    cells = cells_of(text) if page in MIGRATION else ()
    return sorted([*steps_of(text), *cells], key=lambda step: step.line)


@pytest.fixture(scope="session")
def readings(request, tmp_path_factory):
    """What became of each page: they are read at the same time, each by somebody who begins."""
    wanted = [
        item.callspec.params["page"]
        for item in request.session.items
        if "readings" in getattr(item, "fixturenames", ())
    ]
    folder = tmp_path_factory.mktemp("readers")
    with fleet(folder) as hosts, ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {page: pool.submit(read, page, folder / page.stem, hosts) for page in wanted}


def read(page, home, hosts):
    reader = Reader(home, hosts)
    try:
        return reader.type(
            [one for one in steps(page) if not one.command.startswith(tuple(NOT_TYPED))]
        )
    finally:
        reader.leave()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("page", [*filter(steps, [*PAGES, PICTURE])], ids=by_name)
def test_every_command_of_a_page_does_what_the_page_shows(page, readings):
    """Typed in order on real SSH servers: exit code, and output where it is shown."""
    faults = [answer.fault for answer in readings[page].result()]
    assert not any(faults), "\n\n".join(filter(None, faults))


def test_the_list_of_what_nobody_types_is_short_and_true():
    """Each entry stands for a command in a page."""
    commands = [step.command for page in PAGES for step in steps(page)]
    assert all(any(one.startswith(begin) for one in commands) for begin in NOT_TYPED)
    assert sum(one.startswith(tuple(NOT_TYPED)) for one in commands) < 10


def test_the_picture_is_of_a_terminal_and_fetches_nothing():
    """Its commands are found, so that they are tried; no font or style comes from elsewhere."""
    assert [step.command.split()[1] for step in steps(PICTURE)] == [
        "run",
        "start",
        "list",
        "receive",
    ]
    assert not re.search(r"url\((?!#)|href|@import|@font-face", PICTURE.read_text())


def test_the_pages_of_migration_have_commands_to_try():
    """A table whose commands are not found would be tested by nobody."""
    assert all(len(list(cells_of(page.read_text()))) > 10 for page in MIGRATION)


def test_what_a_page_shows_is_compared():
    """A line that is missing, one too many, another word: each is told; times are not."""
    assert differs("a ... c\nb", "b\na x c") is None
    assert differs("...\nb", "x\ny\nb") is None
    assert differs("took 12 ms at 10.0.0.1:22", "took 7 ms at 127.0.0.1:40001") is None
    assert differs("a\nb", "a") is not None
    assert differs("a", "a\nb") is not None
    assert differs("job 1 Completed", "job 1 Failed") is not None


class _Fetched(HTMLParser):
    """Collects what a page makes a browser fetch."""

    def __init__(self):
        super().__init__()
        self.addresses = []

    def handle_starttag(self, tag, attrs):
        wanted = {"script": "src", "img": "src", "link": "href", "iframe": "src"}.get(tag)
        kind = dict(attrs).get("rel") or ""
        if wanted and kind not in {"canonical", "next", "prev"}:
            self.addresses.append(dict(attrs).get(wanted) or "")


def test_the_site_is_built_and_fetches_nothing_from_elsewhere(tmp_path):
    """Strictly: no dead link, no page left out; the references have each verb and name."""
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", tmp_path / "site"],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done
    fetched = _Fetched()
    for page in (tmp_path / "site").glob("*.html"):
        fetched.feed(page.read_text())
    assert not [address for address in fetched.addresses if "//" in address]
    reference = (tmp_path / "site" / "commands.html").read_text()
    program: Any = typer.main.get_command(app)
    for name in program.commands:
        assert f'id="remjobs-{name}"' in reference, name
    api = (tmp_path / "site" / "api.html").read_text()
    for name in set(remjobs.__all__) - {"__version__"}:
        assert re.search(rf'id="remjobs[\w.]*\.{name}"', api), name
