"""Requests that arrived and were not performed yet, bounded in number and in bytes."""

from __future__ import annotations

import asyncio
from collections import deque

from cryptomap.netconf.events import Event

__all__ = ["Backlog"]


class Backlog:
    """A queue with one reader and one writer. ``put`` waits while there is no room, which stops the reading from that
    client. One request always fits, however large it is."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._waiting: deque[tuple[Event, int]] = deque()
        self._bytes = 0
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    async def put(self, event: Event, size: int) -> None:
        """``size`` is the memory that the event holds, in bytes."""
        while self._waiting and (len(self._waiting) >= self._most or self._bytes + size > self._most_bytes):
            await self._next_change()
        self._waiting.append((event, size))
        self._bytes += size
        self._changed.set()

    async def get(self) -> tuple[Event, int]:
        """The oldest one, with its size."""
        while not self._waiting:
            await self._next_change()
        event, size = self._waiting.popleft()
        self._bytes -= size
        self._changed.set()
        return event, size

    async def _next_change(self) -> None:
        self._changed.clear()
        await self._changed.wait()
