"""Giving a verb the options of a builder beside its own."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from inspect import Parameter
from typing import Any, get_type_hints

from remjobs.cli.query_options import build_query
from remjobs.cli.work_options import build_request

__all__ = ["with_query_options", "with_work_options"]

Verb = Callable[..., None]


def with_work_options(verb: Verb) -> Verb:
    """Give a verb the work's options; its ``request`` builds a StartRequest of them."""
    return _with_options(verb, "request", build_request)


def with_query_options(verb: Verb) -> Verb:
    """Give a verb the query's options; its ``query`` builds a JobQuery of them."""
    return _with_options(verb, "query", build_query)


def _with_options(verb: Verb, name: str, build: Callable[..., Any]) -> Verb:
    """Return a verb whose signature, which typer reads, has a builder's options too.

    The verb gets, under ``name``, a function that builds what was typed and
    raises what is wrong with it. Keyword-only parameters of the builder are the
    verb's to give.
    """
    parameters = inspect.signature(build, eval_str=True).parameters
    shared = {n: p for n, p in parameters.items() if p.kind is not Parameter.KEYWORD_ONLY}
    own = inspect.signature(verb, eval_str=True).parameters
    kept = [parameter for own_name, parameter in own.items() if own_name != name]
    needed = [parameter for parameter in kept if parameter.default is Parameter.empty]
    optional = [parameter for parameter in kept if parameter not in needed]

    @functools.wraps(verb)
    def combined(**typed: Any) -> None:
        given = {n: typed.pop(n) for n in shared}
        verb(**{name: functools.partial(build, **given)}, **typed)

    hints = get_type_hints(build, include_extras=True)
    ordered = [*needed, *shared.values(), *optional]
    combined.__signature__ = inspect.Signature(ordered)  # type: ignore[attr-defined]
    combined.__annotations__ = {n: hints[n] for n in shared} | {
        parameter.name: parameter.annotation for parameter in kept
    }
    return combined
