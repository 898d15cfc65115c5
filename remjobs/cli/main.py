"""The ``remjobs`` command."""

from __future__ import annotations

import typer

from remjobs import __version__
from remjobs.cli import (
    answer,
    controller,
    credential,
    definition,
    demo,
    get,
    hosts,
    known_hosts,
    list_,
    lock,
    ping,
    receive,
    remove,
    resume,
    retry,
    run,
    set_,
    start,
    stop,
    suspend,
    unlock,
    wait,
)
from remjobs.cli.optional_value import OptionalValues

__all__ = ["main"]

app = typer.Typer(
    name="remjobs",
    help="Background jobs for a whole fleet: start, watch, collect, wait, stop.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_PASSES_WORDS_ON = {"allow_interspersed_args": False}
app.command("start", cls=OptionalValues, context_settings=_PASSES_WORDS_ON)(start.start)
app.command("run", cls=OptionalValues, context_settings=_PASSES_WORDS_ON)(run.run)
app.command("list")(list_.list_)
app.command("get")(get.get)
app.command("receive")(receive.receive)
app.command("wait")(wait.wait)
app.command("stop")(stop.stop)
app.command("suspend")(suspend.suspend)
app.command("resume")(resume.resume)
app.command("answer")(answer.answer)
app.command("retry")(retry.retry)
app.command("set")(set_.set_)
app.command("remove")(remove.remove)
app.command("ping")(ping.ping)
app.command("unlock")(unlock.unlock)
app.command("lock")(lock.lock)
app.command("demo")(demo.demo)
app.add_typer(controller.app, name="controller")
app.add_typer(credential.app, name="credential")
app.add_typer(definition.app, name="definition")
app.add_typer(hosts.app, name="hosts")
app.add_typer(known_hosts.app, name="known-hosts")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"remjobs {__version__}")
        raise typer.Exit


@app.callback()
def options(
    _version: bool = typer.Option(
        False,
        "--version",
        callback=_print_version,
        is_eager=True,
        help="Print the version and end.",
    ),
) -> None:
    """Take the options that stand before a verb."""


def main() -> None:
    """Run the command line."""
    app()
