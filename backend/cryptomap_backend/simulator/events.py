"""A bounded queue of events with one reader."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable

from cryptomap_backend.state import Event, EventKind

__all__ = ["EventQueue"]


class EventQueue:
    """Holds at most ``limit`` events; when more come, all are dropped and EVENTS_LOST takes their place: a reader that
    far behind must look at the whole state anyway."""

    def __init__(self, limit: int = 65536) -> None:
        self._limit = limit
        self._events: deque[Event] = deque()
        self._lost_at: float | None = None
        self._changed = threading.Condition()

    def publish(self, events: Iterable[Event]) -> None:
        with self._changed:
            for event in events:
                self._events.append(event)
                if len(self._events) > self._limit:
                    self._events.clear()
                    self._lost_at = event.time
            self._changed.notify_all()

    def take(self, wait: float = 0.0) -> tuple[Event, ...]:
        """All events in order, as soon as there is one, at most ``wait`` seconds later."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._events) or self._lost_at is not None, wait)
            events = tuple(self._events)
            self._events.clear()
            lost_at, self._lost_at = self._lost_at, None
        if lost_at is None:
            return events
        return (Event(EventKind.EVENTS_LOST, lost_at, reason="more events than the queue holds"), *events)
