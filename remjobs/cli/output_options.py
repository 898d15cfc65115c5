"""The options that say how output is shown, shared by ``run`` and ``receive``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from remjobs.cli.boundary import settings
from remjobs.cli.options import Json
from remjobs.errors import UsageError
from remjobs.model.output import OutputForm

__all__ = ["OutputForm", "Showing", "build_showing"]


Output = Annotated[
    OutputForm | None,
    typer.Option("--output", help="How output is shown. [default: text]"),
]
Fold = Annotated[bool, typer.Option("--fold", help="The same as --output fold.")]
Diff = Annotated[
    bool,
    typer.Option("--diff", help="Fold, and show the others as a diff to the most common."),
]
Normalize = Annotated[
    bool,
    typer.Option("--normalize", help="Fold, minding no host's own name or address, and no time."),
]
OutputDir = Annotated[
    Path | None,
    typer.Option("--output-dir", metavar="DIR", help="Also write a file for each host and stream."),
]
Raw = Annotated[bool, typer.Option("--raw", help="Escape nothing, even on a terminal.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Showing:
    """How the output of a job is shown."""

    form: OutputForm
    diff: bool = False
    normalize: bool = False
    directory: Path | None = None
    raw: bool = False


def build_showing(
    output: Output = None,
    fold: Fold = False,
    diff: Diff = False,
    normalize: Normalize = False,
    json: Json = False,
    output_dir: OutputDir = None,
    raw: Raw = False,
) -> Showing:
    """Return what was typed.

    Raises:
        UsageError: It contradicts itself.
    """
    asked = {
        *([OutputForm.FOLD] if fold or diff or normalize else []),
        *([OutputForm.JSON] if json else []),
        *([output] if output is not None else []),
    }
    if len(asked) > 1:
        names = " and ".join(sorted(asked))
        msg = f"output is shown in one way: {names} do not go together"
        raise UsageError(msg)
    return Showing(
        form=next(iter(asked), None) or OutputForm(settings().output),
        diff=diff,
        normalize=normalize,
        directory=output_dir,
        raw=raw,
    )
