"""The ``remjobs`` command."""

from __future__ import annotations

import os
from typing import Any, Final, NoReturn, cast

import typer

from remjobs import __version__
from remjobs.cli import (
    answer,
    boundary,
    completion,
    config,
    controller,
    credential,
    definition,
    demo,
    diff,
    doctor,
    fetch,
    get,
    history,
    hosts,
    inventory,
    known_hosts,
    list_,
    lock,
    ping,
    prune,
    push,
    receive,
    remove,
    report,
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
from remjobs.model.exits import ExitCode

__all__ = ["main"]

# typer keeps the parser's classes to itself, but for this one's base.
_UsageError: Final = cast("type[Exception]", typer.BadParameter.__base__)

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
app.command("push")(push.push)
app.command("fetch")(fetch.fetch)
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
app.command("diff")(diff.diff)
app.command("report")(report.report)
app.command("prune")(prune.prune)
app.command("history")(history.history)
app.command("completion")(completion.completion)
app.command("ping")(ping.ping)
app.command("unlock")(unlock.unlock)
app.command("lock")(lock.lock)
app.command("doctor")(doctor.doctor)
app.command("demo")(demo.demo)
app.add_typer(config.app, name="config")
app.add_typer(controller.app, name="controller")
app.add_typer(credential.app, name="credential")
app.add_typer(definition.app, name="definition")
app.add_typer(hosts.app, name="hosts")
app.add_typer(known_hosts.app, name="known-hosts")
app.add_typer(inventory.app, name="inventory")


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
    if "_REMJOBS_COMPLETE" in os.environ:
        completion.answer_shell(typer.main.get_group(app))
    try:
        raise SystemExit(app(prog_name="remjobs", standalone_mode=False))
    except _UsageError as exc:
        _refuse(exc)


def _refuse(exc: Any) -> NoReturn:
    """Say in one line what the parser does not take; a help text is shown as it is."""
    message = exc.format_message()
    if "\n" in message:
        exc.show()
    else:
        said = message[:1].lower() + message[1:].rstrip(".")
        verb = exc.ctx.command_path if exc.ctx is not None else "remjobs"
        boundary.complain(f"{said}; see `{verb} --help`")
    raise SystemExit(int(ExitCode.USAGE))
