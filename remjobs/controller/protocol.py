"""What client and controller agree on: version headers and paths."""

from __future__ import annotations

from typing import Final

from remjobs import __version__

__all__ = ["API", "API_HEADER", "BUILD", "BUILD_HEADER", "VERB_PATH"]

API: Final = "1"
"""Grows when an old client cannot talk to a new controller any more."""
BUILD: Final = __version__

API_HEADER: Final = "remjobs-api"
BUILD_HEADER: Final = "remjobs-build"
VERB_PATH: Final = "/v1/"
