"""Secrets never get into a tree in clear."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Sealer"]


class Sealer(Protocol):
    """Keeps secrets out of trees: what a secret leaf holds is sealed as soon as its type accepted it."""

    def seal(self, path: str, clear: str) -> str:
        """The sealed form of a clear value of the leaf at that schema path; the same text gives the same form."""
        ...

    def is_sealed(self, path: str, text: str) -> bool:
        """Whether the text is an authentic sealed form made for that schema path."""
        ...
