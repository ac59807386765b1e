"""What is counted as it happens: operations and commits."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from cryptomap.datastore.events import Committed, ConfirmedCommit, Event
from cryptomap.datastore.steps import Deed, Step

__all__ = ["Happenings"]

_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_PHASES: Final[dict[str, str]] = {
    Step.VALIDATED: "validate",
    Step.CHECKED: "rules",
    Deed.PREPARED.by("backend"): "prepare-backend",
    Deed.PREPARED.by("journal"): "prepare-journal",
    Deed.APPLIED.by("backend"): "apply-backend",
    Deed.APPLIED.by("journal"): "apply-journal",
    Step.PUBLISHED: "publish",
}
"""The phase that each step of a commit ends."""


class Happenings:
    """``operation`` is told of operations on the event loop, ``step`` and ``hear`` of commits on the writer's thread.
    ``clock``: seconds that only go forward."""

    def __init__(self, registry: CollectorRegistry, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._since = clock()
        self._operations = Histogram(
            "cryptomap_operation_seconds",
            "Time until the reply to an operation begins.",
            ("operation",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._errors = Counter(
            "cryptomap_operation_errors", "Operations refused, by error-tag.", ("operation", "tag"), registry=registry
        )
        self._phases = Histogram(
            "cryptomap_commit_phase_seconds",
            "Time that each phase of a commit took.",
            ("phase",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._commits = Counter("cryptomap_commits", "Changes of running.", ("kind",), registry=registry)
        self._confirmed = Counter(
            "cryptomap_confirmed_commits", "What became of confirmed commits.", ("event",), registry=registry
        )

    def operation(self, name: str, seconds: float, tag: str) -> None:
        """An operation has been performed, or was refused with that error-tag."""
        self._operations.labels(name).observe(seconds)
        if tag:
            self._errors.labels(name, tag).inc()

    def step(self, name: str) -> None:
        """An observer of the datastores' steps."""
        now = self._clock()
        phase = _PHASES.get(name)
        if phase is not None:
            self._phases.labels(phase).observe(now - self._since)
        self._since = now

    def hear(self, event: Event) -> None:
        """A listener of the datastores."""
        if isinstance(event, Committed):
            self._commits.labels(event.transition.origin.kind).inc()
        elif isinstance(event, ConfirmedCommit):
            self._confirmed.labels(event.event).inc()
