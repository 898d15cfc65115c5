"""``remjobs unlock``: open the encrypted file that keeps credentials."""

from __future__ import annotations

from typing import Annotated

import typer

from remjobs.caller import read_caller
from remjobs.cli.boundary import client, complain, perform
from remjobs.cli.secrets import ask_secret
from remjobs.errors import UsageError

__all__ = ["unlock"]

New = Annotated[bool, typer.Option("--new", help="Make the file; it is used from then on.")]


def unlock(new: New = False) -> None:
    """Open the encrypted file for credentials, until `lock` or the controller's end.

    The passphrase is typed without echo, or the first line of standard input. Jobs
    that waited for it go on.
    """

    async def work() -> None:
        question = "New passphrase for credentials" if new else "Passphrase for credentials"
        passphrase = ask_secret(question, twice=new)
        if not passphrase:
            msg = "the passphrase is empty; nothing was changed"
            raise UsageError(msg)
        keyring = await client().credentials.unlock(passphrase, read_caller(), new=new)
        complain(f"{keyring.backend} is {'made and ' if new else ''}unlocked")

    perform(work())
