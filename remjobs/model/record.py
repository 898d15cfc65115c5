"""Records: the pieces of output that hosts send back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

__all__ = ["Chunk", "Record", "Stream"]


class Stream(StrEnum):
    """The seven streams of a job. POSIX hosts have Output and Error."""

    OUTPUT = "Output"
    ERROR = "Error"
    WARNING = "Warning"
    VERBOSE = "Verbose"
    DEBUG = "Debug"
    INFORMATION = "Information"
    PROGRESS = "Progress"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Bytes of one stream as a transport read them."""

    stream: Stream
    offset: int
    """Position of the first byte in its stream, from 0."""
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A stored piece of one child's output."""

    job_id: int
    child_id: int
    host: str
    stream: Stream
    seq: int
    """Grows with arrival within a job; unique in it, not without gaps."""
    time: datetime
    """When its first byte arrived here (UTC)."""
    data: bytes
