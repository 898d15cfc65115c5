"""Secrets that do not show themselves."""

from __future__ import annotations

from typing import Final, NoReturn

__all__ = ["Secret"]

_MASK: Final = "********"


class Secret:
    """Text that must reach a transport and nothing else.

    It masks itself in ``repr``, ``str`` and formatting, and refuses to be
    pickled; ``reveal`` is the one way to read it, easy to find in a review.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """Wrap ``text``."""
        self._text = text

    def reveal(self) -> str:
        """Return the text itself, to be handed to a transport's library."""
        return self._text

    def __bool__(self) -> bool:
        """Whether there is any text."""
        return bool(self._text)

    def __repr__(self) -> str:
        """Show a mask."""
        return f"Secret({_MASK!r})"

    def __str__(self) -> str:
        """Show a mask."""
        return _MASK

    def __eq__(self, other: object) -> bool:
        """Compare by text."""
        return isinstance(other, Secret) and self._text == other._text

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> NoReturn:
        """Refuse: a pickle would carry the text."""
        msg = "a secret cannot be pickled"
        raise TypeError(msg)
