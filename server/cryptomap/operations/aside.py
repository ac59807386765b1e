"""Work that must not hold up the event loop: reading, filtering and writing of replies, on threads that take turns.

The loop carries bytes; whatever grows with a configuration or with what a client asks for is done aside. (What changes
a datastore is done by the writer.)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from typing import Final, ParamSpec, TypeVar

from cryptomap.data.turns import PATIENCE, Job, TooLong, Trial, Turns

__all__ = ["Aside", "begun"]

P = ParamSpec("P")
T = TypeVar("T")

THREADS: Final = 128
"""More than one user can have sessions (64 unless set otherwise), so that nobody occupies them all."""

BEGINNING: Final = 64 * 1024
"""Bytes of a reply that are made before the first of them are sent."""

AT_ONCE: Final = 256 * 1024
"""Bytes that are made in one go after that."""


class Aside:
    """Threads of one server for it, made when they are needed."""

    def __init__(self) -> None:
        self._turns = Turns(1, PATIENCE)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="aside")

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Its result. When the wait is cancelled it ends where it would give way."""
        return await self._run(Job(self._turns), partial(function, *args, **kwargs))

    async def read(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """The same for what only reads, and may be begun twice: what is short is done at once, because the way to
        another thread and back takes as long as a small reply (measured: 1,500 instead of 2,600 of them a second)."""
        try:
            return Trial().run(function, *args, **kwargs)
        except TooLong:
            return await self.run(function, *args, **kwargs)

    async def _run(self, job: Job, function: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, job.run, function)
        except asyncio.CancelledError:
            job.is_dropped = True
            raise

    def close(self) -> None:
        """Take nothing more. What goes on ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def slices(self, pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
        """The pieces, made some at a time when those before have been taken. What is made already is taken as it is."""
        if isinstance(pieces, tuple):
            for piece in pieces:
                yield piece
            return
        left = iter(pieces)
        while made := await self._run(Job(self._turns, again=True), partial(_some, left, AT_ONCE)):
            for piece in made:
                yield piece


def begun(pieces: Iterator[bytes]) -> Iterable[bytes]:
    """A tuple of all pieces if they are short, else the same pieces of which the first are made."""
    made = _some(pieces, BEGINNING)
    if sum(map(len, made)) < BEGINNING:
        return made
    return chain(made, pieces)


def _some(pieces: Iterator[bytes], size: int) -> tuple[bytes, ...]:
    """The next pieces, until they have that many bytes; fewer only at the end."""
    made = []
    for piece in pieces:
        made.append(piece)
        size -= len(piece)
        if size <= 0:
            break
    return tuple(made)
