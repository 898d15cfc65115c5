"""Target expressions that name hosts of a job: ``@12:failed``, ``@last:unreachable``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Final

from remjobs.engine.retry import never_began, not_reached
from remjobs.errors import UsageError
from remjobs.model.job import Child
from remjobs.model.state import JobState

__all__ = ["HostsOfJob", "parse"]


def _is_in(state: JobState, child: Child) -> bool:
    return child.state is state


def _not_started(child: Child) -> bool:
    return child.state is JobState.NOT_STARTED or never_began(child)


_WORDS: Final[Mapping[str, Callable[[Child], bool]]] = MappingProxyType(
    {
        **{str(state): partial(_is_in, state) for state in JobState},
        str(JobState.NOT_STARTED): _not_started,
        "Unreachable": not_reached,
    },
)
_BY_KEY: Final = {word.casefold(): word for word in _WORDS}


@dataclass(frozen=True, slots=True)
class HostsOfJob:
    """The hosts of one job that are in one state."""

    selector: str
    """Names the job."""
    word: str
    """A state, or Unreachable: those of the failed that were not reached or refused us."""

    def chosen(self, children: Iterable[Child]) -> list[Child]:
        """Return the children that are meant."""
        return [child for child in children if _WORDS[self.word](child)]


def parse(term: str) -> HostsOfJob | None:
    """Return what a term of a target expression asks of a job; None if it asks nothing.

    A term that begins with ``@`` is a file unless a state comes last; with a
    slash in it, it is always a file.

    Raises:
        UsageError: A job is named, and what comes last is no state.
    """
    name, colon, state = term.removeprefix("@").rpartition(":")
    if not (term.startswith("@") and colon and name) or "/" in term:
        return None
    word = _BY_KEY.get(state.casefold().replace("-", ""))
    if word is not None:
        return HostsOfJob("@last" if name == "last" else name, word)
    if name == "last" or name.isdecimal():
        words = ", ".join(_WORDS)
        msg = f"{term}: no state {state!r}; there are: {words} (a file is @./{term[1:]})"
        raise UsageError(msg)
    return None
