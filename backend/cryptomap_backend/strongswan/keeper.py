"""The thread that does what the monitor finds to be done: negotiate, try again, close what was replaced, look.

Nothing waits for a peer here: charon is told to begin and answers at once; how it went is an event."""

from __future__ import annotations

import logging
import threading
from typing import Any

from cryptomap_backend.strongswan.jobs import Close, Initiate, Job, Look
from cryptomap_backend.strongswan.monitor import Monitor
from cryptomap_backend.strongswan.vici import Lost, Rejected, Vici

__all__ = ["Keeper"]

log = logging.getLogger(__name__)

AT_ONCE = "-1"
"""VICI's time-out for "do not wait"."""

PAUSE = 1.0
"""Seconds before the next job when charon cannot be reached."""


class Keeper:
    def __init__(self, path: str, timeout: float, monitor: Monitor) -> None:
        self._vici = Vici(path, timeout)
        self._monitor = monitor
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="strongswan-keeper", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        self._vici.close()
        with self._monitor.changed:
            self._monitor.changed.notify_all()
        self._thread.join(PAUSE)

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                for job in self._next():
                    self._do(job)
            except Lost:
                self._closed.wait(PAUSE)  # the listener finds out as well
            except Exception:
                log.exception("strongswan: bug while keeping tunnels up")
                self._closed.wait(PAUSE)

    def _next(self) -> list[Job]:
        with self._monitor.changed:
            jobs, due = self._monitor.jobs()
            if not jobs and not self._closed.is_set():
                self._monitor.changed.wait(due)
        return jobs

    def _do(self, job: Job) -> None:
        try:
            self._request(job)
        except Rejected as fault:
            if isinstance(job, Initiate):
                self._monitor.failed(job, f"charon cannot negotiate it: {fault}")
        except Lost:
            if isinstance(job, Initiate):
                self._monitor.undone(job)
            raise

    def _request(self, job: Job) -> None:
        """Tried twice: a connection that charon has closed since its last use is only noticed by using it."""
        try:
            self._ask(job)
        except Lost:
            self._ask(job)

    def _ask(self, job: Job) -> None:
        if isinstance(job, Look):
            self._monitor.refresh(self._vici.stream("list-sas", "list-sa", {"ike": job.connection}))
        else:
            self._vici.request(*_request(job))


def _request(job: Initiate | Close) -> tuple[str, dict[str, Any]]:
    if isinstance(job, Initiate):
        return "initiate", {"ike": job.connection, "child": job.child, "timeout": AT_ONCE}
    which = {"child-id": str(job.child)} if job.child is not None else {"ike-id": str(job.ike)}
    return "terminate", {**which, "timeout": AT_ONCE, "force": "yes" if job.forced else "no"}
