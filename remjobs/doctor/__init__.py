"""What is wrong with the set-up on this side, and how to mend it."""

from remjobs.doctor.examine import examine

__all__ = ["examine"]
