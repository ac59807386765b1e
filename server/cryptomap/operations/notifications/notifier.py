"""From whoever has news, on any thread, to those who subscribed and to the log of the past."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Final, Protocol

from cryptomap.data.tree import Node, Path
from cryptomap.operations.notifications.event_tree import EventTree
from cryptomap.operations.notifications.records import Record
from cryptomap.operations.notifications.replay_log import ReplayLog
from cryptomap.operations.timers import Timers
from cryptomap.schema.nodes import Schema

__all__ = ["Notifier", "Subscriber"]

log = logging.getLogger(__name__)

AT_ONCE: Final = 16
"""Subscribers that get an event in one go: each makes work for whoever sends to it."""


class Subscriber(Protocol):
    """Takes events as they happen. On the event loop; must not wait."""

    def offer(self, record: Record) -> None: ...


class Notifier:
    """Hands events to all subscribers and to the log, in the order they were announced. Events have numbers, which go
    on over restarts as far as there is a log."""

    def __init__(self, schema: Schema, timers: Timers, replay: ReplayLog | None = None) -> None:
        self.tree = EventTree(schema)
        self.replay = replay
        self.last = replay.last if replay else 0
        """The number of the last event."""
        self._timers = timers
        self._subscribers: dict[Subscriber, None] = {}
        self._offers: deque[tuple[Subscriber, Record]] = deque()
        self._next: asyncio.Handle | None = None
        self._loop = asyncio.get_running_loop()

    @property
    def is_heard(self) -> bool:
        """Whether making an event is worth while. From any thread."""
        return self.replay is not None or bool(self._subscribers)

    def subscribe(self, subscriber: Subscriber) -> None:
        self._subscribers[subscriber] = None

    def unsubscribe(self, subscriber: Subscriber) -> None:
        self._subscribers.pop(subscriber, None)

    def notify(self, notification: Node, path: Path = ()) -> None:
        """Announce an event that happened now. From any thread; never waits and never fails."""
        now = self._timers.time()
        try:
            self._loop.call_soon_threadsafe(self._distribute, now, notification, path)
        except RuntimeError:
            log.debug("%s came after the end", notification.schema.name)

    def _distribute(self, now: float, notification: Node, path: Path) -> None:
        log.debug("event %s", notification.schema.name)
        if not self.is_heard:
            return
        record = Record(self.tree, now, notification, path)
        self.last += 1
        if self.replay is not None:
            self.replay.append(self.last, now, record.logged_xml)
        self._offers.extend((subscriber, record) for subscriber in self._subscribers)
        self._offer_some()

    def _offer_some(self) -> None:
        """Go on with what is to be offered, and let others have their turn before there is more."""
        for _ in range(min(AT_ONCE, len(self._offers))):
            subscriber, record = self._offers.popleft()
            if subscriber not in self._subscribers:  # it has ended meanwhile
                continue
            try:
                subscriber.offer(record)
            except Exception:
                log.exception("event %s could not be delivered", record.notification.name)
        if self._offers and self._next is None:
            self._next = self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        self._next = None
        self._offer_some()
