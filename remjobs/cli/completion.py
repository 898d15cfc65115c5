"""``remjobs completion``: scripts by which a shell completes words of ours.

Typer finds out what can stand at the cursor; its classes for each shell are used, but
for how words reach us and go back: bash breaks them at colons and equals signs, zsh
evaluates what it gets, and fish asks twice.
"""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from typing import Annotated, Final

import typer
from typer._click.shell_completion import (
    CompletionItem,
    ShellComplete,
    _resolve_context,
    _resolve_incomplete,
)
from typer._completion_classes import PowerShellComplete, ZshComplete
from typer._completion_shared import COMPLETION_SCRIPT_POWER_SHELL
from typer.core import TyperArgument, TyperOption

__all__ = ["answer_shell", "completion"]

_VARIABLE: Final = "_REMJOBS_COMPLETE"
_FILES: Final = 3
"""The exit code that says: offer files, we know nothing that could stand there."""
_BASH: Final = """\
%(complete_func)s() {
    local found
    found=$(
        env %(autocomplete_var)s=complete_bash _TYPER_COMPLETE_ARGS="${COMP_LINE:0:COMP_POINT}" \\
            _REMJOBS_COMPLETE_WORD="$2" "$1" 2>/dev/null
    )
    if [[ $? -eq 3 ]]; then
        compopt -o default 2>/dev/null
    fi
    COMPREPLY=()
    if [[ -n $found ]]; then
        mapfile -t COMPREPLY <<< "$found"
    fi
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[:/] ]]; then
        compopt -o nospace 2>/dev/null
    fi
    return 0
}
complete -F %(complete_func)s %(prog_name)s
"""
_ZSH: Final = """\
#compdef %(prog_name)s
%(complete_func)s() {
    local -a given open
    local found line
    found=$(
        env %(autocomplete_var)s=complete_zsh _TYPER_COMPLETE_ARGS="${(j: :)words[1,CURRENT]}" \\
            "${words[1]}" 2>/dev/null
    )
    if [[ $? -eq 3 ]]; then _files; return; fi
    for line in "${(@f)found}"; do
        if [[ -z "$line" ]]; then
            continue
        elif [[ "${line%%%%	*}" == *[:/] ]]; then
            open+=("${line#*	}")
        else
            given+=("${line#*	}")
        fi
    done
    (( ${#given} )) && _describe -V '' given
    (( ${#open} )) && _describe -V '' open -S ''
    (( ${#given} + ${#open} ))
}
if [[ "${funcstack[1]}" == "_%(prog_name)s" ]]; then
    %(complete_func)s "$@"
else
    compdef %(complete_func)s %(prog_name)s
fi
"""
_FISH: Final = """\
function %(complete_func)s
    set -l found (env %(autocomplete_var)s=complete_fish \\
        _TYPER_COMPLETE_ARGS=(commandline -cp | string collect) %(prog_name)s 2>/dev/null)
    if test $status -eq 3
        __fish_complete_path (commandline -ct)
    else if test (count $found) -gt 0
        printf '%%s\\n' $found
    end
end
complete --command %(prog_name)s --no-files --arguments '(%(complete_func)s)'
"""
_TEXTS: Final = frozenset({"str", "path"})
_POWERSHELL: Final = "$scriptblock" + COMPLETION_SCRIPT_POWER_SHELL.partition("$scriptblock")[2]
"""Without the lines that give the Tab key another meaning everywhere."""


class Shell(StrEnum):
    """A shell that completes."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"
    POWERSHELL = "powershell"


def completion(
    shell: Annotated[Shell, typer.Argument(help="The shell that is to complete.")],
) -> None:
    """Print the script by which a shell completes remjobs' words; docs/completion.md."""
    print(_complete(shell).source().strip())


def answer_shell(command: typer.core.TyperGroup) -> None:
    """Complete the word that a shell's script asks for, and end; else do nothing.

    A script's question comes in an environment variable, as typer has it.
    """
    asked, _, shell = os.environ.get(_VARIABLE, "").partition("_")
    if asked != "complete" or shell not in set(Shell):
        return
    asker = _complete(Shell(shell), command)
    try:
        found = asker.complete()
    except Exception:  # noqa: BLE001 - the boundary to a shell that completes a word
        found = ""
    sys.stdout.write(f"{found}\n" if found else "")
    sys.exit(_FILES if isinstance(asker, _Line) and asker.takes_files else 0)


def _complete(shell: Shell, command: typer.core.TyperGroup | None = None) -> ShellComplete:
    return _CLASSES[shell](command, {}, "remjobs", _VARIABLE)  # type: ignore[arg-type]


class _Line(ZshComplete):
    """Reads the line up to the cursor, as typer's class does, and prints plain lines."""

    takes_files = False
    """Whether a file's name can stand there, for all we know."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        """Return what can stand there; after ``--option=`` with that in front."""
        option, equals, _ = incomplete.partition("=")
        context = _resolve_context(self.cli, self.ctx_args, self.prog_name, args)
        asked, word = _resolve_incomplete(context, args, incomplete)
        found = asked.shell_complete(context, word)
        if isinstance(asked, TyperArgument | TyperOption):
            known = asked._custom_shell_complete is not None  # noqa: SLF001 - nothing else says it
            self.takes_files = not (found or known) and asked.type.name in _TEXTS
        if incomplete.startswith("-") and equals:
            for item in found:
                item.value = f"{option}={item.value}"
        return found

    def complete(self) -> str:
        """Return an answer a line."""
        found = self.get_completions(*self.get_completion_args())
        return "\n".join(map(self.format_completion, found))


class _Bash(_Line):
    """Gives back only what bash replaces: it takes a part of the word for the whole."""

    source_template = _BASH

    def complete(self) -> str:
        args, incomplete = self.get_completion_args()
        replaced = os.environ.get("_REMJOBS_COMPLETE_WORD", incomplete)
        kept = len(incomplete) - len(replaced) if incomplete.endswith(replaced) else 0
        return "\n".join(str(i.value)[kept:] for i in self.get_completions(args, incomplete))


class _Zsh(_Line):
    """Gives back word, tab, and word and help as _describe wants them."""

    source_template = _ZSH

    def format_completion(self, item: CompletionItem) -> str:
        word = str(item.value)
        escaped = word.replace("\\", r"\\").replace(":", r"\:")
        return f"{word}\t{escaped}:{_one_line(item)}" if item.help else f"{word}\t{escaped}"


class _Fish(_Line):
    """Gives back word, tab, help."""

    source_template = _FISH

    def format_completion(self, item: CompletionItem) -> str:
        return f"{item.value}\t{_one_line(item)}" if item.help else str(item.value)


class _PowerShell(PowerShellComplete):
    """Typer's own script and protocol; help is no markup of ours."""

    source_template = _POWERSHELL

    def format_completion(self, item: CompletionItem) -> str:
        return f"{item.value}:::{_one_line(item) or ' '}"


_CLASSES: Final[dict[Shell, type[ShellComplete]]] = {
    Shell.BASH: _Bash,
    Shell.ZSH: _Zsh,
    Shell.FISH: _Fish,
    Shell.POWERSHELL: _PowerShell,
}


def _one_line(item: CompletionItem) -> str:
    """Return the help without what a terminal or a shell would obey."""
    text = " ".join((item.help or "").split())
    return "".join(letter for letter in text if letter.isprintable())
