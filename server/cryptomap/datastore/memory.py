"""What a large change asks of the process: no garbage collection on the way, none of what it made, and the rest back.

A commit of ten thousand crypto maps makes a million objects that stay, none of them part of a cycle. The collector
would look at them again and again while they are made (a tenth of the time), and once more at all of them later, for
as long as a second in which nobody is served. So it is off during a change, and what a large one has made is moved to
the permanent generation, which it never looks at; reference counting frees those objects all the same.

Whoever is connected at that time is moved there as well, and a session is full of cycles: it would never be freed. So
the server counts the sessions that have ended and are still there, and has them looked for when they are many
(:func:`sweep`).
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["begin_collecting", "give_back", "settle", "sweep", "undisturbed"]

MANY_OBJECTS = 20_000
"""New container objects from which on a change counts as large: to look at as many takes 5 ms."""


@contextmanager
def undisturbed() -> Iterator[None]:
    """No garbage collection inside. Other threads' cyclic garbage waits, and if the change was large, what there is of
    it at the end stays until the next :func:`sweep`."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if gc.get_count()[0] >= MANY_OBJECTS:
            gc.freeze()
        if was_enabled:
            gc.enable()


def settle() -> None:
    """What there is now stays, and is never looked at. Whoever knows that a change was large says so: the count of new
    objects is less by those of before that it has freed, and there is no better one (``gc.get_objects`` breaks tuples
    that other threads are making)."""
    gc.freeze()


def begin_collecting() -> None:
    """At the end of a start, which is itself a large change."""
    settle()
    gc.enable()


def sweep(is_needed: Callable[[], bool]) -> None:
    """Look for garbage while it is needed: first where that is quick, then among all there is, which takes 0.3 s with
    ten thousand crypto maps. Nobody is served meanwhile."""
    if is_needed():
        gc.collect()
    if is_needed():
        gc.unfreeze()
        gc.collect()
        gc.freeze()


def give_back() -> None:
    """Return what the C library keeps of freed memory to the system: after a large document most of it, which is more
    than the configuration itself takes."""
    if _trim is not None:
        _trim(0)


def _find_trim() -> Callable[[int], Any] | None:
    try:
        return ctypes.CDLL(None).malloc_trim  # of glibc; the call lets other threads run
    except (OSError, AttributeError):
        return None


_trim = _find_trim()
