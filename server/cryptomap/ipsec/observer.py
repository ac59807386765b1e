"""What the backend says about the world, asked tunnel by tunnel, or at once when somebody wants to know of many.

One question costs one tunnel. A reader that goes through thousands gets, after the first few, one answer for all, which
serves for a second. Whatever changes the world makes what is remembered worthless.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from cryptomap.data.turns import waiting
from cryptomap_backend.contract import Backend, BackendError
from cryptomap_backend.intent import ResponderId, TunnelId
from cryptomap_backend.state import Observation, ResponderState, TunnelState

__all__ = ["Observer"]

SINGLE = 16
"""So many tunnels are asked for one by one within :data:`WINDOW` seconds before all are asked for at once."""

WINDOW = 1.0
"""Seconds; also how long an answer for all serves."""


class Observer:
    """Thread-safe. Raises BackendError where the backend does."""

    def __init__(self, backend: Backend, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._backend = backend
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self._asked: list[float] = []
        self._all: tuple[float, Observation] | None = None
        self._generation = 0

    def tunnel(self, item: TunnelId) -> TunnelState | None:
        """The state of a tunnel; ``None`` if the backend knows of none."""
        observation = self._remembered()
        if observation is None:
            observation = self._everything() if self._is_burst() else self._ask(item)
        return observation.tunnels.get(item)

    def responder(self, item: ResponderId) -> ResponderState | None:
        """The state of a responder; ``None`` if the backend knows of none."""
        return (self._remembered() or self._everything()).responders.get(item)

    def tunnel_or_none(self, item: TunnelId) -> TunnelState | None:
        """The same for who can do without an answer."""
        try:
            return self.tunnel(item)
        except BackendError:
            return None

    def forget(self) -> None:
        """The world has changed."""
        with self._lock:
            self._all = None
            self._generation += 1

    def _remembered(self) -> Observation | None:
        with self._lock:
            if self._all is None or self._monotonic() - self._all[0] > WINDOW:
                return None
            return self._all[1]

    def _is_burst(self) -> bool:
        now = self._monotonic()
        with self._lock:
            self._asked = [*(at for at in self._asked[-SINGLE:] if now - at < WINDOW), now]
            return len(self._asked) > SINGLE

    def _ask(self, item: TunnelId) -> Observation:
        with waiting():
            return self._backend.observe(item)

    def _everything(self) -> Observation:
        """Whoever asks while somebody else does waits for that answer."""
        with waiting(), self._asking:
            return self._remembered() or self._ask_for_all()

    def _ask_for_all(self) -> Observation:
        with self._lock:
            generation = self._generation
        observation = self._backend.observe()
        with self._lock:
            if generation == self._generation:
                self._all = self._monotonic(), observation
        return observation
