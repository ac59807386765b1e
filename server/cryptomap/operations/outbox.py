"""The notifications of one session that were not sent yet, whichever subscription they are for."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

__all__ = ["Outbox"]

log = logging.getLogger(__name__)


class Outbox:
    """A queue of (time of the event, element). It holds ``most`` messages of ``most_bytes`` together, but one of any
    size.

    A client that does not read fast enough is disconnected (``overflow`` is called, once): nobody waits for it, and it
    must not miss events without noticing. Only a replay, which can wait, waits for ``room``.
    """

    def __init__(self, most: int, most_bytes: int, overflow: Callable[[], None]) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._overflow = overflow
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._bytes = 0
        self._held = False
        self._is_over = False
        self._arrived = asyncio.Event()
        self._taken = asyncio.Event()

    def hold(self) -> None:
        """Send nothing until :meth:`release`: the reply to the request being performed goes first."""
        self._held = True

    def release(self) -> None:
        self._held = False
        self._arrived.set()

    def put(self, time_of_event: str, xml: bytes) -> None:
        """Queue a notification, or end it all."""
        if self._is_over:
            return
        if self._waiting and (len(self._waiting) >= self._most or self._bytes + len(xml) > self._most_bytes):
            self._is_over = True
            self._overflow()
            return
        self._waiting.append((time_of_event, xml))
        self._bytes += len(xml)
        self._arrived.set()

    async def room(self) -> None:
        """Wait until half of it is free."""
        while len(self._waiting) > self._most // 2 or self._bytes > self._most_bytes // 2:
            self._taken.clear()
            await self._taken.wait()

    async def next(self) -> tuple[str, bytes]:
        """The oldest notification: the time of its event and its element."""
        while self._held or not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        time_of_event, xml = self._waiting.popleft()
        self._bytes -= len(xml)
        self._taken.set()
        return time_of_event, xml
