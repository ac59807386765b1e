"""What is wrong with a typed line."""

from __future__ import annotations

__all__ = ["Fault"]


class Fault(ValueError):
    """A line cannot be carried out; the text is for who typed it."""
