"""The options that make a StartRequest, shared by ``start`` and ``run``."""

from __future__ import annotations

from typing import Annotated
from uuid import uuid4

import typer

from remjobs.caller import read_file, read_script
from remjobs.cli.options import parse_size
from remjobs.cli.target_options import ThrottleLimit, read_input, throttle_of
from remjobs.errors import UsageError
from remjobs.model.pace import Pace
from remjobs.model.request import Caller, Connection, StartRequest, Targets
from remjobs.model.work import DEFAULT_OUTPUT_LIMIT, DEFAULT_RECONNECT, Command, Script, Work

__all__ = ["build_request"]

Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[--] [COMMAND [ARG]...]",
        help="The command, one word to one argument; with --script its arguments.",
    ),
]
CommandText = Annotated[
    str | None,
    typer.Option("--command", metavar="TEXT", help="One text for the host's shell to read."),
]
ScriptPath = Annotated[
    str | None,
    typer.Option("--script", metavar="PATH", help="A local script to run on each host."),
]
LiteralScript = Annotated[
    str | None,
    typer.Option("--literal-script", metavar="PATH", help="The same, the path as it is typed."),
]
Argument = Annotated[
    list[str] | None,
    typer.Option("--arg", metavar="VALUE", help="An argument for the work (repeatable)."),
]
Init = Annotated[
    str | None,
    typer.Option("--init", metavar="TEXT", help="Text to run first in the same shell."),
]
InitFile = Annotated[
    str | None,
    typer.Option("--init-file", metavar="PATH", help="The same, from a local file."),
]
Input = Annotated[
    str | None,
    typer.Option("--input", metavar="FILE", help="Standard input of the work; - is ours."),
]
RunAs32 = Annotated[
    bool,
    typer.Option("--run-as-32", help="The 32-bit PowerShell of a 64-bit Windows host."),
]
PsVersion = Annotated[
    str | None,
    typer.Option("--ps-version", metavar="V", help="PowerShell of this version: 5.1, 7 ..."),
]
Name = Annotated[str | None, typer.Option("--name", help="The job's name. [default: Job<ID>]")]
Shell = Annotated[
    str | None,
    typer.Option("--shell", metavar="NAME", help="Interpreter. [default: sh, or the script's]"),
]
Cwd = Annotated[
    str | None,
    typer.Option("--cwd", metavar="DIR", help="Working directory. [default: home]"),
]
Env = Annotated[
    list[str] | None,
    typer.Option("--env", metavar="NAME=VALUE", help="A variable for the work (repeatable)."),
]
OutputLimit = Annotated[
    str,
    typer.Option("--output-limit", metavar="SIZE", help="Output kept for each host."),
]
StopGrace = Annotated[
    float,
    typer.Option("--stop-grace", metavar="S", help="Seconds from a stop's TERM to its KILL."),
]
SuccessCodes = Annotated[
    str,
    typer.Option("--success-codes", metavar="N,N", help="Exit codes that count as success."),
]
Durable = Annotated[
    bool | None,
    typer.Option(
        "--durable/--attached",
        help="Outlive the connection, or end with it, as on Windows hosts all work does. "
        "[default: start durable, run attached]",
        show_default=False,
    ),
]
ReconnectFor = Annotated[
    float,
    typer.Option("--reconnect-for", metavar="S", help="Seconds to look for a lost host."),
]
Exclusive = Annotated[
    str | None,
    typer.Option(
        "--exclusive",
        metavar="[=NAME]",
        help="Run on a host only while no other job has this lease there.",
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option("--timeout", metavar="S", help="Seconds for the work on one host."),
]


def build_request(
    words: Words = None,
    command: CommandText = None,
    script: ScriptPath = None,
    literal_script: LiteralScript = None,
    arg: Argument = None,
    init: Init = None,
    init_file: InitFile = None,
    input_: Input = None,
    name: Name = None,
    throttle_limit: ThrottleLimit = None,
    shell: Shell = None,
    run_as_32: RunAs32 = False,
    ps_version: PsVersion = None,
    cwd: Cwd = None,
    env: Env = None,
    output_limit: OutputLimit = f"{DEFAULT_OUTPUT_LIMIT // 1024**2}M",
    stop_grace: StopGrace = 5.0,
    success_codes: SuccessCodes = "0",
    durable: Durable = None,
    reconnect_for: ReconnectFor = DEFAULT_RECONNECT,
    timeout: Timeout = None,
    exclusive: Exclusive = None,
    *,
    targets: Targets | None,
    connection: Connection,
    caller: Caller,
    pace: Pace,
    durable_by_default: bool = False,
) -> StartRequest:
    """Make a request of what was typed.

    ``durable_by_default`` is the verb's, not an option; the others after the star are
    made of options of their own.

    Raises:
        UsageError: It contradicts itself, or a file cannot be read.
    """
    if targets is not None and targets.standard_input is not None and input_ == "-":
        msg = "-t - and --input - both want standard input; give one of them a file"
        raise UsageError(msg)
    source = _script(script, literal_script)
    work = Work(
        command=_command(command, words or [], has_script=source is not None),
        script=source,
        arguments=(*(arg or ()), *(words or () if source is not None else ())),
        initialization=_initialization(init, init_file),
        input=_input(input_),
        environment=_environment(env or []),
        directory=cwd,
        shell=shell,
        output_limit=parse_size(output_limit),
        stop_grace=stop_grace,
        success_codes=_codes(success_codes),
        durable=durable_by_default if durable is None else durable,
        durable_if_possible=durable is None,
        reconnect_for=reconnect_for,
        timeout=timeout,
        exclusive=exclusive,
        run_as_32=run_as_32,
        ps_version=ps_version,
    )
    return StartRequest(
        instance_id=uuid4(),
        work=work,
        targets=targets,
        connection=connection,
        name=name,
        throttle_limit=throttle_of(throttle_limit),
        pace=pace,
        caller=caller,
    )


def _command(text: str | None, words: list[str], *, has_script: bool) -> Command | None:
    if has_script:
        if text is not None:
            msg = "give --command or --script, not both"
            raise UsageError(msg)
        return None
    if text is not None and words:
        msg = "give --command or a command's words, not both"
        raise UsageError(msg)
    if text is None and not words:
        msg = "what shall run? give a command, --command TEXT or --script PATH"
        raise UsageError(msg)
    return Command(text=text) if text is not None else Command(words=tuple(words))


def _script(path: str | None, literal: str | None) -> Script | None:
    if path is not None and literal is not None:
        msg = "give --script or --literal-script, not both"
        raise UsageError(msg)
    if path is not None and set("*?[") & set(path):
        msg = f"{path}: --script takes one path; for a name with *, ? or [ use --literal-script"
        raise UsageError(msg)
    chosen = literal if path is None else path
    return None if chosen is None else read_script(chosen)


def _initialization(text: str | None, path: str | None) -> str | None:
    if text is not None and path is not None:
        msg = "give --init or --init-file, not both"
        raise UsageError(msg)
    if path is None:
        return text
    return read_file(path, "the initialization").decode("utf-8", "surrogateescape")


def _input(path: str | None) -> bytes:
    if path is None:
        return b""
    return read_input() if path == "-" else read_file(path, "the input")


def _environment(pairs: list[str]) -> dict[str, str]:
    variables = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator:
            msg = f"--env {pair}: expected NAME=VALUE"
            raise UsageError(msg)
        variables[name] = value
    return variables


def _codes(text: str) -> frozenset[int]:
    try:
        return frozenset(int(word) for word in text.split(","))
    except ValueError as exc:
        msg = f"--success-codes {text}: expected numbers with commas between"
        raise UsageError(msg) from exc
