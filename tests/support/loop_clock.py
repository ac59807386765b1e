"""The clock of the running event loop, put forward by a test."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


class LoopClock:
    """From now on ``loop.time`` runs ahead of the real clock by what was put forward; with it all time-outs of
    asyncio, and of the libraries on top of it. It ends with its loop, which is that of one test."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        real, self._ahead = loop.time, 0.0
        setattr(loop, "time", lambda: real() + self._ahead)  # noqa: B010 - mypy takes no assignment to a method

    def put_forward(self, seconds: float) -> None:
        """What is due until then happens when the loop has its next turn."""
        self._ahead += seconds

    async def hurry(self, done: Awaitable[T], step: float) -> T:
        """Put the clock forward again and again until that has come, which may need other steps (bytes over a socket)
        before its time begins to run."""
        task = asyncio.ensure_future(done)
        while not task.done():
            self.put_forward(step)
            await asyncio.sleep(0)
        return await task
