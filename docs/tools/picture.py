"""Make the picture of the README: the real program, in a real terminal, on embedded servers.

``make picture`` runs this. tmux is the terminal; what its screen shows is drawn as SVG.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text
from support.readers import Reader, fleet

_TARGET: Final = Path(__file__).parents[1] / "images" / "terminal.svg"
_WIDTH: Final = 92
_HEIGHT: Final = 50
_TYPED: Final = (
    "remjobs run -t @servers.txt --fold -- uname -r",
    "remjobs start -t @servers.txt -f 3 --name patch --script patch.sh",
    "remjobs list",
)
_WATCHED: Final = "remjobs receive patch --wait"
_UNTIL: Final = ("6/8", "slowest: web07")
_PATIENCE: Final = 30.0
_FORMAT: Final = re.sub(
    r"@font-face \{\{.*?\}\}\s*",
    "",  # it would be fetched from the network
    CONSOLE_SVG_FORMAT,
    flags=re.DOTALL,
).replace("Fira Code", "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono'")


class _Terminal:
    """A tmux of our own with one shell in it."""

    def __init__(self, reader: Reader, folder: Path) -> None:
        self._socket = str(folder / "tmux")
        start = folder / "bashrc"
        start.write_text("PS1='\\[\\e[1;32m\\]$\\[\\e[0m\\] '\n", encoding="ascii")
        environment = dict(reader.environment)
        for name in ("TERM", "NO_COLOR", "COLUMNS"):
            del environment[name]
        size = ("-x", str(_WIDTH), "-y", str(_HEIGHT))
        shell = ("bash", "--noprofile", "--rcfile", str(start))
        self.tmux("-f", "/dev/null", "new-session", "-d", *size, *shell, env=environment)
        self.tmux("set", "status", "off")
        self._prompts = 1
        self.settle()

    def tmux(self, *words: str, env: dict[str, str] | None = None) -> str:
        """Give tmux a command."""
        home = env["HOME"] if env else None
        done = subprocess.run(
            ["tmux", "-u", "-S", self._socket, *words],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            env=env or os.environ,
            cwd=home,
            timeout=_PATIENCE,
        )
        return done.stdout

    def type(self, command: str) -> None:
        """Type a command."""
        self.tmux("send-keys", "-l", command)
        self.tmux("send-keys", "Enter")
        self._prompts += 1

    def settle(self) -> None:
        """Wait until the shell asks for the next command."""
        self._wait(lambda: re.findall(r"^\$", self._plain(), re.MULTILINE)[self._prompts - 1 :])

    def _plain(self) -> str:
        return self.tmux("capture-pane", "-p")

    def wait_for(self, *texts: str) -> str:
        """Return the screen, with its colours, once it shows these texts."""

        def shown() -> str | None:
            screen = self.tmux("capture-pane", "-e", "-p").rstrip()
            return screen if all(text in screen for text in texts) else None

        return str(self._wait(shown))

    def _wait(self, condition: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + _PATIENCE
        while not (found := condition()):
            if time.monotonic() > deadline:
                raise TimeoutError(self._plain())
            time.sleep(0.02)
        return found


def main() -> None:
    """Write the picture."""
    with tempfile.TemporaryDirectory(prefix="remjobs-picture-") as name, fleet(Path(name)) as hosts:
        reader = Reader(Path(name) / "reader", hosts)
        terminal = _Terminal(reader, Path(name))
        try:
            for command in _TYPED:
                terminal.type(command)
                terminal.settle()
            terminal.type(_WATCHED)
            screen = terminal.wait_for(*_UNTIL)
            terminal.settle()
        finally:
            terminal.tmux("kill-server")
            reader.leave()
    _draw(screen)


def _draw(screen: str) -> None:
    page = Console(record=True, width=_WIDTH, file=io.StringIO(), force_terminal=True)
    page.print(Text.from_ansi(screen))
    picture = page.export_svg(title="remjobs", code_format=_FORMAT, unique_id="remjobs")
    _TARGET.write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
