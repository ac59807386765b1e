"""The writer's thread: every change of a datastore happens on it, one after the other, off the event loop."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import ParamSpec, TypeVar

__all__ = ["Writer"]

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

Job = Callable[[], None]


class Writer:
    """One thread that runs functions in order. Between them, and when its time has come, it runs ``tick``."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._tick: Callable[[], float | None] | None = None
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def on_tick(self, tick: Callable[[], float | None]) -> None:
        """Have ``tick`` called after each function and whenever the seconds it returned have passed (``None``: not
        before the next function)."""
        self._tick = tick
        self._jobs.put(lambda: None)

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run it on the writer's thread and await its result. Cancelling the wait does not stop a function that has
        begun: a session dropped in the middle of a commit changes nothing about the commit."""
        return await asyncio.wrap_future(self.submit(function, *args, **kwargs))

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """The same for callers without an event loop."""
        future: Future[T] = Future()

        def job() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(function(*args, **kwargs))
            except BaseException as fault:
                future.set_exception(fault)

        self._jobs.put(job)
        return future

    def stop(self) -> None:
        """Run what was submitted before, then end the thread. Returns when it has ended."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        wait: float | None = None
        while True:
            try:
                job = self._jobs.get(timeout=wait)
            except queue.Empty:
                job = _nothing
            if job is None:
                return
            job()
            del job  # and what it holds, such as the document of an edit
            wait = self._next()

    def _next(self) -> float | None:
        if self._tick is None:
            return None
        try:
            return self._tick()
        except Exception:
            log.exception("the writer's periodic work failed")
            return 1.0


def _nothing() -> None:
    pass
