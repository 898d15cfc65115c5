"""Running the CLI as its users do: as a process, with a state directory of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


class Cli:
    """A user's shell: every command shares one state directory."""

    def __init__(self, home, cwd, account=None):
        self.home = home
        self.cwd = cwd
        self.environment = {
            **{k: v for k, v in os.environ.items() if k != "SSH_AUTH_SOCK"},
            "REMJOBS_HOME": str(home),
            "REMJOBS_SPOOL": str(cwd / "spool"),
            "REMJOBS_INVENTORY": str(cwd / "no-default-inventory"),
            "COLUMNS": "200",
        }
        self.background = []
        self.prefix = []
        if account is not None:
            self.environment |= {"HOME": str(account.home), "USER": account.name}
            # The interpreter may be in a home that is closed to others.
            self.prefix = ["setpriv", "--reuid", account.name, "--regid", account.name]
            self.prefix += ["--init-groups", "--inh-caps=+dac_read_search"]
            self.prefix += ["--ambient-caps=+dac_read_search", "--"]

    def argv(self, *words):
        return [*self.prefix, sys.executable, "-m", "remjobs", *map(str, words)]

    def __call__(self, *words, stdin=b"", timeout=60, **environment):
        """Run a command to its end."""
        done = subprocess.run(
            self.argv(*words),
            check=False,
            input=stdin,
            capture_output=True,
            timeout=timeout,
            cwd=self.cwd,
            env={**self.environment, **environment},
        )
        return Ended(
            done.returncode,
            done.stdout.decode("utf-8", "surrogateescape"),
            done.stderr.decode("utf-8", "surrogateescape"),
        )

    def ok(self, *words, **more):
        """Run a command that must succeed; return its standard output."""
        done = self(*words, **more)
        assert done.code == 0, done
        return done.out

    def begin(self, *words):
        """Start a command and give its process."""
        process = subprocess.Popen(
            self.argv(*words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.cwd,
            env=self.environment,
        )
        self.background.append(process)
        return process

    def status(self):
        """Return what the controller says, or None."""
        done = self("controller", "status", "--json")
        return done.json if done.code == 0 else None

    def log_count(self):
        """Return how many controllers have begun here."""
        return (self.home / "controller.log").read_text().count(" begins, pid ")

    def end(self):
        """Leave nothing running."""
        for process in self.background:
            if process.poll() is None:
                process.kill()
            process.communicate()
        self("controller", "stop", "--force")
