"""Deadlines around a backend that may block: a slow or dead one must never freeze the server.

Commands (prepare, apply, revert, reconcile) and reads (observe, capabilities) each have a lane, a daemon thread that
does one call after the other. A caller waits no longer than the deadline. What has not started by then is cancelled,
which is harmless; what is being done has an unknown outcome, and no command but reconcile is taken until one succeeds.
A lane whose call overran answers at once that the backend is busy, so that nothing piles up; commands stay strictly one
after the other, so that an overdue apply can never take effect after the reconcile that mends it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from dataclasses import replace
from queue import SimpleQueue
from typing import Generic, NoReturn, TypeVar

from cryptomap_backend.capabilities import Capabilities
from cryptomap_backend.change import Change
from cryptomap_backend.contract import ApplyFailed, Backend, BackendError, Lane, OutcomeUnknown, Refused, Unavailable
from cryptomap_backend.intent import Intent, TunnelId
from cryptomap_backend.plan import Plan
from cryptomap_backend.state import Drift, Event, Health, Observation

__all__ = ["Supervised"]

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")


class _Job(Generic[Answer]):
    def __init__(self, call: Callable[[], Answer]) -> None:
        self.call = call
        self.future: Future[Answer] = Future()

    def run(self) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            self.future.set_result(self.call())
        except BaseException as fault:
            self.future.set_exception(fault)


class _Lane:
    """One daemon thread that does jobs in order. ``overdue`` names the call that outlived its deadline."""

    def __init__(self, kind: Lane, name: str) -> None:
        self.kind = kind
        self.overdue: str | None = None
        self._jobs: SimpleQueue[_Job[object] | None] = SimpleQueue()
        threading.Thread(target=self._work, name=f"{name}-{kind}", daemon=True).start()

    def submit(self, call: Callable[[], Answer]) -> Future[Answer]:
        job = _Job(call)
        self._jobs.put(job)  # type: ignore[arg-type]
        return job.future

    def owe(self, verb: str, future: Future[Answer]) -> None:
        """Note that the call in progress overran, unless it has just ended."""
        self.overdue = verb
        if future.done():
            self.overdue = None

    def stop(self) -> None:
        self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.run()
            self.overdue = None


class Supervised:
    """A Backend whose every call ends within its deadline.

    ``deadline`` seconds per call, plus ``per_object`` seconds for each object a call has to do with. Answers past it:
    OutcomeUnknown from apply, revert and reconcile, Unavailable from all others.
    """

    def __init__(self, backend: Backend, deadline: float = 10.0, per_object: float = 0.01) -> None:
        self.backend = backend
        self.deadline = deadline
        self._per_object = per_object
        self._commands = _Lane(Lane.COMMANDS, backend.name)
        self._reads = _Lane(Lane.READS, backend.name)
        self._doubt: str | None = None
        self._last_error: str | None = None
        self._objects = 0

    @property
    def name(self) -> str:
        return self.backend.name

    @property
    def in_sync(self) -> bool:
        """False while an outcome is unknown, until a reconcile succeeds."""
        return self._doubt is None

    def capabilities(self) -> Capabilities:
        return self._read("capabilities", self.backend.capabilities)

    def observe(self, only: TunnelId | None = None) -> Observation:
        return self._read("observe", lambda: self.backend.observe(only), self._objects if only is None else 1)

    def prepare(self, change: Change) -> Plan:
        self._refuse_in_doubt()
        size = len(change.tunnels) + len(change.responders)
        return self._call(self._commands, "prepare", lambda: self.backend.prepare(change), size)

    def apply(self, plan: Plan) -> None:
        self._refuse_in_doubt()
        self._command("apply", lambda: self.backend.apply(plan), len(plan.steps))
        self._objects = len(plan.change.new.tunnels)

    def revert(self, plan: Plan) -> None:
        self._refuse_in_doubt()
        self._command("revert", lambda: self.backend.revert(plan), len(plan.steps))
        self._objects = len(plan.change.old.tunnels)

    def reconcile(self, intent: Intent) -> Drift:
        size = len(intent.tunnels) + len(intent.responders)
        drift = self._command("reconcile", lambda: self.backend.reconcile(intent), size)
        self._doubt = self._last_error = None
        self._objects = len(intent.tunnels)
        return drift

    def events(self, wait: float = 0.0) -> tuple[Event, ...]:
        return self.backend.events(wait)

    def health(self) -> Health:
        """The backend's own word while it answers, else what is known: which call it owes."""
        overdue = self._commands.overdue or self._reads.overdue
        if overdue:
            return Health(False, {}, f"{overdue} has not answered within its deadline", self.in_sync)
        try:
            health = self._read("health", self.backend.health)
        except BackendError as fault:
            return Health(False, {}, str(fault), self.in_sync)
        return replace(
            health, in_sync=health.in_sync and self.in_sync, last_error=health.last_error or self._last_error
        )

    def interrupt(self, lane: Lane) -> None:
        self.backend.interrupt(lane)

    def close(self) -> None:
        """Break off what is in progress, let go of the backend, end both lanes."""
        for lane in Lane:
            self.backend.interrupt(lane)
        self._commands.stop()
        self._reads.stop()
        self.backend.close()

    def _refuse_in_doubt(self) -> None:
        if self._doubt:
            raise Unavailable(f"backend {self.name} is out of sync ({self._doubt}): it must be reconciled first")

    def _read(self, verb: str, call: Callable[[], Answer], size: int = 1) -> Answer:
        return self._call(self._reads, verb, call, size)

    def _command(self, verb: str, call: Callable[[], Answer], size: int) -> Answer:
        """A call that changes the world: anything but a clear answer leaves its outcome in doubt."""
        try:
            return self._call(self._commands, verb, call, size)
        except (ApplyFailed, Unavailable):
            raise
        except OutcomeUnknown as fault:
            self._doubt = str(fault)
            raise
        except Exception as bug:
            log.exception("backend %s: bug in %s", self.name, verb)
            self._doubt = f"{verb} failed in an unforeseen way"
            raise OutcomeUnknown(f"backend {self.name}: {self._doubt}") from bug

    def _call(self, lane: _Lane, verb: str, call: Callable[[], Answer], size: int) -> Answer:
        # A reconcile is what mends an overrun, so it waits for it to end; what would only pile up does not.
        if lane.overdue and verb != "reconcile":
            raise Unavailable(f"backend {self.name} is busy: {lane.overdue} has not answered within its deadline")
        future = lane.submit(call)
        try:
            return future.result(self.deadline + self._per_object * size)
        except Late:
            return future.result() if future.done() else self._overran(lane, verb, future)
        except Refused:
            raise
        except BackendError as fault:
            self._last_error = str(fault)
            raise

    def _overran(self, lane: _Lane, verb: str, future: Future[Answer]) -> NoReturn:
        """Past the deadline: cancelled if it had not begun, else broken off and in doubt."""
        self._last_error = f"backend {self.name} did not answer {verb} within its deadline"
        if future.cancel():
            raise Unavailable(self._last_error)
        lane.owe(verb, future)
        self.backend.interrupt(lane.kind)
        if lane.kind is Lane.COMMANDS and verb != "prepare":
            raise OutcomeUnknown(self._last_error)
        raise Unavailable(self._last_error)
