"""The forms in which output can be shown."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["OutputForm"]


class OutputForm(StrEnum):
    """How output is shown."""

    TEXT = "text"
    FOLD = "fold"
    TABLE = "table"
    JSON = "json"
    NDJSON = "ndjson"
    CSV = "csv"
    QUIET = "quiet"
