"""The walk through the main job, by the same commands that a person would type."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
import tempfile
from pathlib import Path
from typing import Final

from remjobs.demo.fleet import DOWN, NAMES, demo_fleet
from remjobs.model.exits import ExitCode

__all__ = ["tour"]

_WORK: Final = """\
for step in 1 2 3; do echo "step $step of 3"; sleep 0.4; done
case $DEMO_HOST in
    db*) echo "kernel 5.10: update me" ;;
    *) echo "kernel 6.1: up to date" ;;
esac
"""
_INTRODUCTION: Final = """\
A fleet of {count} SSH servers now runs on this machine: {names}.
{down} is down on purpose. Each command below is one that you could type.
"""


async def tour() -> int:
    """Start a job on the demo fleet, follow it, and look at how it ended.

    Returns:
        0 if everything went as it should, the broken host included.
    """
    with tempfile.TemporaryDirectory(prefix="remjobs-demo-") as folder:
        async with demo_fleet(Path(folder)) as fleet:
            script = Path(folder) / "check.sh"
            script.write_text(_WORK, encoding="ascii")
            _say(_INTRODUCTION.format(count=len(NAMES), names=", ".join(NAMES), down=DOWN))
            shell = _Shell(Path(folder) / "state", fleet.inventory)
            try:
                return await _walk(shell, script)
            finally:
                await shell.silently("controller", "stop", "--force")


async def _walk(shell: _Shell, script: Path) -> int:
    ok = ExitCode.OK
    steps = [
        await shell.step(
            "Start a job on all of them, two at a time. The prompt is back at once.",
            ok,
            *("start", "-t", "all", "--name", "check", "-f", "2", "--script", str(script)),
        ),
        await shell.step(
            "Follow it to its end. Exit code 4 says: a host was not reached.",
            ExitCode.NOT_REACHED,
            *("receive", "check", "--wait"),
        ),
        await shell.step("How did each host end?", ok, "get", "check"),
        await shell.step(
            "The whole output once more, hosts that said the same together.",
            ok,
            *("receive", "check", "--all", "--fold"),
        ),
        await shell.step("And the list of jobs.", ok, "list"),
    ]
    _say("The fleet and the controller end here; nothing is left running.")
    return ok if all(steps) else ExitCode.INTERNAL


class _Shell:
    """Types commands for the reader to see, and runs them."""

    def __init__(self, home: Path, inventory: Path) -> None:
        self._environment = {
            **os.environ,
            "REMJOBS_HOME": str(home),
            "REMJOBS_INVENTORY": str(inventory),
        }

    async def step(self, comment: str, expected: int, *words: str) -> bool:
        """Run a command; say if it did not end as it should."""
        _say(f"\n# {comment}\n$ remjobs {shlex.join(words)}")
        code = await self._run(words, quiet=False)
        if code != expected:
            _say(f"# this should have ended with {int(expected)}, not {code}")
        return code == expected

    async def silently(self, *words: str) -> None:
        """Run a command without showing it."""
        await self._run(words, quiet=True)

    async def _run(self, words: tuple[str, ...], *, quiet: bool) -> int:
        output = asyncio.subprocess.DEVNULL if quiet else None
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "remjobs", *words),
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        return await process.wait()


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
