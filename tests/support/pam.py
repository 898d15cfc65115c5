"""PAM services of a test's own, for servers that log in through them."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

from support.sshd import SSHD, need_root


@contextmanager
def sshd_with_pam(folder, *auth):
    """Give an sshd that asks what these auth lines of pam.d(5) ask.

    PAM knows a service by the name of its program: the server is a copy under a name
    of its own, and that is the name of a file that only it reads.
    """
    need_root("a PAM service is a file in /etc/pam.d")
    name = f"rj-{os.getpid()}"
    program = Path(folder) / name
    shutil.copy(SSHD, program)
    service = Path("/etc/pam.d", name)
    lines = [f"auth {line}" for line in auth]
    service.write_text("\n".join([*lines, "account required pam_permit.so", ""]))
    try:
        yield program
    finally:
        service.unlink()


class Codes:
    """One-time codes of one account (RFC 4226), as pam_oath.so checks them: each once."""

    def __init__(self, folder, user):
        self.path = Path(folder) / "oath"
        self.path.write_text(f"HOTP/E/6 {user.name} - {self.SECRET}\n")
        self.path.chmod(0o600)
        self.rule = f"required pam_oath.so usersfile={self.path} window=20"
        self._count = 0

    SECRET = "3132333435363738393031323334353637383930"  # noqa: S105 - of RFC 4226, appendix D

    def next(self):
        """Return the next code."""
        asked = ["oathtool", "--hotp", f"--counter={self._count}", self.SECRET]
        self._count += 1
        return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
