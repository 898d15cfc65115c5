"""Giving a verb the options of a builder beside its own."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from inspect import Parameter
from typing import Any, get_type_hints

from typer.models import OptionInfo

from remjobs.cli.copy_options import build_copy
from remjobs.cli.output_options import build_showing
from remjobs.cli.pace_options import build_pace
from remjobs.cli.query_options import build_query
from remjobs.cli.target_options import build_reach
from remjobs.cli.trigger_options import build_triggers
from remjobs.cli.work_options import build_request
from remjobs.model.request import StartRequest

__all__ = [
    "typed",
    "with_copy_options",
    "with_query_options",
    "with_reach_options",
    "with_showing_options",
    "with_trigger_options",
    "with_work_options",
]

Verb = Callable[..., None]


def with_work_options(verb: Verb) -> Verb:
    """Give a verb the options of a start; its ``request`` builds a StartRequest of them."""
    return _with_options(verb, "request", _paced(build_request))


def with_copy_options(verb: Verb) -> Verb:
    """Give a verb the options of a copy; its ``request`` builds a StartRequest of them."""
    return _with_options(verb, "request", _paced(build_copy))


def with_query_options(verb: Verb) -> Verb:
    """Give a verb the query's options; its ``query`` builds a JobQuery of them."""
    return _with_options(verb, "query", build_query)


def with_reach_options(verb: Verb) -> Verb:
    """Give an errand's verb the options that say where; its ``reach`` builds what was typed."""
    return _with_options(verb, "reach", build_reach)


def with_trigger_options(verb: Verb) -> Verb:
    """Give a verb the options that say when; its ``triggers`` builds what was typed."""
    return _with_options(verb, "triggers", build_triggers)


def typed(request: Callable[..., Any]) -> list[str]:
    """Return, as they are typed, the options that a verb's builder was really given."""
    given: Mapping[str, Any] = getattr(request, "keywords", {})
    parameters = inspect.signature(getattr(request, "func", request)).parameters
    return [
        _flag(parameter)
        for name, parameter in parameters.items()
        if name in given and given[name] not in (parameter.default, None, [])
    ]


def _flag(parameter: Parameter) -> str:
    [info] = parameter.annotation.__metadata__
    flags = [word for word in info.param_decls or () if word.startswith("--")]
    if flags:
        return str(flags[0]).partition("/")[0]
    return f"--{parameter.name.replace('_', '-')}" if isinstance(info, OptionInfo) else "a command"


def with_showing_options(verb: Verb) -> Verb:
    """Give a verb the options that say how output is shown; its ``showing`` builds them."""
    return _with_options(verb, "showing", build_showing)


def _paced(build_start: Callable[..., StartRequest]) -> Callable[..., StartRequest]:
    """Return a builder of a request whose parameters are the pace's too."""
    paces = inspect.signature(build_pace, eval_str=True).parameters
    works = inspect.signature(build_start, eval_str=True).parameters

    def build(**typed: Any) -> StartRequest:
        pace = build_pace(**{name: typed.pop(name) for name in paces})
        return replace(build_start(**typed), pace=pace)

    own = [p for p in works.values() if p.kind is not Parameter.KEYWORD_ONLY]
    given = [p for p in works.values() if p.kind is Parameter.KEYWORD_ONLY]
    build.__signature__ = inspect.Signature([*own, *paces.values(), *given])  # type: ignore[attr-defined]
    build.__annotations__ = {
        name: hint
        for builder in (build_start, build_pace)
        for name, hint in get_type_hints(builder, include_extras=True).items()
    }
    return build


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
