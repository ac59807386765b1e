"""What is due later on the event loop, and what time it is, as a dependency, so that tests decide when it is due."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol, TypeAlias

__all__ = ["Cancel", "LoopTimers", "Timers"]

Cancel: TypeAlias = Callable[[], None]


class Timers(Protocol):
    """All is used on the event loop only, but for ``time``."""

    def time(self) -> float:
        """Seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back."""
        ...

    def call_at(self, when: float, callback: Callable[[], None]) -> Cancel:
        """Have ``callback`` called at that time (seconds since the epoch), soon if it is over. The result, called,
        takes that back."""
        ...


class LoopTimers:
    """The running event loop and the wall clock."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return self._loop.time()

    def call_at(self, when: float, callback: Callable[[], None]) -> Cancel:
        return self._loop.call_later(max(0.0, when - time.time()), callback).cancel
