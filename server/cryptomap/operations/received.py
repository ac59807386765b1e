"""The memory that requests take between their first byte and their answer, bounded over all sessions together.

Without it each session could hold a message of the largest size, half sent. A session has a small allowance of its own,
so that somebody who has taken all that is shared does not keep the others from ordinary requests.
"""

from __future__ import annotations

from typing import Final

__all__ = ["Received", "Share", "cost"]

ALLOWANCE: Final = 2**20
"""Bytes that each session may always hold."""

_NODE: Final = 128
"""Bytes of an element, or of a text between two tags, in libxml2's tree."""

_ATTRIBUTE: Final = 240
"""Bytes of an attribute and of the node of its value; a namespace declaration takes less."""


def cost(data: bytes) -> int:
    """What a piece of a message takes once it is parsed, in bytes, at most (but for names: 30 more for a new one)."""
    elements = data.count(b"<") - data.count(b"</")
    texts = data.count(b">") - data.count(b"><")
    return len(data) + _NODE * (elements + texts) + _ATTRIBUTE * data.count(b"=")


class Received:
    """``limit`` bytes that sessions share beyond their allowances; 0: no limit."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    def share(self) -> Share:
        """The part of one session."""
        return Share(self)


class Share:
    """What one session holds."""

    def __init__(self, received: Received) -> None:
        self._received = received
        self._held = 0

    def take(self, size: int) -> bool:
        """Whether there is room for so many bytes more; then they are held."""
        more = _beyond(self._held + size) - _beyond(self._held)
        if self._received.limit and self._received.used + more > self._received.limit and more:
            return False
        self._received.used += more
        self._held += size
        return True

    def give_back(self, size: int) -> None:
        self._received.used -= _beyond(self._held) - _beyond(self._held - size)
        self._held -= size

    def close(self) -> None:
        """Give everything back."""
        self.give_back(self._held)


def _beyond(held: int) -> int:
    return max(0, held - ALLOWANCE)
