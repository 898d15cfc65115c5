"""Giving a verb the options of a builder beside its own."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from inspect import Parameter
from itertools import chain
from typing import Any, Final

from typer.models import OptionInfo

from remjobs.cli.copy_options import build_copy
from remjobs.cli.output_options import build_showing
from remjobs.cli.pace_options import build_pace
from remjobs.cli.query_options import build_query
from remjobs.cli.target_options import Reach, build_caller, build_connection, build_targets
from remjobs.cli.trigger_options import build_triggers
from remjobs.cli.work_options import build_request

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
Build = Callable[..., Any]
_HOW: Final[Mapping[str, Build]] = {"connection": build_connection, "caller": build_caller}


def with_work_options(verb: Verb) -> Verb:
    """Give a verb the options of a start; its ``request`` builds a StartRequest of them."""
    return _with_options(verb, "request", _composed(build_request, **_HOW, pace=build_pace))


def with_copy_options(verb: Verb) -> Verb:
    """Give a verb the options of a copy; its ``request`` builds a StartRequest of them."""
    return _with_options(verb, "request", _composed(build_copy, **_HOW, pace=build_pace))


def with_query_options(verb: Verb) -> Verb:
    """Give a verb the query's options; its ``query`` builds a JobQuery of them."""
    return _with_options(verb, "query", build_query)


def with_reach_options(verb: Verb) -> Verb:
    """Give an errand's verb the options that say where; its ``reach`` builds a Reach of them."""
    return _with_options(verb, "reach", _composed(Reach, **_HOW))


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


def _composed(build: Build, **parts: Build) -> Build:
    """Return a builder to which targets and other parts are given, made of their own options.

    Those of the targets stand first, then the builder's own, then the parts'. What else
    is keyword-only stays the verb's to give.
    """
    parts = {"targets": build_targets, **parts}
    options = {name: _parameters(part) for name, part in parts.items()}

    def composed(**typed: Any) -> Any:
        built = {
            name: part(**{option: typed.pop(option) for option in options[name]})
            for name, part in parts.items()
        }
        return build(**typed, **built)

    own = [each for name, each in _parameters(build).items() if name not in parts]
    typed = [each for each in own if each.kind is not Parameter.KEYWORD_ONLY]
    given = [each for each in own if each.kind is Parameter.KEYWORD_ONLY]
    targets, *others = (each.values() for each in options.values())
    ordered = [*targets, *typed, *chain.from_iterable(others), *given]
    composed.__signature__ = inspect.Signature(ordered)  # type: ignore[attr-defined]
    composed.__annotations__ = {each.name: each.annotation for each in ordered}
    return composed


def _parameters(build: Build) -> Mapping[str, Parameter]:
    return inspect.signature(build, eval_str=True).parameters


def _with_options(verb: Verb, name: str, build: Build) -> Verb:
    """Return a verb whose signature, which typer reads, has a builder's options too.

    The verb gets, under ``name``, a function that builds what was typed and
    raises what is wrong with it. Keyword-only parameters of the builder are the
    verb's to give.
    """
    parameters = _parameters(build)
    shared = {n: p for n, p in parameters.items() if p.kind is not Parameter.KEYWORD_ONLY}
    own = _parameters(verb)
    kept = [parameter for own_name, parameter in own.items() if own_name != name]
    needed = [parameter for parameter in kept if parameter.default is Parameter.empty]
    optional = [parameter for parameter in kept if parameter not in needed]

    @functools.wraps(verb)
    def combined(**typed: Any) -> None:
        given = {n: typed.pop(n) for n in shared}
        verb(**{name: functools.partial(build, **given)}, **typed)

    ordered = [*needed, *shared.values(), *optional]
    combined.__signature__ = inspect.Signature(ordered)  # type: ignore[attr-defined]
    combined.__annotations__ = {
        parameter.name: parameter.annotation for parameter in (*shared.values(), *kept)
    }
    return combined
