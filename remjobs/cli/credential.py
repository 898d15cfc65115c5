"""``remjobs credential``: keep credentials in the keyring."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Annotated

import typer

from remjobs.caller import read_caller
from remjobs.cli.boundary import client, complain, perform
from remjobs.cli.options import Json
from remjobs.cli.render.columns import print_properties, print_rows
from remjobs.cli.render.json_ import print_json
from remjobs.cli.secrets import ask_secret
from remjobs.errors import UsageError
from remjobs.model.credential import CredentialInfo, CredentialKind, check_credential_name

__all__ = ["app"]

app = typer.Typer(
    help="Keep credentials in the keyring; their secrets are never shown.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Name = Annotated[str, typer.Argument(metavar="NAME", help="What hosts and --credential call it.")]
User = Annotated[str | None, typer.Option("-u", "--user", help="User to log in as.")]
Kind = Annotated[
    CredentialKind,
    typer.Option("--kind", help="What the secret is: a password, of keys, what sudo asks for."),
]
Insecure = Annotated[
    bool,
    typer.Option("--insecure-keyring", help="Use a keyring that others can read, or that forgets."),
]
_QUESTIONS = {
    CredentialKind.PASSWORD: "Password",
    CredentialKind.PASSPHRASE: "Passphrase of the keys",
    CredentialKind.SUDO: "Password for sudo",
}


@app.callback()
def credential() -> None:
    """Keep credentials in the keyring; their secrets are never shown."""


@app.command("set")
def set_(
    name: Name,
    user: User = None,
    kind: Kind = CredentialKind.PASSWORD,
    insecure_keyring: Insecure = False,
    json: Json = False,
) -> None:
    """Keep a secret under a name: typed without echo, or the first line of standard input."""

    async def work() -> None:
        info = CredentialInfo(name=check_credential_name(name), user=user, kind=kind)
        caller = read_caller(insecure_keyring=insecure_keyring)
        secret = ask_secret(f"{_QUESTIONS[kind]} for {name}", twice=True)
        if not secret:
            msg = "the secret is empty; nothing was changed"
            raise UsageError(msg)
        kept = await client().credentials.set(info, secret, caller)
        if json:
            print_json(kept)
        else:
            complain(f"credential {kept.name} is kept")

    perform(work())


@app.command("list")
def list_(insecure_keyring: Insecure = False, json: Json = False) -> None:
    """List names, users and kinds."""
    caller = read_caller(insecure_keyring=insecure_keyring)
    perform(_show(client().credentials.list(caller), json=json))


@app.command()
def show(name: Name, insecure_keyring: Insecure = False, json: Json = False) -> None:
    """Show one credential, without its secret."""

    async def work() -> None:
        caller = read_caller(insecure_keyring=insecure_keyring)
        info = await client().credentials.show(name, caller)
        if json:
            print_json(info)
        else:
            print_properties(_properties(info))

    perform(work())


@app.command("test")
def check(name: Name, insecure_keyring: Insecure = False) -> None:
    """See whether the keyring works, and has this credential.

    `remjobs ping --credential NAME -t HOST` sees whether a host takes it.
    """

    async def work() -> None:
        caller = read_caller(insecure_keyring=insecure_keyring)
        keyring = await client().credentials.probe(caller)
        info = await client().credentials.show(name, caller)
        user = f", user {info.user}" if info.user else ""
        print(f"{info.name}: a {info.kind}{user}, kept by {keyring.backend}")

    perform(work())


@app.command()
def remove(name: Name, insecure_keyring: Insecure = False) -> None:
    """Forget a credential."""

    async def work() -> None:
        caller = read_caller(insecure_keyring=insecure_keyring)
        gone = await client().credentials.remove(name, caller)
        complain(f"credential {gone.name} is forgotten")

    perform(work())


async def _show(found: Awaitable[Sequence[CredentialInfo]], *, json: bool) -> None:
    infos = await found
    if json:
        print_json(list(infos))
    else:
        print_rows(("Name", "User", "Kind"), [(i.name, i.user or "", i.kind.value) for i in infos])


def _properties(info: CredentialInfo) -> list[tuple[str, str]]:
    return [("Name", info.name), ("User", info.user or ""), ("Kind", info.kind.value)]
