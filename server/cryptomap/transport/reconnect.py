"""Which endpoint to call next, and when: the reconnect strategy of RFC 8071 section 4.1 (S4 to S6) as a function of
what happened, without clock or socket.

An endpoint is tried ``max_attempts`` times, then the next one is. Between tries the first back-off passes; when all
endpoints have failed, twice of it, then four times, up to a limit. So a dead first endpoint costs seconds, and a
network that is down is asked once in a while. Each wait is shortened by up to a half, at random: gateways that lost
their manager at the same moment do not come back at the same moment.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

__all__ = ["Schedule", "Strategy"]

_MAX_DOUBLINGS: Final = 30


@dataclass(frozen=True, slots=True)
class Strategy:
    """``max_wait``: seconds until a TCP connection that does not come is given up. ``back_off``: seconds before
    another try; ``back_off_limit``: what that may grow to. ``last_connected``: a lost connection is sought where it
    was, instead of at the first endpoint of the list."""

    last_connected: bool = False
    max_attempts: int = 3
    max_wait: float = 5.0
    back_off: float = 1.0
    back_off_limit: float = 60.0


class Schedule:
    """``index`` is the endpoint to try now, of ``size``. After the try, :meth:`failed` or :meth:`lost` moves on and
    answers the seconds to wait. ``chance`` answers numbers from 0 to 1."""

    def __init__(self, size: int, strategy: Strategy, chance: Callable[[], float] = random.random) -> None:
        self.index = 0
        self._size = size
        self._strategy = strategy
        self._chance = chance
        self._attempts = 0
        self._given_up = 0
        self._rounds = 0

    def failed(self) -> float:
        """There was no connection, or nobody logged in."""
        self._attempts += 1
        if self._attempts < self._strategy.max_attempts:
            return self._wait()
        self._attempts = 0
        self.index = (self.index + 1) % self._size
        self._given_up += 1
        if self._given_up == self._size:
            self._given_up = 0
            self._rounds = min(self._rounds + 1, _MAX_DOUBLINGS)
            return self._wait(2**self._rounds)
        return self._wait()

    def lost(self) -> float:
        """There was a connection, and it has ended."""
        self._attempts = self._given_up = self._rounds = 0
        if not self._strategy.last_connected:
            self.index = 0
        return self._wait()

    def _wait(self, times: int = 1) -> float:
        longest = min(self._strategy.back_off * times, self._strategy.back_off_limit)
        return longest * (1 - self._chance() / 2)
