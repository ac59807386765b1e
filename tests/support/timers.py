"""Timers that only a test moves."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

START = 1_790_000_000.0  # 2026-09-21T14:13:20Z


class ManualTimers:
    """Time stands still until ``advance``, which calls what is due on its way."""

    def __init__(self, now: float = START) -> None:
        self.now = now
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._cancelled: set[int] = set()
        self._numbers = itertools.count()

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> Callable[[], None]:
        number = next(self._numbers)
        heapq.heappush(self._due, (when, number, callback))
        return lambda: self._cancelled.add(number)

    @property
    def waiting(self) -> int:
        """How many calls are due some time."""
        return sum(1 for _, number, _ in self._due if number not in self._cancelled)

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while self._due and self._due[0][0] <= end:
            when, number, callback = heapq.heappop(self._due)
            self.now = max(self.now, when)
            if number not in self._cancelled:
                callback()
        self.now = end
