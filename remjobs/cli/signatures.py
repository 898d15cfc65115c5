"""Giving a verb the options of ``build_request`` beside its own."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Final, get_type_hints

from remjobs.cli.work_options import build_request

__all__ = ["with_work_options"]

_OF_THE_VERB: Final = "durable_by_default"


def with_work_options(verb: Callable[..., None]) -> Callable[..., None]:
    """Return a verb whose signature, which typer reads, has the work's options too.

    The verb gets ``request``: a function that builds the request of what was
    typed, and raises what is wrong with it.
    """
    parameters = inspect.signature(build_request, eval_str=True).parameters
    shared = {name: each for name, each in parameters.items() if name != _OF_THE_VERB}
    own = inspect.signature(verb, eval_str=True).parameters
    kept = [parameter for name, parameter in own.items() if name != "request"]

    @functools.wraps(verb)
    def combined(**typed: Any) -> None:
        given = {name: typed.pop(name) for name in shared}
        verb(functools.partial(build_request, **given), **typed)

    combined.__signature__ = inspect.Signature([*shared.values(), *kept])  # type: ignore[attr-defined]
    combined.__annotations__ = {
        name: hint
        for name, hint in get_type_hints(build_request, include_extras=True).items()
        if name != _OF_THE_VERB
    } | {parameter.name: parameter.annotation for parameter in kept}
    return combined
