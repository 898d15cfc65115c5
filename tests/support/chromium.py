"""A real browser: headless Chromium, spoken to over the two pipes of its own protocol.

There is nothing between us and it: no driver, no port, no package. What it asks the
network for, and what a page's policy forbids, is written down.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import subprocess
import time
from contextlib import contextmanager

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1300,1000",
    "--remote-debugging-pipe",
]
_MIDDLE = """(element) => {
  element.scrollIntoView({block: 'center'});
  const box = element.getBoundingClientRect();
  return [box.x + box.width / 2, box.y + box.height / 2];
}"""


class Page:
    """One tab."""

    def __init__(self, browser, session):
        self._browser = browser
        self._session = session
        self.events = []
        """What the page told, as ``(name, parameters)``."""

    def listen(self):
        """Let it tell what it loads, asks for, forbids and fails at."""
        for room in ("Page", "Network", "Runtime", "Log"):
            self.ask(f"{room}.enable")
        self.ask("Page.setLifecycleEventsEnabled", enabled=True)

    def ask(self, method, **parameters):
        """Send a command and return its answer; what is told meanwhile is noted."""
        return self._browser.ask(self, method, parameters)

    def open(self, path, **media):
        """Load a file and wait until it is there whole."""
        features = [{"name": name.replace("_", "-"), "value": v} for name, v in media.items()]
        self.ask("Emulation.setEmulatedMedia", features=features)
        loader = self.ask("Page.navigate", url=path.as_uri())["loaderId"]
        self._browser.until(
            lambda: any(
                (told["loaderId"], told["name"]) == (loader, "load")
                for told in self.told("Page.lifecycleEvent")
            ),
        )

    def told(self, name):
        """Return the parameters of every event of a name."""
        return [parameters for event, parameters in self.events if event == name]

    def run(self, script):
        """Return the value of an expression in the page."""
        answer = self.ask(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def type(self, selector, text):
        """Type into a field as a person does, over what was there."""
        self.run(f"document.querySelector({json.dumps(selector)}).select()")
        self.run(f"document.querySelector({json.dumps(selector)}).focus()")
        self.ask("Input.insertText", text=text)

    def click(self, selector):
        """Click where an element is."""
        x, y = self.run(f"({_MIDDLE})(document.querySelector({json.dumps(selector)}))")
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def screenshot(self, path):
        """Write what is seen as a PNG."""
        path.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot")["data"]))


class Browser:
    """The process at the other end of the pipes."""

    def __init__(self, reads, writes, patience=60):
        self._reads = reads
        self._writes = writes
        self._patience = patience
        self._number = 0
        self._held = b""
        self._answers = {}
        self._pages = {}

    def page(self):
        """Open a tab."""
        target = self.ask(None, "Target.createTarget", {"url": "about:blank"})["targetId"]
        attached = self.ask(None, "Target.attachToTarget", {"targetId": target, "flatten": True})
        session = attached["sessionId"]
        page = self._pages[session] = Page(self, session)
        page.listen()
        return page

    def ask(self, page, method, parameters):
        """Send a command and wait for its answer."""
        self._number += 1
        number = self._number
        message = {"id": number, "method": method, "params": parameters}
        if page is not None:
            message["sessionId"] = page._session
        os.write(self._writes, json.dumps(message).encode() + b"\0")
        self.until(lambda: number in self._answers)
        answer = self._answers.pop(number)
        assert "error" not in answer, answer
        return answer["result"]

    def until(self, condition):
        """Listen until a condition holds."""
        end = time.monotonic() + self._patience
        while not condition():
            left = end - time.monotonic()
            ready, _, _ = select.select([self._reads], [], [], max(0, left))
            assert ready, "Chromium says nothing any more"
            data = os.read(self._reads, 1 << 20)
            assert data, "Chromium has ended"
            *messages, self._held = (self._held + data).split(b"\0")
            for message in map(json.loads, messages):
                self._take(message)

    def _take(self, message):
        if "id" in message:
            self._answers[message["id"]] = message
        elif (page := self._pages.get(message.get("sessionId"))) is not None:
            page.events.append((message["method"], message["params"]))


@contextmanager
def chromium(folder):
    """Run Chromium with a profile of its own in a folder."""
    theirs_in, ours_out = _pipe()
    ours_in, theirs_out = _pipe()
    words = ["chromium", *FLAGS, f"--user-data-dir={folder}", "about:blank"]
    process = subprocess.Popen(
        # Its protocol is spoken on descriptors 3 and 4, whatever numbers pipes have here.
        ["bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "bash", *words],
        pass_fds=(theirs_in, theirs_out),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "HOME": str(folder)},
    )
    os.close(theirs_in)
    os.close(theirs_out)
    try:
        browser = Browser(ours_in, ours_out)
        yield browser
        browser.ask(None, "Browser.close", {})
        process.wait(timeout=30)
    finally:
        process.kill()
        process.wait()
        os.close(ours_in)
        os.close(ours_out)


def _pipe():
    """Return a pipe whose descriptors are not 3 and 4."""
    ends = os.pipe()
    moved = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return moved
