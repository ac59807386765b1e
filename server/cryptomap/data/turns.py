"""Threads that compute take turns, so that the event loop never has to wait for more than one of them.

Python runs one thread at a time and goes round all that want to, a switch interval each: with twenty threads that read,
every system call of the event loop would cost twenty intervals. So a job (``Job.run``) computes only while it has the
turn, and whoever waits for it gets it in order. Long work calls :func:`give_way` where it can be interrupted, and
:func:`waiting` around what waits for somebody else; on other threads both do nothing.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, ParamSpec, TypeVar

__all__ = ["PATIENCE", "Dropped", "Job", "TooLong", "Trial", "Turns", "few", "give_way", "waiting"]

P = ParamSpec("P")
T = TypeVar("T")

TURN: Final = 0.005
"""Seconds after which a job gives way to the next."""

PATIENCE: Final = 0.25
"""Seconds after which a job goes on beside another that neither ends nor gives way: it may wait for something that this
one holds. A turn is a courtesy, no lock."""

TRIAL: Final = 0.002
"""Seconds that the event loop may spend on one request: as long as two system calls take while threads compute."""

FEW: Final = 4
"""Jobs that may need much memory at the same time, see :func:`few`."""


class Dropped(BaseException):
    """Nobody waits for what a job makes any more."""


class TooLong(BaseException):
    """What is tried on the event loop takes longer than it may, or would have to wait."""


class Turns:
    """``at_once`` have the turn, the others wait in the order in which they came; those who have had one already, after
    the others: most requests need one turn only, and need not wait for the few that go on for long."""

    def __init__(self, at_once: int, patience: float = -1) -> None:
        """``patience``: seconds after which who waits goes on all the same; -1: never."""
        self._free = at_once
        self._patience = patience
        self._waiting: deque[threading.Lock] = deque()
        self._again: deque[threading.Lock] = deque()
        self._guard = threading.Lock()

    @property
    def is_wanted(self) -> bool:
        return bool(self._waiting or self._again)

    def take(self, *, again: bool = False) -> None:
        with self._guard:
            if self._free > 0:
                self._free -= 1
                return
            mine = threading.Lock()
            mine.acquire()
            queue = self._again if again else self._waiting
            queue.append(mine)
        if not mine.acquire(timeout=self._patience):
            with self._guard:
                if mine in queue:  # nobody has handed on the turn meanwhile
                    queue.remove(mine)
                    self._free -= 1

    def leave(self) -> None:
        with self._guard:
            if self._free >= 0 and self.is_wanted:
                (self._waiting or self._again).popleft().release()
            else:
                self._free += 1


class Job:
    """A piece of work on a thread of its own, which computes when it has the turn. With ``again`` it goes on with what
    another has begun. ``is_dropped`` ends it early."""

    __slots__ = ("_again", "_since", "_turns", "is_dropped")

    def __init__(self, turns: Turns, *, again: bool = False) -> None:
        self._turns = turns
        self._again = again
        self._since = 0.0
        self.is_dropped = False

    def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Raises Dropped, and what the function does."""
        self._take()
        _here.job = self
        try:
            return function(*args, **kwargs)
        finally:
            _here.job = None
            self._turns.leave()

    def give_way(self) -> None:
        if self.is_dropped:
            raise Dropped
        if time.monotonic() - self._since < TURN:
            return
        if self._turns.is_wanted:
            self._again = True
            self._turns.leave()
            self._take()
        else:
            self._since = time.monotonic()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        self._turns.leave()
        try:
            yield
        finally:
            self._take()

    def _take(self) -> None:
        self._turns.take(again=self._again)
        self._since = time.monotonic()


class Trial:
    """Work on the event loop itself, which is given up where it would hold up others; it must leave nothing behind."""

    __slots__ = ("_since",)

    def __init__(self) -> None:
        self._since = time.monotonic()

    def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Raises TooLong, and what the function does."""
        _here.job = self
        try:
            return function(*args, **kwargs)
        finally:
            _here.job = None

    def give_way(self) -> None:
        if time.monotonic() - self._since > TRIAL:
            raise TooLong

    @contextmanager
    def waiting(self) -> Iterator[None]:
        raise TooLong
        yield


class _Here(threading.local):
    job: Job | Trial | None = None


_here = _Here()
_large = Turns(FEW)


def give_way() -> None:
    """Let the next have its turn if this one has lasted long enough. Raises Dropped if it is of no use any more."""
    job = _here.job
    if job is not None:
        job.give_way()


@contextmanager
def waiting() -> Iterator[None]:
    """Others have their turn while this thread waits for something inside."""
    job = _here.job
    if job is None:
        yield
        return
    with job.waiting():
        yield


@contextmanager
def few() -> Iterator[None]:
    """Only :data:`FEW` jobs are inside at the same time: what each of them needs is bounded, and so is the sum."""
    if _here.job is None:
        yield
        return
    with waiting():
        _large.take()
    try:
        yield
    finally:
        _large.leave()
