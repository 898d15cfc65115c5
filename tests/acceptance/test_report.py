"""The page of ``remjobs report`` in a real browser."""

import re
import socket
import stat
import threading
from contextlib import contextmanager

import pytest
from support.chromium import chromium
from support.pages import at, child, job, results

from remjobs.cli.render.report import report
from remjobs.model.state import JobState


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


def said(connection):
    connection.settimeout(2)
    try:
        return connection.recv(4096)
    except TimeoutError:
        return b""


@contextmanager
def trap():
    """Listen on a port, and give its address and what callers said."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        calls = []

        def take():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    calls.append(said(connection))

        threading.Thread(target=take, daemon=True).start()
        yield "http://127.0.0.1:%d" % listener.getsockname()[1], calls  # noqa: UP031
        listener.shutdown(socket.SHUT_RDWR)


def hostile(url):
    """Return output that would run, load, lead away or look otherwise."""
    return (
        f"</pre></script><script>window.hacked = 1; fetch('{url}/script')</script>"
        f"<img src='{url}/img' onerror='window.hacked = 1'>"
        f"<svg onload='window.hacked = 1'></svg><link rel=stylesheet href='{url}/css'>"
        f"<iframe src='{url}/frame'></iframe><meta http-equiv=refresh content='0;url={url}/go'>"
        f"<style>@import '{url}/style'; body {{ display: none }}</style>"
        f"<base href='{url}/'><form action='{url}/form'><input autofocus onfocus=hacked=1>"
        "\x1b[2Jcleared\u202egnp.exe\x00"
    )


def shown(page):
    return page.run("document.querySelector('#shown').textContent")


def visible(page, selector):
    return page.run(
        f"[...document.querySelectorAll({selector!r})].filter(e => e.offsetParent)"
        ".map(e => e.querySelector('a, b').textContent)",
    )


def asked_for(page):
    return [told["request"]["url"] for told in page.told("Network.requestWillBeSent")]


def faults(page):
    """Return what the page failed at or was forbidden."""
    return page.told("Runtime.exceptionThrown") + page.told("Log.entryAdded")


def test_a_real_job_with_hostile_output(cli, sshd, browser, tmp_path):
    """Nothing of it runs or is fetched; bars, reasons, folded output and search work."""
    with trap() as (url, calls):
        (cli.cwd / "nasty").write_text(hostile(url))
        done = cli(
            *("run", "-t", "127.0.1.[1-4],127.0.2.9", "--name", "<b>nasty</b>"),
            *(*sshd.options_for_cli(), "--output", "quiet", "--input", "nasty", "--command"),
            'case $SSH_CONNECTION in *127.0.1.3*) cat; echo "odd one" >&2; exit 3;; *) cat; esac',
        )
        assert done.code == 5, done
        path = tmp_path / "job.html"
        assert cli("report", "@last", "--html", path).code == 0
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        page = browser.page()
        page.open(path)
        assert page.run("window.hacked") is None
        assert page.run("document.title") == "<b>nasty</b>: Failed"
        assert asked_for(page) == [path.as_uri()]
        assert faults(page) == []
        text = page.run("document.querySelector('#g0 pre').textContent")
        assert text == hostile(url).translate({0x1B: "\\x1b", 0x202E: "\\u202e", 0: "\\x00"})
        assert page.run("document.querySelectorAll('#hosts svg.time').length") == 5
        # What ran has a bar as wide as it took; the host that was not reached has none.
        widths = page.run(
            "[...document.querySelectorAll('#hosts tbody tr')].map(row => {"
            " const ran = row.querySelector('.ran'); return ran && ran.getBoundingClientRect()"
            ".width; })",
        )
        assert [width is not None and width > 0 for width in widths] == [True] * 4 + [False]
        rows = page.run("document.querySelector('#hosts tbody').innerText")
        assert re.search(r"127\.0\.1\.3\s+exit code 3\s+Failed\s+3\s", rows), rows
        assert re.search(r"127\.0\.2\.9\s+.*refused.*\s+Failed\s", rows), rows
        assert visible(page, "details summary") == ["127.0.1.[1-2,4]", "127.0.1.3", "127.0.2.9"]
        page.type("#search", "odd one")
        assert visible(page, "#hosts tbody tr") == ["127.0.1.3"]
        assert visible(page, "details summary") == ["127.0.1.3"]
        assert shown(page) == "1 of 5 hosts"
        assert calls == []


def test_the_policy_holds_where_escaping_would_fail(browser, tmp_path):
    """A page into which the same output was put as it is runs and fetches nothing."""
    of = job(child(1))
    with trap() as (url, calls):
        text = report(of, results(of, b"HERE"))
        assert text.count("<pre>HERE</pre>") == 1
        path = tmp_path / "open.html"
        # A refresh is navigation, which no policy of a page stops.
        raw = re.sub("<meta[^>]*>", "", hostile(url))
        path.write_text(text.replace("HERE", raw))
        page = browser.page()
        page.open(path)
        assert page.run("window.hacked") is None
        assert page.run("getComputedStyle(document.body).display") == "block"
        forbidden = {
            told["requestId"]: told.get("blockedReason")
            for told in page.told("Network.loadingFailed")
        }
        wanted = {
            told["requestId"]: told["request"]["url"]
            for told in page.told("Network.requestWillBeSent")
            if told["request"]["url"].startswith(url)
        }
        assert f"{url}/img" in wanted.values()
        assert {forbidden.get(request) for request in wanted} == {"csp"}
        # For a frame that it then forbids it connects, and says nothing.
        assert b"".join(calls) == b""


def test_two_thousand_hosts_can_be_searched_sorted_and_chosen_by_state(browser, tmp_path):
    """By word, by words in any order, by state, and by what they ran and waited."""

    def member(number):
        state = JobState.FAILED if number % 500 == 0 else JobState.COMPLETED
        begin = child(1).begin_time.replace(second=number % 50)
        return child(number, state=state, begin_time=begin, end_time=at(600))

    of = job(*(member(number) for number in range(1, 2001)))
    odd = b"needle in the output\n"
    path = tmp_path / "many.html"
    path.write_text(report(of, results(of, *(odd if n == 76 else b"hay\n" for n in range(2000)))))
    page = browser.page()
    page.open(path)
    assert shown(page) == "2000 of 2000 hosts"
    assert page.run("document.querySelectorAll('svg.time .ran').length") == 2000
    for words, hosts in {
        "needle": ["web77"],
        "NEEDLE  completed": ["web77"],
        "web1999": ["web1999"],
        "web199": ["web199", *(f"web{n}" for n in range(1990, 2000))],
        "nosuch": [],
    }.items():
        page.type("#search", words)
        assert visible(page, "#hosts tbody tr") == hosts, words
        assert shown(page) == f"{len(hosts)} of 2000 hosts"
    page.type("#search", " ")
    page.click("#states button[value=Failed]")
    assert visible(page, "#hosts tbody tr") == ["web500", "web1000", "web1500", "web2000"]
    page.click("#states button[value=Failed]")
    assert shown(page) == "2000 of 2000 hosts"
    for order, first in {
        "ran": "web50",
        "waited": "web49",
        "begun": "web50",
        "place": "web1",
    }.items():
        page.run(
            f"(() => {{ const o = document.querySelector('#order'); o.value = '{order}';"
            " o.dispatchEvent(new Event('change')); })()",
        )
        assert visible(page, "#hosts tbody tr")[0] == first, order
    assert faults(page) == []


def test_light_dark_print_and_a_page_without_scripts(browser, tmp_path):
    """Each can be read; what needs the script is not there without it, or on paper."""
    of = job(child(1), child(2))
    path = tmp_path / "two.html"
    path.write_text(report(of, results(of, b"one\n", b"two\n")))
    page = browser.page()
    colours = []
    for scheme in ("light", "dark"):
        page.open(path, prefers_color_scheme=scheme)
        style = "getComputedStyle(document.body)"
        colours.append((page.run(f"{style}.backgroundColor"), page.run(f"{style}.color")))
    assert colours == [
        ("rgb(255, 255, 255)", "rgb(28, 36, 48)"),
        ("rgb(20, 24, 31)", "rgb(228, 232, 238)"),
    ]
    folded = "document.querySelectorAll('details:not([open])').length"
    page.click("#hosts tbody tr:first-child a")
    assert page.run(folded) == 0
    page.click("#unfold")
    page.click("#unfold")
    assert page.run(folded) == 2
    printed = page.run(
        f"(() => {{ dispatchEvent(new Event('beforeprint')); const open = {folded};"
        f" dispatchEvent(new Event('afterprint')); return [open, {folded}]; }})()",
    )
    assert printed == [0, 2]
    assert page.ask("Page.printToPDF")["data"].startswith("JVBERi")
    page.ask("Emulation.setEmulatedMedia", media="print")
    assert page.run("getComputedStyle(document.querySelector('#controls')).display") == "none"
    page.ask("Emulation.setEmulatedMedia", media="")
    page.ask("Emulation.setScriptExecutionDisabled", value=True)
    page.open(path)
    document = page.ask("DOM.getDocument")["root"]["nodeId"]
    controls = page.ask("DOM.querySelector", nodeId=document, selector="#controls[hidden]")
    assert controls["nodeId"]


def test_where_the_page_goes(cli):
    """To a file whole, or to standard output; what cannot be is one line, and no job is needed."""
    cli.ok("start", "--", "echo", "hello")
    cli.ok("wait", "1")
    page = cli.ok("report", "1", "--html", "-")
    assert page.startswith("<!doctype html>")
    assert "<pre>hello</pre>" in page
    for words, code, told in (
        (
            ["report", "1", "--html", "no/such/page.html"],
            2,
            "no/such/page.html: cannot write: No such",
        ),
        (["report", "1", "--html", "/"], 2, "/: cannot write: Is a directory"),
        (["report", "9", "--html", "page.html"], 3, "no job 9"),
        (["report", "2", "--html", "page.html"], 2, "2 is a child of job 1: name the job"),
        (["report", "Job*x", "--html", "page.html"], 2, "'Job*x' names 0 jobs; name one"),
    ):
        done = cli(*words)
        assert (done.code, done.out) == (code, ""), done
        assert told in done.err
        assert done.err.count("\n") == 1
    assert not list(cli.cwd.glob("*page*"))
    assert cli.ok("receive", "1") == "hello\n"


def test_a_job_that_runs_is_shown_as_it_stands(cli):
    """Nobody waits for its end, and the page says that there is none."""
    cli.ok("start", "--", "sleep", "60")
    done = cli("report", "1", "--html", "-")
    assert done.code == 0
    assert "job 1 is Running: the page shows it as it stands" in done.err
    assert "not at " in done.out
    cli.ok("stop", "1")
