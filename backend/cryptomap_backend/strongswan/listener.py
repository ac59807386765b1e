"""The thread that hears charon: registers for events, reads all SAs once, then takes in what comes; connects again
when charon was away."""

from __future__ import annotations

import logging
import threading
import time

from cryptomap_backend.simulator.events import EventQueue
from cryptomap_backend.state import Event, EventKind
from cryptomap_backend.strongswan.monitor import EVENTS, Monitor
from cryptomap_backend.strongswan.vici import Lost, Message, Rejected, Vici

__all__ = ["Listener"]

log = logging.getLogger(__name__)

SHORTEST, LONGEST = 0.1, 5.0
"""Seconds between two attempts to connect."""

LOOK = 0.1
"""Seconds after which a quiet connection looks whether it is to end or to read all SAs again."""

LOG_LAG = 0.1
"""Seconds by which charon's log may come after the event it explains."""


class Listener:
    """``losses`` counts the times charon went away: each time it may have forgotten all."""

    def __init__(self, path: str, timeout: float, monitor: Monitor, queue: EventQueue) -> None:
        self._events = Vici(path, timeout)
        self._lists = Vici(path, timeout)
        self._monitor = monitor
        self._queue = queue
        self._closed = threading.Event()
        self._connected = threading.Event()
        self._asked = threading.Event()
        self._read = threading.Event()
        self.last_error: str | None = None
        self.losses = 0
        self._thread = threading.Thread(target=self._run, name="strongswan-events", daemon=True)
        self._thread.start()

    def connected(self, wait: float = 0.0) -> bool:
        """Whether events are being heard; waits up to that many seconds for it."""
        return self._connected.wait(wait) if wait else self._connected.is_set()

    def resync(self, wait: float) -> bool:
        """Have all SAs read again, between two events, so that neither is older than it seems. True when done."""
        self._read.clear()
        self._asked.set()
        return self._read.wait(wait)

    def close(self) -> None:
        self._closed.set()
        self._events.close()
        self._lists.close()
        self._thread.join(2 * LOOK)

    def _run(self) -> None:
        pause = SHORTEST
        while not self._closed.is_set():
            try:
                self._begin()
                pause = SHORTEST
                self._hear()
            except (Lost, Rejected) as fault:
                self._end(str(fault))
            except Exception:
                log.exception("strongswan: bug while hearing events")
                self._end("an event of charon was not understood")
            self._closed.wait(pause)
            pause = min(2 * pause, LONGEST)

    def _begin(self) -> None:
        self._events.register(EVENTS)
        self._list()
        if self.losses:
            self._queue.publish([Event(EventKind.BACKEND_BACK, time.time(), reason="charon answers again")])
        self.last_error = None
        self._connected.set()

    def _hear(self) -> None:
        while not self._closed.is_set():
            first = self._events.event(LOOK)
            for event in () if first is None else self._ordered(first):
                self._monitor.heard(*event)
            if self._asked.is_set():
                self._list()

    def _ordered(self, first: tuple[str, Message]) -> list[tuple[str, Message]]:
        """charon sends its log by another thread, so that why an SA ended may come after that it ended: what the log
        says in the next moment goes first."""
        if first[0] != "ike-updown" or first[1].get("up") == "yes":
            return [first]
        told: list[tuple[str, Message]] = []
        rest, deadline = [first], time.monotonic() + LOG_LAG
        while (left := deadline - time.monotonic()) > 0:
            event = self._events.event(left)
            if event is not None:
                (told if event[0] == "log" else rest).append(event)
        return told + rest

    def _list(self) -> None:
        self._asked.clear()
        self._monitor.resync(self._lists.stream("list-sas", "list-sa"))
        self._read.set()

    def _end(self, reason: str) -> None:
        self._events.interrupt()
        self.last_error = reason
        if self._connected.is_set() and not self._closed.is_set():
            self.losses += 1
            self._connected.clear()
            self._queue.publish([Event(EventKind.BACKEND_LOST, time.time(), reason=reason)])
