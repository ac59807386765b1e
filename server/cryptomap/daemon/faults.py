"""Why the server cannot start."""

from __future__ import annotations

__all__ = ["StartFault"]


class StartFault(Exception):
    """The server cannot start; the text is one line that names the culprit."""
