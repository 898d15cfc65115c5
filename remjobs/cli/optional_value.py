"""``--exclusive[=NAME]``: an option whose value may be left out, as GNU's getopt_long has it.

Its value stands behind an equals sign or nowhere: the word after it may be the
command. Neither typer nor click has that, so a bare one is completed before they see it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from types import MappingProxyType
from typing import Any, Final

from typer.core import TyperCommand

from remjobs.model.work import DEFAULT_LEASE

__all__ = ["OptionalValues"]

_MEANT: Final[Mapping[str, str]] = MappingProxyType({"--exclusive": DEFAULT_LEASE})


class OptionalValues(TyperCommand):
    """A command that has such options."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse, with what was left out filled in."""
        takes = {
            word
            for param in self.params
            if not getattr(param, "is_flag", True)
            for word in (*param.opts, *param.secondary_opts)
        }
        words = _completed(args, takes, interspersed=ctx.allow_interspersed_args)
        return super().parse_args(ctx, list(words))


def _completed(words: Sequence[str], takes: set[str], *, interspersed: bool) -> Iterator[str]:
    """Yield the words, an option that was given without its value with the one that is meant.

    Args:
        words: What was typed.
        takes: The options whose value may be the next word.
        interspersed: Whether options may stand behind other words.
    """
    rest = iter(words)
    for word in rest:
        if word == "--" or not (interspersed or word.startswith("-")):
            yield word
            yield from rest
        elif word in _MEANT:
            yield f"{word}={_MEANT[word]}"
        else:
            yield word
            if word in takes:
                yield from islice(rest, 1)
