"""Time as a dependency, so that tests decide what time it is."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Clock"]


class Clock(Protocol):
    """What the datastore asks about time; the standard ``time`` module is one.

    Deadlines run on the monotonic clock, because the wall clock may jump. What goes to disk is wall time, because the
    monotonic clock starts anew at each boot.
    """

    def time(self) -> float:
        """Seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back."""
        ...
