"""What a transport authenticates with."""

from __future__ import annotations

from dataclasses import dataclass

from remjobs.model.secret import Secret

__all__ = ["Credential"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """Who to be on a host, and how to prove it."""

    user: str | None = None
    password: Secret | None = None
